// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/rtnetlink.h>

#include "compat.h"
#include "device.h"
#include "mirror.h"
#include "session.h"

/* Anything may come, and is taken as it is. */
#define RMIRROR_FEATURES						\
	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA |		\
	 NETIF_F_HW_CSUM | NETIF_F_SCTP_CRC | NETIF_F_GSO_MASK |	\
	 NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_STAG_TX)

/* Takes the key of a session, which need not be valid, and a length out of
 * tunnel metadata. Returns false if they are none.
 */
static bool parse_metadata(const struct ip_tunnel_info *info,
			   struct rmirror_key *key, u32 *len)
{
	const struct ip_tunnel_key *tun = &info->key;
	u16 tp_dst = ntohs(tun->tp_dst);
	u16 tp_src = ntohs(tun->tp_src);

	if (!(info->mode & IP_TUNNEL_INFO_TX))
		return false;

	memset(key, 0, sizeof(*key));
	if (ip_tunnel_info_af(info) == AF_INET)
		ipv6_addr_set_v4mapped(tun->u.ipv4.dst, &key->target);
	else
		key->target = tun->u.ipv6.dst;
	key->ttl = tun->ttl;
	if (tp_src & RMIRROR_TP_SRC_TOS_INHERIT)
		key->flags |= RMIRROR_F_TOS_INHERIT;
	else
		key->tos = tun->tos;
	if (rmirror_tunnel_has_df(info))
		key->flags |= RMIRROR_F_DF;
	if (rmirror_tunnel_has_key(info)) {
		key->flags |= RMIRROR_F_KEY;
		key->key = tunnel_id_to_key32(tun->tun_id);
	}

	if (tp_dst == RMIRROR_TP_DST_ALL)
		*len = RMIRROR_LEN_ALL;
	else if (tp_dst == RMIRROR_TP_DST_MTU)
		*len = RMIRROR_LEN_MTU;
	else if (tp_dst >= RMIRROR_LEN_MIN)
		*len = tp_dst;
	else
		return false;

	return !(tp_src & ~RMIRROR_TP_SRC_TOS_INHERIT);
}

static netdev_tx_t rmirror_xmit(struct sk_buff *skb, struct net_device *dev)
{
	const struct ip_tunnel_info *info = skb_tunnel_info(skb);
	struct net *net = dev_net(dev);
	struct rmirror_session *session;
	struct rmirror_result result;
	struct rmirror_key key;
	u32 len;

	/* What the host itself says on any interface. */
	if (unlikely(!info))
		goto drop;
	if (unlikely(skb->len < ETH_HLEN ||
		     !parse_metadata(info, &key, &len))) {
		DEV_STATS_INC(dev, tx_errors);
		goto drop;
	}

	rcu_read_lock();
	session = rmirror_session_find(rmirror_net(net), &key);
	if (unlikely(!session)) {
		bool valid = rmirror_key_is_valid(&key);

		if (valid)
			session = rmirror_session_lookup(rmirror_net(net),
							 &key);
		if (!session) {
			rcu_read_unlock();
			if (valid) {
				atomic64_inc(&rmirror_net(net)->no_session);
				DEV_STATS_INC(dev, tx_dropped);
			} else {
				DEV_STATS_INC(dev, tx_errors);
			}
			goto drop;
		}
	}
	rmirror_mirror(net, session, skb, len, &result);
	rcu_read_unlock();

	if (likely(result.copies))
		dev_sw_netstats_tx_add(dev, result.copies, result.bytes);
	if (unlikely(result.dropped))
		DEV_STATS_ADD(dev, tx_dropped, result.dropped);
	consume_skb(skb);
	return NETDEV_TX_OK;

drop:
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int rmirror_dev_init(struct net_device *dev)
{
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
}

static void rmirror_dev_uninit(struct net_device *dev)
{
	free_percpu(dev->tstats);
}

static const struct net_device_ops rmirror_netdev_ops = {
	.ndo_init = rmirror_dev_init,
	.ndo_uninit = rmirror_dev_uninit,
	.ndo_start_xmit = rmirror_xmit,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_features_check = passthru_features_check,
};

/* Tells whether @dev is one of this kind. */
bool rmirror_is_device(const struct net_device *dev)
{
	return dev->netdev_ops == &rmirror_netdev_ops;
}

static void rmirror_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &rmirror_netdev_ops;
	dev->needs_free_netdev = true;

	/* Whatever enters the bridge may be mirrored. */
	dev->mtu = ETH_MAX_MTU;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_MAX_MTU;
	dev->tx_queue_len = 0;
	dev->flags |= IFF_NOARP;
	dev->flags &= ~IFF_MULTICAST;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_NO_QUEUE;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;

	dev->features |= RMIRROR_FEATURES;
	dev->hw_features |= RMIRROR_FEATURES;
	dev->hw_enc_features |= RMIRROR_FEATURES;
	dev->vlan_features |= RMIRROR_FEATURES;
	dev->mpls_features |= RMIRROR_FEATURES;
	rmirror_set_lltx(dev);
	rmirror_set_gso_max(dev);
	netif_keep_dst(dev);
	eth_hw_addr_random(dev);
}

static struct rtnl_link_ops rmirror_link_ops __read_mostly = {
	.kind = RMIRROR_KIND,
	.setup = rmirror_setup,
};

int rmirror_device_init(void)
{
	return rtnl_link_register(&rmirror_link_ops);
}

/* Removes all devices of this kind, too. */
void rmirror_device_exit(void)
{
	rtnl_link_unregister(&rmirror_link_ops);
}
