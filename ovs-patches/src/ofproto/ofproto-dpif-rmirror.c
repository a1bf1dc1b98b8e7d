/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "ofproto/ofproto-dpif-rmirror.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cmap.h"
#include "coverage.h"
#include "dp-packet.h"
#include "dpif.h"
#include "flow.h"
#include "hash.h"
#include "netdev.h"
#include "netlink.h"
#include "odp-rmirror.h"
#include "ofproto/ofproto-dpif.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-router.h"
#include "ovs-thread.h"
#include "seq.h"
#include "simap.h"
#include "smap.h"
#include "socket-util.h"
#include "timeval.h"
#include "tnl-neigh-cache.h"

VLOG_DEFINE_THIS_MODULE(ofproto_dpif_rmirror);

COVERAGE_DEFINE(rmirror_neigh_request);

const struct rmirror_session RMIRROR_IS_COPY;
const struct rmirror_session RMIRROR_IN_TAP = { .zero = 1 };

/* Returns true if 'session' must not take the packet that the sessions in
 * 'taken' have taken. */
bool
rmirror_taken(const struct ofpbuf *taken,
              const struct rmirror_session *session)
{
    const struct rmirror_session *s = taken->data;
    size_t n = taken->size / sizeof *s;

    for (size_t i = 0; i < n; i++) {
        if (rmirror_session_equals(&s[i], session)
            || rmirror_session_equals(&s[i], &RMIRROR_IS_COPY)) {
            return true;
        }
    }
    return false;
}

/* Removes from 'taken' the session at offset 'ofs'. */
void
rmirror_taken_remove(struct ofpbuf *taken, size_t ofs)
{
    const size_t len = sizeof(struct rmirror_session);
    uint8_t *s = ofpbuf_at_assert(taken, ofs, len);

    memmove(s, s + len, taken->size - ofs - len);
    taken->size -= len;
}

/* Removes from 'taken', from offset 'start' on, the sessions that are not also
 * in 'other', 'other_len' bytes of sessions. */
void
rmirror_keep_common(struct ofpbuf *taken, size_t start, const void *other,
                    size_t other_len)
{
    struct rmirror_session *s = ofpbuf_at_assert(taken, start, 0);
    size_t n = (taken->size - start) / sizeof *s;
    struct ofpbuf others;

    ofpbuf_use_const(&others, other, other_len);
    taken->size = start;
    for (size_t i = 0; i < n; i++) {
        if (rmirror_taken(&others, &s[i])) {
            struct rmirror_session common = s[i];

            ofpbuf_put(taken, &common, sizeof common);
        }
    }
}

/* Next hops.
 *
 * A request is repeated every RESEND_MS as long as a flow wants it:
 * translation makes it, and every push of the flow's statistics makes it
 * again.  When the answer comes, the neighbor cache learns it from the packet
 * and has all flows revalidated. */

enum { RESEND_MS = 1000, FORGET_MS = 10000 };

