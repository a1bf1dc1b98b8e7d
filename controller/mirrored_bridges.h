// SPDX-License-Identifier: Apache-2.0
//
// The bridges of a daemon, and the commands for one or all of them.

#ifndef CONTROLLER_MIRRORED_BRIDGES_H
#define CONTROLLER_MIRRORED_BRIDGES_H

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/mirrored_bridge.h"
#include "controller/session_reader.h"

namespace ovs_rmirror {

class MirroredBridges {
 public:
  using Done = Controller::Done;

  // `sessions` must outlive this.
  explicit MirroredBridges(SessionReader* sessions) : sessions_(sessions) {}

  void Add(std::unique_ptr<MirroredBridge> bridge);

  size_t size() const { return bridges_.size(); }
  MirroredBridge& at(size_t i) { return *bridges_.at(i); }

  // Loads the policy of each bridge.  Returns false if no bridge has one then:
  // there is nothing to do.
  bool LoadAtStart();

  // Makes progress without blocking.  Wait() makes the next poll_block() wake
  // up when there is more to do.
  void Run();
  void Wait();

  // Commands for the bridge of this name, or for all, if `bridge` is empty.
  // `done` is called once, when the last of them is done: the command was good
  // if it was for each.
  // `who` gave it, as the functions of audit.h say it.
  void Reload(const std::string& bridge, const std::string& who, Done done);
  void Clear(const std::string& bridge, const std::string& who, Done done);
  void Zero(const std::string& bridge, Done done);

  // Says what Controller::List() says of a bridge, with what
  // SessionHistory::Report() says of its sessions.  Of several, an array; a
  // bridge that cannot be reached has only the members "bridge" and "error"
  // there.
  void List(const std::string& bridge, Done done);

  // Says what Controller::Save() says, of several bridges each after a comment
  // with its name.
  void Save(const std::string& bridge, bool with_counters, Done done);

  // Says what Controller::Explain() says of the bridge, which must be named if
  // there are several.
  void Explain(const std::string& bridge,
               const Controller::PacketQuestion& question, Done done);

  // What SessionHistory::Report() and Controller::AddBudgets() say of the
  // bridge's sessions, as far as it is known by now.
  nlohmann::json SessionsOf(const MirroredBridge& bridge) const;

  // Says what there is to know, for people or as JSON: see FormatStatus().
  void Status(const std::string& bridge, bool as_json, Done done);

 private:
  struct Outcome {
    bool good = false;
    std::string text;
  };
  using Command = std::function<void(MirroredBridge&, Done)>;

  std::vector<MirroredBridge*> Find(const std::string& bridge) const;
  std::string Unknown(const std::string& bridge) const;
  void Start(const std::vector<MirroredBridge*>& bridges,
             const Command& command,
             std::function<void(const std::vector<Outcome>&)> finish) const;
  void ForEach(const std::string& bridge, const Command& command,
               Done done) const;

  void ListNow(const std::string& bridge, Done done);

  SessionReader* const sessions_;
  int64_t looked_ = -1;  // When the answer came that was looked at last.
  std::vector<std::unique_ptr<MirroredBridge>> bridges_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MIRRORED_BRIDGES_H
