/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "openvswitch/rmirror.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "byte-order.h"
#include "openflow/openflow-1.3.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-prop.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "rmirror/openflow.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct rmirror_session) == 24);
BUILD_ASSERT_DECL(sizeof(struct rmirror) == 36);
BUILD_ASSERT_DECL(RMIRROR_LEN_MIN == ETH_HEADER_LEN);
BUILD_ASSERT_DECL(RMIRROR_GRE_PROTO == ETH_TYPE_TEB);

/* Initializes 'rm' to the defaults of the action.  The target, which has none,
 * is all zeros, which rmirror_check() refuses. */
void
rmirror_init(struct rmirror *rm)
{
    memset(rm, 0, sizeof *rm);
    rm->session.ttl = RMIRROR_TTL_DEFAULT;
    rm->session.tos = RMIRROR_TOS_DEFAULT;
    rm->len = RMIRROR_LEN_ALL;
    rm->probability = RMIRROR_PROBABILITY_ALL;
}

/* Returns what is wrong with 'target' as the address of a collector, or NULL
 * if it may be one. */
static const char *
target_check(const struct in6_addr *target)
{
    if (IN6_IS_ADDR_V4MAPPED(target)) {
        uint32_t ip = ntohl(in6_addr_get_mapped_ipv4(target));

        return (!ip ? "target must not be the unspecified address"
                : ip >> 24 == 127 ? "target must not be a loopback address"
                : ip >> 28 == 14 ? "target must not be a multicast address"
                : ip == UINT32_MAX ? "target must not be the broadcast address"
                : NULL);
    }
    return (IN6_IS_ADDR_UNSPECIFIED(target)
            ? "target=IP is required and must not be the unspecified address"
            : IN6_IS_ADDR_LOOPBACK(target)
            ? "target must not be a loopback address"
            : IN6_IS_ADDR_MULTICAST(target)
            ? "target must not be a multicast address"
            : NULL);
}

/* Returns a description of what is wrong with 'rm', or NULL if it is a valid
 * action.  A string constant, not to be freed. */
const char *
rmirror_check(const struct rmirror *rm)
{
    const char *error = target_check(&rm->session.target);

    return (error ? error
            : (rm->len != RMIRROR_LEN_ALL && rm->len < RMIRROR_LEN_MIN)
              || (rm->len > RMIRROR_LEN_MAX && rm->len != RMIRROR_LEN_MTU)
            ? "len must be 0 (the whole frame), 14 to 65535, or \"mtu\""
            : !rm->session.ttl ? "ttl must be 1 to 255"
            : rm->meter > OFPM13_MAX ? "meter must be 1 to 4294901760"
            : !rm->probability ? "probability must not be 0"
            : NULL);
}

bool
rmirror_session_equals(const struct rmirror_session *a,
                       const struct rmirror_session *b)
{
    return !memcmp(a, b, sizeof *a);
}

bool
rmirror_session_is_ipv4(const struct rmirror_session *session)
{
    return IN6_IS_ADDR_V4MAPPED(&session->target);
}

/* Returns the bytes that a copy's outer IP and GRE headers take in
 * 'session'. */
size_t
rmirror_encap_len(const struct rmirror_session *session)
{
    return ((rmirror_session_is_ipv4(session)
             ? sizeof(struct ip_header) : sizeof(struct ovs_16aligned_ip6_hdr))
            + RMIRROR_GRE_HLEN
            + (session->flags & RMIRROR_F_KEY ? RMIRROR_GRE_KEY_LEN : 0));
}

/* Returns how many bytes of a frame a copy that 'rm' makes keeps at most, if
 * the way to the target carries IP packets of up to 'mtu' bytes, 0 if that is
 * not known.  Returns UINT32_MAX if there is no limit. */
uint32_t
rmirror_max_keep(const struct rmirror *rm, uint32_t mtu)
{
    switch (rm->len) {
    case RMIRROR_LEN_ALL:
        return UINT32_MAX;
    case RMIRROR_LEN_MTU:
        return (mtu ? mtu - MIN(mtu, rmirror_encap_len(&rm->session))
                : UINT32_MAX);
    default:
        return rm->len;
    }
}

/* Parses 'value' as an integer from 'min' to 'max' into '*n'.  Returns true if
 * successful. */
static bool
parse_uint(const char *value, unsigned long long min, unsigned long long max,
           unsigned long long *n)
{
    char *tail;

    errno = 0;
    *n = strtoull(value, &tail, 0);
    return (!errno && isdigit((unsigned char) value[0]) && !*tail
            && *n >= min && *n <= max);
}