struct request {
    struct hmap_node node;          /* In 'requests', by 'hop'. */
    struct rmirror_next_hop hop;
    long long int wanted;           /* When a flow last wanted it. */
    long long int next;             /* When to ask, again. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap requests OVS_GUARDED_BY(mutex)
    = HMAP_INITIALIZER(&requests);

/* Wakes up the main thread for a new request or a new wanted port. */
static struct seq *
wake_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static atomic_bool wants_next_hops = ATOMIC_VAR_INIT(false);

/* Returns true if rmirror_want_next_hops() has been called. */
bool
rmirror_wants_next_hops(void)
{
    bool on;

    atomic_read_relaxed(&wants_next_hops, &on);
    return on;
}

/* Says that there are flows that depend on next hops, and on the devices that
 * lead there.  From now on, what neighbors answer and changes of devices are
 * worth looking at. */
void
rmirror_want_next_hops(void)
{
    if (!rmirror_wants_next_hops()) {
        atomic_store_relaxed(&wants_next_hops, true);
        seq_change(tnl_conf_seq);
    }
}

/* Asks the network for 'hop', soon, if that has not just been done.  Any
 * thread may call this.  'hop' must be all zeros but for its members' values.
 */
void
rmirror_request_next_hop(const struct rmirror_next_hop *hop)
    OVS_EXCLUDED(mutex)
{
    uint32_t hash = hash_bytes(hop, sizeof *hop, 0);
    struct request *r;

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH_WITH_HASH (r, node, hash, &requests) {
        if (!memcmp(&r->hop, hop, sizeof *hop)) {
            break;
        }
    }
    if (!r) {
        r = xmalloc(sizeof *r);
        r->hop = *hop;
        r->next = 0;
        hmap_insert(&requests, &r->node, hash);
        seq_change(wake_seq());
    }
    r->wanted = time_msec();
    ovs_mutex_unlock(&mutex);
}

/* Sends an ARP request or a Neighbor Solicitation for 'hop'. */
static void
send_request(const struct rmirror_next_hop *hop)
{
    struct ofproto_dpif *ofproto
        = ofproto_dpif_lookup_by_uuid(&hop->ofproto_uuid);
    if (!ofproto) {
        return;
    }

    uint64_t stub[256 / 8];
    struct dp_packet packet;

    dp_packet_use_stub(&packet, stub, sizeof stub);
    if (IN6_IS_ADDR_V4MAPPED(&hop->ip)) {
        compose_arp(&packet, ARP_OP_REQUEST, hop->mac, eth_addr_zero, true,
                    in6_addr_get_mapped_ipv4(&hop->src),
                    in6_addr_get_mapped_ipv4(&hop->ip));
    } else {
        compose_nd_ns(&packet, hop->mac, &hop->src, &hop->ip);
    }

    struct ofpact_output output;
    struct flow flow;

    ofpact_init(&output.ofpact, OFPACT_OUTPUT, sizeof output);
    output.port = OFPP_TABLE;
    output.max_len = 0;
    flow_extract(&packet, &flow);
    flow.in_port.ofp_port = hop->ofp_port;
    ofproto_dpif_execute_actions__(ofproto,
                                   ofproto_dpif_get_tables_version(ofproto),
                                   &flow, NULL, &output.ofpact, sizeof output,
                                   0, 0, &packet);
    dp_packet_uninit(&packet);
    COVERAGE_INC(rmirror_neigh_request);
}

/* Sends the requests that are due and forgets those that have been answered or
 * that no flow wants any longer. */
static void
run_requests(void)
    OVS_EXCLUDED(mutex)
{
    long long int now = time_msec();
    struct rmirror_next_hop *due = NULL;
    size_t n_due = 0, allocated = 0;
    struct request *r;

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH_SAFE (r, node, &requests) {
        struct eth_addr mac;

        if (now < r->next) {
            continue;
        }
        if (now >= r->wanted + FORGET_MS
            || !tnl_neigh_lookup(r->hop.br_name, &r->hop.ip, &mac)) {
            hmap_remove(&requests, &r->node);
            free(r);
            continue;
        }
        r->next = now + RESEND_MS;
        if (n_due >= allocated) {
            due = x2nrealloc(due, &allocated, sizeof *due);
        }
        due[n_due++] = r->hop;
    }
    ovs_mutex_unlock(&mutex);

    /* Not under 'mutex', because sending translates, which may request. */
    for (size_t i = 0; i < n_due; i++) {
        send_request(&due[i]);
    }
    free(due);
}

/* Tiers. */

/* Returns how a datapath with 'support' carries out the action. */
enum rmirror_tier
rmirror_tier(const struct dpif_backer_support *support)
{
    return (support->rmirror
            ? (support->tnl_push_pop
               ? RMIRROR_TIER_USERSPACE : RMIRROR_TIER_NATIVE)
            : support->rmirror_port && support->clone
            ? RMIRROR_TIER_VPORT : RMIRROR_TIER_COMPOSED);
}

const char *
rmirror_tier_to_string(enum rmirror_tier tier)
{
    switch (tier) {
    case RMIRROR_TIER_USERSPACE: return "userspace";
    case RMIRROR_TIER_NATIVE: return "native";
    case RMIRROR_TIER_VPORT: return "vport";
    case RMIRROR_TIER_COMPOSED: return "composed";
    default: OVS_NOT_REACHED();
    }
}

/* Ports. */

enum {
    /* Adding a port that could not be added is tried again after that time. */
    RETRY_PORT_MS = 5 * 1000,

    /* A port that no flow has used for that time is removed. */
    UNUSED_PORT_MS = 5 * 60 * 1000,

