/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "dpif-netlink-rmirror.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "dpif.h"
#include "netdev.h"
#include "netlink.h"
#include "netlink-socket.h"
#include "odp-rmirror.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(dpif_netlink_rmirror);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* The device. */

/* Sends the rtnetlink request 'type' with 'flags' about RMIRROR_DEVICE.  With
 * RTM_NEWLINK, brings the device up, or creates it that way. */
static int
device_transact(uint16_t type, uint16_t flags, struct ofpbuf **replyp)
{
    struct ifinfomsg *ifinfo;
    struct ofpbuf request;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, 0, type, NLM_F_REQUEST | flags);
    ifinfo = ofpbuf_put_zeros(&request, sizeof *ifinfo);
    if (type == RTM_NEWLINK) {
        ifinfo->ifi_change = ifinfo->ifi_flags = IFF_UP;
    }
    nl_msg_put_string(&request, IFLA_IFNAME, RMIRROR_DEVICE);
    if (flags & NLM_F_CREATE) {
        size_t ofs = nl_msg_start_nested(&request, IFLA_LINKINFO);
        nl_msg_put_string(&request, IFLA_INFO_KIND, RMIRROR_KIND);
        nl_msg_end_nested(&request, ofs);
    }

    int error = nl_transact(NETLINK_ROUTE, &request, replyp);
    ofpbuf_uninit(&request);
    return error;
}

/* Returns true if there is a device RMIRROR_DEVICE that is one of the rmirror
 * module. */
static bool
have_device(void)
{
    static const struct nl_policy link_policy[] = {
        [IFLA_LINKINFO] = { .type = NL_A_NESTED },
    };
    static const struct nl_policy info_policy[] = {
        [IFLA_INFO_KIND] = { .type = NL_A_STRING },
    };
    struct nlattr *link[ARRAY_SIZE(link_policy)];
    struct nlattr *info[ARRAY_SIZE(info_policy)];
    struct ofpbuf *reply;

    if (device_transact(RTM_GETLINK, 0, &reply)) {
        return false;
    }

    bool found = (nl_policy_parse(reply,
                                  NLMSG_HDRLEN + sizeof(struct ifinfomsg),
                                  link_policy, link, ARRAY_SIZE(link))
                  && nl_parse_nested(link[IFLA_LINKINFO], info_policy, info,
                                     ARRAY_SIZE(info))
                  && !strcmp(nl_attr_get_string(info[IFLA_INFO_KIND]),
                             RMIRROR_KIND));
    ofpbuf_delete(reply);
    return found;
}

/* Removes RMIRROR_DEVICE, unless it is no device of the rmirror module. */
static void
destroy_device(void)
{
    if (have_device()) {
        int error = device_transact(RTM_DELLINK, NLM_F_ACK, NULL);

        if (error && error != ENODEV) {
            VLOG_WARN_RL(&rl, "could not remove device %s (%s)",
                         RMIRROR_DEVICE, ovs_strerror(error));
        }
    }
}

/* Creates RMIRROR_DEVICE, or takes the one that there is, and brings it up.
 * This has the kernel load the rmirror module, if it is installed.  Returns
 * EOPNOTSUPP if it is not. */
static int
create_device(void)
{
    int error = device_transact(RTM_NEWLINK,
                                NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NULL);

    if (error == EEXIST) {
        if (have_device()) {
            error = device_transact(RTM_NEWLINK, NLM_F_ACK, NULL);
        } else {
            VLOG_WARN_RL(&rl, "device %s is not of kind \"%s\": remove it or "
                         "give it another name", RMIRROR_DEVICE,
                         RMIRROR_KIND);
        }
    }
    return error;
}

int
dpif_netlink_rmirror_port_add(struct dpif *dpif, odp_port_t *port_no)
{
    struct netdev *netdev;

    int error = create_device();
    if (error) {
        return error;
    }

    error = netdev_open(RMIRROR_DEVICE, "system", &netdev);
    if (!error) {
        error = dpif_port_add(dpif, netdev, port_no);
        netdev_close(netdev);
    }
    if (error) {
        destroy_device();
    }
    return error;
}

/* Must be called after the port 'name' has been deleted from a datapath. */
void
dpif_netlink_rmirror_port_deleted(const char *name)
{
    if (!strcmp(name, RMIRROR_DEVICE)) {
        destroy_device();
    }
}

/* The Generic Netlink family. */

/* Initializes 'request' for the command 'cmd' of the family, with 'flags'.
 * Returns 0 if successful.  On failure, 'request' needs no uninitialization;
 * EOPNOTSUPP says that the rmirror module is not installed.
 *
 * The family's number is asked for each time, because the module may have been
 * loaded, or loaded again, in between.  The kernel loads it if need be. */
