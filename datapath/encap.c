// SPDX-License-Identifier: GPL-2.0

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/addrconf.h>
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
#include <net/sch_generic.h>

#include "compat.h"
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
	struct rtable *rt = dst_cache_get_ip4(&session->route,
					      &route->ip4.saddr);

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
		route->ip4.saddr = fl4.saddr;
	}
	route->dst = &rt->dst;
	return 0;
}

static int lookup6(struct rmirror_route *route, struct net *net,
		   struct rmirror_session *session)
{
	struct dst_entry *dst = dst_cache_get_ip6(&session->route,
						  &route->ip6.saddr);

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
		route->ip6.saddr = fl6.saddr;
	}
	route->dst = dst;
	return 0;
}

/* Tells whether nothing but the next hop's address is between a packet and the
 * device of @dst.
 */
static bool is_plain(const struct dst_entry *dst)
{
	return !dst_xfrm(dst) && !dst->lwtstate &&
	       !netif_is_l3_slave(dst->dev) && !netif_is_l3_master(dst->dev);
}

static struct neighbour *find_neigh(struct rmirror_route *route,
				    const struct rmirror_key *key)
{
	struct net_device *dev = route->dst->dev;
	struct rtable *rt;

	route->skip_cache = false;
	if (!route->is_ipv4)
		return ip_neigh_gw6(dev, rt6_nexthop(route6(route),
						     &key->target));

	rt = route4(route);
	if (rt->rt_gw_family == AF_INET6) {
		/* What is cached says that it is for IPv6. */
		route->skip_cache = true;
		return ip_neigh_gw6(dev, &rt->rt_gw6);
	}
	return ip_neigh_gw4(dev, rt->rt_gw_family == AF_INET ?
				 rt->rt_gw4 : key->target.s6_addr32[3]);
}

/* Tells whether @dev has an address from which to ask for an IPv6 neighbour when
 * no packet waits for it: ndisc_send_ns() takes a link-local one, and says nothing
 * if there is none.
 */
static bool has_link_local(const struct net_device *dev)
{
	const struct inet6_dev *idev = __in6_dev_get(dev);
	const struct inet6_ifaddr *ifp;

	if (!idev)
		return false;
	list_for_each_entry_rcu(ifp, &idev->addr_list, if_list) {
		if (ifp->scope == IFA_LINK &&
		    !(ifp->flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)))
			return true;
	}
	return false;
}

/* Tells whether a copy may be given to the next hop of @route, where it waits for
 * the answer if the address is not known. Once a next hop has failed to answer,
 * copies do not wait for it, so that they are counted. Only where nothing but a
 * packet can ask, a copy does so each time: then a first failure may be that
 * nobody has asked, and after a second one the copy counts as dropped.
 */
static bool neigh_may_answer(struct rmirror_route *route,
			     struct rmirror_session *session)
{
	u8 failures = READ_ONCE(session->neigh_failures);
	struct neighbour *neigh = route->neigh;
	u8 state = READ_ONCE(neigh->nud_state);
	bool packet_asks;

	if (likely(state & NUD_VALID)) {
		if (unlikely(failures))
			WRITE_ONCE(session->neigh_failures, 0);
		return true;
	}
	if (state & NUD_FAILED && failures < 2)
		WRITE_ONCE(session->neigh_failures, ++failures);
	if (!failures)
		return true;

	packet_asks = !route->is_ipv4 && !has_link_local(route->dst->dev);
	if (packet_asks && failures == 1)
		return true;
	if (packet_asks && !(state & NUD_INCOMPLETE)) {
		route->is_question = true;
		return true;
	}
	neigh_event_send(neigh, NULL);
	return false;
}

/* Finds out whether dev_queue_xmit() would do nothing with a copy but give it to
 * the driver of its device: no queueing discipline, no filter, no packet socket
 * to show it to. If so, fills in @route so that xmit_direct() can do that.
 */
