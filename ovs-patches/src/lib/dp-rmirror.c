/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "dp-rmirror.h"

#include <netinet/ip.h>
#include <string.h>

#include "cmap.h"
#include "coverage.h"
#include "csum.h"
#include "dp-packet.h"
#include "dpif-netdev.h"
#include "hash.h"
#include "netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(dp_rmirror);

COVERAGE_DEFINE(rmirror_copies);
COVERAGE_DEFINE(rmirror_drop_no_route);
COVERAGE_DEFINE(rmirror_drop_no_neigh);
COVERAGE_DEFINE(rmirror_drop_too_big);
COVERAGE_DEFINE(rmirror_drop_loop);
COVERAGE_DEFINE(rmirror_sessions_full);

/* Members of struct ovs_16aligned_ip6_hdr. */
#define IP6_FLOW ip6_ctlun.ip6_un1.ip6_un1_flow
#define IP6_PLEN ip6_ctlun.ip6_un1.ip6_un1_plen
#define IP6_NXT ip6_ctlun.ip6_un1.ip6_un1_nxt
#define IP6_HLIM ip6_ctlun.ip6_un1.ip6_un1_hlim

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* A session and its counters.  Removed, by RCU, only by dp_rmirror_reset(), so
 * that the counters outlive the flows that used the session. */
struct session_node {
    struct cmap_node node;              /* In dp_rmirror's 'sessions'. */
    struct rmirror_session session;
    atomic_uint64_t counters[RMIRROR_N_COUNTERS];
};

struct dp_rmirror {
    struct cmap sessions;               /* Of struct session_node. */
    struct ovs_mutex mutex;             /* Held to change 'sessions'. */
    atomic_uint64_t no_session;         /* Packets not copied because there
                                         * are RMIRROR_MAX_SESSIONS. */
    atomic_uint32_t ip_id;              /* Next outer IP identification: one
                                         * for all sessions, because several
                                         * may have the same target. */
};

struct dp_rmirror *
dp_rmirror_create(void)
{
    struct dp_rmirror *dpr = xmalloc(sizeof *dpr);

    cmap_init(&dpr->sessions);
    ovs_mutex_init(&dpr->mutex);
    atomic_init(&dpr->no_session, 0);
    atomic_init(&dpr->ip_id, 0);
    return dpr;
}

/* Frees 'dpr'.  No other thread may be using it. */
void
dp_rmirror_destroy(struct dp_rmirror *dpr)
{
    struct session_node *node;

    CMAP_FOR_EACH (node, node, &dpr->sessions) {
        ovsrcu_postpone(free, node);
    }
    cmap_destroy(&dpr->sessions);
    ovs_mutex_destroy(&dpr->mutex);
    free(dpr);
}

static struct session_node *
session_find__(const struct dp_rmirror *dpr,
               const struct rmirror_session *session, uint32_t hash)
{
    struct session_node *node;

    CMAP_FOR_EACH_WITH_HASH (node, node, hash, &dpr->sessions) {
        if (rmirror_session_equals(&node->session, session)) {
            return node;
        }
    }
    return NULL;
}

/* Returns 'session' in 'dpr', a new one if need be, or NULL if there are
 * RMIRROR_MAX_SESSIONS others already. */
static struct session_node *
session_find(struct dp_rmirror *dpr, const struct rmirror_session *session)
{
    uint32_t hash = hash_bytes(session, sizeof *session, 0);
    struct session_node *node = session_find__(dpr, session, hash);

    if (OVS_LIKELY(node)) {
        return node;
    }

    ovs_mutex_lock(&dpr->mutex);
    node = session_find__(dpr, session, hash);
    if (!node && cmap_count(&dpr->sessions) < RMIRROR_MAX_SESSIONS) {
        node = xzalloc(sizeof *node);
        node->session = *session;
        for (int i = 0; i < RMIRROR_N_COUNTERS; i++) {
            atomic_init(&node->counters[i], 0);
        }
        cmap_insert(&dpr->sessions, &node->node, hash);
    }
    ovs_mutex_unlock(&dpr->mutex);
    return node;
}

