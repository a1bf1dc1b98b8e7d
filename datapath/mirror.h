/* SPDX-License-Identifier: GPL-2.0 */
/* From a frame to its copies. */
#ifndef _RMIRROR_MIRROR_H
#define _RMIRROR_MIRROR_H

#include <linux/types.h>

struct net;
struct rmirror_session;
struct sk_buff;

/* What became of a frame. */
struct rmirror_result {
	unsigned int copies;	/* Sent. */
	unsigned int bytes;	/* In them. */
	unsigned int orig_bytes; /* In the packets of the wire they are of. */
	unsigned int truncated;	/* Copies that were cut. */
	unsigned int fragmented; /* Copies that needed IP fragments. */
	unsigned int dropped;	/* Copies not sent. */
};

void rmirror_mirror(struct net *net, struct rmirror_session *session,
		    const struct sk_buff *skb, u32 len,
		    struct rmirror_result *result);

#endif /* _RMIRROR_MIRROR_H */