static void find_direct(struct rmirror_route *route)
{
	struct net_device *dev = route->dst->dev;
	struct netdev_queue *txq = netdev_get_tx_queue(dev, 0);
	const struct hh_cache *hh = &route->neigh->hh;
	unsigned int seq;

	if (dev->real_num_tx_queues != 1 ||
	    rcu_dereference_bh(txq->qdisc)->enqueue ||
	    READ_ONCE(txq->xmit_lock_owner) == smp_processor_id() ||
	    !(dev->priv_flags & IFF_XMIT_DST_RELEASE) ||
	    rmirror_has_egress_filter(dev) || rmirror_has_egress_hook(dev) ||
	    dev_nit_active(dev))
		return;

	if (route->skip_cache ||
	    !(READ_ONCE(route->neigh->nud_state) & NUD_CONNECTED))
		return;
	do {
		seq = read_seqbegin(&hh->hh_lock);
		route->hh_len = READ_ONCE(hh->hh_len);
		memcpy(route->hh, hh->hh_data, sizeof(route->hh));
	} while (read_seqretry(&hh->hh_lock, seq));
	if (route->hh_len && route->hh_len <= sizeof(route->hh))
		route->txq = txq;
}

/* Fills in the headers of @route but for the source address. */
static void init_headers(struct rmirror_route *route,
			 const struct rmirror_key *key, u8 tos)
{
	if (route->is_ipv4) {
		struct iphdr *iph = &route->ip4;

		iph->version = 4;
		iph->ihl = sizeof(*iph) / 4;
		iph->tos = tos;
		iph->tot_len = 0;
		iph->id = 0;
		iph->frag_off = key->flags & RMIRROR_F_DF ? htons(IP_DF) : 0;
		iph->ttl = key->ttl;
		iph->protocol = IPPROTO_GRE;
		iph->daddr = key->target.s6_addr32[3];
		iph->check = 0;
		route->ip4_sum = ~csum_unfold(ip_fast_csum(iph, iph->ihl));
	} else {
		struct ipv6hdr *ip6h = &route->ip6;

		ip6_flow_hdr(ip6h, tos, 0);
		ip6h->nexthdr = IPPROTO_GRE;
		ip6h->hop_limit = key->ttl;
		ip6h->daddr = key->target;
	}
	route->gre[0] = key->flags & RMIRROR_F_KEY ? GRE_KEY : 0;
	route->gre[1] = htons(RMIRROR_GRE_PROTO);
}

/* Finds the way of copies for @session with the outer @tos at the moment.
 * Returns 0, and the caller owns the route, see rmirror_route_put(); or the
 * reason why no copy can be sent, an RMIRROR_DROP_*. Called with bottom halves
 * disabled, in an RCU read-side critical section, in which alone the route is
 * good.
 */
enum rmirror_counter rmirror_route_get(struct rmirror_route *route,
				       struct net *net,
				       struct rmirror_session *session,
				       u8 tos)
{
	unsigned int encap_len = rmirror_encap_len(&session->key);
	enum rmirror_counter drop;
	const struct net_device *dev;
	unsigned int mtu;

	route->is_ipv4 = rmirror_is_ipv4(&session->key);
	if (route->is_ipv4 ? lookup4(route, net, session) :
			     lookup6(route, net, session))
		return RMIRROR_DROP_NO_ROUTE;

	dev = route->dst->dev;
	drop = RMIRROR_DROP_LOOP;
	if (unlikely(rmirror_is_device(dev)))
		goto err;
	drop = RMIRROR_DROP_LINK_DOWN;
	if (unlikely(!netif_running(dev) || !netif_carrier_ok(dev)))
		goto err;

	route->neigh = NULL;
	route->is_question = false;
	if (likely(is_plain(route->dst))) {
		route->neigh = find_neigh(route, &session->key);
		drop = RMIRROR_DROP_NO_NEIGH;
		if (IS_ERR(route->neigh) ||
		    !neigh_may_answer(route, session))
			goto err;
	}
	route->is_short = route->neigh &&
			  !rmirror_is_filtered(net, route->is_ipv4);
	route->txq = NULL;
	if (likely(route->is_short))
		find_direct(route);

	mtu = min_t(unsigned int, dst_mtu(route->dst), IP_MAX_MTU);
	route->headroom = encap_len + LL_RESERVED_SPACE(dev) +
			  route->dst->header_len;
	route->max_keep = mtu > encap_len ? mtu - encap_len : 0;
	route->max_len = (route->is_ipv4 ? IP_MAX_MTU :
					   IP6_MAX_MTU) - encap_len;
	init_headers(route, &session->key, tos);
	return 0;

err:
	dst_release(route->dst);
	return drop;
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

static void push_gre(struct sk_buff *skb, const struct rmirror_route *route,
		     const struct rmirror_key *key)
{
	if (route->gre[0])
		memcpy(__skb_push(skb, RMIRROR_GRE_KEY_LEN), &key->key,
		       RMIRROR_GRE_KEY_LEN);
	memcpy(__skb_push(skb, RMIRROR_GRE_HLEN), route->gre, RMIRROR_GRE_HLEN);
	skb_reset_transport_header(skb);
}

static void push_ipv4(struct sk_buff *skb, const struct rmirror_route *route,
		      struct net *net, struct rmirror_session *session,
		      bool fragment)
{
	struct iphdr *iph = __skb_push(skb, sizeof(*iph));
	__wsum sum;

	skb_reset_network_header(skb);
	*iph = route->ip4;
	iph->tot_len = htons(skb->len);

	/* One that is unique for a while is not cheap, so only fragments get
	 * it. A copy that a router fragments later may, in theory, meet another
	 * CPU's or session's with the same one.
	 */
	if (unlikely(fragment))
		__ip_select_ident(net, iph, 1);
	else
		iph->id = htons(++this_cpu_ptr(session->pcpu)->ip_id);
	sum = csum_add(route->ip4_sum, (__force __wsum)iph->tot_len);
	iph->check = csum_fold(csum_add(sum, (__force __wsum)iph->id));
	skb->protocol = htons(ETH_P_IP);
}

static void push_ipv6(struct sk_buff *skb, const struct rmirror_route *route)
{
	unsigned int payload_len = skb->len;
	struct ipv6hdr *ip6h = __skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	*ip6h = route->ip6;
	ip6h->payload_len = htons(payload_len);
	skb->protocol = htons(ETH_P_IPV6);
}

/* Counts @skb as the IP layer would that it does not go through. */
static void count_out(const struct rmirror_route *route, struct net *net,
		      const struct sk_buff *skb)
{
	if (route->is_ipv4)
		IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);
	else
		IP6_UPD_PO_STATS(net, ip6_dst_idev(route->dst),
				 IPSTATS_MIB_OUT, skb->len);
}

