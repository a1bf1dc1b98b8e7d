// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>

#include "compat.h"
#include "encap.h"
#include "loop.h"
#include "mirror.h"
#include "session.h"
#include "trace.h"
#include "truncate.h"

/* What a frame is mirrored by. */
struct mirror {
	struct net *net;
	struct rmirror_session *session;
	u32 len;		/* RMIRROR_LEN_*, or bytes to keep. */
	struct rmirror_route route;
	struct rmirror_result *result;

	/* What set_wire_len() says of a packet. */
	unsigned int wire_len;	/* Bytes on the wire. */
	unsigned int keep;	/* Bytes in the copy. */
	bool fragment;		/* Whether the copy exceeds the MTU, */
	bool too_big;		/* and cannot be sent for that. */
};

static void count_drop(const struct mirror *m, enum rmirror_counter reason,
		       unsigned int n)
{
	rmirror_session_count(m->session, reason, n);
	m->result->dropped += n;
	trace_rmirror_drop(&m->session->key, reason, n);
}

/* Decides on the copies of packets of @wire_len bytes. */
static void set_wire_len(struct mirror *m, unsigned int wire_len)
{
	unsigned int keep = wire_len;

	if (m->len == RMIRROR_LEN_MTU)
		keep = min(wire_len, m->route.max_keep);
	else if (m->len != RMIRROR_LEN_ALL)
		keep = min(wire_len, m->len);

	m->wire_len = wire_len;
	m->keep = keep;
	m->fragment = keep > m->route.max_keep;
	m->too_big = keep < ETH_HLEN || keep > m->route.max_len ||
		     (m->fragment && m->session->key.flags & RMIRROR_F_DF);
}

/* Sends @copy, made of @skb for a packet that set_wire_len() was told of, or
 * counts it when it is NULL.
 */
static void send_copy(struct mirror *m, const struct sk_buff *skb,
		      struct sk_buff *copy)
{
	struct rmirror_result *result = m->result;
	enum rmirror_counter verdict;

	if (unlikely(!copy)) {
		count_drop(m, RMIRROR_DROP_NO_MEMORY, 1);
		return;
	}
	/* The packets of a flow stay on one queue of the device. */
	skb_copy_hash(copy, skb);

	verdict = rmirror_encap_xmit(&m->route, m->net, m->session, copy,
				     m->fragment);
	if (unlikely(verdict != RMIRROR_COPIES)) {
		count_drop(m, verdict, 1);
		return;
	}
	result->copies++;
	result->bytes += m->keep;
	result->orig_bytes += m->wire_len;
	result->truncated += m->keep < m->wire_len;
	result->fragmented += m->fragment;
	trace_rmirror_send(&m->session->key, m->route.dst->dev->ifindex,
			   m->keep, m->wire_len);
}

/* Sends a copy of @skb, which is no GSO frame. */
static void send_frame(struct mirror *m, const struct sk_buff *skb)
{
	if (unlikely(skb->len < ETH_HLEN)) {
		count_drop(m, RMIRROR_DROP_MALFORMED, 1);
		return;
	}
	set_wire_len(m, rmirror_wire_len(skb));
	if (unlikely(m->too_big))
		count_drop(m, RMIRROR_DROP_TOO_BIG, 1);
	else
		send_copy(m, skb, rmirror_copy(skb, m->keep,
					       m->route.headroom));
}

/* Sends copies of the packets of @gso, which are all as long but the last. */
static void send_packets(struct mirror *m, struct rmirror_gso *gso)
{
	unsigned int i, last = gso->n_packets - 1;

	for (i = 0; i <= last; i++) {
		if (!i || i == last)
			set_wire_len(m, rmirror_gso_wire_len(gso, i));
		if (unlikely(m->too_big))
			count_drop(m, RMIRROR_DROP_TOO_BIG, 1);
		else
			send_copy(m, gso->skb,
				  rmirror_gso_copy(gso, i, m->keep,
						   m->route.headroom));
	}
}

