/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rmirror action of a flow: what openvswitch.ko calls.
 *
 * openvswitch.ko keeps a struct rmirror_action in each flow with the action.
 * It is plain memory: it may be moved, but not copied.
 */
#ifndef _RMIRROR_ACTION_H
#define _RMIRROR_ACTION_H

#include <linux/types.h>

#include "session.h"

struct net;
struct nlattr;
struct sk_buff;

struct rmirror_action {
	/* A reference, or NULL when there was no room for the session: then
	 * each packet tries again.
	 */
	struct rmirror_session *session;
	struct rmirror_key key;
	u32 len;		/* RMIRROR_LEN_*, or bytes to keep. */
};

int rmirror_action_init(struct rmirror_action *action, struct net *net,
			const struct nlattr *attr, bool log);
void rmirror_action_destroy(struct rmirror_action *action);
void rmirror_action_execute(const struct rmirror_action *action,
			    struct net *net, const struct sk_buff *skb);
int rmirror_action_put(const struct rmirror_action *action,
		       struct sk_buff *msg);

#endif /* _RMIRROR_ACTION_H */
