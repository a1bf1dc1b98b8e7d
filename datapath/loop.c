// SPDX-License-Identifier: GPL-2.0
/*
 * A copy that comes along again must not be copied again, or one packet would
 * keep a network busy for ever. It is known by its headers, which is the only
 * way that works when it comes back from another host:
 *
 *  - GRE with an Ethernet frame in it, to a target of this namespace: a copy on
 *    its way, ours or another host's.
 *  - The same from a target: hosts that mirror to each other would feed each
 *    other.
 *  - The same at any depth of GRE/TEB in GRE/TEB, down to MAX_DEPTH: rings of
 *    more hosts.
 *
 * The target need not be that of the session that is about to take the packet:
 * two sessions would copy each other's copies.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "ether.h"
#include "loop.h"
#include "session.h"

/* Frames within frames that are looked at. */
#define MAX_DEPTH 8

/* How often the engine may be entered again while it sends a copy, over devices
 * that give it back to the datapath.
 */
#define MAX_RECURSION 3

static DEFINE_PER_CPU(unsigned int, recursion);

/* Tells whether the engine may be used here, once more; if so, rmirror_leave()
 * must follow on the same CPU. Bottom halves are disabled.
 */
bool rmirror_enter(void)
{
	if (__this_cpu_read(recursion) >= MAX_RECURSION)
		return false;
	__this_cpu_inc(recursion);
	return true;
}

void rmirror_leave(void)
{
	__this_cpu_dec(recursion);
}

static bool is_target4(const struct net *net, __be32 addr)
{
	struct in6_addr mapped;

	ipv6_addr_set_v4mapped(addr, &mapped);
	return rmirror_is_target(rmirror_net(net), &mapped);
}

/* Bytes of a GRE header with @flags. */
static unsigned int gre_hlen(__be16 flags)
{
	return sizeof(struct gre_base_hdr) + (flags & GRE_CSUM ? 4 : 0) +
	       (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQ ? 4 : 0);
}

/* What find_gre() finds. */
enum gre {
	GRE_NONE,
	GRE_HEADER,
	GRE_LATER_FRAGMENT,	/* Without the GRE header. */
};

/* Looks for GRE over IP in the Ethernet frame at *@offset of @skb. If there is
 * some, moves *@offset to the GRE header and stores in *@has_target whether a
 * target is the source or the destination.
 */
static enum gre find_gre(const struct net *net, const struct sk_buff *skb,
			 unsigned int *offset, bool *has_target)
{
	__be16 proto = rmirror_skip_ether(skb, offset);

	if (proto == htons(ETH_P_IP)) {
		const struct iphdr *iph;
		struct iphdr buf;

		iph = skb_header_pointer(skb, *offset, sizeof(buf), &buf);
		if (!iph || iph->protocol != IPPROTO_GRE || iph->ihl < 5)
			return GRE_NONE;
		*has_target = is_target4(net, iph->daddr) ||
			     is_target4(net, iph->saddr);
		*offset += iph->ihl * 4;
		return iph->frag_off & htons(IP_OFFSET) ? GRE_LATER_FRAGMENT :
							  GRE_HEADER;
	}

	if (proto == htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip6h;
		const struct frag_hdr *fh;
		struct frag_hdr fh_buf;
		struct ipv6hdr buf;
		__be16 frag_off;
		u8 nexthdr;
		int end;

		ip6h = skb_header_pointer(skb, *offset, sizeof(buf), &buf);
		if (!ip6h)
			return GRE_NONE;
		nexthdr = ip6h->nexthdr;
		if (nexthdr == IPPROTO_TCP || nexthdr == IPPROTO_UDP)
			return GRE_NONE;
		end = ipv6_skip_exthdr(skb, *offset + sizeof(buf), &nexthdr,
				       &frag_off);
		if (end < 0)
			return GRE_NONE;
		if (nexthdr == NEXTHDR_FRAGMENT) {
			/* Not the first fragment: it ends here. */
			fh = skb_header_pointer(skb, end, sizeof(fh_buf),
						&fh_buf);
			if (!fh)
				return GRE_NONE;
			nexthdr = fh->nexthdr;
		}
		if (nexthdr != IPPROTO_GRE)
			return GRE_NONE;
		*has_target = rmirror_is_target(rmirror_net(net),
						&ip6h->daddr) ||
			      rmirror_is_target(rmirror_net(net),
						&ip6h->saddr);
		*offset = end;
		return frag_off & htons(IP6_OFFSET) ? GRE_LATER_FRAGMENT :
						      GRE_HEADER;
	}
	return GRE_NONE;
}

/* Tells whether @skb, whose data starts with an Ethernet header, is a copy that
 * @net sends or gets, or one with other headers around it. The caller is in an
 * RCU read-side critical section.
 */
bool rmirror_is_copy(const struct net *net, const struct sk_buff *skb)
{
	unsigned int offset = 0;
	int depth;

	for (depth = 0; depth < MAX_DEPTH; depth++) {
		const struct gre_base_hdr *greh;
		struct gre_base_hdr buf;
		bool has_target;

		switch (find_gre(net, skb, &offset, &has_target)) {
		case GRE_NONE:
			return false;
		case GRE_LATER_FRAGMENT:
			return has_target;
		case GRE_HEADER:
			break;
		}

		greh = skb_header_pointer(skb, offset, sizeof(buf), &buf);
		if (!greh || greh->flags & GRE_VERSION ||
		    greh->protocol != htons(RMIRROR_GRE_PROTO))
			return false;
		if (has_target)
			return true;
		offset += gre_hlen(greh->flags);
	}
	return false;
}