/* One execution of the action, on one batch. */
struct execution {
    struct odp_rmirror action;
    struct rmirror_via via;     /* Aligned copy of 'action.via'. */
    struct session_node *node;
    bool is_ipv4;               /* Outer IP version. */
    size_t header_len;          /* Outer Ethernet, IP and GRE, in bytes. */
    uint8_t header[ETH_HEADER_LEN + sizeof(struct ovs_16aligned_ip6_hdr)
                   + RMIRROR_GRE_HLEN + RMIRROR_GRE_KEY_LEN];
    size_t ip_len;              /* Bytes of the outer IP header alone. */
    uint64_t counters[RMIRROR_N_COUNTERS];

    struct dp_packet_batch out; /* Encapsulated copies, not yet handed over. */
    dp_rmirror_output_func *output;
    void *aux;
};

/* Returns the first word of an IPv6 header: version and traffic class. */
static ovs_be32
ipv6_flow(uint8_t tos)
{
    return htonl(6u << 28 | (uint32_t) tos << 20);
}

/* Writes into 'e->header' what the outer headers of all copies share.
 * Lengths, the IPv4 identification and checksum, and an inherited TOS are
 * filled in for each copy.  See RFC 2784 and RFC 2890 for GRE. */
static void
build_header(struct execution *e)
{
    const struct rmirror_session *session = &e->action.rm.session;

    struct eth_header *eth = (void *) e->header;
    memcpy(&eth->eth_dst, e->via.eth_dst, sizeof eth->eth_dst);
    memcpy(&eth->eth_src, e->via.eth_src, sizeof eth->eth_src);
    eth->eth_type = htons(e->is_ipv4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);

    struct in6_addr src;
    memcpy(&src, e->via.src, sizeof src);
    if (e->is_ipv4) {
        struct ip_header *ip = (void *) (eth + 1);

        memset(ip, 0, sizeof *ip);
        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_tos = session->tos;
        ip->ip_frag_off = htons(session->flags & RMIRROR_F_DF ? IP_DF : 0);
        ip->ip_ttl = session->ttl;
        ip->ip_proto = IPPROTO_GRE;
        put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(&src));
        put_16aligned_be32(&ip->ip_dst,
                           in6_addr_get_mapped_ipv4(&session->target));
        e->ip_len = sizeof *ip;
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = (void *) (eth + 1);

        put_16aligned_be32(&ip6->IP6_FLOW, ipv6_flow(session->tos));
        ip6->IP6_NXT = IPPROTO_GRE;
        ip6->IP6_HLIM = session->ttl;
        memcpy(&ip6->ip6_src, &src, sizeof ip6->ip6_src);
        memcpy(&ip6->ip6_dst, &session->target, sizeof ip6->ip6_dst);
        e->ip_len = sizeof *ip6;
    }

    bool has_key = session->flags & RMIRROR_F_KEY;
    struct gre_base_hdr *gre = (void *) (e->header + ETH_HEADER_LEN
                                         + e->ip_len);
    gre->flags = htons(has_key ? RMIRROR_GRE_FLAG_KEY : 0);
    gre->protocol = htons(RMIRROR_GRE_PROTO);
    if (has_key) {
        put_16aligned_be32((void *) (gre + 1), session->key);
    }
    e->header_len = ETH_HEADER_LEN + rmirror_encap_len(session);
}

/* The outermost network header of a frame. */
struct network_header {
    ovs_be16 type;              /* EtherType behind any VLAN tags. */
    const void *data;           /* At least a whole fixed header. */
    size_t len;                 /* Bytes from 'data' to the end. */
};

/* Finds the IPv4 or IPv6 header of the Ethernet frame of 'size' bytes at
 * 'frame', behind any number of VLAN tags.  Returns false if there is none
 * that is whole. */
static bool
find_network_header(const uint8_t *frame, size_t size,
                    struct network_header *nh)
{
    size_t ofs = 2 * ETH_ADDR_LEN;

