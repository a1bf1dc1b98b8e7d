// SPDX-License-Identifier: Apache-2.0
//
// Fifth stage: first-match lists to the flows of a tap table.
//
// A packet enters the table with reg0=0 and meets the entry flow of its chain,
// which goes through the chain's stages: it loads a stage's number into reg0
// and resubmits to the table, for one stage after the other.

#ifndef CONTROLLER_FLOWS_H
#define CONTROLLER_FLOWS_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/cookie.h"
#include "controller/diagnostic.h"
#include "controller/masked.h"
#include "controller/rules.h"
#include "controller/stages.h"

namespace ovs_rmirror {

// The OpenFlow port number of a bridge's own port, OFPP_LOCAL.
inline constexpr uint32_t kPortLocal = 0xfffffffe;

// OpenFlow port numbers of a bridge's ports by name.
using PortNumbers = std::map<std::string, uint32_t>;

// More flows than this are refused.
inline constexpr uint64_t kMaxFlows = 200000;

// A match; what is absent, or has mask 0, is a wildcard.  Host byte order.
struct FlowMatch {
  uint32_t stage = 0;  // reg0.
  std::optional<uint32_t> in_port;
  Masked<uint64_t> dl_src;       // Ethernet source.
  std::optional<Family> family;  // The packet is IP of this version.
  std::optional<uint8_t> nw_proto;
  Masked<Uint128> nw_src, nw_dst;   // Require `family`.
  Masked<uint16_t> tp_src, tp_dst;  // Require `nw_proto` TCP, UDP or SCTP.
  bool not_later = false;           // The packet is no later fragment.

  bool operator==(const FlowMatch&) const = default;
};

// Go through stages, in order.
struct EnterStages {
  std::vector<uint32_t> numbers;
  bool operator==(const EnterStages&) const = default;
};

struct NoAction {
  bool operator==(const NoAction&) const = default;
};

using FlowActions = std::variant<NoAction, EnterStages, Mirror>;

struct Flow {
  uint16_t priority = 0;
  Cookie cookie;
  FlowMatch match;
  FlowActions actions;

  bool operator==(const Flow&) const = default;
};

struct TapFlows {
  std::vector<Flow> flows;

  // Indexes of the rules that name a port which the bridge does not have, or
  // LOCAL, by which no packet enters their chain.  They have no flows.
  std::vector<size_t> dormant;
};

// Returns the flows of `program`, which is the program of `policy`.  Adds an
// error to `diagnostics` if they are too many.
TapFlows CompileFlows(const Policy& policy, const Program& program,
                      const PortNumbers& ports, Diagnostics* diagnostics);

// Returns the flows that `policy` takes if the switch has every port that a
// rule names.  Adds an error to `diagnostics` if there is no program for the
// policy.
TapFlows CompileForAnySwitch(const Policy& policy, Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FLOWS_H
