/* SPDX-License-Identifier: GPL-2.0 */
/* What packet filters have to say about copies. */
#ifndef _RMIRROR_NETFILTER_H
#define _RMIRROR_NETFILTER_H

#include <linux/types.h>

struct net;

#ifdef CONFIG_NETFILTER
bool rmirror_is_filtered(const struct net *net, bool is_ipv4);
int rmirror_netfilter_init(void);
void rmirror_netfilter_exit(void);
#else
static inline bool rmirror_is_filtered(const struct net *net, bool is_ipv4)
{
	return false;
}

static inline int rmirror_netfilter_init(void)
{
	return 0;
}

static inline void rmirror_netfilter_exit(void)
{
}
#endif

#endif /* _RMIRROR_NETFILTER_H */
