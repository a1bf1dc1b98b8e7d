/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What translating rmirror actions needs outside of the translation itself:
 *
 *   - Userspace datapath: the next hops of targets.  Translation finds them in
 *     the neighbor cache of native tunneling; for one that is not there, it
 *     leaves a request here, and the main thread asks the network.
 *
 *   - Other datapaths that lack the action: the port that copies go through,
 *     which the main thread adds when the first copy wants it and removes when
 *     none has for a while.
 */
#ifndef OFPROTO_DPIF_RMIRROR_H
#define OFPROTO_DPIF_RMIRROR_H 1

#include <net/if.h>
#include <netinet/in.h>

#include "openvswitch/rmirror.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"
#include "ovs-atomic.h"
#include "packets.h"

struct dpif_backer;
struct dpif_backer_support;
struct flow;
struct flow_wildcards;
struct ofpact_rmirror;
struct ofpbuf;
struct rmirror_via;
struct simap;

/* The sessions that have taken a packet, as an array of struct rmirror_session
 * in an ofpbuf.  RMIRROR_IS_COPY in it says that the packet is itself a copy,
 * which no session takes; RMIRROR_IN_TAP, that it is the clone that a tap
 * works on. */
extern const struct rmirror_session RMIRROR_IS_COPY;
extern const struct rmirror_session RMIRROR_IN_TAP;
bool rmirror_taken(const struct ofpbuf *taken, const struct rmirror_session *);
void rmirror_taken_remove(struct ofpbuf *taken, size_t ofs);
void rmirror_keep_common(struct ofpbuf *taken, size_t start, const void *other,
                         size_t other_len);

/* Datapath actions, in bytes, beyond which there are no more copies: what does
 * not fit into a Netlink attribute would make the flow a slow one. */
#define RMIRROR_MAX_ODP_ACTIONS (UINT16_MAX / 2)

/* Copies of a packet, beyond which there are no more.  Linux takes up to 64 kB
 * for the actions in a clone, and some 50 bytes of them for each copy, however
 * short the action is in Netlink. */
#define RMIRROR_MAX_COPIES 1024

/* A next hop whose Ethernet address is not known. */
struct rmirror_next_hop {
    struct uuid ofproto_uuid;       /* Bridge that the request leaves by... */
    ofp_port_t ofp_port;            /* ...as if it came from this port. */
    char br_name[IFNAMSIZ];         /* Name of that bridge. */
    struct in6_addr ip;             /* Next hop.  IPv4: IPv4-mapped. */
    struct in6_addr src;            /* The bridge's own address. */
    struct eth_addr mac;            /* The bridge's own Ethernet address. */
};

void rmirror_request_next_hop(const struct rmirror_next_hop *);
void rmirror_want_next_hops(void);
bool rmirror_wants_next_hops(void);

/* How a datapath carries out the action. */
enum rmirror_tier {
    RMIRROR_TIER_USERSPACE,     /* OVS_ACTION_ATTR_RMIRROR, way included. */
    RMIRROR_TIER_NATIVE,        /* OVS_ACTION_ATTR_RMIRROR. */
    RMIRROR_TIER_VPORT,         /* A port that takes packets with a session as
                                 * tunnel metadata, and makes copies. */
    RMIRROR_TIER_COMPOSED,      /* A truncated clone through a GRE port. */
};

enum rmirror_tier rmirror_tier(const struct dpif_backer_support *);
const char *rmirror_tier_to_string(enum rmirror_tier);

/* A port of a backer that copies go through. */
struct rmirror_port {
    atomic_bool wanted;             /* Set by translation. */
    atomic_bool used;               /* Since the last look at it? */
    atomic_uint32_t odp_port;       /* Set by the main thread, or ODPP_NONE. */
    long long int next_try;         /* When to try to add it, again. */
    long long int next_look;        /* When to look at 'used', again. */
};

enum rmirror_port_index {
    RMIRROR_PORT_GRE,               /* RMIRROR_TIER_COMPOSED, IPv4. */
    RMIRROR_PORT_IP6GRE,            /* RMIRROR_TIER_COMPOSED, IPv6. */
    RMIRROR_PORT_DEVICE,            /* RMIRROR_TIER_VPORT. */
    RMIRROR_N_PORTS
};

struct rmirror_ports {
    struct rmirror_port port[RMIRROR_N_PORTS];
    long long int next_probe;       /* When to look for a better tier. */
    uint64_t conf_seq;              /* Last 'tnl_conf_seq' seen. */
    size_t n_targets;               /* Number of targets last seen. */
};

void rmirror_ports_init(struct rmirror_ports *);
void rmirror_ports_reconfigure(struct dpif_backer *, struct simap *unused);
void rmirror_ports_changed(struct dpif_backer *);
struct rmirror_port *rmirror_port_get(struct dpif_backer *, enum rmirror_tier,
                                      const struct rmirror_session *);
void rmirror_port_use(struct rmirror_port *);

/* Translation. */
void rmirror_copy_flow(const struct rmirror_session *,
                       const struct rmirror_via *, struct flow *);

/* What is around the datapath actions of a copy. */
struct rmirror_nest {
    size_t ofs[2];                  /* Of nested attributes, outer first. */
    int n;                          /* Number of elements in use in 'ofs'. */
};

void rmirror_start_copy(const struct ofpact_rmirror *, bool isolate,
                        struct ofpbuf *odp_actions, struct rmirror_nest *);
void rmirror_end_copy(struct ofpbuf *odp_actions, struct rmirror_nest *);
const char *rmirror_compose_tunnel(const struct dpif_backer_support *,
                                   const struct rmirror_port *,
                                   const struct ofpact_rmirror *,
                                   const struct flow *,
                                   struct flow_wildcards *,
                                   struct ofpbuf *odp_actions);
const char *rmirror_compose_vport(const struct rmirror_port *,
                                  const struct ofpact_rmirror *,
                                  struct ofpbuf *odp_actions);
void rmirror_end_tap(struct ofpbuf *odp_actions, size_t clone_ofs);

/* Called by the main thread. */
bool rmirror_run(struct dpif_backer *);
void rmirror_wait(const struct dpif_backer *);

#endif /* ofproto-dpif-rmirror.h */
