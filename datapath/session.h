/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions: the streams of copies that a network namespace sends, and what is
 * counted for each.
 */
#ifndef _RMIRROR_SESSION_H
#define _RMIRROR_SESSION_H

#include <linux/in6.h>
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>
#include <net/dst_cache.h>
#include <net/ipv6.h>

#include "rmirror/netlink.h"

struct net;
struct rmirror_result;
struct sk_buff;

/* In struct rmirror_key. */
#define RMIRROR_F_KEY BIT(0)		/* 'key' goes on the wire. */
#define RMIRROR_F_TOS_INHERIT BIT(1)	/* TOS of the inner packet. */
#define RMIRROR_F_DF BIT(2)		/* Never fragment a copy. */

/* What tells a session from another. Compared as bytes, so what has no meaning
 * is zero.
 */
struct rmirror_key {
	struct in6_addr target;	/* IPv4: as an IPv4-mapped IPv6 address. */
	__be32 key;		/* GRE key, if RMIRROR_F_KEY. */
	u8 ttl;			/* Outer TTL or hop limit, 1...255. */
	u8 tos;			/* Outer DSCP and ECN. */
	u8 flags;		/* RMIRROR_F_*. */
	u8 zero;
};

/* A collector's address, as long as a session has it as its target. */
struct rmirror_target {
	struct rhash_head node;		/* In struct rmirror_net. */
	struct in6_addr addr;
	unsigned int n_sessions;	/* Protected by rmirror_net's lock. */
	struct rcu_head rcu;
};

/* The part of a session that each CPU has for itself. */
struct rmirror_pcpu {
	u64_stats_t counters[RMIRROR_N_COUNTERS];
	struct u64_stats_sync syncp;
	u16 ip_id;		/* Outer IPv4 identification of the last copy. */
};

struct rmirror_session {
	struct rhash_head node;		/* In struct rmirror_net. */
	struct rmirror_key key;
	struct dst_cache route;
	struct rmirror_pcpu __percpu *pcpu;
	u8 neigh_failures;		/* Of the next hop in a row: 2 at most. */

	/* One for being in the table, one for each action that holds it. */
	refcount_t refs;
	atomic_t n_actions;
	struct rmirror_target *target;	/* NULL once out of the table. */

	/* Counters at the last reset. Protected by rmirror_net's lock. */
	u64 reset[RMIRROR_N_COUNTERS];
	struct rcu_head rcu;
};

/* The sessions of a network namespace. The tables are looked up under RCU and
 * changed with 'lock' held. 'lock' is taken with bottom halves disabled.
 */
struct rmirror_net {
	spinlock_t lock;		/* Protects changes of the tables. */
	struct rhashtable sessions;	/* Of struct rmirror_session. */
	struct rhashtable targets;	/* Of struct rmirror_target. */
	unsigned int n_sessions;
	atomic64_t no_session;		/* Frames for want of a session. */
};

static inline bool rmirror_is_ipv4(const struct rmirror_key *key)
{
	return ipv6_addr_v4mapped(&key->target);
}

/* Bytes of the outer IP header and the GRE header. */
static inline unsigned int rmirror_encap_len(const struct rmirror_key *key)
{
	return (rmirror_is_ipv4(key) ? 20 : 40) + RMIRROR_GRE_HLEN +
	       (key->flags & RMIRROR_F_KEY ? RMIRROR_GRE_KEY_LEN : 0);
}

extern unsigned int rmirror_max_sessions;

struct rmirror_net *rmirror_net(const struct net *net);

int rmirror_net_init(struct rmirror_net *rnet);
void rmirror_net_exit(struct rmirror_net *rnet);

bool rmirror_key_is_valid(const struct rmirror_key *key);

struct rmirror_session *rmirror_session_find(struct rmirror_net *rnet,
					     const struct rmirror_key *key);
struct rmirror_session *rmirror_session_lookup(struct rmirror_net *rnet,
					       const struct rmirror_key *key);
struct rmirror_session *rmirror_session_hold(struct rmirror_net *rnet,
					     const struct rmirror_key *key);
void rmirror_session_release(struct rmirror_session *session);
bool rmirror_is_target(struct rmirror_net *rnet, const struct in6_addr *addr);

void rmirror_session_count(struct rmirror_session *session,
			   enum rmirror_counter counter, unsigned int n);
void rmirror_session_count_copies(struct rmirror_session *session,
				  const struct rmirror_result *sent);
void rmirror_session_read(struct rmirror_net *rnet,
			  const struct rmirror_session *session,
			  u64 counters[RMIRROR_N_COUNTERS]);
void rmirror_session_reset(struct rmirror_net *rnet,
			   struct rmirror_session *session);
void rmirror_net_reset(struct rmirror_net *rnet);
void rmirror_net_flush(struct rmirror_net *rnet);

#endif /* _RMIRROR_SESSION_H */