    for (;;) {
        if (size < ofs + sizeof nh->type) {
            return false;
        }
        memcpy(&nh->type, frame + ofs, sizeof nh->type);
        ofs += sizeof nh->type;
        if (!eth_type_vlan(nh->type)) {
            break;
        }
        ofs += sizeof(ovs_be16);        /* Tag control information. */
    }

    nh->data = frame + ofs;
    nh->len = size - MIN(ofs, size);
    return ((nh->type == htons(ETH_TYPE_IP)
             && nh->len >= sizeof(struct ip_header))
            || (nh->type == htons(ETH_TYPE_IPV6)
                && nh->len >= sizeof(struct ovs_16aligned_ip6_hdr)));
}

/* Steps over the extension headers of the IPv6 packet 'nh' up to the one in
 * front of GRE.  Returns true if there is GRE, or a fragment of it that does
 * not hold its header; then stores in '*ofs' where the GRE header begins, 0 in
 * the latter case. */
static bool
find_gre_in_ipv6(const struct network_header *nh, size_t *ofs)
{
    const struct ovs_16aligned_ip6_hdr *ip6 = nh->data;
    uint8_t next = ip6->IP6_NXT;

    *ofs = sizeof *ip6;
    while (next != IPPROTO_GRE) {
        const uint8_t *ext = (const uint8_t *) nh->data + *ofs;

        if (nh->len < *ofs + 8) {
            return false;
        }
        switch (next) {
        case IPPROTO_FRAGMENT:
            next = ext[0];
            *ofs += 8;
            if (ext[2] || ext[3] & 0xf8) {
                *ofs = 0;
                return next == IPPROTO_GRE;
            }
            break;
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
            next = ext[0];
            *ofs += (ext[1] + 1) * 8;
            break;
        default:
            return false;
        }
    }
    return true;
}

/* Returns true if the Ethernet frame of 'size' bytes at 'frame' is a copy that
 * 'session' made, or one made for its target elsewhere: GRE/TEB to the target
 * or from it, at any depth of GRE/TEB in GRE/TEB.  The depth is what stops
 * hosts that mirror to each other. */
static bool
is_loop(const uint8_t *frame, size_t size,
        const struct rmirror_session *session)
{
    struct network_header nh;

    while (find_network_header(frame, size, &nh)) {
        struct in6_addr src, dst;
        size_t ofs;

        if (nh.type == htons(ETH_TYPE_IP)) {
            const struct ip_header *ip = nh.data;

            if (ip->ip_proto != IPPROTO_GRE) {
                return false;
            }
            in6_addr_set_mapped_ipv4(&src, get_16aligned_be32(&ip->ip_src));
            in6_addr_set_mapped_ipv4(&dst, get_16aligned_be32(&ip->ip_dst));
            ofs = (ip->ip_frag_off & htons(IP_FRAG_OFF_MASK)
                   ? 0 : IP_IHL(ip->ip_ihl_ver) * 4);
        } else {
            const struct ovs_16aligned_ip6_hdr *ip6 = nh.data;

            if (!find_gre_in_ipv6(&nh, &ofs)) {
                return false;
            }
            memcpy(&src, &ip6->ip6_src, sizeof src);
            memcpy(&dst, &ip6->ip6_dst, sizeof dst);
        }

        const struct gre_base_hdr *gre
            = (const void *) ((const uint8_t *) nh.data + ofs);
        bool have_gre = ofs && nh.len >= ofs + sizeof *gre;
        if (have_gre && gre->protocol != htons(RMIRROR_GRE_PROTO)) {
            return false;
        }
        if (ipv6_addr_equals(&dst, &session->target)
            || ipv6_addr_equals(&src, &session->target)) {
            return true;
        }
        if (!have_gre) {
            return false;
        }

        /* Checksum, key and sequence number take four bytes each. */
        ofs += sizeof *gre;
        ofs += gre->flags & htons(GRE_CSUM) ? 4 : 0;
        ofs += gre->flags & htons(GRE_KEY) ? 4 : 0;
        ofs += gre->flags & htons(GRE_SEQ) ? 4 : 0;
        if (nh.len < ofs) {
            return false;
        }
        frame = (const uint8_t *) nh.data + ofs;
        size = nh.len - ofs;
    }
    return false;
}

