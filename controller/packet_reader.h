/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets as Open vSwitch itself reads them: from the text of a flow, and from
 * files of captured frames.  C, because the headers of Open vSwitch that this
 * takes are no C++. */

#ifndef CONTROLLER_PACKET_READER_H
#define CONTROLLER_PACKET_READER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What rules look at, but for the port.  Host byte order. */
struct packet_fields {
    uint32_t pkt_mark;
    uint16_t vlan_tci;          /* Of the outer tag; 0: no tag. */
    uint8_t dl_src[6];
    uint16_t dl_type;           /* Behind all tags. */
    uint8_t nw_proto;
    uint8_t nw_tos;
    int later_fragment;
    uint8_t nw_src[16], nw_dst[16]; /* Network byte order; IPv4: 4 bytes. */
    uint16_t tp_src, tp_dst;        /* Or ICMP type and code. */
    uint16_t tcp_flags;
};

/* Reads 'text', in the syntax of the flows of ovs-ofctl(8), into '*fields'.
 * Returns NULL, or a message to be freed by the caller. */
char *packet_parse(const char *text, struct packet_fields *fields);

/* A file of captured frames. */
struct packet_file;

/* Opens 'name' as '*file'.  Returns 0, or a positive errno value: EPROTO if it
 * is no such file. */
int packet_file_open(const char *name, struct packet_file **file);

/* Reads the next frame into '*fields', and the number of its captured bytes
 * into '*length'.  Returns 0, EOF at the end, or a positive
 * errno value. */
int packet_file_next(struct packet_file *, struct packet_fields *fields,
                     size_t *length);

void packet_file_close(struct packet_file *);

#ifdef __cplusplus
}
#endif

#endif /* CONTROLLER_PACKET_READER_H */
