// SPDX-License-Identifier: GPL-2.0
/*
 * A copy has a buffer of its own, just as long as what it keeps, so the frame
 * it is taken from is not written to, cloned or reallocated, and goes on as if
 * nothing had happened.
 *
 * The checksum of the transport header in a copy is:
 *  - as it stands in the frame, if the frame has it;
 *  - computed, if that is left to the device (CHECKSUM_PARTIAL, as always with
 *    GSO) and the copy is whole;
 *  - that of the pseudo header with this packet's length, uninverted, if it is
 *    left to the device and the copy is cut: nothing more can be said without
 *    reading all of the payload. This is what a capture on the sending host
 *    shows, too.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "compat.h"
#include "ether.h"
#include "truncate.h"

/* What rmirror_frame_init() can take apart. */
#define GSO_TCPV4 (SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID | \
		   SKB_GSO_DODGY)
#define GSO_TCPV6 (SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_DODGY)
#define GSO_UDP (SKB_GSO_UDP_L4 | SKB_GSO_DODGY)

/* Most packets that a GSO frame may stand for. TCP has at most some 1400 (64 kB
 * of tcp_min_snd_mss), but a virtual machine can say what it likes.
 */
#define MAX_PACKETS 2048

/* Longest headers, VLAN tags included, of a GSO frame that is taken apart. */
#define MAX_GSO_HLEN 192

/* Fills in what a GSO frame has more than others. Returns false if it is of a
 * kind that only the stack itself can take apart.
 */
static bool init_gso(struct rmirror_frame *frame)
{
	const struct sk_buff *skb = frame->skb;
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	unsigned int type = shinfo->gso_type, payload_len;
	u8 proto;

	if (skb->encapsulation || skb->ip_summed != CHECKSUM_PARTIAL)
		return false;

	frame->l3_offset = 0;
	switch (rmirror_skip_ether(skb, &frame->l3_offset)) {
	case htons(ETH_P_IP): {
		const struct iphdr *iph;
		struct iphdr buf;

		iph = skb_header_pointer(skb, frame->l3_offset, sizeof(buf),
					 &buf);
		if (!iph || iph->ihl < 5 || ip_is_fragment(iph))
			return false;
		frame->is_ipv4 = true;
		frame->l4_offset = frame->l3_offset + iph->ihl * 4;
		proto = iph->protocol;
		break;
	}
	case htons(ETH_P_IPV6): {
		const struct ipv6hdr *ip6h;
		struct ipv6hdr buf;

		ip6h = skb_header_pointer(skb, frame->l3_offset, sizeof(buf),
					  &buf);
		if (!ip6h)
			return false;
		frame->is_ipv4 = false;
		frame->l4_offset = frame->l3_offset + sizeof(*ip6h);
		proto = ip6h->nexthdr;
		break;
	}
	default:
		return false;
	}

	if (proto == IPPROTO_TCP) {
		const struct tcphdr *th;
		struct tcphdr buf;

		if (type & ~(frame->is_ipv4 ? GSO_TCPV4 : GSO_TCPV6) ||
		    skb->csum_offset != offsetof(struct tcphdr, check))
			return false;
		th = skb_header_pointer(skb, frame->l4_offset, sizeof(buf),
					&buf);
		if (!th || th->doff < 5)
			return false;
		frame->is_tcp = true;
		frame->payload_offset = frame->l4_offset + th->doff * 4;
	} else if (proto == IPPROTO_UDP) {
		if (type & ~GSO_UDP || !(type & SKB_GSO_UDP_L4) ||
		    skb->csum_offset != offsetof(struct udphdr, check))
			return false;
		frame->is_tcp = false;
		frame->payload_offset = frame->l4_offset +
					sizeof(struct udphdr);
	} else {
		return false;
	}

	if (skb_checksum_start_offset(skb) != frame->l4_offset ||
	    frame->payload_offset > MAX_GSO_HLEN - VLAN_HLEN ||
	    frame->payload_offset >= skb->len)
		return false;

	payload_len = skb->len - frame->payload_offset;
	frame->gso_size = shinfo->gso_size;
	frame->n_packets = DIV_ROUND_UP(payload_len, frame->gso_size);
	return true;
}

/* Initializes @frame from @skb, whose data starts with an Ethernet header and
 * which must outlive it. Returns 0; -EOPNOTSUPP for a GSO frame that must be
 * segmented by the stack first; or -EINVAL for one that nobody should segment,
 * and for what is no frame.
 */
