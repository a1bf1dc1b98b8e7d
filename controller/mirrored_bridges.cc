// SPDX-License-Identifier: Apache-2.0

#include "controller/mirrored_bridges.h"

#include <utility>

#include "controller/ovs.h"
#include "controller/status.h"

namespace ovs_rmirror {

void MirroredBridges::Add(std::unique_ptr<MirroredBridge> bridge) {
  bridges_.push_back(std::move(bridge));
}

void MirroredBridges::Run() {
  sessions_->Run();
  for (const auto& bridge : bridges_) {
    bridge->Run();
  }
  if (sessions_->Shown() && sessions_->Shown()->when != looked_) {
    looked_ = sessions_->Shown()->when;
    for (const auto& bridge : bridges_) {
      bridge->LookAtSessions(SessionsOf(*bridge));
    }
  }
}

void MirroredBridges::Wait() {
  sessions_->Wait();
  for (const auto& bridge : bridges_) {
    if (const std::optional<int64_t> when = bridge->Wait()) {
      poll_timer_wait_until(*when);
    }
  }
}

bool MirroredBridges::LoadAtStart() {
  bool any = false;
  for (const auto& bridge : bridges_) {
    any = bridge->LoadAtStart() || any;
  }
  return any;
}

std::vector<MirroredBridge*> MirroredBridges::Find(
    const std::string& name) const {
  std::vector<MirroredBridge*> found;
  for (const auto& bridge : bridges_) {
    if (name.empty() || bridge->name() == name) {
      found.push_back(bridge.get());
    }
  }
  return found;
}

std::string MirroredBridges::Unknown(const std::string& name) const {
  std::string text = "there is no bridge " + name + " here, but";
  for (const auto& bridge : bridges_) {
    text += " " + bridge->name();
  }
  return text + "\n";
}

// Gives `command` to each of `bridges`, and when all have done it, their
// outcomes to `finish`, in the same order.
void MirroredBridges::Start(
    const std::vector<MirroredBridge*>& bridges, const Command& command,
    std::function<void(const std::vector<Outcome>&)> finish) const {
  struct Pending {
    std::vector<Outcome> outcomes;
    size_t left = 0;
    std::function<void(const std::vector<Outcome>&)> finish;
  };
  const auto pending = std::make_shared<Pending>();
  pending->outcomes.resize(bridges.size());
  pending->left = bridges.size();
  pending->finish = std::move(finish);
  for (size_t i = 0; i < bridges.size(); i++) {
    command(*bridges[i], [pending, i](bool good, const std::string& text) {
      pending->outcomes[i] = {good, text};
      if (--pending->left == 0) {
        pending->finish(pending->outcomes);
      }
    });
  }
}

void MirroredBridges::ForEach(const std::string& name, const Command& command,
                              Done done) const {
  const std::vector<MirroredBridge*> bridges = Find(name);
  if (bridges.empty()) {
    done(false, Unknown(name));
    return;
  }
  Start(bridges, command,
        [done = std::move(done)](const std::vector<Outcome>& outcomes) {
          bool good = true;
          std::string text;
          for (const Outcome& outcome : outcomes) {
            good = good && outcome.good;
            text += outcome.text;
          }
          done(good, text);
        });
}

void MirroredBridges::Reload(const std::string& name, const std::string& who,
                             Done done) {
  ForEach(
      name,
      [&who](MirroredBridge& bridge, Done one) {
        bridge.Reload(who, std::move(one));
      },
      std::move(done));
}

void MirroredBridges::Clear(const std::string& name, const std::string& who,
                            Done done) {
  ForEach(
      name,
      [&who](MirroredBridge& bridge, Done one) {
        bridge.Clear(who, std::move(one));
      },
      std::move(done));
}

void MirroredBridges::Zero(const std::string& name, Done done) {
  ForEach(
      name,
      [](MirroredBridge& bridge, Done one) {
        bridge.controller().Zero(std::move(one));
      },
      std::move(done));
}

nlohmann::json MirroredBridges::SessionsOf(const MirroredBridge& bridge) const {
  nlohmann::json report =
      sessions_->Report(bridge.name(), bridge.controller().Sessions());
  bridge.controller().AddBudgets(&report);
  return report;
}

void MirroredBridges::List(const std::string& name, Done done) {
  sessions_->Refresh(
      [this, name, done = std::move(done)] { ListNow(name, done); });
}

void MirroredBridges::ListNow(const std::string& name, Done done) {
  const std::vector<MirroredBridge*> bridges = Find(name);
  const Command list = [this](MirroredBridge& bridge, Done one) {
    bridge.controller().List(SessionsOf(bridge), std::move(one));
  };
  if (bridges.size() <= 1) {
    ForEach(name, list, std::move(done));
    return;
  }
  Start(
      bridges, list,
      [bridges, done = std::move(done)](const std::vector<Outcome>& outcomes) {
        nlohmann::json lists = nlohmann::json::array();
        for (size_t i = 0; i < outcomes.size(); i++) {
          lists.push_back(outcomes[i].good
                              ? nlohmann::json::parse(outcomes[i].text)
                              : nlohmann::json{{"bridge", bridges[i]->name()},
                                               {"error", outcomes[i].text}});
        }
        done(true, FormatJson(lists));
      });
}

void MirroredBridges::Save(const std::string& name, bool with_counters,
                           Done done) {
  const std::vector<MirroredBridge*> bridges = Find(name);
  const Command save = [=](MirroredBridge& bridge, Done one) {
    bridge.controller().Save(with_counters, std::move(one));
  };
  if (bridges.size() <= 1) {
    ForEach(name, save, std::move(done));
    return;
  }
  Start(
      bridges, save,
      [bridges, done = std::move(done)](const std::vector<Outcome>& outcomes) {
        std::string policies;
        std::string errors;
        for (size_t i = 0; i < outcomes.size(); i++) {
          const auto& [good, text] = outcomes[i];
          if (good) {
            policies += "# Bridge " + bridges[i]->name() + "\n" + text;
          } else {
            errors += text;
          }
        }
        done(errors.empty(), errors.empty() ? policies : errors);
      });
}

void MirroredBridges::Explain(const std::string& name,
                              const Controller::PacketQuestion& question,
                              Done done) {
  if (Find(name).size() > 1) {
    std::string text = "the daemon has several bridges, name one:";
    for (const auto& bridge : bridges_) {
      text += " " + bridge->name();
    }
    done(false, text + "\n");
    return;
  }
  ForEach(
      name,
      [=](MirroredBridge& bridge, Done one) {
        bridge.controller().Explain(question, std::move(one));
      },
      std::move(done));
}

void MirroredBridges::Status(const std::string& name, bool as_json, Done done) {
  const std::vector<MirroredBridge*> bridges = Find(name);
  if (bridges.empty()) {
    done(false, Unknown(name));
    return;
  }
  sessions_->Refresh([this, bridges, as_json, done = std::move(done)] {
    nlohmann::json status = nlohmann::json::array();
    for (const MirroredBridge* bridge : bridges) {
      status.push_back(bridge->Status(SessionsOf(*bridge)));
    }
    done(true, as_json ? FormatJson(status) : FormatStatus(status));
  });
}

}  // namespace ovs_rmirror
