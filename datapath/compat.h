/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernel versions that the engine is built for, 5.15 to
 * 6.12. There are none anywhere else.
 */
#ifndef _RMIRROR_COMPAT_H
#define _RMIRROR_COMPAT_H

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/ip_tunnels.h>

/* 6.5 moved segmentation to a header of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

/* 6.10 made the tunnel flags a bitmap. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
static inline bool rmirror_tunnel_has_key(const struct ip_tunnel_info *info)
{
	return test_bit(IP_TUNNEL_KEY_BIT, info->key.tun_flags);
}

static inline bool rmirror_tunnel_has_df(const struct ip_tunnel_info *info)
{
	return test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, info->key.tun_flags);
}
#else
static inline bool rmirror_tunnel_has_key(const struct ip_tunnel_info *info)
{
	return info->key.tun_flags & TUNNEL_KEY;
}

static inline bool rmirror_tunnel_has_df(const struct ip_tunnel_info *info)
{
	return info->key.tun_flags & TUNNEL_DONT_FRAGMENT;
}
#endif

/* 6.12 took lockless transmission out of the features. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
static inline void rmirror_set_lltx(struct net_device *dev)
{
	dev->lltx = true;
}
#else
static inline void rmirror_set_lltx(struct net_device *dev)
{
	dev->features |= NETIF_F_LLTX;
}
#endif

/* 6.10 made a function of giving back the page of a cache of fragments. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
static inline void rmirror_page_frag_drain(struct page_frag_cache *cache)
{
	page_frag_cache_drain(cache);
}
#else
static inline void rmirror_page_frag_drain(struct page_frag_cache *cache)
{
	if (cache->va)
		__page_frag_cache_drain(virt_to_head_page(cache->va),
					cache->pagecnt_bias);
}
#endif

/* 5.19 set apart what a device can do from what its user wants of it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
static inline void rmirror_set_gso_max(struct net_device *dev)
{
	netif_set_tso_max_size(dev, GSO_MAX_SIZE);
	netif_set_tso_max_segs(dev, GSO_MAX_SEGS);
	dev->gso_max_size = GSO_MAX_SIZE;
}
#else
static inline void rmirror_set_gso_max(struct net_device *dev)
{
	netif_set_gso_max_size(dev, GSO_MAX_SIZE);
}
#endif

/* 6.6 made room for BPF programs beside the filters for what a device sends. */
#if IS_ENABLED(CONFIG_NET_XGRESS)
static inline bool rmirror_has_egress_filter(const struct net_device *dev)
{
	return rcu_access_pointer(dev->tcx_egress);
}
#elif IS_ENABLED(CONFIG_NET_CLS_ACT)
static inline bool rmirror_has_egress_filter(const struct net_device *dev)
{
	return rcu_access_pointer(dev->miniq_egress);
}
#else
static inline bool rmirror_has_egress_filter(const struct net_device *dev)
{
	return false;
}
#endif

/* 5.16 gave nftables a hook for what a device sends. */
#if IS_ENABLED(CONFIG_NETFILTER_EGRESS)
static inline bool rmirror_has_egress_hook(const struct net_device *dev)
{
	return rcu_access_pointer(dev->nf_hooks_egress);
}
#else
static inline bool rmirror_has_egress_hook(const struct net_device *dev)
{
	return false;
}
#endif

/* The CRC of SCTP is a checksum of its own kind, where there is SCTP. */
#if IS_ENABLED(CONFIG_IP_SCTP)
static inline bool rmirror_csum_is_sctp(const struct sk_buff *skb)
{
	return skb->csum_not_inet;
}

static inline void rmirror_set_csum_sctp(struct sk_buff *skb)
{
	skb->csum_not_inet = 1;
}
#else
static inline bool rmirror_csum_is_sctp(const struct sk_buff *skb)
{
	return false;
}

static inline void rmirror_set_csum_sctp(struct sk_buff *skb)
{
}
#endif

/* 6.1 checks the headers of new commands strictly, from a given one on. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define RMIRROR_GENL_STRICT_FROM(CMD) .resv_start_op = (CMD),
#else
#define RMIRROR_GENL_STRICT_FROM(CMD)
#endif

#endif /* _RMIRROR_COMPAT_H */
