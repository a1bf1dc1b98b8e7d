/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the target, and the headers for it: IPv4 or IPv6, and GRE (RFC 2784,
 * RFC 2890) with an Ethernet frame in it.
 */
#ifndef _RMIRROR_ENCAP_H
#define _RMIRROR_ENCAP_H

#include <linux/types.h>

#include "session.h"

struct dst_entry;
struct net;
struct sk_buff;

/* Where copies of one session go at the moment. */
struct rmirror_route {
	struct dst_entry *dst;	/* A reference. */
	union {
		__be32 saddr4;
		struct in6_addr saddr6;
	};
	unsigned int headroom;	/* In front of a copy, for all headers. */
	unsigned int max_keep;	/* Bytes of a frame that fit the MTU. */
	unsigned int max_len;	/* Bytes of a frame that fit an IP packet. */
};

enum rmirror_counter rmirror_route_get(struct rmirror_route *route,
				       struct net *net,
				       struct rmirror_session *session);
void rmirror_route_put(struct rmirror_route *route);

u8 rmirror_inner_tos(const struct sk_buff *skb);
enum rmirror_counter rmirror_encap_xmit(const struct rmirror_route *route,
					struct net *net,
					struct rmirror_session *session,
					struct sk_buff *copy, u8 tos,
					bool fragment);

#endif /* _RMIRROR_ENCAP_H */
