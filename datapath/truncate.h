/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The truncating clone: what the wire would show of a frame, cut to its first
 * bytes, at a cost that depends on these bytes and not on the frame.
 */
#ifndef _RMIRROR_TRUNCATE_H
#define _RMIRROR_TRUNCATE_H

#include <linux/types.h>

struct sk_buff;

/* A frame, seen as the packets that the wire would carry for it. */
struct rmirror_frame {
	const struct sk_buff *skb;	/* Starts with its Ethernet header. */
	unsigned int vlan_hlen;		/* Bytes of a VLAN tag out of band. */
	unsigned int n_packets;		/* On the wire: 1 but for GSO. */

	/* Of a GSO frame only. Offsets are from the start of 'skb'. */
	unsigned int l3_offset;
	unsigned int l4_offset;
	unsigned int payload_offset;	/* Behind the TCP or UDP header. */
	unsigned int gso_size;		/* Payload of each packet, bytes. */
	bool is_ipv4;
	bool is_tcp;
};

int rmirror_frame_init(struct rmirror_frame *frame, const struct sk_buff *skb);
unsigned int rmirror_frame_wire_len(const struct rmirror_frame *frame,
				    unsigned int i);
struct sk_buff *rmirror_frame_copy(const struct rmirror_frame *frame,
				   unsigned int i, unsigned int keep,
				   unsigned int headroom);
void rmirror_frame_exit(void);

#endif /* _RMIRROR_TRUNCATE_H */