int rmirror_frame_init(struct rmirror_frame *frame, const struct sk_buff *skb)
{
	frame->skb = skb;
	frame->vlan_hlen = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0;
	frame->n_packets = 1;
	frame->gso_size = 0;
	if (skb->len < ETH_HLEN)
		return -EINVAL;
	if (skb_is_gso(skb)) {
		if (skb->len / skb_shinfo(skb)->gso_size > MAX_PACKETS)
			return -EINVAL;
		if (!init_gso(frame))
			return -EOPNOTSUPP;
	}
	return 0;
}

/* Payload, in bytes, of packet @i of a GSO frame. */
static unsigned int payload_len(const struct rmirror_frame *frame,
				unsigned int i)
{
	return min(frame->skb->len - frame->payload_offset -
		   i * frame->gso_size, frame->gso_size);
}

/* Returns the length of packet @i on the wire, in bytes from its Ethernet
 * header on, without a frame check sequence.
 */
unsigned int rmirror_frame_wire_len(const struct rmirror_frame *frame,
				    unsigned int i)
{
	if (!frame->gso_size)
		return frame->vlan_hlen + frame->skb->len;
	return frame->vlan_hlen + frame->payload_offset +
	       payload_len(frame, i);
}

/* What copies are cut from. The network stack has such pages, too, but received
 * frames are cut from them, which live on: a page with one of those cannot be
 * used again at its end, and the next one is allocated and cleared.
 */
static DEFINE_PER_CPU(struct page_frag_cache, copy_pages);

/* Gives back the memory that is kept for copies. There are no more of them to
 * come.
 */
void rmirror_frame_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		rmirror_page_frag_drain(per_cpu_ptr(&copy_pages, cpu));
}

/* Allocates an skb with room for @len bytes behind @headroom ones. Bottom halves
 * are disabled.
 */
static struct sk_buff *alloc_copy(unsigned int len, unsigned int headroom)
{
	unsigned int size = SKB_DATA_ALIGN(NET_SKB_PAD + headroom + len) +
			    SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct sk_buff *skb;
	void *data;

	if (size > PAGE_FRAG_CACHE_MAX_SIZE) {
		skb = alloc_skb(headroom + len, GFP_ATOMIC | __GFP_NOWARN);
		if (skb)
			skb_reserve(skb, headroom);
		return skb;
	}

	/* Half the price of alloc_skb(). */
	data = page_frag_alloc(this_cpu_ptr(&copy_pages), size,
			       GFP_ATOMIC | __GFP_NOWARN);
	if (!data)
		return NULL;
	skb = napi_build_skb(data, size);
	if (!skb) {
		skb_free_frag(data);
		return NULL;
	}
	skb_reserve(skb, NET_SKB_PAD + headroom);
	return skb;
}

/* Copies @len bytes from the start of the frame to @to, and puts the VLAN tag,
 * which is part of @len, in its place.
 */
static int copy_start(const struct rmirror_frame *frame, u8 *to,
		      unsigned int len)
{
	const struct sk_buff *skb = frame->skb;
	__be16 tag[2];

	if (likely(!frame->vlan_hlen)) {
		if (unlikely(len > skb_headlen(skb)))
			return skb_copy_bits(skb, 0, to, len);
		memcpy(to, skb->data, len);
		return 0;
	}

	tag[0] = skb->vlan_proto;
	tag[1] = htons(skb_vlan_tag_get(skb));
	if (skb_copy_bits(skb, 0, to, 2 * ETH_ALEN))
		return -EFAULT;
	memcpy(to + 2 * ETH_ALEN, tag,
	       min_t(unsigned int, len - 2 * ETH_ALEN, sizeof(tag)));
	if (len <= 2 * ETH_ALEN + VLAN_HLEN)
		return 0;
	return skb_copy_bits(skb, 2 * ETH_ALEN, to + 2 * ETH_ALEN + VLAN_HLEN,
			     len - 2 * ETH_ALEN - VLAN_HLEN);
}

static struct sk_buff *copy_single(const struct rmirror_frame *frame,
				   unsigned int keep, unsigned int headroom)
{
	const struct sk_buff *skb = frame->skb;
	struct sk_buff *copy;
	unsigned int start;
	__sum16 *check;
	__wsum sum;
	u8 *data;

	copy = alloc_copy(keep, headroom);
	if (unlikely(!copy))
		return NULL;
	data = __skb_put(copy, keep);

	if (skb->ip_summed != CHECKSUM_PARTIAL ||
	    keep < frame->vlan_hlen + skb->len) {
		if (copy_start(frame, data, keep))
			goto err;
		return copy;
	}

	start = frame->vlan_hlen + skb_checksum_start_offset(skb);
	if (rmirror_csum_is_sctp(skb)) {
		if (copy_start(frame, data, keep))
			goto err;
		copy->ip_summed = CHECKSUM_PARTIAL;
		copy->csum_start = skb_headroom(copy) + start;
		copy->csum_offset = skb->csum_offset;
		rmirror_set_csum_sctp(copy);
		if (skb_csum_hwoffload_help(copy, 0))
			goto err;
		return copy;
	}

	if (start + skb->csum_offset + sizeof(__sum16) > keep ||
	    copy_start(frame, data, start))
		goto err;
	/* The sum of the pseudo header is in the checksum field. Like Linux,
	 * write no zero, which tells in UDP that there is no checksum.
	 */
	sum = skb_copy_and_csum_bits(skb, start - frame->vlan_hlen,
				     data + start, keep - start);
	check = (__sum16 *)(data + start + skb->csum_offset);
	*check = csum_fold(sum) ?: CSUM_MANGLED_0;
	return copy;

err:
	kfree_skb(copy);
	return NULL;
}

