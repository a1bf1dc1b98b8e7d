/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/fuzz/odp_actions.h"

#include "netlink.h"
#include "odp-rmirror.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/property.h"
#include "util.h"

/* Whether 'a', an OVS_ACTION_ATTR_RMIRROR, is well-formed and says nothing but
 * what it must. */
static bool
rmirror_is_faithful(const struct nlattr *a)
{
    struct odp_rmirror parsed;
    struct ofpbuf encoded;

    if (!odp_parse_rmirror(a, &parsed)
        || !odp_actions_are_faithful(parsed.actions, parsed.actions_len)) {
        return false;
    }
    ofpbuf_init(&encoded, 0);
    odp_rmirror_encode(&parsed, &encoded);
    bool same = (encoded.size == NLA_ALIGN(a->nla_len)
                 && !memcmp(encoded.data, a, a->nla_len));
    ofpbuf_uninit(&encoded);
    return same;
}

void
odp_rmirror_encode(const struct odp_rmirror *parsed, struct ofpbuf *out)
{
    if (parsed->via) {
        struct rmirror_via via;
        size_t actions_ofs;

        memcpy(&via, parsed->via, sizeof via);
        size_t ofs = odp_start_rmirror_via(out, &parsed->rm, &via,
                                           &actions_ofs);
        ofpbuf_put(out, parsed->actions, parsed->actions_len);
        odp_end_rmirror_via(out, ofs, actions_ofs);
    } else if (parsed->drop) {
        odp_put_rmirror_drop(out, &parsed->rm, parsed->drop);
    } else {
        odp_put_rmirror(out, &parsed->rm);
    }
}

bool
odp_actions_are_faithful(const struct nlattr *actions, size_t len)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, len) {
        size_t size = nl_attr_get_size(a);

        if (a->nla_type != nl_attr_type(a)) {
            return false;       /* Flags, of which nobody takes notice. */
        }
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_METER:
        case OVS_ACTION_ATTR_TRUNC:
            if (size != sizeof(uint32_t)) {
                return false;
            }
            break;
        case OVS_ACTION_ATTR_POP_VLAN:
            if (size) {
                return false;
            }
            break;
        case OVS_ACTION_ATTR_CLONE:
            if (!size || !odp_actions_are_faithful(nl_attr_get(a), size)) {
                return false;
            }
            break;
        case OVS_ACTION_ATTR_RMIRROR:
            if (!rmirror_is_faithful(a)) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    return !left;
}

void
odp_actions_must_read_back(const struct nlattr *actions, size_t len)
{
    if (!len || !odp_actions_are_faithful(actions, len)) {
        return;
    }

    struct ds text = DS_EMPTY_INITIALIZER;
    struct ofpbuf again;

    ofpbuf_init(&again, 0);
    format_odp_actions(&text, actions, len, NULL);
    int error = odp_actions_from_string(ds_cstr(&text), NULL, &again);
    if (error || again.size != len || memcmp(again.data, actions, len)) {
        struct ds other = DS_EMPTY_INITIALIZER;

        format_odp_actions(&other, again.data, again.size, NULL);
        REQUIRE_SAME(ds_cstr(&text), ds_cstr(&other));
        REQUIRE(!"the actions differ, though not in their text");
    }
    ofpbuf_uninit(&again);
    ds_destroy(&text);
}