/* Returns the DSCP and ECN of the frame, 0 if it is not IP. */
static uint8_t
frame_tos(const uint8_t *frame, size_t size)
{
    struct network_header nh;

    if (!find_network_header(frame, size, &nh)) {
        return 0;
    } else if (nh.type == htons(ETH_TYPE_IP)) {
        return ((const struct ip_header *) nh.data)->ip_tos;
    } else {
        const uint8_t *ip6 = nh.data;

        return ip6[0] << 4 | ip6[1] >> 4;
    }
}

static void
flush(struct execution *e)
{
    if (!dp_packet_batch_is_empty(&e->out)) {
        e->output(e->aux, &e->out,
                  htons(e->is_ipv4 ? ETH_TYPE_IP : ETH_TYPE_IPV6),
                  e->action.actions, e->action.actions_len);
        dp_packet_batch_init(&e->out);
    }
}

/* Takes ownership of 'packet', a whole encapsulated frame. */
static void
transmit(struct execution *e, struct dp_packet *packet)
{
    pkt_metadata_init(&packet->md, u32_to_odp(e->via.in_port));
    dp_packet_reset_offsets(packet);
    dp_packet_set_l3(packet, (char *) dp_packet_data(packet) + ETH_HEADER_LEN);
    dp_packet_set_l4(packet, (char *) dp_packet_l3(packet) + e->ip_len);

    if (dp_packet_batch_is_full(&e->out)) {
        flush(e);
    }
    dp_packet_batch_add(&e->out, packet);
}

/* Fills in the fields of the IPv4 header 'ip' that differ from one packet to
 * the next.  'frag' is an offset in bytes, with 'more' fragments or not. */
static void
finish_ipv4(struct ip_header *ip, size_t tot_len, uint16_t id, size_t frag,
            bool more)
{
    ip->ip_tot_len = htons(tot_len);
    ip->ip_id = htons(id);
    ip->ip_frag_off |= htons(frag / 8 | (more ? IP_MORE_FRAGMENTS : 0));
    ip->ip_csum = 0;
    ip->ip_csum = csum(ip, sizeof *ip);
}

/* Sends 'packet', encapsulated but for lengths and checksum, in IP fragments
 * that fit the MTU.  Takes ownership of 'packet'. */
static void
transmit_fragments(struct execution *e, struct dp_packet *packet, uint32_t id)
{
    size_t unfragmentable = ETH_HEADER_LEN + e->ip_len;
    size_t frag_hlen = e->is_ipv4 ? 0 : sizeof(struct ovs_16aligned_ip6_frag);
    size_t room = ROUND_DOWN(e->via.mtu - e->ip_len - frag_hlen, 8);
    const uint8_t *payload = (uint8_t *) dp_packet_data(packet)
                             + unfragmentable;
    size_t payload_len = dp_packet_size(packet) - unfragmentable;

    for (size_t ofs = 0; ofs < payload_len; ofs += room) {
        size_t n = MIN(room, payload_len - ofs);
        bool more = ofs + n < payload_len;
        struct dp_packet *frag = dp_packet_new_with_headroom(
            unfragmentable + frag_hlen + n, DP_NETDEV_HEADROOM);

        struct eth_header *eth = dp_packet_put(frag, dp_packet_data(packet),
                                               unfragmentable);
        if (e->is_ipv4) {
            finish_ipv4((void *) (eth + 1), e->ip_len + n, id, ofs, more);
        } else {
            struct ovs_16aligned_ip6_hdr *ip6 = (void *) (eth + 1);
            struct ovs_16aligned_ip6_frag *fh
                = dp_packet_put_zeros(frag, sizeof *fh);

            ip6->IP6_PLEN = htons(sizeof *fh + n);
            fh->ip6f_nxt = ip6->IP6_NXT;
            ip6->IP6_NXT = IPPROTO_FRAGMENT;
            fh->ip6f_offlg = htons(ofs | more);
            put_16aligned_be32(&fh->ip6f_ident, htonl(id));
        }
        dp_packet_put(frag, payload + ofs, n);
        transmit(e, frag);
    }
    dp_packet_delete(packet);
}