    /* As long as flows use RMIRROR_TIER_COMPOSED, how often to look whether
     * there is something better now. */
    PROBE_MS = 30 * 1000,
};

/* Returns the name of the datapath port 'i'. */
static const char *
port_name(enum rmirror_port_index i)
{
    switch (i) {
    case RMIRROR_PORT_GRE: return "gre_sys";
    case RMIRROR_PORT_IP6GRE: return "ip6gre_sys";
    case RMIRROR_PORT_DEVICE: return RMIRROR_DEVICE;
    case RMIRROR_N_PORTS:
    default: OVS_NOT_REACHED();
    }
}

static bool
port_is_wanted(const struct rmirror_port *port)
{
    bool wanted;

    atomic_read_relaxed(&port->wanted, &wanted);
    return wanted;
}

static odp_port_t
port_number(const struct rmirror_port *port)
{
    uint32_t odp_port;

    atomic_read_relaxed(&port->odp_port, &odp_port);
    return u32_to_odp(odp_port);
}

static void
port_set_number(struct rmirror_port *port, odp_port_t odp_port)
{
    atomic_store_relaxed(&port->odp_port, odp_to_u32(odp_port));
}

void
rmirror_ports_init(struct rmirror_ports *ports)
{
    for (int i = 0; i < RMIRROR_N_PORTS; i++) {
        struct rmirror_port *port = &ports->port[i];

        atomic_init(&port->wanted, false);
        atomic_init(&port->used, false);
        atomic_init(&port->odp_port, odp_to_u32(ODPP_NONE));
        port->next_try = 0;
        port->next_look = 0;
    }
    ports->next_probe = 0;
    ports->conf_seq = seq_read(tnl_conf_seq);
    ports->n_targets = 0;
}

/* Returns the port that copies in 'session' go through, in RMIRROR_TIER_VPORT
 * or RMIRROR_TIER_COMPOSED.  If there is none yet, flows are revalidated when
 * it is there.  It stays valid as long as 'backer'. */
struct rmirror_port *
rmirror_port_get(struct dpif_backer *backer, enum rmirror_tier tier,
                 const struct rmirror_session *session)
{
    struct rmirror_port *port = &backer->rmirror_ports.port[
        tier == RMIRROR_TIER_VPORT ? RMIRROR_PORT_DEVICE
        : rmirror_session_is_ipv4(session) ? RMIRROR_PORT_GRE
        : RMIRROR_PORT_IP6GRE];

    rmirror_port_use(port);
    if (!port_is_wanted(port)) {
        atomic_store_relaxed(&port->wanted, true);
        seq_change(wake_seq());
    }
    return port;
}

/* Says that packets go through 'port'. */
void
rmirror_port_use(struct rmirror_port *port)
{
    atomic_store_relaxed(&port->used, true);
}

/* Adds to the datapath of 'backer' the tunnel port 'i' and stores its number
 * in '*odp_port'. */
static int
add_gre_port(struct dpif_backer *backer, enum rmirror_port_index i,
             odp_port_t *odp_port)
{
    static bool warned;
    struct netdev *netdev;

    if (!warned) {
        warned = true;
        VLOG_WARN("%s: the datapath has no support for remote mirrors, so "
                  "they are made of tunnels: GSO packets, that is, most "
                  "packets of TCP connections between local ports, are lost "
                  "when they are truncated; install ovs-rmirror-dkms, the "
                  "kernel modules of ovs-rmirror, to mirror them",
                  dpif_name(backer->dpif));
    }

    /* Without a configuration a tunnel has no mode, and the kernel datapath
     * gets no device for it but by its old interface, which knows IPv4 only.
     * The name is not that of the port, like that of other tunnels, or else
     * nobody could look at the device behind the port. */
    struct smap args = SMAP_CONST1(&args, "remote_ip", "flow");
    bool is_ipv4 = i == RMIRROR_PORT_GRE;

    int error = netdev_open(is_ipv4 ? "rmirror-gre" : "rmirror-ip6gre",
                            is_ipv4 ? "gre" : "ip6gre", &netdev);
    if (!error) {
        error = netdev_set_config(netdev, &args, NULL);
        if (!error) {
            error = dpif_port_add(backer->dpif, netdev, odp_port);
        }
        netdev_close(netdev);
    }
    return error;
}

/* Adds port 'i' to the datapath of 'backer' and returns its number, or
 * ODPP_NONE. */
static odp_port_t
add_port(struct dpif_backer *backer, enum rmirror_port_index i)
{
    odp_port_t odp_port = ODPP_NONE;

    int error = (i == RMIRROR_PORT_DEVICE
                 ? dpif_rmirror_port_add(backer->dpif, &odp_port)
                 : add_gre_port(backer, i, &odp_port));
    if (!error) {
        return odp_port;
    }

    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    VLOG_WARN_RL(&rl, "%s: could not add port \"%s\" for remote mirrors (%s)",
                 dpif_name(backer->dpif), port_name(i), ovs_strerror(error));
    if (i == RMIRROR_PORT_DEVICE && error == EOPNOTSUPP) {
        /* The kernel module has gone.  Flows are about to be revalidated. */
        backer->bt_support.rmirror_port = false;
        backer->rt_support.rmirror_port = false;
        atomic_store_relaxed(&backer->rmirror_ports.port[i].wanted, false);
    }
    return ODPP_NONE;
}

/* Part of the garbage collection of tunnel ports: adds the wanted ports to
 * 'backer->tnl_backers', taking them out of 'unused' where they are there. */
void
rmirror_ports_reconfigure(struct dpif_backer *backer, struct simap *unused)
{
    for (int i = 0; i < RMIRROR_N_PORTS; i++) {
        struct rmirror_port *port = &backer->rmirror_ports.port[i];
        const char *name = port_name(i);

        if (!port_is_wanted(port)) {
            port_set_number(port, ODPP_NONE);
            continue;
        }

        struct simap_node *node = simap_find(unused, name);
        if (node) {
            simap_put(&backer->tnl_backers, name, node->data);
            simap_delete(unused, node);
        } else if (!simap_contains(&backer->tnl_backers, name)
                   && time_msec() >= port->next_try) {
            odp_port_t odp_port = add_port(backer, i);

            if (odp_port != ODPP_NONE) {
                simap_put(&backer->tnl_backers, name, odp_to_u32(odp_port));
            } else {
                port->next_try = time_msec() + RETRY_PORT_MS;
            }
        }

        node = simap_find(&backer->tnl_backers, name);
        port_set_number(port, node ? u32_to_odp(node->data) : ODPP_NONE);
    }
}

/* Must be called when ports of the datapath of 'backer' have come or gone.  A
 * port that somebody else has removed, with "ip link del", is added again. */
void
rmirror_ports_changed(struct dpif_backer *backer)
{
    for (int i = 0; i < RMIRROR_N_PORTS; i++) {
        struct rmirror_port *port = &backer->rmirror_ports.port[i];
        odp_port_t odp_port = port_number(port);
        struct dpif_port dpif_port;

        if (odp_port == ODPP_NONE) {
            continue;
        }
        int error = dpif_port_query_by_name(backer->dpif, port_name(i),
                                            &dpif_port);
        if (!error) {
            bool same = dpif_port.port_no == odp_port;

            dpif_port_destroy(&dpif_port);
            if (same) {
                continue;
            }
        } else if (error != ENODEV) {
            continue;
        }

        dpif_port_del(backer->dpif, odp_port, true);
        simap_find_and_delete(&backer->tnl_backers, port_name(i));
        port_set_number(port, ODPP_NONE);
        backer->need_revalidate = REV_RECONFIGURE;
        seq_change(wake_seq());
    }
}

/* Translation. */

/* Fills in '*flow' as what copies in 'session' look like from outside: GRE
 * with the addresses in 'via'. */
void
rmirror_copy_flow(const struct rmirror_session *session,
                  const struct rmirror_via *via, struct flow *flow)
{
    struct in6_addr src;

    memset(flow, 0, sizeof *flow);
    flow->packet_type = htonl(PT_ETH);
    memcpy(&flow->dl_src, via->eth_src, sizeof flow->dl_src);
    memcpy(&flow->dl_dst, via->eth_dst, sizeof flow->dl_dst);
    memcpy(&src, via->src, sizeof src);
    if (rmirror_session_is_ipv4(session)) {
        flow->dl_type = htons(ETH_TYPE_IP);
        flow->nw_src = in6_addr_get_mapped_ipv4(&src);
        flow->nw_dst = in6_addr_get_mapped_ipv4(&session->target);
    } else {
        flow->dl_type = htons(ETH_TYPE_IPV6);
        flow->ipv6_src = src;
        flow->ipv6_dst = session->target;
    }
    flow->nw_proto = IPPROTO_GRE;
    flow->nw_ttl = session->ttl;
    flow->nw_tos = session->tos;
}

/* Returns the largest IP packet that the route to 'target' carries, in bytes,
 * or 0 if that is not known. */
static uint32_t
route_mtu(const struct in6_addr *target)
{
    struct in6_addr src = in6addr_any, gw;
    char out_dev[IFNAMSIZ];
    struct netdev *netdev;
    struct ifreq ifr;
    int mtu = 0;

    if (!ovs_router_lookup(0, target, out_dev, &src, &gw)) {
        return 0;
    }

    /* First ask the system: netdev_get_mtu() does not notice changes of a
     * device that is not a port of the datapath. */
    if (!af_inet_ifreq_ioctl(out_dev, &ifr, SIOCGIFMTU, "SIOCGIFMTU")) {
        return ifr.ifr_mtu;
    }
    if (!netdev_open(out_dev, NULL, &netdev)) {
        if (netdev_get_mtu(netdev, &mtu)) {
            mtu = 0;
        }
        netdev_close(netdev);
    }
    return mtu;
}

/* The targets that composed actions have had since this process started.  A
 * copy for one of them must not be mirrored to another one, or each would be
 * mirrored to the other for ever. */
struct target {
    struct cmap_node node;          /* In 'targets', by 'ip'. */
    struct in6_addr ip;
};

static struct cmap targets = CMAP_INITIALIZER;  /* Written under 'mutex'. */

static uint32_t
target_hash(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

static bool
is_target(const struct in6_addr *ip)
{
    const struct target *t;

    CMAP_FOR_EACH_WITH_HASH (t, node, target_hash(ip), &targets) {
        if (ipv6_addr_equals(&t->ip, ip)) {
            return true;
        }
    }
    return false;
}

/* Makes 'ip' a target.  Flows of GRE are then translated again. */
static void
add_target(const struct in6_addr *ip)
    OVS_EXCLUDED(mutex)
{
    if (is_target(ip)) {
        return;
    }

    ovs_mutex_lock(&mutex);
    if (!is_target(ip)) {
        struct target *t = xmalloc(sizeof *t);

        t->ip = *ip;
        cmap_insert(&targets, &t->node, target_hash(ip));
        seq_change(wake_seq());
    }
    ovs_mutex_unlock(&mutex);
}

/* Returns true if 'flow' is GRE to or from a target, which might be a copy.
 * The datapath will not tell copies from other packets, so translation must,
 * at the cost of matching on the IP protocol and, for GRE, on the addresses.
 */
static bool
flow_may_be_copy(const struct flow *flow, struct flow_wildcards *wc)
{
    struct in6_addr src, dst;

    if (!is_ip_any(flow)) {
        return false;
    }
    WC_MASK_FIELD(wc, nw_proto);
    if (flow->nw_proto != IPPROTO_GRE) {
        return false;
    }
    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        WC_MASK_FIELD(wc, nw_src);
        WC_MASK_FIELD(wc, nw_dst);
        in6_addr_set_mapped_ipv4(&src, flow->nw_src);
        in6_addr_set_mapped_ipv4(&dst, flow->nw_dst);
    } else {
        WC_MASK_FIELD(wc, ipv6_src);
        WC_MASK_FIELD(wc, ipv6_dst);
        src = flow->ipv6_src;
        dst = flow->ipv6_dst;
    }
    return is_target(&src) || is_target(&dst);
}

/* Returns the length of the largest frame whose copy in 'session' fits the
 * route's MTU, in bytes, or RMIRROR_LEN_ALL if that is not known. */
static uint32_t
largest_copy(const struct rmirror_session *session)
{
    size_t encap_len = rmirror_encap_len(session);
    uint32_t mtu = MIN(route_mtu(&session->target), UINT16_MAX);

    return (mtu >= encap_len + RMIRROR_LEN_MIN
            ? mtu - encap_len : RMIRROR_LEN_ALL);
}

/* Returns what the "trunc" of the Linux kernel datapath must be told to keep
 * 'len' bytes of the packet that 'flow' says.  It does not count the outermost
 * VLAN tag, which is beside the frame.  What is left must have a whole IP
 * header, or GRE devices drop it, and reach up to the end of the checksum in
 * the transport header, which the kernel may still have to fill in. */
static uint32_t
kernel_trunc_len(uint32_t len, const struct flow *flow,
                 struct flow_wildcards *wc)
{
    uint32_t min = ETH_HEADER_LEN;

