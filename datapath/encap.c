// SPDX-License-Identifier: GPL-2.0

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/arp.h>
#include <net/dst_metadata.h>
#include <net/gre.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/ndisc.h>
#include <net/route.h>

#include "device.h"
#include "ether.h"
#include "encap.h"
#include "netfilter.h"

static struct rtable *route4(const struct rmirror_route *route)
{
	return container_of(route->dst, struct rtable, dst);
}

static struct rt6_info *route6(const struct rmirror_route *route)
{
	return container_of(route->dst, struct rt6_info, dst);
}

/* The outer TOS by which the route is looked up. */
static u8 route_tos(const struct rmirror_key *key)
{
	return key->flags & RMIRROR_F_TOS_INHERIT ? 0 : key->tos & INET_DSCP_MASK;
}

static int lookup4(struct rmirror_route *route, struct net *net,
		   struct rmirror_session *session)
{
	struct rtable *rt = dst_cache_get_ip4(&session->route, &route->saddr4);

	if (!rt) {
		struct flowi4 fl4 = {
			.daddr = session->key.target.s6_addr32[3],
			.flowi4_tos = RT_TOS(route_tos(&session->key)),
			.flowi4_proto = IPPROTO_GRE,
		};

		rt = ip_route_output_key(net, &fl4);
		if (IS_ERR(rt))
			return PTR_ERR(rt);
		if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
			ip_rt_put(rt);
			return -ENETUNREACH;
		}
		dst_cache_set_ip4(&session->route, &rt->dst, fl4.saddr);
		route->saddr4 = fl4.saddr;
	}
	route->dst = &rt->dst;
	return 0;
}

static int lookup6(struct rmirror_route *route, struct net *net,
		   struct rmirror_session *session)
{
	struct dst_entry *dst = dst_cache_get_ip6(&session->route,
						  &route->saddr6);

	if (!dst) {
		struct flowi6 fl6 = {
			.daddr = session->key.target,
			.flowlabel = ip6_make_flowinfo(route_tos(&session->key),
						       0),
			.flowi6_proto = IPPROTO_GRE,
		};

		dst = ipv6_stub->ipv6_dst_lookup_flow(net, NULL, &fl6, NULL);
		if (IS_ERR(dst))
			return PTR_ERR(dst);
		dst_cache_set_ip6(&session->route, dst, &fl6.saddr);
		route->saddr6 = fl6.saddr;
	}
	route->dst = dst;
	return 0;
}

/* Finds the way of @session at the moment. Returns 0, and the caller owns the
 * route, see rmirror_route_put(); or the reason why no copy can be sent, an
 * RMIRROR_DROP_*. Called with bottom halves disabled, in an RCU read-side
 * critical section.
 */
enum rmirror_counter rmirror_route_get(struct rmirror_route *route,
				       struct net *net,
				       struct rmirror_session *session)
{
	bool is_ipv4 = rmirror_is_ipv4(&session->key);
	unsigned int encap_len = rmirror_encap_len(&session->key);
	const struct net_device *dev;
	unsigned int mtu;

	if (is_ipv4 ? lookup4(route, net, session) :
		      lookup6(route, net, session))
		return RMIRROR_DROP_NO_ROUTE;

	dev = route->dst->dev;
	if (unlikely(rmirror_is_device(dev))) {
		dst_release(route->dst);
		return RMIRROR_DROP_LOOP;
	}
	if (unlikely(!netif_running(dev) || !netif_carrier_ok(dev))) {
		dst_release(route->dst);
		return RMIRROR_DROP_LINK_DOWN;
	}

	mtu = min_t(unsigned int, dst_mtu(route->dst), IP_MAX_MTU);
	route->headroom = encap_len + LL_RESERVED_SPACE(dev) +
			  route->dst->header_len;
	route->max_keep = mtu > encap_len ? mtu - encap_len : 0;
	route->max_len = (is_ipv4 ? IP_MAX_MTU :
				    IP6_MAX_MTU) - encap_len;
	return 0;
}

/* Gives @route back. */
void rmirror_route_put(struct rmirror_route *route)
{
	dst_release(route->dst);
}

/* Returns the DSCP and ECN of @skb, whose data starts with an Ethernet header; 0
 * if it is not IP.
 */
u8 rmirror_inner_tos(const struct sk_buff *skb)
{
	unsigned int offset = 0;
	__be16 proto = rmirror_skip_ether(skb, &offset);
	const __be16 *start;
	__be16 buf;

	if (proto != htons(ETH_P_IP) && proto != htons(ETH_P_IPV6))
		return 0;
	start = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!start)
		return 0;
	return (proto == htons(ETH_P_IP) ? ntohs(*start) :
					   ntohs(*start) >> 4) & 0xff;
}

static void push_gre(struct sk_buff *skb, const struct rmirror_key *key)
{
	bool has_key = key->flags & RMIRROR_F_KEY;
	struct gre_base_hdr *greh;

	greh = __skb_push(skb, RMIRROR_GRE_HLEN +
			       (has_key ? RMIRROR_GRE_KEY_LEN : 0));
	greh->flags = has_key ? GRE_KEY : 0;
	greh->protocol = htons(RMIRROR_GRE_PROTO);
	if (has_key)
		memcpy(greh + 1, &key->key, sizeof(key->key));
	skb_reset_transport_header(skb);
}