/* Makes and sends the copy of 'packet', whose first 'keep' bytes it keeps, as
 * the outer IP packet number 'id'. */
static void
send_copy(struct execution *e, const struct dp_packet *packet, size_t keep,
          uint32_t id)
{
    const uint8_t *frame = dp_packet_data(packet);
    struct dp_packet *copy
        = dp_packet_new_with_headroom(e->header_len + keep,
                                      DP_NETDEV_HEADROOM);
    struct eth_header *eth = dp_packet_put(copy, e->header, e->header_len);
    struct ip_header *ip = (void *) (eth + 1);
    struct ovs_16aligned_ip6_hdr *ip6 = (void *) (eth + 1);
    size_t tot_len = e->header_len - ETH_HEADER_LEN + keep;

    dp_packet_put(copy, frame, keep);

    if (e->action.rm.session.flags & RMIRROR_F_TOS_INHERIT) {
        uint8_t tos = frame_tos(frame, dp_packet_size(packet));

        if (e->is_ipv4) {
            ip->ip_tos = tos;
        } else {
            put_16aligned_be32(&ip6->IP6_FLOW, ipv6_flow(tos));
        }
    }

    if (e->via.mtu && tot_len > e->via.mtu) {
        e->counters[RMIRROR_FRAGMENTED]++;
        transmit_fragments(e, copy, id);
        return;
    }
    if (e->is_ipv4) {
        finish_ipv4(ip, tot_len, id, 0, false);
    } else {
        ip6->IP6_PLEN = htons(tot_len - sizeof *ip6);
    }
    transmit(e, copy);
}

/* Returns how many of the 'size' bytes of a frame its copy keeps, 0 if there
 * can be no copy because it would be too big. */
static size_t
bytes_to_keep(const struct execution *e, size_t size)
{
    size_t encap_len = e->header_len - ETH_HEADER_LEN;
    uint32_t mtu = e->via.mtu;
    uint32_t max_keep = rmirror_max_keep(&e->action.rm, mtu);
    size_t keep = MIN(size, max_keep);

    if (keep < MIN(size, RMIRROR_LEN_MIN)) {
        return 0;               /* The MTU is too small for any copy. */
    }

    /* RFC 791: an IPv4 packet has up to 65,535 bytes; RFC 8200: an IPv6 one
     * that many behind its header.  An MTU below 68 (RFC 791) cannot carry
     * fragments. */
    size_t max = UINT16_MAX + (e->is_ipv4 ? 0 : e->ip_len);
    bool df = e->action.rm.session.flags & RMIRROR_F_DF;
    return (encap_len + keep > max
            || (mtu && encap_len + keep > mtu && (df || mtu < 68)) ? 0 : keep);
}

static void
mirror_batch(struct dp_rmirror *dpr, struct execution *e,
             const struct dp_packet_batch *batch)
{
    uint32_t id;

    build_header(e);
    atomic_add_relaxed(&dpr->ip_id, dp_packet_batch_size(batch), &id);

    const struct dp_packet *packet;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        size_t size = dp_packet_size(packet);

        if (is_loop(dp_packet_data(packet), size, &e->action.rm.session)) {
            e->counters[RMIRROR_DROP_LOOP]++;
            continue;
        }

        size_t keep = bytes_to_keep(e, size);
        if (!keep) {
            e->counters[RMIRROR_DROP_TOO_BIG]++;
            continue;
        }
        e->counters[RMIRROR_COPIES]++;
        e->counters[RMIRROR_BYTES] += keep;
        e->counters[RMIRROR_ORIG_BYTES] += size;
        e->counters[RMIRROR_TRUNCATED] += keep < size;
        send_copy(e, packet, keep, id + i);
    }
    flush(e);
}

