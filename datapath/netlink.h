/* SPDX-License-Identifier: GPL-2.0 */
/* Attributes of sessions, and the generic Netlink family. */
#ifndef _RMIRROR_NETLINK_FAMILY_H
#define _RMIRROR_NETLINK_FAMILY_H

#include <linux/types.h>

struct netlink_ext_ack;
struct nlattr;
struct rmirror_key;
struct sk_buff;

int rmirror_attrs_parse(const struct nlattr *attr, struct rmirror_key *key,
			u32 *len, struct netlink_ext_ack *extack);
int rmirror_attrs_put(struct sk_buff *msg, const struct rmirror_key *key,
		      u32 len);

int rmirror_netlink_init(void);
void rmirror_netlink_exit(void);

#endif /* _RMIRROR_NETLINK_FAMILY_H */
