// SPDX-License-Identifier: Apache-2.0

#include "controller/flow_match.h"

namespace ovs_rmirror {

namespace {

template <typename T>
bool IntersectOptional(const std::optional<T>& a, const std::optional<T>& b,
                       std::optional<T>* result) {
  if (a && b && *a != *b) {
    return false;
  }
  *result = a ? a : b;
  return true;
}

}  // namespace

std::optional<FlowMatch> Intersect(const FlowMatch& a, const FlowMatch& b) {
  FlowMatch m = a;
  if (b.stage != 0) {
    m.stage = b.stage;
  }
  m.running = a.running || b.running;
  m.zero = a.zero | b.zero;
  if (a.fragment != Fragment::kAny && b.fragment != Fragment::kAny &&
      a.fragment != b.fragment) {
    return std::nullopt;
  }
  if (b.fragment != Fragment::kAny) {
    m.fragment = b.fragment;
  }
  const bool possible =
      IntersectOptional(a.conj_id, b.conj_id, &m.conj_id) &&
      Intersect(a.pkt_mark, b.pkt_mark, &m.pkt_mark) &&
      IntersectOptional(a.actset_output, b.actset_output, &m.actset_output) &&
      IntersectOptional(a.in_port, b.in_port, &m.in_port) &&
      Intersect(a.vlan_tci, b.vlan_tci, &m.vlan_tci) &&
      Intersect(a.dl_src, b.dl_src, &m.dl_src) &&
      IntersectOptional(a.family, b.family, &m.family) &&
      IntersectOptional(a.nw_proto, b.nw_proto, &m.nw_proto) &&
      Intersect(a.nw_src, b.nw_src, &m.nw_src) &&
      Intersect(a.nw_dst, b.nw_dst, &m.nw_dst) &&
      IntersectOptional(a.dscp, b.dscp, &m.dscp) &&
      Intersect(a.tp_src, b.tp_src, &m.tp_src) &&
      Intersect(a.tp_dst, b.tp_dst, &m.tp_dst) &&
      Intersect(a.tcp_flags, b.tcp_flags, &m.tcp_flags);
  return possible ? std::optional(m) : std::nullopt;
}

}  // namespace ovs_rmirror
