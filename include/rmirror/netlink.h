/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
/*
 * The rmirror datapath action on the wire: what a flow carries between
 * ovs-vswitchd and a datapath, the limits and defaults of the action, and the
 * generic Netlink family with the sessions of the Linux kernel module.
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

/* Sessions that one datapath keeps counters for; in the kernel, those of one
 * network namespace, and the default of a module parameter. */
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
	/* GSO super-packets, of which each wire packet is a copy. */	\
	RMIRROR_COUNTER(EXPANDED, "expanded")				\
									\
	/* No route to the target, or through no port of a bridge. */	\
	RMIRROR_COUNTER(DROP_NO_ROUTE, "no_route")			\
	/* The next hop does not answer ARP or Neighbor Discovery. */	\
	RMIRROR_COUNTER(DROP_NO_NEIGH, "no_neigh")			\
	/* Exceeds the MTU and DF is set, or exceeds an IP packet. */	\
	RMIRROR_COUNTER(DROP_TOO_BIG, "too_big")			\
	/* GRE to or from the target: a copy of a copy. */		\
	RMIRROR_COUNTER(DROP_LOOP, "loop")				\
	/* The device of the route is down or has no carrier. */	\
	RMIRROR_COUNTER(DROP_LINK_DOWN, "link_down")			\
	/* The device, its queue or a packet filter refused the copy. */ \
	RMIRROR_COUNTER(DROP_XMIT, "xmit")				\
	/* No memory for the copy. */					\
	RMIRROR_COUNTER(DROP_NO_MEMORY, "no_memory")			\
	/* No frame, or a super-packet that cannot be taken apart. */	\
	RMIRROR_COUNTER(DROP_MALFORMED, "malformed")

enum rmirror_counter {
#define RMIRROR_COUNTER(ENUM, NAME) RMIRROR_##ENUM,
	RMIRROR_COUNTERS
#undef RMIRROR_COUNTER
	RMIRROR_N_COUNTERS
};
#define RMIRROR_DROPS RMIRROR_DROP_NO_ROUTE

/*
 * The device of the Linux kernel module, rtnl kind RMIRROR_KIND.  A frame
 * given to it carries its session as tunnel metadata: destination, TTL, TOS,
 * DF and key have their usual fields.  What a tunnel has no field for is in
 * the UDP ports, which GRE does not have.
 */
#define RMIRROR_KIND "rmirror"
#define RMIRROR_DEVICE "rmirror_sys"	/* ovs-vswitchd's, in its namespace. */

/* tp_dst: 'len' if RMIRROR_LEN_MIN or more, else one of these. */
#define RMIRROR_TP_DST_ALL 0	/* The whole frame. */
#define RMIRROR_TP_DST_MTU 1	/* As much as fits the MTU. */

/* tp_src: a bitmap. */
#define RMIRROR_TP_SRC_TOS_INHERIT 0x0001 /* TOS of the inner packet. */

/*
 * Generic Netlink family of the Linux kernel module.  It sees the sessions of
 * the network namespace of the socket.  Nested attributes have NLA_F_NESTED.
 *
 * RMIRROR_CMD_GET as a dump: one message for each session, with
 *     RMIRROR_NLA_SESSION, RMIRROR_NLA_COUNTERS and RMIRROR_NLA_FLOWS.
 * RMIRROR_CMD_GET with RMIRROR_NLA_SESSION: the same for that session, or
 *     -ENOENT.
 * RMIRROR_CMD_GET_INFO: RMIRROR_NLA_N_SESSIONS, RMIRROR_NLA_MAX_SESSIONS,
 *     RMIRROR_NLA_NO_SESSION.
 * RMIRROR_CMD_RESET: sets counters to zero: those of RMIRROR_NLA_SESSION, or
 *     if that is absent those of all sessions and RMIRROR_NLA_NO_SESSION.
 * RMIRROR_CMD_FLUSH: forgets the sessions that no flow holds (those of the
 *     device never are held: they come back with their next packet) and resets
 *     the others.
 *
 * The last two need CAP_NET_ADMIN in the user namespace that owns the network
 * namespace.
 */
#define RMIRROR_GENL_NAME "rmirror"
#define RMIRROR_GENL_VERSION 1

enum rmirror_cmd {
	RMIRROR_CMD_UNSPEC,
	RMIRROR_CMD_GET,
	RMIRROR_CMD_GET_INFO,
	RMIRROR_CMD_RESET,
	RMIRROR_CMD_FLUSH,
};

enum rmirror_nla {
	RMIRROR_NLA_UNSPEC,
	RMIRROR_NLA_PAD,
	RMIRROR_NLA_SESSION,	/* Nested RMIRROR_ATTR_*, those of a session:
				 * all but LEN, LEN_MTU and the last three. */
	RMIRROR_NLA_COUNTERS,	/* Nested __u64, type RMIRROR_NLA_COUNTER(). */
	RMIRROR_NLA_FLOWS,	/* __u32: actions of flows that hold it. */
	RMIRROR_NLA_N_SESSIONS,	/* __u32. */
	RMIRROR_NLA_MAX_SESSIONS,	/* __u32. */
	RMIRROR_NLA_NO_SESSION,	/* __u64: frames not copied because there were
				 * RMIRROR_NLA_MAX_SESSIONS already. */
	__RMIRROR_NLA_MAX
};
#define RMIRROR_NLA_MAX (__RMIRROR_NLA_MAX - 1)

/* Attribute type in RMIRROR_NLA_COUNTERS of an enum rmirror_counter; type
 * RMIRROR_NLA_PAD is padding. */
#define RMIRROR_NLA_COUNTER(COUNTER) (RMIRROR_NLA_PAD + 1 + (COUNTER))

#endif /* RMIRROR_NETLINK_H */
