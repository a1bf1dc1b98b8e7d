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
	u8 tos;			/* Outer DSCP and ECN. */
	struct rmirror_route route;
	struct rmirror_result *result;
};

static void count_drop(const struct mirror *m, enum rmirror_counter reason,
		       unsigned int n)
{
	rmirror_session_count(m->session, reason, n);
	m->result->dropped += n;
	trace_rmirror_drop(&m->session->key, reason, n);
}

/* Sends a copy of packet @i of @frame. */
static void send_packet(const struct mirror *m,
			const struct rmirror_frame *frame, unsigned int i)
{
	unsigned int wire_len = rmirror_frame_wire_len(frame, i);
	unsigned int keep = wire_len;
	enum rmirror_counter verdict;
	struct sk_buff *copy;
	bool fragment;

	if (m->len == RMIRROR_LEN_MTU)
		keep = min(wire_len, m->route.max_keep);
	else if (m->len != RMIRROR_LEN_ALL)
		keep = min(wire_len, m->len);

	fragment = keep > m->route.max_keep;
	if (unlikely(keep < ETH_HLEN || keep > m->route.max_len ||
		     (fragment && m->session->key.flags & RMIRROR_F_DF))) {
		count_drop(m, RMIRROR_DROP_TOO_BIG, 1);
		return;
	}

	copy = rmirror_frame_copy(frame, i, keep, m->route.headroom);
	if (unlikely(!copy)) {
		count_drop(m, RMIRROR_DROP_NO_MEMORY, 1);
		return;
	}
	/* The packets of a flow stay on one queue of the device. */
	skb_copy_hash(copy, frame->skb);

	verdict = rmirror_encap_xmit(&m->route, m->net, m->session, copy,
				     m->tos, fragment);
	if (unlikely(verdict != RMIRROR_COPIES)) {
		count_drop(m, verdict, 1);
		return;
	}
	rmirror_session_count_copy(m->session, keep, wire_len, fragment);
	m->result->copies++;
	m->result->bytes += keep;
	trace_rmirror_send(&m->session->key, m->route.dst->dev->ifindex, keep,
			   wire_len);
}

/* Lets the stack take a GSO frame apart, and sends a copy of each part. To be
 * cloned for that changes nothing in @skb that anybody sees.
 */
static void send_segmented(const struct mirror *m, const struct sk_buff *skb)
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
		struct rmirror_frame frame;

		skb_mark_not_on_list(seg);
		if (!rmirror_frame_init(&frame, seg))
			send_packet(m, &frame, 0);
		else
			count_drop(m, RMIRROR_DROP_MALFORMED, 1);
		consume_skb(seg);
	}
	consume_skb(clone);
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
	enum rmirror_counter drop;
	struct rmirror_frame frame;
	unsigned int i;
	int err;

	memset(result, 0, sizeof(*result));

	/* Sending below may come back here by way of a device that gives
	 * packets to the datapath again.
	 */
	if (unlikely(!rmirror_enter())) {
		count_drop(&m, RMIRROR_DROP_LOOP, 1);
		return;
	}
	if (unlikely(rmirror_is_copy(net, skb))) {
		count_drop(&m, RMIRROR_DROP_LOOP, 1);
		goto out;
	}

	err = rmirror_frame_init(&frame, skb);
	if (unlikely(err == -EINVAL)) {
		count_drop(&m, RMIRROR_DROP_MALFORMED, 1);
		goto out;
	}
	drop = rmirror_route_get(&m.route, net, session);
	if (unlikely(drop)) {
		count_drop(&m, drop, err ? max_t(unsigned int, 1,
						 skb_shinfo(skb)->gso_segs) :
					   frame.n_packets);
		goto out;
	}
	m.tos = session->key.flags & RMIRROR_F_TOS_INHERIT ?
		rmirror_inner_tos(skb) : session->key.tos;

	if (skb_is_gso(skb))
		rmirror_session_count(session, RMIRROR_EXPANDED, 1);
	if (unlikely(err)) {
		send_segmented(&m, skb);
	} else {
		for (i = 0; i < frame.n_packets; i++)
			send_packet(&m, &frame, i);
	}
	rmirror_route_put(&m.route);
out:
	rmirror_leave();
}
