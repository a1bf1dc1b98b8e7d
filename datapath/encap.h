/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the target, and the headers for it: IPv4 or IPv6, and GRE (RFC 2784,
 * RFC 2890) with an Ethernet frame in it.
 */
#ifndef _RMIRROR_ENCAP_H
#define _RMIRROR_ENCAP_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/types.h>

#include "session.h"

struct dst_entry;
struct neighbour;

/* Where copies of one frame go, and the headers that they all have. */
struct rmirror_route {
	struct dst_entry *dst;	/* A reference. */
	struct neighbour *neigh; /* Next hop, or NULL: the IP layer finds it. */
	bool skip_cache;	/* Not the cached hardware header of 'neigh'. */
	bool is_question;	/* Copies are to ask for 'neigh': no other can. */
	bool is_short;		/* Nothing is to be asked before 'neigh'. */
	bool is_ipv4;
	struct netdev_queue *txq; /* Whose device alone is left, or NULL. */
	unsigned int hh_len;	/* If 'txq': bytes at the end of 'hh'. */
	u8 hh[HH_DATA_MOD] __aligned(8);
	unsigned int headroom;	/* In front of a copy, for all headers. */
	unsigned int max_keep;	/* Bytes of a frame that fit the MTU. */
	unsigned int max_len;	/* Bytes of a frame that fit an IP packet. */
	union {			/* Without what differs: lengths and the like. */
		struct iphdr ip4;
		struct ipv6hdr ip6;
	};
	__wsum ip4_sum;		/* Of 'ip4', whose checksum is 0. */
	__be16 gre[2];		/* Flags, protocol. */
};

enum rmirror_counter rmirror_route_get(struct rmirror_route *route,
				       struct net *net,
				       struct rmirror_session *session,
				       u8 tos);
void rmirror_route_put(struct rmirror_route *route);

u8 rmirror_inner_tos(const struct sk_buff *skb);
enum rmirror_counter rmirror_encap_xmit(const struct rmirror_route *route,
					struct net *net,
					struct rmirror_session *session,
					struct sk_buff *copy, bool fragment);

#endif /* _RMIRROR_ENCAP_H */
