/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The truncating clone: what the wire would show of a frame, cut to its first
 * bytes, at a cost that depends on these bytes and not on the frame.
 */
#ifndef _RMIRROR_TRUNCATE_H
#define _RMIRROR_TRUNCATE_H

#include <linux/if_vlan.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/* Returns the bytes of the VLAN tag of @skb that is out of band. */
static inline unsigned int rmirror_vlan_hlen(const struct sk_buff *skb)
{
	return skb_vlan_tag_present(skb) ? VLAN_HLEN : 0;
}

/* Returns the length of @skb, which is no GSO frame, on the wire: in bytes from
 * its Ethernet header on, without a frame check sequence.
 */
static inline unsigned int rmirror_wire_len(const struct sk_buff *skb)
{
	return rmirror_vlan_hlen(skb) + skb->len;
}

struct sk_buff *rmirror_copy(const struct sk_buff *skb, unsigned int keep,
			     unsigned int headroom);

/* Longest headers, VLAN tags included, of a GSO frame that is taken apart. */
#define RMIRROR_MAX_GSO_HLEN 192

/* A GSO frame, seen as the packets that the wire would carry for it. */
struct rmirror_gso {
	const struct sk_buff *skb;	/* Starts with its Ethernet header. */
	unsigned int n_packets;		/* On the wire. */
	unsigned int size;		/* Payload of each but the last. */
	unsigned int last_size;		/* Payload of the last. */
	unsigned int hlen;		/* Headers, with those of all layers. */

	/* From the start of each packet, VLAN tag included. */
	unsigned int l3_offset;
	unsigned int l4_offset;
	bool is_ipv4;
	bool is_tcp;
	u8 tcp_flags;			/* Those of the whole frame. */
	u16 ip_id;			/* IPv4: that of the first packet, */
	u16 ip_id_step;			/* and how it goes on. */
	u32 seq;			/* TCP: that of the first packet. */
	__wsum ip_sum;			/* IPv4: of the header in 'headers'. */

	/* The fragment of 'skb' where the last payload was found. */
	unsigned int frag;
	unsigned int frag_offset;

	/* Those of a packet with 'size' bytes of payload; of IPv4,
	 * identification and checksum are 0.
	 */
	u8 headers[RMIRROR_MAX_GSO_HLEN] __aligned(8);
};

int rmirror_gso_init(struct rmirror_gso *gso, const struct sk_buff *skb);
struct sk_buff *rmirror_gso_copy(struct rmirror_gso *gso, unsigned int i,
				 unsigned int keep, unsigned int headroom);

/* Returns the length of packet @i on the wire, as above. */
static inline unsigned int rmirror_gso_wire_len(const struct rmirror_gso *gso,
						unsigned int i)
{
	return gso->hlen + (i + 1 < gso->n_packets ? gso->size :
						     gso->last_size);
}

void rmirror_copy_exit(void);

#endif /* _RMIRROR_TRUNCATE_H */