/* Lets the stack take a GSO frame apart, and sends a copy of each part. To be
 * cloned for that changes nothing in @skb that anybody sees.
 */
static void send_segmented(struct mirror *m, const struct sk_buff *skb)
{
	struct sk_buff *clone, *segs, *seg, *next;

	clone = skb_clone((struct sk_buff *)skb, GFP_ATOMIC | __GFP_NOWARN);
	if (!clone) {
		count_drop(m, RMIRROR_DROP_NO_MEMORY, 1);
		return;
	}
	clone->dev = m->route.dst->dev;
	segs = __skb_gso_segment(clone, NETIF_F_SG, false);
	if (IS_ERR_OR_NULL(segs)) {
		count_drop(m, PTR_ERR(segs) == -ENOMEM ?
			      RMIRROR_DROP_NO_MEMORY : RMIRROR_DROP_MALFORMED,
			   1);
		kfree_skb(clone);
		return;
	}

	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		send_frame(m, seg);
		consume_skb(seg);
	}
	consume_skb(clone);
}

/* Finds the way of the copies of @skb. Returns 0, or the reason why there is
 * none.
 */
static enum rmirror_counter get_route(struct mirror *m,
				      const struct sk_buff *skb)
{
	const struct rmirror_key *key = &m->session->key;
	u8 tos = key->flags & RMIRROR_F_TOS_INHERIT ? rmirror_inner_tos(skb) :
						      key->tos;

	return rmirror_route_get(&m->route, m->net, m->session, tos);
}

static void mirror_frame(struct mirror *m, const struct sk_buff *skb)
{
	enum rmirror_counter drop = get_route(m, skb);

	if (unlikely(drop)) {
		count_drop(m, drop, 1);
		return;
	}
	send_frame(m, skb);
	rmirror_route_put(&m->route);
}

static noinline_for_stack void mirror_gso(struct mirror *m,
					  const struct sk_buff *skb)
{
	enum rmirror_counter drop;
	struct rmirror_gso gso;
	int err;

	err = rmirror_gso_init(&gso, skb);
	if (err == -EINVAL) {
		count_drop(m, RMIRROR_DROP_MALFORMED, 1);
		return;
	}
	drop = get_route(m, skb);
	if (drop) {
		count_drop(m, drop, err ? max_t(unsigned int, 1,
						skb_shinfo(skb)->gso_segs) :
					  gso.n_packets);
		return;
	}
	rmirror_session_count(m->session, RMIRROR_EXPANDED, 1);
	if (err)
		send_segmented(m, skb);
	else
		send_packets(m, &gso);
	rmirror_route_put(&m->route);
}

/* Sends copies of @skb, each packet that the wire would carry cut to @len, to
 * @session's target, and says in *@result what became of them. @skb, whose data
 * starts with its Ethernet header, is left as it is. Called with bottom halves
 * disabled, in an RCU read-side critical section.
 */
void rmirror_mirror(struct net *net, struct rmirror_session *session,
		    const struct sk_buff *skb, u32 len,
		    struct rmirror_result *result)
{
	struct mirror m = {
		.net = net,
		.session = session,
		.len = len,
		.result = result,
	};

	memset(result, 0, sizeof(*result));

	/* Sending below may come back here by way of a device that gives
	 * packets to the datapath again.
	 */
	if (unlikely(!rmirror_enter())) {
		count_drop(&m, RMIRROR_DROP_LOOP, 1);
		return;
	}
	if (unlikely(rmirror_is_copy(net, skb)))
		count_drop(&m, RMIRROR_DROP_LOOP, 1);
	else if (skb_is_gso(skb))
		mirror_gso(&m, skb);
	else
		mirror_frame(&m, skb);
	rmirror_leave();

	if (likely(result->copies))
		rmirror_session_count_copies(session, result);
}
