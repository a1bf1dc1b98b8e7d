/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "odp-rmirror.h"

#include <errno.h>
#include <string.h>

#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct rmirror_via) == 36);

/* Returns the name of 'counter', a string constant: the word that stands for a
 * reason to drop in "rmirror(...,drop=REASON)". */
const char *
rmirror_counter_name(enum rmirror_counter counter)
{
    static const char *const names[] = {
#define RMIRROR_COUNTER(ENUM, NAME) [RMIRROR_##ENUM] = NAME,
        RMIRROR_COUNTERS
#undef RMIRROR_COUNTER
    };

    return counter < RMIRROR_N_COUNTERS ? names[counter] : "unknown";
}

static size_t
start_rmirror(struct ofpbuf *actions, const struct rmirror *rm)
{
    const struct rmirror_session *session = &rm->session;
    size_t ofs = nl_msg_start_nested(actions, OVS_ACTION_ATTR_RMIRROR);

    if (rmirror_session_is_ipv4(session)) {
        nl_msg_put_be32(actions, RMIRROR_ATTR_TARGET_IPV4,
                        in6_addr_get_mapped_ipv4(&session->target));
    } else {
        nl_msg_put_in6_addr(actions, RMIRROR_ATTR_TARGET_IPV6,
                            &session->target);
    }
    if (rm->len == RMIRROR_LEN_MTU) {
        nl_msg_put_flag(actions, RMIRROR_ATTR_LEN_MTU);
    } else if (rm->len != RMIRROR_LEN_ALL) {
        nl_msg_put_u32(actions, RMIRROR_ATTR_LEN, rm->len);
    }
    if (session->flags & RMIRROR_F_KEY) {
        nl_msg_put_be32(actions, RMIRROR_ATTR_KEY, session->key);
    }
    if (session->ttl != RMIRROR_TTL_DEFAULT) {
        nl_msg_put_u8(actions, RMIRROR_ATTR_TTL, session->ttl);
    }
    if (session->flags & RMIRROR_F_TOS_INHERIT) {
        nl_msg_put_flag(actions, RMIRROR_ATTR_TOS_INHERIT);
    } else if (session->tos != RMIRROR_TOS_DEFAULT) {
        nl_msg_put_u8(actions, RMIRROR_ATTR_TOS, session->tos);
    }
    if (session->flags & RMIRROR_F_DF) {
        nl_msg_put_flag(actions, RMIRROR_ATTR_DF);
    }
    return ofs;
}

/* Appends 'rm' to 'actions', for a datapath that finds the way itself. */
void
odp_put_rmirror(struct ofpbuf *actions, const struct rmirror *rm)
{
    nl_msg_end_nested(actions, start_rmirror(actions, rm));
}

/* Appends 'rm' to 'actions' as an action that does nothing but count in the
 * session that a copy was dropped for the reason 'drop', an
 * RMIRROR_DROP_*. */
void
odp_put_rmirror_drop(struct ofpbuf *actions, const struct rmirror *rm,
                     enum rmirror_counter drop)
{
    size_t ofs = start_rmirror(actions, rm);

    nl_msg_put_u32(actions, RMIRROR_ATTR_DROP, drop);
    nl_msg_end_nested(actions, ofs);
}

/* Appends 'rm' to 'actions', for the userspace datapath.  Copies go out with
 * the addresses in 'via' and with the actions that the caller appends next,
 * before odp_end_rmirror_via() or nl_msg_cancel_nested(), which take the
 * returned offset. */
size_t
odp_start_rmirror_via(struct ofpbuf *actions, const struct rmirror *rm,
                      const struct rmirror_via *via, size_t *actions_ofs)
{
    size_t ofs = start_rmirror(actions, rm);

    nl_msg_put_unspec(actions, RMIRROR_ATTR_VIA, via, sizeof *via);
    *actions_ofs = nl_msg_start_nested(actions, RMIRROR_ATTR_ACTIONS);
    return ofs;
}

void
odp_end_rmirror_via(struct ofpbuf *actions, size_t ofs, size_t actions_ofs)
{
    nl_msg_end_nested(actions, actions_ofs);
    nl_msg_end_nested(actions, ofs);
}

/* Decodes 'a', an OVS_ACTION_ATTR_RMIRROR, into 'out'.  Returns true if
 * successful, false if 'a' is malformed or its fields make no valid action. */