    wc->masks.vlans[0].tci |= htons(VLAN_CFI);
    if (flow->vlans[0].tci & htons(VLAN_CFI)) {
        len -= VLAN_HEADER_LEN;
    }

    if (is_ip_any(flow)) {
        min += (flow->dl_type == htons(ETH_TYPE_IP)
                ? IP_HEADER_LEN : IPV6_HEADER_LEN);
        WC_MASK_FIELD(wc, nw_proto);
        min += (flow->nw_proto == IPPROTO_TCP ? TCP_HEADER_LEN
                : flow->nw_proto == IPPROTO_UDP ? UDP_HEADER_LEN
                : flow->nw_proto == IPPROTO_SCTP ? SCTP_HEADER_LEN
                : 0);
    }
    return MAX(len, min);
}

/* Fills in '*tnl' with the tunnel metadata of copies in 'session', all but the
 * TOS. */
static void
session_to_tunnel(const struct rmirror_session *session, struct flow_tnl *tnl)
{
    memset(tnl, 0, sizeof *tnl);
    if (rmirror_session_is_ipv4(session)) {
        tnl->ip_dst = in6_addr_get_mapped_ipv4(&session->target);
    } else {
        tnl->ipv6_dst = session->target;
    }
    tnl->ip_ttl = session->ttl;
    if (session->flags & RMIRROR_F_KEY) {
        tnl->tun_id = htonll(ntohl(session->key));
        tnl->flags |= FLOW_TNL_F_KEY;
    }
    if (session->flags & RMIRROR_F_DF) {
        tnl->flags |= FLOW_TNL_F_DONT_FRAGMENT;
    }
}

/* Starts in 'odp_actions' the actions that copy a packet for 'a', to be ended
 * with rmirror_end_copy(): they are around the copy if not every packet is to
 * be copied, or if 'isolate' says that what copies it changes the packet.
 * What the dice refuse does not count for the meter.
 *
 * The meter is right in front of what it may prevent, because
 * dpif_execute_with_help() applies it to whatever it executes next. */
void
rmirror_start_copy(const struct ofpact_rmirror *a, bool isolate,
                   struct ofpbuf *odp_actions, struct rmirror_nest *nest)
{
    nest->n = 0;
    if (a->rm.probability != RMIRROR_PROBABILITY_ALL) {
        nest->ofs[nest->n++] = nl_msg_start_nested(odp_actions,
                                                   OVS_ACTION_ATTR_SAMPLE);
        nl_msg_put_u32(odp_actions, OVS_SAMPLE_ATTR_PROBABILITY,
                       a->rm.probability);
        nest->ofs[nest->n++] = nl_msg_start_nested(odp_actions,
                                                   OVS_SAMPLE_ATTR_ACTIONS);
    } else if (isolate || a->rm.meter) {
        nest->ofs[nest->n++] = nl_msg_start_nested(odp_actions,
                                                   OVS_ACTION_ATTR_CLONE);
    }
    if (a->rm.meter) {
        nl_msg_put_u32(odp_actions, OVS_ACTION_ATTR_METER,
                       a->provider_meter_id);
    }
}

void
rmirror_end_copy(struct ofpbuf *odp_actions, struct rmirror_nest *nest)
{
    while (nest->n) {
        nl_msg_end_nested(odp_actions, nest->ofs[--nest->n]);
    }
}

/* Appends to 'odp_actions' what 'a' means for a datapath in which 'port'
 * makes the copies: it gets the packet as it is, with the session and 'len' as
 * tunnel metadata (see rmirror/netlink.h).  Returns NULL or, if there is no
 * copy, why: a string constant. */
const char *
rmirror_compose_vport(const struct rmirror_port *port,
                      const struct ofpact_rmirror *a,
                      struct ofpbuf *odp_actions)
{
    const struct rmirror_session *session = &a->rm.session;
    odp_port_t odp_port = port_number(port);
    struct rmirror_nest nest;
    struct flow_tnl tnl;