static void
count(struct execution *e)
{
    for (int i = 0; i < RMIRROR_N_COUNTERS; i++) {
        if (e->counters[i]) {
            uint64_t orig;

            atomic_add_relaxed(&e->node->counters[i], e->counters[i], &orig);
        }
    }
    COVERAGE_ADD(rmirror_copies, e->counters[RMIRROR_COPIES]);
    COVERAGE_ADD(rmirror_drop_no_route, e->counters[RMIRROR_DROP_NO_ROUTE]);
    COVERAGE_ADD(rmirror_drop_no_neigh, e->counters[RMIRROR_DROP_NO_NEIGH]);
    COVERAGE_ADD(rmirror_drop_too_big, e->counters[RMIRROR_DROP_TOO_BIG]);
    COVERAGE_ADD(rmirror_drop_loop, e->counters[RMIRROR_DROP_LOOP]);
}

/* Executes 'action', an OVS_ACTION_ATTR_RMIRROR, on 'batch', which it leaves
 * as it is: a cut that is pending on its packets, see dp_packet_set_cutlen(),
 * is for a later output and does not concern the copies.  Hands the copies to
 * 'output' with 'aux'.  The cost of a copy is that of its bytes, not of the
 * bytes of the packet. */
void
dp_rmirror_execute(struct dp_rmirror *dpr, const struct nlattr *action,
                   const struct dp_packet_batch *batch,
                   dp_rmirror_output_func *output, void *aux)
{
    struct execution e;

    if (!odp_parse_rmirror(action, &e.action)) {
        VLOG_ERR_RL(&rl, "malformed rmirror action");
        return;
    }
    e.node = session_find(dpr, &e.action.rm.session);
    if (!e.node) {
        uint64_t orig;

        atomic_add_relaxed(&dpr->no_session, dp_packet_batch_size(batch),
                           &orig);
        COVERAGE_INC(rmirror_sessions_full);
        VLOG_WARN_RL(&rl, "more than %d rmirror sessions, no copies for a new "
                     "one", RMIRROR_MAX_SESSIONS);
        return;
    }
    e.is_ipv4 = rmirror_session_is_ipv4(&e.action.rm.session);
    memset(e.counters, 0, sizeof e.counters);
    dp_packet_batch_init(&e.out);
    e.output = output;
    e.aux = aux;

    if (e.action.via) {
        memcpy(&e.via, e.action.via, sizeof e.via);
        mirror_batch(dpr, &e, batch);
    } else {
        enum rmirror_counter drop = (e.action.drop ? e.action.drop
                                     : RMIRROR_DROP_NO_ROUTE);
        e.counters[drop] = dp_packet_batch_size(batch);
    }
    count(&e);
}

/* Stores in '*stats' what 'dpr' counts, with the sessions ordered by target.
 * The caller must free 'stats->sessions'. */
void
dp_rmirror_dump(const struct dp_rmirror *dpr, struct rmirror_stats *stats)
{
    struct session_node *node;
    size_t allocated = 0;

    memset(stats, 0, sizeof *stats);
    CMAP_FOR_EACH (node, node, &dpr->sessions) {
        struct rmirror_session_stats session = { .session = node->session };

        for (int i = 0; i < RMIRROR_N_COUNTERS; i++) {
            atomic_read_relaxed(&node->counters[i], &session.counters[i]);
        }
        rmirror_stats_add(stats, &session, &allocated);
    }
    rmirror_stats_sort(stats);
    stats->max_sessions = RMIRROR_MAX_SESSIONS;
    atomic_read_relaxed(&dpr->no_session, &stats->no_session);
}

/* Sets all counters in 'dpr' to zero.  If 'flush' is true, forgets the
 * sessions, too: each comes back with its next packet. */
void
dp_rmirror_reset(struct dp_rmirror *dpr, bool flush)
{
    struct session_node *node;

    ovs_mutex_lock(&dpr->mutex);
    CMAP_FOR_EACH (node, node, &dpr->sessions) {
        if (flush) {
            cmap_remove(&dpr->sessions, &node->node,
                        hash_bytes(&node->session, sizeof node->session, 0));
            ovsrcu_postpone(free, node);
            continue;
        }
        for (int i = 0; i < RMIRROR_N_COUNTERS; i++) {
            atomic_store_relaxed(&node->counters[i], 0);
        }
    }
    atomic_store_relaxed(&dpr->no_session, 0);
    ovs_mutex_unlock(&dpr->mutex);
}