static int
start_request(struct ofpbuf *request, uint8_t cmd, uint32_t flags)
{
    int family = 0;

    int error = nl_lookup_genl_family(RMIRROR_GENL_NAME, &family);
    if (error) {
        return error == ENOENT ? EOPNOTSUPP : error;
    }

    ofpbuf_init(request, 64);
    nl_msg_put_genlmsghdr(request, 0, family, NLM_F_REQUEST | flags, cmd,
                          RMIRROR_GENL_VERSION);
    return 0;
}

bool
dpif_netlink_rmirror_probe_port(struct dpif *dpif OVS_UNUSED)
{
    struct ofpbuf request;

    destroy_device();
    if (start_request(&request, RMIRROR_CMD_GET_INFO, 0)) {
        return false;
    }
    ofpbuf_uninit(&request);
    return true;
}

/* Decodes 'msg', a message about a session.  Returns true if successful. */
static bool
parse_session(const struct ofpbuf *msg, struct rmirror_session_stats *session)
{
    static const struct nl_policy policy[] = {
        [RMIRROR_NLA_SESSION] = { .type = NL_A_NESTED },
        [RMIRROR_NLA_COUNTERS] = { .type = NL_A_NESTED },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct odp_rmirror parsed;
    const struct nlattr *a;
    size_t left;

    if (!nl_policy_parse(msg, NLMSG_HDRLEN + GENL_HDRLEN, policy, attrs,
                         ARRAY_SIZE(attrs))
        || !odp_parse_rmirror(attrs[RMIRROR_NLA_SESSION], &parsed)) {
        return false;
    }

    memset(session, 0, sizeof *session);
    session->session = parsed.rm.session;
    NL_NESTED_FOR_EACH (a, left, attrs[RMIRROR_NLA_COUNTERS]) {
        int counter = nl_attr_type(a) - RMIRROR_NLA_COUNTER(0);

        /* A later module may count more. */
        if (counter >= 0 && counter < RMIRROR_N_COUNTERS
            && nl_attr_get_size(a) == sizeof(uint64_t)) {
            session->counters[counter] = nl_attr_get_u64(a);
        }
    }
    return true;
}

static int
dump_sessions(struct rmirror_stats *stats)
{
    uint64_t reply_stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf request, msg, buf;
    size_t allocated = 0;
    struct nl_dump dump;

    int error = start_request(&request, RMIRROR_CMD_GET, 0);
    if (error) {
        return error;
    }
    nl_dump_start(&dump, NETLINK_GENERIC, &request);
    ofpbuf_uninit(&request);

    ofpbuf_use_stub(&buf, reply_stub, sizeof reply_stub);
    while (nl_dump_next(&dump, &msg, &buf)) {
        struct rmirror_session_stats session;

        if (parse_session(&msg, &session)) {
            rmirror_stats_add(stats, &session, &allocated);
        } else {
            VLOG_WARN_RL(&rl, "malformed rmirror session from the kernel");
        }
    }
    ofpbuf_uninit(&buf);
    rmirror_stats_sort(stats);
    return nl_dump_done(&dump);
}

static int
get_info(struct rmirror_stats *stats)
{
    static const struct nl_policy policy[] = {
        [RMIRROR_NLA_MAX_SESSIONS] = { .type = NL_A_U32 },
        [RMIRROR_NLA_NO_SESSION] = { .type = NL_A_U64 },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct ofpbuf request, *reply;

    int error = start_request(&request, RMIRROR_CMD_GET_INFO, 0);
    if (error) {
        return error;
    }
    error = nl_transact(NETLINK_GENERIC, &request, &reply);
    ofpbuf_uninit(&request);
    if (error) {
        return error;
    }

    if (nl_policy_parse(reply, NLMSG_HDRLEN + GENL_HDRLEN, policy, attrs,
                        ARRAY_SIZE(attrs))) {
        stats->max_sessions
            = nl_attr_get_u32(attrs[RMIRROR_NLA_MAX_SESSIONS]);
        stats->no_session = nl_attr_get_u64(attrs[RMIRROR_NLA_NO_SESSION]);
    } else {
        error = EPROTO;
    }
    ofpbuf_delete(reply);
    return error;
}

/* The sessions are those of the network namespace, in all of its datapaths. */
int
dpif_netlink_rmirror_dump(const struct dpif *dpif OVS_UNUSED,
                          struct rmirror_stats *stats)
{
    int error = dump_sessions(stats);
    return error ? error : get_info(stats);
}

int
dpif_netlink_rmirror_reset(struct dpif *dpif OVS_UNUSED, bool flush)
{
    struct ofpbuf request;

    int error = start_request(&request, flush ? RMIRROR_CMD_FLUSH
                              : RMIRROR_CMD_RESET, NLM_F_ACK);
    if (!error) {
        error = nl_transact(NETLINK_GENERIC, &request, NULL);
        ofpbuf_uninit(&request);
    }
    return error;
}