/* Makes the headers at @data, those of the whole GSO frame, the ones of packet
 * @i with @len bytes of payload.
 */
static void set_headers(const struct rmirror_frame *frame, u8 *data,
			unsigned int i, unsigned int len)
{
	unsigned int l3 = frame->vlan_hlen + frame->l3_offset;
	unsigned int l4 = frame->vlan_hlen + frame->l4_offset;
	unsigned int l4_len = frame->payload_offset - frame->l4_offset + len;
	__sum16 *check;
	__wsum delta;

	if (frame->is_ipv4) {
		struct iphdr *iph = (struct iphdr *)(data + l3);

		iph->tot_len = htons(l4 - l3 + l4_len);
		if (!(skb_shinfo(frame->skb)->gso_type & SKB_GSO_TCP_FIXEDID))
			iph->id = htons(ntohs(iph->id) + i);
		ip_send_check(iph);
	} else {
		struct ipv6hdr *ip6h = (struct ipv6hdr *)(data + l3);

		ip6h->payload_len = htons(l4_len);
	}

	if (frame->is_tcp) {
		struct tcphdr *th = (struct tcphdr *)(data + l4);

		th->seq = htonl(ntohl(th->seq) + i * frame->gso_size);
		if (i)
			th->cwr = 0;
		if (i + 1 < frame->n_packets) {
			th->fin = 0;
			th->psh = 0;
		}
		check = &th->check;
	} else {
		struct udphdr *uh = (struct udphdr *)(data + l4);

		uh->len = htons(l4_len);
		check = &uh->check;
	}

	/* The sum of the pseudo header has the length of the whole frame. */
	delta = csum_sub((__force __wsum)htonl(l4_len),
			 (__force __wsum)htonl(frame->skb->len -
					       frame->l4_offset));
	*check = ~csum_fold(csum_add(csum_unfold(*check), delta));
}

static struct sk_buff *copy_segment(const struct rmirror_frame *frame,
				    unsigned int i, unsigned int keep,
				    unsigned int headroom)
{
	unsigned int hlen = frame->vlan_hlen + frame->payload_offset;
	unsigned int l4 = frame->vlan_hlen + frame->l4_offset;
	unsigned int len = payload_len(frame, i);
	unsigned int from = frame->payload_offset + i * frame->gso_size;
	struct sk_buff *copy;
	u8 *data;

	/* The headers are completed before they are cut. */
	copy = alloc_copy(max(keep, hlen), headroom);
	if (unlikely(!copy))
		return NULL;
	data = __skb_put(copy, max(keep, hlen));

	if (copy_start(frame, data, hlen))
		goto err;
	set_headers(frame, data, i, len);

	if (keep == hlen + len) {
		__wsum sum = csum_partial(data + l4, hlen - l4, 0);
		__sum16 *check = (__sum16 *)(data + l4 +
					     frame->skb->csum_offset);

		/* Linux writes a zero when it makes segments of TCP. */
		sum = csum_block_add(sum,
				     skb_copy_and_csum_bits(frame->skb, from,
							    data + hlen, len),
				     hlen - l4);
		*check = csum_fold(sum);
		if (!*check && !frame->is_tcp)
			*check = CSUM_MANGLED_0;
	} else if (keep > hlen) {
		if (skb_copy_bits(frame->skb, from, data + hlen, keep - hlen))
			goto err;
	} else {
		__skb_trim(copy, keep);
	}
	return copy;

err:
	kfree_skb(copy);
	return NULL;
}

/* Returns a copy of the first @keep bytes, ETH_HLEN or more, of packet @i, with
 * @headroom bytes in front of it, or NULL if there is no memory. Bottom halves
 * are disabled.
 */
struct sk_buff *rmirror_frame_copy(const struct rmirror_frame *frame,
				   unsigned int i, unsigned int keep,
				   unsigned int headroom)
{
	if (!frame->gso_size)
		return copy_single(frame, keep, headroom);
	return copy_segment(frame, i, keep, headroom);
}
