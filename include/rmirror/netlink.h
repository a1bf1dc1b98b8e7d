/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
/*
 * The rmirror datapath action on the wire: what a flow carries between
 * ovs-vswitchd and a datapath, and the limits and defaults of the action.
 *
 * Included by the Linux kernel module, by Open vSwitch and by the controller,
 * so it includes nothing itself.
 */
#ifndef RMIRROR_NETLINK_H
#define RMIRROR_NETLINK_H 1

/* OVS_ACTION_ATTR_RMIRROR: its number among the OVS_ACTION_ATTR_*.  Upstream
 * hands out the low numbers one by one, in the kernel and in userspace; this
 * one is far enough above them that no later kernel means something else. */
#define RMIRROR_ACTION_ATTR 500

/* Encapsulation: GRE version 0 (RFC 2784, key: RFC 2890) that carries an
 * Ethernet frame, EtherType 0x6558 "Transparent Ethernet Bridging". */
#define RMIRROR_GRE_PROTO 0x6558
#define RMIRROR_GRE_FLAG_KEY 0x2000
#define RMIRROR_GRE_HLEN 4      /* Bytes, without the key. */
#define RMIRROR_GRE_KEY_LEN 4   /* Bytes that the key adds. */

/* 'len': bytes of the frame that a copy keeps, counted from the first byte of
 * its Ethernet header.  A copy has at least a whole Ethernet header. */
#define RMIRROR_LEN_ALL 0U      /* The whole frame. */
#define RMIRROR_LEN_MIN 14U
#define RMIRROR_LEN_MAX 65535U
#define RMIRROR_LEN_MTU 0xffffffffU /* Whatever fits the route's MTU; never on
                                     * the wire, see RMIRROR_ATTR_LEN_MTU. */

/* Defaults of the outer header, the ones of the iptables target. */
#define RMIRROR_TTL_DEFAULT 255
#define RMIRROR_TOS_DEFAULT 0

/* Sessions that one datapath keeps counters for. */
#define RMIRROR_MAX_SESSIONS 4096

/*
 * Attributes nested in OVS_ACTION_ATTR_RMIRROR.  Exactly one of the targets is
 * required.  What is absent has its default; a default is never sent.
 * Integers are in host byte order unless the type says otherwise.
 *
 * RMIRROR_ATTR_VIA, RMIRROR_ATTR_DROP and RMIRROR_ATTR_ACTIONS are for the
 * userspace datapath alone: there ovs-vswitchd finds the way to the target (or
 * the reason why there is none) and says it in the action.  A kernel datapath
 * finds the route itself and refuses them.
 */
enum rmirror_attr {
	RMIRROR_ATTR_UNSPEC,
	RMIRROR_ATTR_TARGET_IPV4,	/* __be32. */
	RMIRROR_ATTR_TARGET_IPV6,	/* 16 bytes, network order. */
	RMIRROR_ATTR_LEN,		/* __u32, RMIRROR_LEN_MIN and up. */
	RMIRROR_ATTR_LEN_MTU,		/* Flag: as much as fits the MTU. */
	RMIRROR_ATTR_KEY,		/* __be32 GRE key. */
	RMIRROR_ATTR_TTL,		/* __u8, 1 and up. */
	RMIRROR_ATTR_TOS,		/* __u8 outer DSCP and ECN. */
	RMIRROR_ATTR_TOS_INHERIT,	/* Flag: TOS of the inner packet. */
	RMIRROR_ATTR_DF,		/* Flag: never fragment a copy. */

	RMIRROR_ATTR_VIA,		/* struct rmirror_via, lib/odp-rmirror.h. */
	RMIRROR_ATTR_DROP,		/* __u32, an RMIRROR_DROP_*. */
	RMIRROR_ATTR_ACTIONS,		/* Nested OVS_ACTION_ATTR_*, executed
					 * on each encapsulated copy. */
	__RMIRROR_ATTR_MAX
};
#define RMIRROR_ATTR_MAX (__RMIRROR_ATTR_MAX - 1)

/* What is counted for each session.  RMIRROR_DROPS is the first of the reasons
 * for which a copy was not sent. */
#define RMIRROR_COUNTERS						\
	/* Copies sent, and the bytes of the frames in them. */		\
	RMIRROR_COUNTER(COPIES, "copies")				\
	RMIRROR_COUNTER(BYTES, "bytes")					\
	/* Bytes of the same frames before they were cut. */		\
	RMIRROR_COUNTER(ORIG_BYTES, "orig_bytes")			\
	/* Copies that were cut, copies that needed IP fragments. */	\
	RMIRROR_COUNTER(TRUNCATED, "truncated")				\
	RMIRROR_COUNTER(FRAGMENTED, "fragmented")			\
									\
	/* No route to the target, or through no port of a bridge. */	\
	RMIRROR_COUNTER(DROP_NO_ROUTE, "no_route")			\
	/* The next hop does not answer ARP or Neighbor Discovery. */	\
	RMIRROR_COUNTER(DROP_NO_NEIGH, "no_neigh")			\
	/* Exceeds the MTU and DF is set, or exceeds an IP packet. */	\
	RMIRROR_COUNTER(DROP_TOO_BIG, "too_big")			\
	/* GRE to or from the target: a copy of a copy. */		\
	RMIRROR_COUNTER(DROP_LOOP, "loop")

enum rmirror_counter {
#define RMIRROR_COUNTER(ENUM, NAME) RMIRROR_##ENUM,
	RMIRROR_COUNTERS
#undef RMIRROR_COUNTER
	RMIRROR_N_COUNTERS
};
#define RMIRROR_DROPS RMIRROR_DROP_NO_ROUTE

#endif /* RMIRROR_NETLINK_H */
