/* SPDX-License-Identifier: Apache-2.0 */

/* A flow table: Open vSwitch's own parser of flows and its classifier, which
 * matches packets, conjunctions included. */

#ifndef TESTS_UNIT_FLOW_TABLE_H
#define TESTS_UNIT_FLOW_TABLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a look-up sees of a packet.  Host byte order. */
struct flow_table_packet {
    uint32_t reg0, reg1;
    uint32_t pkt_mark;
    uint32_t in_port;           /* OpenFlow port number. */
    uint32_t actset_output;     /* Likewise, or OFPP_UNSET. */
    uint16_t vlan_tci;          /* 0: no tag.  Else with 0x1000. */
    uint8_t dl_src[6];
    uint16_t dl_type;
    uint8_t nw_proto;
    uint8_t nw_tos;             /* DSCP in the upper 6 bits. */
    int later_fragment;
    uint8_t nw_src[16], nw_dst[16]; /* Network byte order, from [0] on. */
    uint16_t tp_src, tp_dst;        /* Or ICMP type and code. */
    uint16_t tcp_flags;
};

struct flow_table *flow_table_create(void);
void flow_table_destroy(struct flow_table *);

/* Adds the flow of text 'flow', in the syntax of ovs-ofctl(8), under the number
 * 'index'.  Returns NULL, or a message to be freed by the caller if Open
 * vSwitch does not take the flow or has another one of the same match and
 * priority. */
char *flow_table_add(struct flow_table *, const char *flow, size_t index);

/* Returns the number of the flow that 'packet' meets, or SIZE_MAX. */
size_t flow_table_lookup(const struct flow_table *,
                         const struct flow_table_packet *packet);

#ifdef __cplusplus
}
#endif

#endif /* TESTS_UNIT_FLOW_TABLE_H */