/* Gives @copy to the driver of its device. It is a whole packet in one piece, with
 * nothing left to do for the device.
 */
static int xmit_direct(const struct rmirror_route *route, struct sk_buff *copy)
{
	struct net_device *dev = copy->dev;
	int err = NETDEV_TX_BUSY;

	memcpy(copy->data - sizeof(route->hh), route->hh, sizeof(route->hh));
	__skb_push(copy, route->hh_len);
	skb_reset_mac_header(copy);

	HARD_TX_LOCK(dev, route->txq, smp_processor_id());
	if (likely(!netif_xmit_stopped(route->txq)))
		err = netdev_start_xmit(copy, dev, route->txq, false);
	HARD_TX_UNLOCK(dev, route->txq);
	if (likely(dev_xmit_complete(err)))
		return err;

	kfree_skb(copy);
	return NET_XMIT_DROP;
}

/* Encapsulates @copy, a frame with route->headroom bytes in front of it, for
 * @session and sends it, as @fragment says in fragments. Takes ownership of
 * @copy. Returns RMIRROR_COPIES; RMIRROR_DROP_XMIT if it was not sent; or
 * RMIRROR_DROP_NO_NEIGH if it waits for a next hop that is not likely to answer.
 * Called where rmirror_route_get() was.
 */
enum rmirror_counter rmirror_encap_xmit(const struct rmirror_route *route,
					struct net *net,
					struct rmirror_session *session,
					struct sk_buff *copy, bool fragment)
{
	int err;

	push_gre(copy, route, &session->key);
	if (route->is_ipv4)
		push_ipv4(copy, route, net, session, fragment);
	else
		push_ipv6(copy, route);
	copy->dev = route->dst->dev;
	copy->ignore_df = !(session->key.flags & RMIRROR_F_DF);
	skb_set_nfct(copy, IP_CT_UNTRACKED);

	if (unlikely(fragment || !route->is_short)) {
		skb_dst_set_noref(copy, route->dst);
		err = route->is_ipv4 ? ip_local_out(net, NULL, copy) :
				       ip6_local_out(net, NULL, copy);
	} else {
		count_out(route, net, copy);
		if (likely(route->txq)) {
			err = xmit_direct(route, copy);
		} else {
			skb_dst_set_noref(copy, route->dst);
			err = neigh_output(route->neigh, copy,
					   route->skip_cache);
		}
	}
	if (unlikely(net_xmit_eval(err)))
		return RMIRROR_DROP_XMIT;
	return unlikely(route->is_question) ? RMIRROR_DROP_NO_NEIGH :
					      RMIRROR_COPIES;
}
