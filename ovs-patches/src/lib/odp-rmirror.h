/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rmirror action of a datapath flow: OVS_ACTION_ATTR_RMIRROR, its netlink
 * attributes (rmirror/netlink.h) and its text form.
 *
 *     rmirror(target=192.0.2.9,len=96)
 *
 * is what a kernel datapath is given.  The userspace datapath is also told how
 * to get there, or why that is not possible:
 *
 *     rmirror(target=192.0.2.9,len=96,via(src=192.0.2.1,eth_src=...,
 *             eth_dst=...,mtu=1500,in_port=1),actions(2))
 *     rmirror(target=192.0.2.9,len=96,drop=no_neigh)
 */
#ifndef ODP_RMIRROR_H
#define ODP_RMIRROR_H 1

#include "openvswitch/rmirror.h"

struct ds;
struct hmap;
struct nlattr;
struct ofpbuf;

/* RMIRROR_ATTR_VIA: how copies reach the target. */
struct rmirror_via {
    uint8_t src[16];            /* Outer source address; an IPv4 one as an
                                 * IPv4-mapped IPv6 address. */
    uint8_t eth_src[6];
    uint8_t eth_dst[6];         /* The next hop's. */
    uint32_t mtu;               /* Largest outer IP packet, bytes; 0 if not
                                 * known, then nothing is fragmented. */
    uint32_t in_port;           /* Datapath port number that encapsulated
                                 * copies seem to come from. */
};

/* A decoded OVS_ACTION_ATTR_RMIRROR.  Its pointers point into the
 * attribute. */
struct odp_rmirror {
    struct rmirror rm;
    const struct rmirror_via *via;  /* NULL if absent; maybe misaligned. */
    enum rmirror_counter drop;      /* An RMIRROR_DROP_*, 0 if absent. */
    const struct nlattr *actions;   /* NULL if absent. */
    size_t actions_len;             /* Bytes at 'actions'. */
};

/* Counters of one session, indexed by enum rmirror_counter. */
struct rmirror_session_stats {
    struct rmirror_session session;
    uint64_t counters[RMIRROR_N_COUNTERS];
};

/* What a datapath counts. */
struct rmirror_stats {
    struct rmirror_session_stats *sessions; /* Array, to be freed. */
    size_t n_sessions;
    uint32_t max_sessions;          /* How many there can be. */
    uint64_t no_session;            /* Packets not copied because there were
                                     * 'max_sessions' already. */
};

const char *rmirror_counter_name(enum rmirror_counter);
void rmirror_stats_add(struct rmirror_stats *,
                       const struct rmirror_session_stats *,
                       size_t *allocated);
void rmirror_stats_sort(struct rmirror_stats *);
void rmirror_stats_format(const struct rmirror_stats *, struct ds *);

void odp_put_rmirror(struct ofpbuf *actions, const struct rmirror *);
void odp_put_rmirror_drop(struct ofpbuf *actions, const struct rmirror *,
                          enum rmirror_counter drop);
size_t odp_start_rmirror_via(struct ofpbuf *actions, const struct rmirror *,
                             const struct rmirror_via *,
                             size_t *actions_ofs);
void odp_end_rmirror_via(struct ofpbuf *actions, size_t ofs,
                         size_t actions_ofs);

bool odp_parse_rmirror(const struct nlattr *, struct odp_rmirror *);

void odp_format_rmirror(const struct nlattr *, const struct hmap *portno_names,
                        struct ds *);
typedef int odp_parse_action_list_func(void *aux, const char *s,
                                       struct ofpbuf *actions);
int odp_rmirror_from_string(const char *s, struct ofpbuf *actions,
                            odp_parse_action_list_func *, void *aux);

#endif /* odp-rmirror.h */
