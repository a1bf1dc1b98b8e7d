/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rmirror kernel module (rmirror.ko) as ovs-vswitchd sees it: the network
 * device that makes copies, which is a port of the datapath, and the Generic
 * Netlink family that knows the sessions.  See rmirror/netlink.h for both.
 *
 * The functions other than dpif_netlink_rmirror_port_deleted() are members of
 * dpif_netlink_class: dpif-provider.h documents them.
 */
#ifndef DPIF_NETLINK_RMIRROR_H
#define DPIF_NETLINK_RMIRROR_H 1

#include <errno.h>
#include <stdbool.h>

#include "openvswitch/types.h"
#include "util.h"

struct dpif;
struct rmirror_stats;

/* Declare these to keep sparse happy. */
bool dpif_netlink_rmirror_probe_port(struct dpif *);
int dpif_netlink_rmirror_port_add(struct dpif *, odp_port_t *port_no);
void dpif_netlink_rmirror_port_deleted(const char *name);
int dpif_netlink_rmirror_dump(const struct dpif *, struct rmirror_stats *);
int dpif_netlink_rmirror_reset(struct dpif *, bool flush);

#ifndef __linux__
/* Dummy implementations for non Linux builds. */

static inline bool
dpif_netlink_rmirror_probe_port(struct dpif *dpif OVS_UNUSED)
{
    return false;
}

static inline int
dpif_netlink_rmirror_port_add(struct dpif *dpif OVS_UNUSED,
                              odp_port_t *port_no OVS_UNUSED)
{
    return EOPNOTSUPP;
}

static inline void
dpif_netlink_rmirror_port_deleted(const char *name OVS_UNUSED)
{
}

static inline int
dpif_netlink_rmirror_dump(const struct dpif *dpif OVS_UNUSED,
                          struct rmirror_stats *stats OVS_UNUSED)
{
    return EOPNOTSUPP;
}

static inline int
dpif_netlink_rmirror_reset(struct dpif *dpif OVS_UNUSED,
                           bool flush OVS_UNUSED)
{
    return EOPNOTSUPP;
}

#endif

#endif /* dpif-netlink-rmirror.h */