    if (odp_port == ODPP_NONE) {
        return "there is no port for remote mirrors yet";
    }

    session_to_tunnel(session, &tnl);
    tnl.ip_tos = session->tos;
    if (session->flags & RMIRROR_F_TOS_INHERIT) {
        tnl.tp_src |= htons(RMIRROR_TP_SRC_TOS_INHERIT);
    }
    tnl.tp_dst = htons(a->rm.len == RMIRROR_LEN_ALL ? RMIRROR_TP_DST_ALL
                       : a->rm.len == RMIRROR_LEN_MTU ? RMIRROR_TP_DST_MTU
                       : a->rm.len);

    rmirror_start_copy(a, true, odp_actions, &nest);
    odp_put_tunnel_action(&tnl, odp_actions, RMIRROR_KIND);
    nl_msg_put_odp_port(odp_actions, OVS_ACTION_ATTR_OUTPUT, odp_port);
    rmirror_end_copy(odp_actions, &nest);
    return NULL;
}

/* Appends to 'odp_actions' what 'a' means in actions that any datapath has, a
 * truncated clone through the GRE port 'port', for the packet that 'flow'
 * says.  Adds to 'wc' what that depends on.  Returns NULL or, if there is no
 * copy, why: a string constant. */
const char *
rmirror_compose_tunnel(const struct dpif_backer_support *support,
                       const struct rmirror_port *port,
                       const struct ofpact_rmirror *a,
                       const struct flow *flow, struct flow_wildcards *wc,
                       struct ofpbuf *odp_actions)
{
    const struct rmirror *rm = &a->rm;
    const struct rmirror_session *session = &rm->session;
    bool is_ipv4 = rmirror_session_is_ipv4(session);
    odp_port_t odp_port = port_number(port);
    struct rmirror_nest nest;
    struct flow_tnl tnl;