/* Parses 'value', a decimal number above 0 and up to 1, as a probability into
 * '*probability'.  Returns true if successful. */
static bool
parse_probability(const char *value, uint32_t *probability)
{
    double p;

    if (value[strspn(value, "0123456789.")] || !str_to_double(value, &p)
        || p > 1) {
        return false;
    }
    *probability = p * RMIRROR_PROBABILITY_ALL + .5;
    return *probability > 0;
}

/* Appends to 's' the shortest decimal number that parse_probability() takes
 * for 'probability'. */
static void
format_probability(uint32_t probability, struct ds *s)
{
    /* With 10 digits, the step from one number to the next is less than that
     * from one value to the next. */
    enum { MAX_DIGITS = 10 };

    for (int digits = 1; ; digits++) {
        char text[MAX_DIGITS + 3];
        uint32_t parsed;

        snprintf(text, sizeof text, "%.*f", digits,
                 probability / (double) RMIRROR_PROBABILITY_ALL);
        if (digits == MAX_DIGITS
            || (parse_probability(text, &parsed) && parsed == probability)) {
            ds_put_cstr(s, text);
            return;
        }
    }
}

static char *
bad_value(const char *name, const char *value, const char *expected)
{
    return xasprintf("invalid %s \"%s\", expected %s", name, value, expected);
}

static const char *const field_names[] = {
    "target", "len", "key", "ttl", "tos", "df", "meter", "probability"
};

/* Sets the field of 'rm' called 'name' from its text form 'value'.  Returns
 * NULL if successful, otherwise a malloc()ed error message. */
static char * OVS_WARN_UNUSED_RESULT
parse_field(struct rmirror *rm, const char *name, const char *value)
{
    struct rmirror_session *session = &rm->session;
    unsigned long long n;

    if (!strcmp(name, "target")) {
        ovs_be32 ip;

        if (ip_parse(value, &ip)) {
            in6_addr_set_mapped_ipv4(&session->target, ip);
        } else if (!ipv6_parse(value, &session->target)
                   || IN6_IS_ADDR_V4MAPPED(&session->target)) {
            return bad_value(name, value, "an IPv4 or IPv6 address");
        }
        const char *problem = target_check(&session->target);
        return problem ? xasprintf("%s: %s", value, problem) : NULL;
    } else if (!strcmp(name, "len")) {
        if (!strcmp(value, "mtu")) {
            rm->len = RMIRROR_LEN_MTU;
        } else if (parse_uint(value, 0, RMIRROR_LEN_MAX, &n)
                   && (n == RMIRROR_LEN_ALL || n >= RMIRROR_LEN_MIN)) {
            rm->len = n;
        } else {
            return bad_value(name, value,
                             "0 (the whole frame), 14 to 65535, or \"mtu\"");
        }
    } else if (!strcmp(name, "key")) {
        if (!parse_uint(value, 0, UINT32_MAX, &n)) {
            return bad_value(name, value, "0 to 4294967295");
        }
        session->key = htonl(n);
        session->flags |= RMIRROR_F_KEY;
    } else if (!strcmp(name, "ttl")) {
        if (!parse_uint(value, 1, UINT8_MAX, &n)) {
            return bad_value(name, value, "1 to 255");
        }
        session->ttl = n;
    } else if (!strcmp(name, "tos")) {
        if (!strcmp(value, "inherit")) {
            session->flags |= RMIRROR_F_TOS_INHERIT;
        } else if (parse_uint(value, 0, UINT8_MAX, &n)) {
            session->tos = n;
        } else {
            return bad_value(name, value, "0 to 255, or \"inherit\"");
        }
    } else if (!strcmp(name, "df")) {
        if (!strcmp(value, "true")) {
            session->flags |= RMIRROR_F_DF;
        } else if (strcmp(value, "false")) {
            return bad_value(name, value, "\"true\" or \"false\"");
        }
    } else if (!strcmp(name, "meter")) {
        if (!parse_uint(value, 1, OFPM13_MAX, &n)) {
            return bad_value(name, value, "1 to 4294901760");
        }
        rm->meter = n;
    } else if (!strcmp(name, "probability")) {
        if (!parse_probability(value, &rm->probability)) {
            return bad_value(name, value,
                             "a decimal number, 0.0000000002 to 1");
        }
    }
    return NULL;
}