static void push_ipv4(struct sk_buff *skb, const struct rmirror_route *route,
		      struct net *net, struct rmirror_session *session, u8 tos,
		      bool fragment)
{
	const struct rmirror_key *key = &session->key;
	struct iphdr *iph = __skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = tos;
	iph->tot_len = htons(skb->len);
	iph->frag_off = key->flags & RMIRROR_F_DF ? htons(IP_DF) : 0;
	iph->ttl = key->ttl;
	iph->protocol = IPPROTO_GRE;
	iph->saddr = route->saddr4;
	iph->daddr = key->target.s6_addr32[3];

	/* One that is unique for a while is not cheap, so only fragments get
	 * it. A copy that a router fragments later may, in theory, meet another
	 * CPU's or session's with the same one.
	 */
	if (unlikely(fragment))
		__ip_select_ident(net, iph, 1);
	else
		iph->id = htons(++this_cpu_ptr(session->pcpu)->ip_id);
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
}

static void push_ipv6(struct sk_buff *skb, const struct rmirror_route *route,
		      const struct rmirror_key *key, u8 tos)
{
	unsigned int payload_len = skb->len;
	struct ipv6hdr *ip6h = __skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, tos, 0);
	ip6h->payload_len = htons(payload_len);
	ip6h->nexthdr = IPPROTO_GRE;
	ip6h->hop_limit = key->ttl;
	ip6h->saddr = route->saddr6;
	ip6h->daddr = key->target;
	skb->protocol = htons(ETH_P_IPV6);
}

/* Tells whether nothing but the next hop's address is between a packet and the
 * device of @dst.
 */
static bool is_plain(const struct dst_entry *dst)
{
	return !dst_xfrm(dst) && !dst->lwtstate &&
	       !netif_is_l3_slave(dst->dev) && !netif_is_l3_master(dst->dev);
}

/* Tells whether a copy may be given to @neigh, where it waits for the answer if
 * the address is not known. Once a next hop has failed to answer, copies do not
 * wait for it, so that they are counted.
 */
static bool neigh_may_answer(struct neighbour *neigh,
			     struct rmirror_session *session)
{
	u8 state = READ_ONCE(neigh->nud_state);

	if (likely(state & NUD_VALID)) {
		if (unlikely(READ_ONCE(session->neigh_failed)))
			WRITE_ONCE(session->neigh_failed, false);
		return true;
	}
	if (state & NUD_FAILED)
		WRITE_ONCE(session->neigh_failed, true);
	if (!READ_ONCE(session->neigh_failed))
		return true;

	neigh_event_send(neigh, NULL);
	return false;
}

static struct neighbour *find_neigh(const struct rmirror_route *route,
				    struct sk_buff *skb, bool is_ipv4,
				    bool *skip_cache)
{
	*skip_cache = false;
	if (is_ipv4)
		return ip_neigh_for_gw(route4(route), skb, skip_cache);
	return ip_neigh_gw6(route->dst->dev,
			    rt6_nexthop(route6(route), &ipv6_hdr(skb)->daddr));
}

/* Counts @skb as the IP layer would that it does not go through. */
static void count_out(const struct rmirror_route *route, struct net *net,
		      const struct sk_buff *skb, bool is_ipv4)
{
	if (is_ipv4)
		IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);
	else
		IP6_UPD_PO_STATS(net, ip6_dst_idev(route->dst),
				 IPSTATS_MIB_OUT, skb->len);
}

/* Encapsulates @copy, a frame with route->headroom bytes in front of it, for
 * @session with the outer @tos, and sends it, as @fragment says in fragments.
 * Takes ownership of @copy. Returns RMIRROR_COPIES, or the reason why it was not
 * sent, an RMIRROR_DROP_*. Called with bottom halves disabled, in an RCU
 * read-side critical section.
 */
enum rmirror_counter rmirror_encap_xmit(const struct rmirror_route *route,
					struct net *net,
					struct rmirror_session *session,
					struct sk_buff *copy, u8 tos,
					bool fragment)
{
	bool is_ipv4 = rmirror_is_ipv4(&session->key);
	struct neighbour *neigh = NULL;
	bool skip_cache;
	int err;

	push_gre(copy, &session->key);
	if (is_ipv4)
		push_ipv4(copy, route, net, session, tos, fragment);
	else
		push_ipv6(copy, route, &session->key, tos);
	copy->dev = route->dst->dev;
	copy->ignore_df = !(session->key.flags & RMIRROR_F_DF);
	skb_dst_set_noref(copy, route->dst);
	skb_set_nfct(copy, IP_CT_UNTRACKED);

	if (likely(is_plain(route->dst))) {
		neigh = find_neigh(route, copy, is_ipv4, &skip_cache);
		if (IS_ERR(neigh)) {
			kfree_skb(copy);
			return RMIRROR_DROP_NO_NEIGH;
		}
		if (!neigh_may_answer(neigh, session)) {
			kfree_skb(copy);
			return RMIRROR_DROP_NO_NEIGH;
		}
	}

	if (likely(neigh && !fragment && !rmirror_is_filtered(net, is_ipv4))) {
		count_out(route, net, copy, is_ipv4);
		err = neigh_output(neigh, copy, skip_cache);
	} else if (is_ipv4) {
		err = ip_local_out(net, NULL, copy);
	} else {
		err = ip6_local_out(net, NULL, copy);
	}
	return likely(!net_xmit_eval(err)) ? RMIRROR_COPIES :
					     RMIRROR_DROP_XMIT;
}
