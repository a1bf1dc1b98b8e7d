/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/packet_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "pcap-file.h"
#include "util.h"

struct packet_file {
    struct pcap_file *pcap;
};

static void
fields_from_flow(const struct flow *flow, struct packet_fields *fields)
{
    memset(fields, 0, sizeof *fields);
    fields->pkt_mark = flow->pkt_mark;
    fields->vlan_tci = ntohs(flow->vlans[0].tci);
    memcpy(fields->dl_src, flow->dl_src.ea, sizeof fields->dl_src);
    fields->dl_type = ntohs(flow->dl_type);
    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        memcpy(fields->nw_src, &flow->nw_src, sizeof flow->nw_src);
        memcpy(fields->nw_dst, &flow->nw_dst, sizeof flow->nw_dst);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        memcpy(fields->nw_src, &flow->ipv6_src, sizeof flow->ipv6_src);
        memcpy(fields->nw_dst, &flow->ipv6_dst, sizeof flow->ipv6_dst);
    } else {
        return;
    }
    fields->nw_proto = flow->nw_proto;
    fields->nw_tos = flow->nw_tos;
    fields->later_fragment = (flow->nw_frag & FLOW_NW_FRAG_LATER) != 0;
    fields->tp_src = ntohs(flow->tp_src);
    fields->tp_dst = ntohs(flow->tp_dst);
    fields->tcp_flags = ntohs(flow->tcp_flags);
}

char *
packet_parse(const char *text, struct packet_fields *fields)
{
    struct flow flow;
    char *error;

    error = parse_ofp_exact_flow(&flow, NULL, NULL, text, NULL);
    if (!error) {
        fields_from_flow(&flow, fields);
    }
    return error;
}

int
packet_file_open(const char *name, struct packet_file **file)
{
    struct pcap_file *pcap;

    errno = 0;
    pcap = ovs_pcap_open(name, "rb");
    if (!pcap) {
        /* What is no errno value is the end of the file. */
        return errno > 0 ? errno : EPROTO;
    }
    *file = xmalloc(sizeof **file);
    (*file)->pcap = pcap;
    return 0;
}

int
packet_file_next(struct packet_file *file, struct packet_fields *fields,
                 size_t *length)
{
    struct dp_packet *packet;
    struct flow flow;
    int error;

    error = ovs_pcap_read(file->pcap, &packet, NULL);
    if (error) {
        return error;
    }
    *length = dp_packet_size(packet);
    flow_extract(packet, &flow);
    dp_packet_delete(packet);
    fields_from_flow(&flow, fields);
    return 0;
}

void
packet_file_close(struct packet_file *file)
{
    ovs_pcap_close(file->pcap);
    free(file);
}