bool
odp_parse_rmirror(const struct nlattr *a, struct odp_rmirror *out)
{
    static const struct nl_policy policy[] = {
        [RMIRROR_ATTR_TARGET_IPV4] = { .type = NL_A_BE32, .optional = true },
        [RMIRROR_ATTR_TARGET_IPV6] = { .type = NL_A_IPV6, .optional = true },
        [RMIRROR_ATTR_LEN] = { .type = NL_A_U32, .optional = true },
        [RMIRROR_ATTR_LEN_MTU] = { .type = NL_A_FLAG, .optional = true },
        [RMIRROR_ATTR_KEY] = { .type = NL_A_BE32, .optional = true },
        [RMIRROR_ATTR_TTL] = { .type = NL_A_U8, .optional = true },
        [RMIRROR_ATTR_TOS] = { .type = NL_A_U8, .optional = true },
        [RMIRROR_ATTR_TOS_INHERIT] = { .type = NL_A_FLAG, .optional = true },
        [RMIRROR_ATTR_DF] = { .type = NL_A_FLAG, .optional = true },
        [RMIRROR_ATTR_VIA] = { NL_POLICY_FOR(struct rmirror_via),
                               .optional = true },
        [RMIRROR_ATTR_DROP] = { .type = NL_A_U32, .optional = true },
        [RMIRROR_ATTR_ACTIONS] = { .type = NL_A_NESTED, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    memset(out, 0, sizeof *out);
    rmirror_init(&out->rm);
    if (!nl_parse_nested(a, policy, attrs, ARRAY_SIZE(attrs))) {
        return false;
    }

    struct rmirror_session *session = &out->rm.session;
    if (!attrs[RMIRROR_ATTR_TARGET_IPV4] == !attrs[RMIRROR_ATTR_TARGET_IPV6]
        || (attrs[RMIRROR_ATTR_LEN] && attrs[RMIRROR_ATTR_LEN_MTU])
        || (attrs[RMIRROR_ATTR_TOS] && attrs[RMIRROR_ATTR_TOS_INHERIT])
        || (attrs[RMIRROR_ATTR_DROP] && attrs[RMIRROR_ATTR_VIA])
        || !attrs[RMIRROR_ATTR_VIA] != !attrs[RMIRROR_ATTR_ACTIONS]) {
        return false;
    }

    if (attrs[RMIRROR_ATTR_TARGET_IPV4]) {
        ovs_be32 ip = nl_attr_get_be32(attrs[RMIRROR_ATTR_TARGET_IPV4]);

        in6_addr_set_mapped_ipv4(&session->target, ip);
    } else {
        session->target
            = nl_attr_get_in6_addr(attrs[RMIRROR_ATTR_TARGET_IPV6]);
        if (IN6_IS_ADDR_V4MAPPED(&session->target)) {
            return false;
        }
    }
    if (attrs[RMIRROR_ATTR_LEN_MTU]) {
        out->rm.len = RMIRROR_LEN_MTU;
    } else if (attrs[RMIRROR_ATTR_LEN]) {
        out->rm.len = nl_attr_get_u32(attrs[RMIRROR_ATTR_LEN]);
        if (out->rm.len > RMIRROR_LEN_MAX) {
            return false;
        }
    }
    if (attrs[RMIRROR_ATTR_KEY]) {
        session->key = nl_attr_get_be32(attrs[RMIRROR_ATTR_KEY]);
        session->flags |= RMIRROR_F_KEY;
    }
    if (attrs[RMIRROR_ATTR_TTL]) {
        session->ttl = nl_attr_get_u8(attrs[RMIRROR_ATTR_TTL]);
    }
    if (attrs[RMIRROR_ATTR_TOS_INHERIT]) {
        session->flags |= RMIRROR_F_TOS_INHERIT;
    } else if (attrs[RMIRROR_ATTR_TOS]) {
        session->tos = nl_attr_get_u8(attrs[RMIRROR_ATTR_TOS]);
    }
    if (attrs[RMIRROR_ATTR_DF]) {
        session->flags |= RMIRROR_F_DF;
    }

    if (attrs[RMIRROR_ATTR_DROP]) {
        out->drop = nl_attr_get_u32(attrs[RMIRROR_ATTR_DROP]);
        if (out->drop < RMIRROR_DROPS || out->drop >= RMIRROR_N_COUNTERS) {
            return false;
        }
    }
    if (attrs[RMIRROR_ATTR_VIA]) {
        struct in6_addr src;

        out->via = nl_attr_get(attrs[RMIRROR_ATTR_VIA]);
        memcpy(&src, out->via->src, sizeof src);
        if (!IN6_IS_ADDR_V4MAPPED(&src) != !rmirror_session_is_ipv4(session)) {
            return false;
        }
        out->actions = nl_attr_get(attrs[RMIRROR_ATTR_ACTIONS]);
        out->actions_len = nl_attr_get_size(attrs[RMIRROR_ATTR_ACTIONS]);
    }
    return !rmirror_check(&out->rm);
}

static void
format_via(const struct rmirror_via *via, struct ds *ds)
{
    struct eth_addr eth_src, eth_dst;
    struct in6_addr src;

    memcpy(&src, via->src, sizeof src);
    memcpy(&eth_src, via->eth_src, sizeof eth_src);
    memcpy(&eth_dst, via->eth_dst, sizeof eth_dst);

    ds_put_cstr(ds, "via(src=");
    ipv6_format_mapped(&src, ds);
    ds_put_format(ds, ",eth_src="ETH_ADDR_FMT",eth_dst="ETH_ADDR_FMT
                  ",mtu=%"PRIu32",in_port=%"PRIu32")",
                  ETH_ADDR_ARGS(eth_src), ETH_ADDR_ARGS(eth_dst),
                  via->mtu, via->in_port);
}

/* Appends the text form of 'a', an OVS_ACTION_ATTR_RMIRROR, to 'ds'.  Ports
 * are named by 'portno_names', which may be NULL. */
void
odp_format_rmirror(const struct nlattr *a, const struct hmap *portno_names,
                   struct ds *ds)
{
    struct odp_rmirror parsed;

    if (!odp_parse_rmirror(a, &parsed)) {
        ds_put_cstr(ds, "rmirror(error)");
        return;
    }

    ds_put_cstr(ds, "rmirror(");
    rmirror_format(&parsed.rm, ds);
    if (parsed.drop) {
        ds_put_format(ds, ",drop=%s", rmirror_counter_name(parsed.drop));
    }
    if (parsed.via) {
        ds_put_char(ds, ',');
        format_via(parsed.via, ds);
        ds_put_cstr(ds, ",actions(");
        format_odp_actions(ds, parsed.actions, parsed.actions_len,
                           portno_names);
        ds_put_char(ds, ')');
    }
    ds_put_char(ds, ')');
}

/* Parses the text form of a struct rmirror_via, for IPv4 or IPv6 outside, at
 * the beginning of 's'.  Returns the number of characters that it takes, or
 * -EINVAL. */
static int
via_from_string(const char *s, bool is_ipv4, struct rmirror_via *via)
{
    struct eth_addr eth_src, eth_dst;
    char src_s[IPV6_SCAN_LEN + 1];
    struct in6_addr src;
    ovs_be32 ip;
    int n = -1;

    if (!ovs_scan(s, "via(src="IPV6_SCAN_FMT",eth_src="ETH_ADDR_SCAN_FMT
                  ",eth_dst="ETH_ADDR_SCAN_FMT",mtu=%"SCNi32
                  ",in_port=%"SCNi32")%n",
                  src_s, ETH_ADDR_SCAN_ARGS(eth_src),
                  ETH_ADDR_SCAN_ARGS(eth_dst), &via->mtu, &via->in_port, &n)
        || n < 0) {
        return -EINVAL;
    }
    if (is_ipv4 && ip_parse(src_s, &ip)) {
        in6_addr_set_mapped_ipv4(&src, ip);
    } else if (is_ipv4 || !ipv6_parse(src_s, &src)
               || IN6_IS_ADDR_V4MAPPED(&src)) {
        return -EINVAL;
    }
    memcpy(via->src, &src, sizeof via->src);
    memcpy(via->eth_src, &eth_src, sizeof via->eth_src);
    memcpy(via->eth_dst, &eth_dst, sizeof via->eth_dst);
    return n;
}

/* Parses the number of a reason to drop by its name, the 'len' characters at
 * 's'.  Returns 0 if there is no such reason. */
static enum rmirror_counter
drop_from_string(const char *s, size_t len)
{
    for (int i = RMIRROR_DROPS; i < RMIRROR_N_COUNTERS; i++) {
        const char *name = rmirror_counter_name(i);

        if (strlen(name) == len && !memcmp(name, s, len)) {
            return i;
        }
    }
    return 0;
}

/* Parses the text form of an rmirror datapath action, if 's' begins with one,
 * and appends it to 'actions'.  Returns the number of characters taken, 0 if
 * 's' is some other action, or a negative errno value.  'parse_list' parses
 * actions up to the closing parenthesis, which it leaves. */
int
odp_rmirror_from_string(const char *s, struct ofpbuf *actions,
                        odp_parse_action_list_func *parse_list, void *aux)
{
    static const char prefix[] = "rmirror(";
    if (strncmp(s, prefix, strlen(prefix))) {
        return 0;
    }

    /* The fields that all datapaths share come first. */
    const char *p = s + strlen(prefix);
    const char *end = p + strcspn(p, ")");
    const char *via = strstr(p, ",via(");
    const char *drop = strstr(p, ",drop=");
    via = via && via < end ? via : NULL;
    drop = drop && drop < end ? drop : NULL;
    if (!*end || (via && drop)) {
        return -EINVAL;
    }

    const char *fields_end = via ? via : drop ? drop : end;
    char *fields = xmemdup0(p, fields_end - p);
    struct rmirror rm;
    char *error = rmirror_parse(fields, &rm);
    free(fields);
    if (error) {
        free(error);
        return -EINVAL;
    }
    if (rm.meter || rm.probability != RMIRROR_PROBABILITY_ALL) {
        return -EINVAL;         /* Only in OpenFlow. */
    }

    if (drop) {
        const char *name = drop + strlen(",drop=");
        enum rmirror_counter reason = drop_from_string(name, end - name);

        if (!reason) {
            return -EINVAL;
        }
        odp_put_rmirror_drop(actions, &rm, reason);
    } else if (via) {
        static const char actions_prefix[] = ",actions(";
        struct rmirror_via v;
        size_t actions_ofs;
        int n;

        p = via + 1;
        n = via_from_string(p, rmirror_session_is_ipv4(&rm.session), &v);
        if (n < 0) {
            return n;
        }
        p += n;
        if (strncmp(p, actions_prefix, strlen(actions_prefix))) {
            return -EINVAL;
        }
        p += strlen(actions_prefix);

        size_t ofs = odp_start_rmirror_via(actions, &rm, &v, &actions_ofs);
        n = strncmp(p, "drop)", 5) ? parse_list(aux, p, actions) : 4;
        if (n < 0) {
            return n;
        }
        odp_end_rmirror_via(actions, ofs, actions_ofs);
        end = p + n + 1;        /* Behind the list's ')'. */
        if (*end != ')') {
            return -EINVAL;
        }
    } else {
        odp_put_rmirror(actions, &rm);
    }
    return end + 1 - s;
}

/* Appends 'session' to the sessions in 'stats', which have room for
 * '*allocated', initially 0. */
void
rmirror_stats_add(struct rmirror_stats *stats,
                  const struct rmirror_session_stats *session,
                  size_t *allocated)
{
    if (stats->n_sessions >= *allocated) {
        stats->sessions = x2nrealloc(stats->sessions, allocated,
                                     sizeof *stats->sessions);
    }
    stats->sessions[stats->n_sessions++] = *session;
}

static int
compare_sessions(const void *a_, const void *b_)
{
    const struct rmirror_session_stats *a = a_;
    const struct rmirror_session_stats *b = b_;

    return memcmp(&a->session, &b->session, sizeof a->session);
}

/* Orders the sessions in 'stats' by target. */
void
rmirror_stats_sort(struct rmirror_stats *stats)
{
    if (stats->n_sessions) {
        qsort(stats->sessions, stats->n_sessions, sizeof *stats->sessions,
              compare_sessions);
    }
}

/* Appends 'session' to 's', in two lines. */
static void
format_session_stats(const struct rmirror_session_stats *session,
                     struct ds *s)
{
    rmirror_session_format(&session->session, s);
    ds_put_cstr(s, "\n ");
    for (int i = 0; i < RMIRROR_DROPS; i++) {
        ds_put_format(s, " %s:%"PRIu64, rmirror_counter_name(i),
                      session->counters[i]);
    }
    ds_put_cstr(s, " drops:");
    for (int i = RMIRROR_DROPS; i < RMIRROR_N_COUNTERS; i++) {
        ds_put_format(s, "%s%s:%"PRIu64, i > RMIRROR_DROPS ? "," : "",
                      rmirror_counter_name(i), session->counters[i]);
    }
    ds_put_char(s, '\n');
}

/* Appends 'stats' to 's': two lines for each session, then, if packets were
 * not copied for want of a session, a line that says so. */
void
rmirror_stats_format(const struct rmirror_stats *stats, struct ds *s)
{
    for (size_t i = 0; i < stats->n_sessions; i++) {
        format_session_stats(&stats->sessions[i], s);
    }
    if (stats->no_session) {
        ds_put_format(s, "no_session:%"PRIu64" (there can be %"PRIu32
                      " sessions)\n", stats->no_session,
                      stats->max_sessions);
    }
}
