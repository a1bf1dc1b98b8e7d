/* SPDX-License-Identifier: GPL-2.0 */
/* Finding the IP header of an Ethernet frame. */
#ifndef _RMIRROR_ETHER_H
#define _RMIRROR_ETHER_H

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/skbuff.h>

/* VLAN tags that are skipped, apart from one out of band. */
#define RMIRROR_MAX_VLANS 8

/* Moves *@offset from the Ethernet header at that offset of @skb to what is
 * behind it and behind its VLAN tags. Returns the EtherType of that; 0 if there
 * is none, and then *@offset is undefined.
 */
static inline __be16 rmirror_skip_ether(const struct sk_buff *skb,
					unsigned int *offset)
{
	const __be16 *proto;
	__be16 buf;
	int i;

	*offset += offsetof(struct ethhdr, h_proto);
	for (i = 0; i <= RMIRROR_MAX_VLANS; i++) {
		proto = skb_header_pointer(skb, *offset, sizeof(buf), &buf);
		if (!proto)
			return 0;
		if (likely(!eth_type_vlan(*proto))) {
			*offset += sizeof(buf);
			return *proto;
		}
		*offset += VLAN_HLEN;
	}
	return 0;
}

#endif /* _RMIRROR_ETHER_H */
