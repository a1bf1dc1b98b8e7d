// SPDX-License-Identifier: Apache-2.0
//
// Last stage: flows in the syntax of ovs-ofctl(8), in the form in which Open
// vSwitch itself prints them.

#ifndef CONTROLLER_FLOW_TEXT_H
#define CONTROLLER_FLOW_TEXT_H

#include <cstdint>
#include <string>

#include "controller/flows.h"
#include "controller/tap.h"

namespace ovs_rmirror {

// "tcp,reg0=0x1,in_port=3,nw_src=10.0.0.0/8,nw_frag=not_later,tp_dst=80".
std::string FormatMatch(const FlowMatch& match);

// "rmirror(target=192.0.2.9,len=96)": order target, len, key, ttl, tos, df;
// defaults omitted.
std::string FormatMirror(const Mirror& mirror);

// The actions of a flow in OpenFlow table `table`.
std::string FormatActions(const FlowActions& actions, uint8_t table);

// The whole flow, as ovs-ofctl add-flow takes it.
std::string FormatFlow(const Flow& flow, const TapTables& tables);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FLOW_TEXT_H
