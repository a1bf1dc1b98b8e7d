// SPDX-License-Identifier: Apache-2.0
//
// Last stage: flows in the syntax of ovs-ofctl(8), in the form in which Open
// vSwitch itself prints them.

#ifndef CONTROLLER_FLOW_TEXT_H
#define CONTROLLER_FLOW_TEXT_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controller/flows.h"
#include "controller/tap.h"

namespace ovs_rmirror {

// "tcp,reg0=0x1,in_port=3,nw_src=10.0.0.0/8,nw_frag=not_later,tp_dst=80".
std::string FormatMatch(const FlowMatch& match);

// The numbers that meters have in a switch, by whose they are.
using MeterNumbers = std::map<MeterId, uint32_t>;

// Numbers from 1 on.
MeterNumbers NumberMeters(const std::vector<Meter>& meters);

// "rmirror(target=192.0.2.9,len=96)": order target, len, key, ttl, tos, df;
// defaults omitted.
std::string FormatMirror(const Mirror& mirror);

// The actions of a flow in OpenFlow table `table`.  `meters` must have a number
// for each meter.
std::string FormatActions(const FlowActions& actions, uint8_t table,
                          const MeterNumbers& meters = {});

// The whole flow, as ovs-ofctl add-flow takes it.
std::string FormatFlow(const Flow& flow, const TapTables& tables,
                       const MeterNumbers& meters = {});

// "meter=1 pktps burst bands=type=drop rate=10 burst_size=5", or with kbps, as
// ovs-ofctl add-meter takes it.
std::string FormatMeter(const Meter& meter, uint32_t number);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FLOW_TEXT_H
