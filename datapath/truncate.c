// SPDX-License-Identifier: GPL-2.0
/*
 * A copy has a buffer of its own, just as long as what it keeps, so the frame
 * it is taken from is not written to, cloned or reallocated, and goes on as if
 * nothing had happened.
 *
 * The checksum of the transport header in a copy is:
 *  - as it stands in the frame, if the frame has it, or if what is left to the
 *    device is no checksum of what is behind the Ethernet header;
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
#include <net/tcp.h>

#include "compat.h"
#include "ether.h"
#include "truncate.h"

/* What rmirror_gso_init() can take apart. */
#define GSO_TCPV4 (SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID | \
		   SKB_GSO_DODGY)
#define GSO_TCPV6 (SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_DODGY)
#define GSO_UDP (SKB_GSO_UDP_L4 | SKB_GSO_DODGY)

/* Most packets that a GSO frame may stand for. TCP has at most some 1400 (64 kB
 * of tcp_min_snd_mss), but a virtual machine can say what it likes.
 */
#define MAX_PACKETS 2048

/* Headers are copied so many bytes at a time. */
#define HEADER_STEP 16

/* What copies are cut from. The network stack has such pages, too, but received
 * frames are cut from them, which live on: a page with one of those cannot be
 * used again at its end, and the next one is allocated and cleared.
 */
static DEFINE_PER_CPU(struct page_frag_cache, copy_pages);

/* Gives back the memory that is kept for copies. There are no more of them to
 * come.
 */
void rmirror_copy_exit(void)
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

/* Copies @len bytes from the start of @skb to @to, and puts the VLAN tag, which
 * is part of @len, in its place.
 */
