/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of kind "rmirror": a frame sent into it is mirrored to the session
 * that its tunnel metadata says (see rmirror/netlink.h). It receives nothing.
 */
#ifndef _RMIRROR_DEVICE_H
#define _RMIRROR_DEVICE_H

#include <linux/types.h>

struct net_device;

bool rmirror_is_device(const struct net_device *dev);

int rmirror_device_init(void);
void rmirror_device_exit(void);

#endif /* _RMIRROR_DEVICE_H */
