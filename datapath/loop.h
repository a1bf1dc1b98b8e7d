/* SPDX-License-Identifier: GPL-2.0 */
/* The loop guard: copies are not copied. */
#ifndef _RMIRROR_LOOP_H
#define _RMIRROR_LOOP_H

#include <linux/types.h>

struct net;
struct sk_buff;

bool rmirror_is_copy(const struct net *net, const struct sk_buff *skb);

bool rmirror_enter(void);
void rmirror_leave(void);

#endif /* _RMIRROR_LOOP_H */