static int copy_start(const struct sk_buff *skb, u8 *to, unsigned int len)
{
	__be16 tag[2];

	if (likely(!skb_vlan_tag_present(skb))) {
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

/* Returns a copy of the first @keep bytes, ETH_HLEN or more, of @skb, a frame but
 * no GSO frame, with @headroom bytes in front of it, or NULL if there is no
 * memory. Bottom halves are disabled.
 */
struct sk_buff *rmirror_copy(const struct sk_buff *skb, unsigned int keep,
			     unsigned int headroom)
{
	unsigned int vlan_hlen = rmirror_vlan_hlen(skb);
	struct sk_buff *copy;
	unsigned int start;
	__sum16 *check;
	__wsum sum;
	u8 *data;

	copy = alloc_copy(keep, headroom);
	if (unlikely(!copy))
		return NULL;
	data = __skb_put(copy, keep);

	/* A checksum that begins in the Ethernet header is nonsense that a guest
	 * has asked for; before it, if a header has been taken away, too.
	 */
	if (skb->ip_summed != CHECKSUM_PARTIAL ||
	    keep < vlan_hlen + skb->len ||
	    unlikely(skb_checksum_start_offset(skb) < ETH_HLEN)) {
		if (copy_start(skb, data, keep))
			goto err;
		return copy;
	}

	start = vlan_hlen + skb_checksum_start_offset(skb);
	if (rmirror_csum_is_sctp(skb)) {
		if (copy_start(skb, data, keep))
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
	    copy_start(skb, data, start))
		goto err;
	/* The sum of the pseudo header is in the checksum field. Like Linux,
	 * write no zero, which tells in UDP that there is no checksum.
	 */
	sum = skb_copy_and_csum_bits(skb, start - vlan_hlen,
				     data + start, keep - start);
	check = (__sum16 *)(data + start + skb->csum_offset);
	*check = csum_fold(sum) ?: CSUM_MANGLED_0;
	return copy;

err:
	kfree_skb(copy);
	return NULL;
}

/* Where headers are in @headers, those of a packet of a GSO frame. */

static struct iphdr *ip_header(const struct rmirror_gso *gso, u8 *headers)
{
	return (struct iphdr *)(headers + gso->l3_offset);
}

static struct tcphdr *tcp_header(const struct rmirror_gso *gso, u8 *headers)
{
	return (struct tcphdr *)(headers + gso->l4_offset);
}

/* Makes @headers, those of a packet with @old_len bytes of payload, the ones of
 * a packet with @len bytes, but for the checksum of IPv4. The transport header's
 * is the sum of the pseudo header, and stays it.
 */
static void set_lengths(const struct rmirror_gso *gso, u8 *headers,
			unsigned int old_len, unsigned int len)
{
	unsigned int l4_hlen = gso->hlen - gso->l4_offset;
	struct tcphdr *th = tcp_header(gso, headers);
	struct iphdr *iph = ip_header(gso, headers);
	__sum16 *check = &th->check;
	__wsum delta;

	if (gso->is_ipv4)
		iph->tot_len = htons(gso->hlen - gso->l3_offset + len);
	else
		((struct ipv6hdr *)iph)->payload_len = htons(l4_hlen + len);

	if (!gso->is_tcp) {
		struct udphdr *uh = (struct udphdr *)th;

		uh->len = htons(l4_hlen + len);
		check = &uh->check;
	}
	delta = csum_sub((__force __wsum)htonl(l4_hlen + len),
			 (__force __wsum)htonl(l4_hlen + old_len));
	*check = ~csum_fold(csum_add(csum_unfold(*check), delta));
}

/* Fills in the headers that all packets of a GSO frame have, which itself has
 * @len bytes of payload.
 */
static bool init_headers(struct rmirror_gso *gso, unsigned int len)
{
	u8 *headers = gso->headers;

	if (copy_start(gso->skb, headers, gso->hlen))
		return false;
	set_lengths(gso, headers, len, gso->size);

	if (gso->is_ipv4) {
		struct iphdr *iph = ip_header(gso, headers);

		gso->ip_id = ntohs(iph->id);
		gso->ip_id_step = !(skb_shinfo(gso->skb)->gso_type &
				    SKB_GSO_TCP_FIXEDID);
		iph->id = 0;
		iph->check = 0;
		gso->ip_sum = csum_partial(iph, iph->ihl * 4, 0);
	}
	if (gso->is_tcp) {
		struct tcphdr *th = tcp_header(gso, headers);

		gso->seq = ntohl(th->seq);
		gso->tcp_flags = tcp_flag_byte(th);
	}
	return true;
}

/* Finds the headers of a GSO frame. Returns false if it is of a kind that only
 * the stack itself can take apart.
 */
static bool find_headers(struct rmirror_gso *gso)
{
	const struct sk_buff *skb = gso->skb;
	unsigned int type = skb_shinfo(skb)->gso_type;
	unsigned int vlan_hlen = rmirror_vlan_hlen(skb);
	u8 proto;

	if (skb->encapsulation || skb->ip_summed != CHECKSUM_PARTIAL)
		return false;

	gso->l3_offset = 0;
	switch (rmirror_skip_ether(skb, &gso->l3_offset)) {
	case htons(ETH_P_IP): {
		const struct iphdr *iph;
		struct iphdr buf;

		iph = skb_header_pointer(skb, gso->l3_offset, sizeof(buf),
					 &buf);
		if (!iph || iph->ihl < 5 || ip_is_fragment(iph))
			return false;
		gso->is_ipv4 = true;
		gso->l4_offset = gso->l3_offset + iph->ihl * 4;
		proto = iph->protocol;
		break;
	}
	case htons(ETH_P_IPV6): {
		const struct ipv6hdr *ip6h;
		struct ipv6hdr buf;

		ip6h = skb_header_pointer(skb, gso->l3_offset, sizeof(buf),
					  &buf);
		if (!ip6h)
			return false;
		gso->is_ipv4 = false;
		gso->l4_offset = gso->l3_offset + sizeof(*ip6h);
		proto = ip6h->nexthdr;
		break;
	}
	default:
		return false;
	}

	if (proto == IPPROTO_TCP) {
		const struct tcphdr *th;
		struct tcphdr buf;

		if (type & ~(gso->is_ipv4 ? GSO_TCPV4 : GSO_TCPV6) ||
		    skb->csum_offset != offsetof(struct tcphdr, check))
			return false;
		th = skb_header_pointer(skb, gso->l4_offset, sizeof(buf),
					&buf);
		if (!th || th->doff < 5)
			return false;
		gso->is_tcp = true;
		gso->hlen = gso->l4_offset + th->doff * 4;
	} else if (proto == IPPROTO_UDP) {
		if (type & ~GSO_UDP || !(type & SKB_GSO_UDP_L4) ||
		    skb->csum_offset != offsetof(struct udphdr, check))
			return false;
		gso->is_tcp = false;
		gso->hlen = gso->l4_offset + sizeof(struct udphdr);
	} else {
		return false;
	}

	if (skb_checksum_start_offset(skb) != gso->l4_offset ||
	    gso->hlen > RMIRROR_MAX_GSO_HLEN - VLAN_HLEN ||
	    gso->hlen >= skb->len)
		return false;

	gso->l3_offset += vlan_hlen;
	gso->l4_offset += vlan_hlen;
	gso->hlen += vlan_hlen;
	return true;
}

/* Initializes @gso from @skb, a GSO frame whose data starts with an Ethernet
 * header and which must outlive it. Returns 0; -EOPNOTSUPP if it must be
 * segmented by the stack first; or -EINVAL if nobody should segment it.
 */
int rmirror_gso_init(struct rmirror_gso *gso, const struct sk_buff *skb)
{
	unsigned int len;

	gso->skb = skb;
	gso->size = skb_shinfo(skb)->gso_size;
	if (skb->len < ETH_HLEN || skb->len / gso->size > MAX_PACKETS)
		return -EINVAL;
	if (!find_headers(gso))
		return -EOPNOTSUPP;

	len = rmirror_wire_len(skb) - gso->hlen;
	gso->n_packets = DIV_ROUND_UP(len, gso->size);
	gso->last_size = len - (gso->n_packets - 1) * gso->size;
	gso->frag = 0;
	gso->frag_offset = skb_headlen(skb);
	return init_headers(gso, len) ? 0 : -EOPNOTSUPP;
}

/* Completes the headers at @data, a copy of gso->headers, for packet @i with
 * @len bytes of payload.
 */
static void set_headers(const struct rmirror_gso *gso, u8 *data,
			unsigned int i, unsigned int len)
{
	if (unlikely(len != gso->size))
		set_lengths(gso, data, gso->size, len);

	if (gso->is_ipv4) {
		struct iphdr *iph = ip_header(gso, data);

		iph->id = htons(gso->ip_id + i * gso->ip_id_step);
		if (likely(len == gso->size))
			iph->check = csum_fold(csum_add(gso->ip_sum,
							(__force __wsum)iph->id));
		else
			ip_send_check(iph);
	}

	if (gso->is_tcp) {
		struct tcphdr *th = tcp_header(gso, data);
		u8 flags = gso->tcp_flags;

		th->seq = htonl(gso->seq + i * gso->size);
		if (i)
			flags &= ~TCPHDR_CWR;
		if (i + 1 < gso->n_packets)
			flags &= ~(TCPHDR_FIN | TCPHDR_PSH);
		tcp_flag_byte(th) = flags;
	}
}

/* Copies the headers to @to. Writes up to HEADER_STEP - 1 bytes more. A loop,
 * because for so few bytes it is cheaper than memcpy().
 */
static void copy_headers(const struct rmirror_gso *gso, u8 *to)
{
	const u64 *from = (const u64 *)gso->headers;
	unsigned int left = gso->hlen;

	for (;;) {
		put_unaligned(from[0], (u64 *)to);
		put_unaligned(from[1], (u64 *)(to + 8));
		if (left <= HEADER_STEP)
			break;
		left -= HEADER_STEP;
		from += HEADER_STEP / sizeof(*from);
		to += HEADER_STEP;
	}
}

/* Returns where the @len bytes at @offset of the frame are in memory, or NULL if
 * they are not in one piece. Looks for them from where those of the last call
 * were.
 */
static const void *find_payload(struct rmirror_gso *gso,
				unsigned int offset, unsigned int len)
{
	const struct sk_buff *skb = gso->skb;
	const struct skb_shared_info *shinfo = skb_shinfo(skb);

	if (offset + len <= skb_headlen(skb))
		return skb->data + offset;
	if (IS_ENABLED(CONFIG_HIGHMEM) || offset < gso->frag_offset)
		return NULL;
	while (gso->frag < shinfo->nr_frags) {
		const skb_frag_t *frag = &shinfo->frags[gso->frag];
		unsigned int end = gso->frag_offset + skb_frag_size(frag);

		if (offset < end) {
			const u8 *start = skb_frag_address_safe(frag);

			if (!start || offset + len > end)
				return NULL;
			return start + (offset - gso->frag_offset);
		}
		gso->frag++;
		gso->frag_offset = end;
	}
	return NULL;
}

/* Copies @len bytes of payload at @offset of the frame to @to. */
static int copy_payload(struct rmirror_gso *gso, unsigned int offset,
			u8 *to, unsigned int len)
{
	const void *from = find_payload(gso, offset, len);

	if (unlikely(!from))
		return skb_copy_bits(gso->skb, offset, to, len);
	memcpy(to, from, len);
	return 0;
}

/* Returns a copy of the first @keep bytes, ETH_HLEN or more, of packet @i of
 * @gso, with @headroom bytes in front of it, or NULL if there is no memory.
 * Bottom halves are disabled.
 */
struct sk_buff *rmirror_gso_copy(struct rmirror_gso *gso, unsigned int i,
				 unsigned int keep, unsigned int headroom)
{
	unsigned int hlen = gso->hlen;
	unsigned int len = rmirror_gso_wire_len(gso, i) - hlen;
	unsigned int from = hlen - rmirror_vlan_hlen(gso->skb) +
			    i * gso->size;
	struct sk_buff *copy;
	u8 *data;

	/* The headers are completed before they are cut. */
	copy = alloc_copy(max(keep, round_up(hlen, HEADER_STEP)), headroom);
	if (unlikely(!copy))
		return NULL;
	data = __skb_put(copy, keep);

	copy_headers(gso, data);
	set_headers(gso, data, i, len);

	if (keep == hlen + len) {
		unsigned int l4 = gso->l4_offset;
		__wsum sum = csum_partial(data + l4, hlen - l4, 0);
		__sum16 *check = (__sum16 *)(data + l4 +
					     gso->skb->csum_offset);

		/* Linux writes a zero when it makes segments of TCP. */
		sum = csum_block_add(sum,
				     skb_copy_and_csum_bits(gso->skb, from,
							    data + hlen, len),
				     hlen - l4);
		*check = csum_fold(sum);
		if (!*check && !gso->is_tcp)
			*check = CSUM_MANGLED_0;
	} else if (keep > hlen &&
		   copy_payload(gso, from, data + hlen, keep - hlen)) {
		kfree_skb(copy);
		return NULL;
	}
	return copy;
}
