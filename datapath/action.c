// SPDX-License-Identifier: GPL-2.0

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/printk.h>
#include <linux/skbuff.h>
#include <net/netlink.h>

#include "action.h"
#include "mirror.h"
#include "netlink.h"
#include "session.h"

/* Initializes @action from @attr, the OVS_ACTION_ATTR_RMIRROR of a flow of a
 * datapath in @net, with RMIRROR_ATTR_* nested in it. @log says whether to write
 * to the kernel's log what is wrong with @attr; it is false for a probe, which
 * takes no session. Returns 0, and then the caller
 * must call rmirror_action_destroy() in the end; or a negative error, and then
 * @action holds nothing. May sleep.
 */
int rmirror_action_init(struct rmirror_action *action, struct net *net,
			const struct nlattr *attr, bool log)
{
	struct netlink_ext_ack extack = { };
	int err;

	err = rmirror_attrs_parse(attr, &action->key, &action->len, &extack);
	if (err) {
		if (log)
			pr_warn_ratelimited("action refused: %s\n",
					    extack._msg ?: "malformed");
		return err;
	}
	action->session = log ? rmirror_session_hold(rmirror_net(net),
						     &action->key) : NULL;
	return 0;
}
EXPORT_SYMBOL_GPL(rmirror_action_init);

/* Gives back what @action holds. May be called from any context. */
void rmirror_action_destroy(struct rmirror_action *action)
{
	if (action->session)
		rmirror_session_release(action->session);
}
EXPORT_SYMBOL_GPL(rmirror_action_destroy);

/* Sends copies of @skb, whose data starts with its Ethernet header, from @net,
 * which is the datapath's. Leaves @skb as it is. Called with bottom halves
 * disabled, in an RCU read-side critical section.
 */
void rmirror_action_execute(const struct rmirror_action *action,
			    struct net *net, const struct sk_buff *skb)
{
	struct rmirror_session *session = action->session;
	struct rmirror_result result;

	if (unlikely(!session)) {
		struct rmirror_net *rnet = rmirror_net(net);

		session = rmirror_session_lookup(rnet, &action->key);
		if (!session) {
			atomic64_inc(&rnet->no_session);
			return;
		}
	}
	rmirror_mirror(net, session, skb, action->len, &result);
}
EXPORT_SYMBOL_GPL(rmirror_action_execute);

/* Appends to @msg what rmirror_action_init() got nested in its attribute.
 * Returns 0 or -EMSGSIZE.
 */
int rmirror_action_put(const struct rmirror_action *action,
		       struct sk_buff *msg)
{
	return rmirror_attrs_put(msg, &action->key, action->len);
}
EXPORT_SYMBOL_GPL(rmirror_action_put);
