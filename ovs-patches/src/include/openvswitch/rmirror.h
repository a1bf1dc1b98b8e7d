/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rmirror action: a copy of a frame, cut to its first bytes, to a remote
 * collector in GRE with Transparent Ethernet Bridging.
 *
 * This is the action as its user sees it, the same in OpenFlow and, but for
 * 'meter' and 'probability', in the datapath: its fields, its text form and
 * its OpenFlow properties.
 */
#ifndef OPENVSWITCH_RMIRROR_H
#define OPENVSWITCH_RMIRROR_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <rmirror/netlink.h>
#include <rmirror/openflow.h>

#include "openvswitch/compiler.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ds;
struct ofpbuf;

enum rmirror_flags {
    RMIRROR_F_KEY = 1 << 0,         /* 'key' goes on the wire. */
    RMIRROR_F_TOS_INHERIT = 1 << 1, /* TOS of the inner packet, not 'tos'. */
    RMIRROR_F_DF = 1 << 2,          /* Never fragment a copy. */
};

/* A stream of copies as its collector sees it.  A packet is copied to a
 * session at most once.
 *
 * Compared and hashed as bytes, so what has no meaning is zero. */
struct rmirror_session {
    struct in6_addr target;     /* IPv4: as an IPv4-mapped IPv6 address. */
    ovs_be32 key;               /* GRE key, if RMIRROR_F_KEY. */
    uint8_t ttl;                /* Outer TTL or hop limit, 1...255. */
    uint8_t tos;                /* Outer DSCP and ECN. */
    uint8_t flags;              /* RMIRROR_F_*. */
    uint8_t zero;               /* Must be zero. */
};

/* One rmirror action. */
struct rmirror {
    struct rmirror_session session;
    uint32_t len;               /* RMIRROR_LEN_*, or bytes to keep. */

    /* Which packets are copied.  Not in the datapath action, which has other
     * actions around it instead. */
    uint32_t probability;       /* RMIRROR_PROBABILITY_ALL, or 1 and up. */
    uint32_t meter;             /* OpenFlow meter for copies, 0 for none. */
};

void rmirror_init(struct rmirror *);
const char *rmirror_check(const struct rmirror *);
uint32_t rmirror_max_keep(const struct rmirror *, uint32_t mtu);

bool rmirror_session_equals(const struct rmirror_session *,
                            const struct rmirror_session *);
bool rmirror_session_is_ipv4(const struct rmirror_session *);
size_t rmirror_encap_len(const struct rmirror_session *);
void rmirror_session_format(const struct rmirror_session *, struct ds *);

char *rmirror_parse(char *s, struct rmirror *) OVS_WARN_UNUSED_RESULT;
void rmirror_format(const struct rmirror *, struct ds *);

enum ofperr rmirror_pull_properties(struct ofpbuf *properties,
                                    struct rmirror *);
void rmirror_put_properties(const struct rmirror *, struct ofpbuf *);

#ifdef __cplusplus
}
#endif

#endif /* openvswitch/rmirror.h */
