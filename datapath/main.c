// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>

#include "device.h"
#include "netfilter.h"
#include "netlink.h"
#include "session.h"
#include "truncate.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static unsigned int rmirror_net_id __read_mostly;

/* Returns the sessions of @net. */
struct rmirror_net *rmirror_net(const struct net *net)
{
	return net_generic(net, rmirror_net_id);
}

static int __net_init rmirror_pernet_init(struct net *net)
{
	return rmirror_net_init(rmirror_net(net));
}

static void __net_exit rmirror_pernet_exit(struct list_head *nets)
{
	struct net *net;

	/* Sessions that were flushed a moment ago have routes, too. */
	rcu_barrier();
	list_for_each_entry(net, nets, exit_list)
		rmirror_net_exit(rmirror_net(net));
}

/* Being a subsystem and no device, it ends when the devices of the namespace,
 * Open vSwitch's among them, are gone.
 */
static struct pernet_operations rmirror_pernet_ops = {
	.init = rmirror_pernet_init,
	.exit_batch = rmirror_pernet_exit,
	.id = &rmirror_net_id,
	.size = sizeof(struct rmirror_net),
};

static int __init rmirror_init(void)
{
	int err;

	err = rmirror_netfilter_init();
	if (err)
		return err;
	err = register_pernet_subsys(&rmirror_pernet_ops);
	if (err)
		goto err_netfilter;
	err = rmirror_device_init();
	if (err)
		goto err_pernet;
	err = rmirror_netlink_init();
	if (err)
		goto err_device;
	return 0;

err_device:
	rmirror_device_exit();
err_pernet:
	unregister_pernet_subsys(&rmirror_pernet_ops);
	rcu_barrier();
err_netfilter:
	rmirror_netfilter_exit();
	return err;
}

static void __exit rmirror_exit(void)
{
	rmirror_netlink_exit();
	rmirror_device_exit();
	unregister_pernet_subsys(&rmirror_pernet_ops);
	/* Sessions are freed by callbacks. */
	rcu_barrier();
	rmirror_netfilter_exit();
	rmirror_copy_exit();
}

module_init(rmirror_init);
module_exit(rmirror_exit);

MODULE_DESCRIPTION("Remote mirroring: truncated copies of frames in GRE");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK(RMIRROR_KIND);
MODULE_ALIAS_GENL_FAMILY(RMIRROR_GENL_NAME);