/* Parses 's', the comma-separated "name=value" fields of an rmirror action,
 * into 'rm'.  Modifies 's'.  Returns NULL if successful, otherwise an error
 * message that the caller must free. */
char *
rmirror_parse(char *s, struct rmirror *rm)
{
    uint32_t seen = 0;
    char *name, *value;

    rmirror_init(rm);
    while (ofputil_parse_key_value(&s, &name, &value)) {
        size_t i = 0;

        while (i < ARRAY_SIZE(field_names) && strcmp(name, field_names[i])) {
            i++;
        }
        if (i >= ARRAY_SIZE(field_names)) {
            return xasprintf("unknown field \"%s\" in rmirror, expected "
                             "target, len, key, ttl, tos, df, meter or "
                             "probability", name);
        } else if (seen & (1u << i)) {
            return xasprintf("%s appears more than once in rmirror", name);
        }
        seen |= 1u << i;

        char *error = parse_field(rm, name, value);
        if (error) {
            return error;
        }
    }

    const char *problem = rmirror_check(rm);
    return problem ? xasprintf("invalid rmirror: %s", problem) : NULL;
}

static void
format_target(const struct rmirror_session *session, struct ds *s)
{
    ds_put_cstr(s, "target=");
    ipv6_format_mapped(&session->target, s);
}

static void
format_session_options(const struct rmirror_session *session, struct ds *s)
{
    if (session->flags & RMIRROR_F_KEY) {
        ds_put_format(s, ",key=%#"PRIx32, ntohl(session->key));
    }
    if (session->ttl != RMIRROR_TTL_DEFAULT) {
        ds_put_format(s, ",ttl=%"PRIu8, session->ttl);
    }
    if (session->flags & RMIRROR_F_TOS_INHERIT) {
        ds_put_cstr(s, ",tos=inherit");
    } else if (session->tos != RMIRROR_TOS_DEFAULT) {
        ds_put_format(s, ",tos=%#"PRIx8, session->tos);
    }
    if (session->flags & RMIRROR_F_DF) {
        ds_put_cstr(s, ",df=true");
    }
}

/* Appends to 's' the fields that make 'session', defaults left out. */
void
rmirror_session_format(const struct rmirror_session *session, struct ds *s)
{
    format_target(session, s);
    format_session_options(session, s);
}

/* Appends to 's' the fields of 'rm' in canonical form: always in the same
 * order, defaults left out.  rmirror_parse() reads it back. */
void
rmirror_format(const struct rmirror *rm, struct ds *s)
{
    format_target(&rm->session, s);
    if (rm->len == RMIRROR_LEN_MTU) {
        ds_put_cstr(s, ",len=mtu");
    } else if (rm->len != RMIRROR_LEN_ALL) {
        ds_put_format(s, ",len=%"PRIu32, rm->len);
    }
    format_session_options(&rm->session, s);
    if (rm->meter) {
        ds_put_format(s, ",meter=%"PRIu32, rm->meter);
    }
    if (rm->probability != RMIRROR_PROBABILITY_ALL) {
        ds_put_cstr(s, ",probability=");
        format_probability(rm->probability, s);
    }
}

/* Reads the OpenFlow properties of an rmirror action (see rmirror/openflow.h)
 * from 'properties', to its end, into 'rm'.  Returns 0 if they make a valid
 * action, otherwise OFPERR_OFPBAC_BAD_LEN or OFPERR_OFPBAC_BAD_ARGUMENT. */