    add_target(&session->target);
    if (flow_may_be_copy(flow, wc)) {
        return "GRE to or from a target is not mirrored";
    } else if (!support->clone || !support->trunc) {
        return "the datapath cannot truncate a clone";
    } else if (odp_port == ODPP_NONE) {
        return "there is no GRE port for remote mirrors yet";
    }

    session_to_tunnel(session, &tnl);
    tnl.ip_tos = session->tos;
    if (session->flags & RMIRROR_F_TOS_INHERIT && is_ip_any(flow)) {
        WC_MASK_FIELD(wc, nw_tos);
        tnl.ip_tos = flow->nw_tos;
    }
    if (is_ipv4) {
        /* The kernel takes ECN from the packet, whatever is said here, and
         * the value 1 for "inherit". */
        tnl.ip_tos &= IP_DSCP_MASK;
    }

    bool df = session->flags & RMIRROR_F_DF;
    uint32_t fits = (rm->len == RMIRROR_LEN_MTU || df || !is_ipv4
                     ? largest_copy(session) : RMIRROR_LEN_ALL);
    uint32_t len = rm->len == RMIRROR_LEN_MTU ? fits : rm->len;
    bool check = false;

    if (fits && (len == RMIRROR_LEN_ALL || len > fits) && (df || !is_ipv4)) {
        /* A copy that the kernel must not fragment (over IPv6 it never does)
         * and that exceeds the MTU must not get to the tunnel, which would
         * tell the sender of the packet by ICMP to send smaller ones. */
        if (!df) {
            len = fits;
        } else if (support->check_pkt_len) {
            check = true;
        } else {
            return "the datapath cannot drop copies that exceed the MTU";
        }
    }

