/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
/*
 * The rmirror action on an OpenFlow connection.
 *
 * It is a Nicira extension action (vendor 0x00002320) of subtype 21069
 * (0x524d, "RM"), far above those that Open vSwitch hands out one by one: 10
 * bytes of header (type, len, vendor, subtype, all in network byte order), 6
 * bytes that must be zero, then properties as OpenFlow 1.3 and later have
 * them: type and length (16 bits each, the length without padding), value,
 * zeros up to a multiple of 8 bytes.  What is absent has its default (see
 * rmirror/netlink.h); an encoder leaves defaults out.
 *
 * A switch that reads one refuses, and installs nothing:
 *
 *   - OFPMMFC_INVALID_METER: the bridge does not have that meter.
 *
 *   - OFPBAC_BAD_LEN: a property that does not fit the action, or whose length
 *     is not the one that its type has.
 *
 *   - OFPBAC_BAD_ARGUMENT: a property of unknown type, one that appears twice
 *     or contradicts another, a target that is missing or not unicast, any
 *     other value out of range.
 *
 *   - NXBRC_MUST_BE_ZERO: the 6 bytes are not zero.
 */
#ifndef RMIRROR_OPENFLOW_H
#define RMIRROR_OPENFLOW_H 1

enum nx_rmirror_prop_type {
	NXRMPT_TARGET_IPV4 = 1,	/* ovs_be32. */
	NXRMPT_TARGET_IPV6 = 2,	/* 16 bytes. */
	NXRMPT_LEN = 3,		/* ovs_be32, bytes of the frame to keep. */
	NXRMPT_LEN_MTU = 4,	/* No value: what fits the route's MTU. */
	NXRMPT_KEY = 5,		/* ovs_be32 GRE key. */
	NXRMPT_TTL = 6,		/* uint8_t. */
	NXRMPT_TOS = 7,		/* uint8_t. */
	NXRMPT_TOS_INHERIT = 8,	/* No value. */
	NXRMPT_DF = 9,		/* No value. */
	NXRMPT_METER = 10,	/* ovs_be32, a meter of the bridge, 1 and up. */
	NXRMPT_PROBABILITY = 11, /* ovs_be32, see below. */
};

/* The probability that a packet is copied, P, as the integer nearest to
 * P * RMIRROR_PROBABILITY_ALL; 0 is none.  This is what the datapath action
 * "sample" takes. */
#define RMIRROR_PROBABILITY_ALL 0xffffffffU	/* Default: every packet. */

#endif /* RMIRROR_OPENFLOW_H */