enum ofperr
rmirror_pull_properties(struct ofpbuf *properties, struct rmirror *rm)
{
    struct rmirror_session *session = &rm->session;
    uint32_t seen = 0;

    rmirror_init(rm);
    while (properties->size > 0) {
        struct ofpbuf value;
        uint64_t type;

        if (ofpprop_pull__(properties, &value, 8, 0x10000, &type)) {
            return OFPERR_OFPBAC_BAD_LEN;
        }

        size_t len = ofpbuf_msgsize(&value);
        static const uint8_t lens[] = {
            [NXRMPT_TARGET_IPV4] = 4,
            [NXRMPT_TARGET_IPV6] = 16,
            [NXRMPT_LEN] = 4,
            [NXRMPT_KEY] = 4,
            [NXRMPT_TTL] = 1,
            [NXRMPT_TOS] = 1,
            [NXRMPT_DF] = 0,
            [NXRMPT_METER] = 4,
            [NXRMPT_PROBABILITY] = 4,
        };
        if (!type || type >= ARRAY_SIZE(lens)) {
            return OFPERR_OFPBAC_BAD_ARGUMENT;
        } else if (len != lens[type]) {
            return OFPERR_OFPBAC_BAD_LEN;
        } else if (seen & (1u << type)) {
            return OFPERR_OFPBAC_BAD_ARGUMENT;
        }
        seen |= 1u << type;

        const ovs_be32 *be32 = value.msg;
        const uint8_t *u8 = value.msg;
        switch ((enum nx_rmirror_prop_type) type) {
        case NXRMPT_TARGET_IPV4:
            in6_addr_set_mapped_ipv4(&session->target, *be32);
            break;
        case NXRMPT_TARGET_IPV6:
            memcpy(&session->target, u8, sizeof session->target);
            if (IN6_IS_ADDR_V4MAPPED(&session->target)) {
                return OFPERR_OFPBAC_BAD_ARGUMENT;
            }
            break;
        case NXRMPT_LEN:
            rm->len = ntohl(*be32);
            if (rm->len > RMIRROR_LEN_MAX) {
                return OFPERR_OFPBAC_BAD_ARGUMENT;
            }
            break;
        case NXRMPT_LEN_MTU:
            rm->len = RMIRROR_LEN_MTU;
            break;
        case NXRMPT_KEY:
            session->key = *be32;
            session->flags |= RMIRROR_F_KEY;
            break;
        case NXRMPT_TTL:
            session->ttl = *u8;
            break;
        case NXRMPT_TOS:
            session->tos = *u8;
            break;
        case NXRMPT_TOS_INHERIT:
            session->flags |= RMIRROR_F_TOS_INHERIT;
            break;
        case NXRMPT_DF:
            session->flags |= RMIRROR_F_DF;
            break;
        case NXRMPT_METER:
            rm->meter = ntohl(*be32);
            if (!rm->meter) {
                return OFPERR_OFPBAC_BAD_ARGUMENT;
            }
            break;
        case NXRMPT_PROBABILITY:
            rm->probability = ntohl(*be32);
            break;
        }
    }

    /* Properties that contradict each other. */
    static const uint32_t conflicts[] = {
        1u << NXRMPT_TARGET_IPV4 | 1u << NXRMPT_TARGET_IPV6,
        1u << NXRMPT_LEN | 1u << NXRMPT_LEN_MTU,
        1u << NXRMPT_TOS | 1u << NXRMPT_TOS_INHERIT,
    };
    for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++) {
        if ((seen & conflicts[i]) == conflicts[i]) {
            return OFPERR_OFPBAC_BAD_ARGUMENT;
        }
    }

    return rmirror_check(rm) ? OFPERR_OFPBAC_BAD_ARGUMENT : 0;
}

/* Appends to 'out' the OpenFlow properties of 'rm', defaults left out. */
void
rmirror_put_properties(const struct rmirror *rm, struct ofpbuf *out)
{
    const struct rmirror_session *session = &rm->session;

    if (rmirror_session_is_ipv4(session)) {
        ofpprop_put_be32(out, NXRMPT_TARGET_IPV4,
                         in6_addr_get_mapped_ipv4(&session->target));
    } else {
        ofpprop_put(out, NXRMPT_TARGET_IPV6,
                    &session->target, sizeof session->target);
    }
    if (rm->len == RMIRROR_LEN_MTU) {
        ofpprop_put_flag(out, NXRMPT_LEN_MTU);
    } else if (rm->len != RMIRROR_LEN_ALL) {
        ofpprop_put_u32(out, NXRMPT_LEN, rm->len);
    }
    if (session->flags & RMIRROR_F_KEY) {
        ofpprop_put_be32(out, NXRMPT_KEY, session->key);
    }
    if (session->ttl != RMIRROR_TTL_DEFAULT) {
        ofpprop_put_u8(out, NXRMPT_TTL, session->ttl);
    }
    if (session->flags & RMIRROR_F_TOS_INHERIT) {
        ofpprop_put_flag(out, NXRMPT_TOS_INHERIT);
    } else if (session->tos != RMIRROR_TOS_DEFAULT) {
        ofpprop_put_u8(out, NXRMPT_TOS, session->tos);
    }
    if (session->flags & RMIRROR_F_DF) {
        ofpprop_put_flag(out, NXRMPT_DF);
    }
    if (rm->meter) {
        ofpprop_put_u32(out, NXRMPT_METER, rm->meter);
    }
    if (rm->probability != RMIRROR_PROBABILITY_ALL) {
        ofpprop_put_u32(out, NXRMPT_PROBABILITY, rm->probability);
    }
}