    size_t check_ofs = 0;
    size_t le_ofs = 0;
    if (check) {
        check_ofs = nl_msg_start_nested(odp_actions,
                                        OVS_ACTION_ATTR_CHECK_PKT_LEN);
        nl_msg_put_u16(odp_actions, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, fits);
        le_ofs = nl_msg_start_nested(
            odp_actions, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER);
        nl_msg_end_nested(odp_actions, le_ofs);
        le_ofs = nl_msg_start_nested(
            odp_actions, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
    }

    rmirror_start_copy(a, true, odp_actions, &nest);
    if (len != RMIRROR_LEN_ALL) {
        struct ovs_action_trunc *trunc;

        trunc = nl_msg_put_unspec_uninit(odp_actions, OVS_ACTION_ATTR_TRUNC,
                                         sizeof *trunc);
        trunc->max_len = kernel_trunc_len(len, flow, wc);
    }
    odp_put_tunnel_action(&tnl, odp_actions, is_ipv4 ? "gre" : "ip6gre");
    nl_msg_put_odp_port(odp_actions, OVS_ACTION_ATTR_OUTPUT, odp_port);
    rmirror_end_copy(odp_actions, &nest);

    if (check) {
        nl_msg_end_nested(odp_actions, le_ofs);
        nl_msg_end_nested(odp_actions, check_ofs);
    }
    return NULL;
}

/* Ends the nested OVS_ACTION_ATTR_CLONE that starts at offset 'clone_ofs' of
 * 'odp_actions'.  If there are only actions in it that leave the packet alone,
 * they need no clone around them. */
void
rmirror_end_tap(struct ofpbuf *odp_actions, size_t clone_ofs)
{
    struct nlattr *clone = ofpbuf_at_assert(odp_actions, clone_ofs,
                                            NLA_HDRLEN);
    size_t len = odp_actions->size - clone_ofs - NLA_HDRLEN;
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, (struct nlattr *) (clone + 1), len) {
        if (nl_attr_type(a) != OVS_ACTION_ATTR_RMIRROR
            && nl_attr_type(a) != OVS_ACTION_ATTR_CLONE
            && nl_attr_type(a) != OVS_ACTION_ATTR_SAMPLE) {
            nl_msg_end_nested(odp_actions, clone_ofs);
            return;
        }
    }
    memmove(clone, clone + 1, len);
    odp_actions->size -= NLA_HDRLEN;
}

/* Main thread. */

static uint64_t last_wake_seq;

/* Returns true if some flow of 'backer' has wanted a GRE port for want of
 * something better. */
static bool
wants_better_tier(const struct dpif_backer *backer)
{
    const struct rmirror_port *port = backer->rmirror_ports.port;

    return (!backer->bt_support.rmirror && !backer->bt_support.rmirror_port
            && (port_is_wanted(&port[RMIRROR_PORT_GRE])
                || port_is_wanted(&port[RMIRROR_PORT_IP6GRE])));
}

/* Looks whether the datapath of 'backer' can have RMIRROR_PORT_DEVICE now, as
 * it can when the kernel module has been installed meanwhile. */
static bool
probe_port(struct dpif_backer *backer)
{
    if (!dpif_rmirror_probe_port(backer->dpif)) {
        return false;
    }
    VLOG_INFO("%s: remote mirrors use port \"%s\" from now on",
              dpif_name(backer->dpif), RMIRROR_DEVICE);
    backer->bt_support.rmirror_port = true;
    backer->rt_support.rmirror_port = true;
    return true;
}

/* Returns true if 'port', which is wanted, has not been used for so long that
 * it is not wanted any longer. */
static bool
port_has_been_idle(struct rmirror_port *port)
{
    long long int now = time_msec();
    bool used;

    if (now < port->next_look) {
        return false;
    }
    port->next_look = now + UNUSED_PORT_MS;
    atomic_read_relaxed(&port->used, &used);
    atomic_store_relaxed(&port->used, false);
    return !used;
}

/* Returns true if the flows of 'backer' must be revalidated: so that a port
 * that is wanted can be added, or one that is not can be removed, because
 * there is a new target or a better tier, or because routes, which composed
 * actions depend on, may have changed. */
bool
rmirror_run(struct dpif_backer *backer)
{
    struct rmirror_ports *ports = &backer->rmirror_ports;
    uint64_t conf_seq = seq_read(tnl_conf_seq);
    bool routes_changed = conf_seq != ports->conf_seq;

    ports->conf_seq = conf_seq;
    last_wake_seq = seq_read(wake_seq());
    run_requests();

    size_t n_targets = cmap_count(&targets);
    bool revalidate = n_targets != ports->n_targets;
    ports->n_targets = n_targets;

    if (wants_better_tier(backer) && time_msec() >= ports->next_probe) {
        ports->next_probe = time_msec() + PROBE_MS;
        revalidate |= probe_port(backer);
    }
    for (int i = 0; i < RMIRROR_N_PORTS; i++) {
        struct rmirror_port *port = &ports->port[i];

        if (!port_is_wanted(port)) {
            continue;
        }
        if (port_has_been_idle(port)) {
            atomic_store_relaxed(&port->wanted, false);
            revalidate = true;
        } else if ((routes_changed && i != RMIRROR_PORT_DEVICE)
                   || (port_number(port) == ODPP_NONE
                       && time_msec() >= port->next_try)) {
            revalidate = true;
        }
    }
    return revalidate;
}

/* Arranges for the main loop to wake up when rmirror_run() has work to do for
 * 'backer'. */
void
rmirror_wait(const struct dpif_backer *backer)
    OVS_EXCLUDED(mutex)
{
    const struct rmirror_ports *ports = &backer->rmirror_ports;
    struct request *r;

    seq_wait(wake_seq(), last_wake_seq);
    seq_wait(tnl_conf_seq, ports->conf_seq);

    if (wants_better_tier(backer)) {
        poll_timer_wait_until(ports->next_probe);
    }
    for (int i = 0; i < RMIRROR_N_PORTS; i++) {
        const struct rmirror_port *port = &ports->port[i];

        if (port_is_wanted(port)) {
            poll_timer_wait_until(port->next_look);
            if (port_number(port) == ODPP_NONE) {
                poll_timer_wait_until(port->next_try);
            }
        }
    }

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH (r, node, &requests) {
        poll_timer_wait_until(r->next);
    }
    ovs_mutex_unlock(&mutex);
}
