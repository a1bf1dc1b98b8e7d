/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of an rmirror datapath action, as a datapath and its users get
 * them.
 *
 *   - What is decoded is a valid action.
 *   - Encoded, it decodes to the same, and encodes to the same bytes.
 *   - So it does when printed and parsed.
 *   - What is refused is printed as an error.
 */

#include <config.h>

#include "netlink.h"
#include "odp-rmirror.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/odp_actions.h"
#include "tests/fuzz/property.h"
#include "util.h"

static void
must_survive_encoding(const struct odp_rmirror *parsed)
{
    struct odp_rmirror again;
    struct ofpbuf first, second;

    ofpbuf_init(&first, 0);
    odp_rmirror_encode(parsed, &first);
    REQUIRE(odp_parse_rmirror(first.data, &again));
    REQUIRE(!memcmp(&parsed->rm, &again.rm, sizeof again.rm));
    REQUIRE(parsed->drop == again.drop);
    REQUIRE(!parsed->via == !again.via);
    if (parsed->via) {
        REQUIRE(!memcmp(parsed->via, again.via, sizeof *again.via));
        REQUIRE(parsed->actions_len == again.actions_len
                && !memcmp(parsed->actions, again.actions,
                           again.actions_len));
    }

    ofpbuf_init(&second, 0);
    odp_rmirror_encode(&again, &second);
    REQUIRE(first.size == second.size
            && !memcmp(first.data, second.data, first.size));
    odp_actions_must_read_back(first.data, first.size);
    ofpbuf_uninit(&first);
    ofpbuf_uninit(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > UINT16_MAX - NLA_HDRLEN) {
        return 0;
    }

    /* Exactly as long as it says, so that reading behind its end is seen. */
    struct nlattr *a = xmalloc(NLA_HDRLEN + size);
    struct odp_rmirror parsed;

    a->nla_type = OVS_ACTION_ATTR_RMIRROR;
    a->nla_len = NLA_HDRLEN + size;
    if (size) {
        memcpy(a + 1, data, size);
    }
    if (odp_parse_rmirror(a, &parsed)) {
        REQUIRE(!rmirror_check(&parsed.rm));
        must_survive_encoding(&parsed);
    } else {
        struct ds text = DS_EMPTY_INITIALIZER;

        odp_format_rmirror(a, NULL, &text);
        REQUIRE_SAME(ds_cstr(&text), "rmirror(error)");
        ds_destroy(&text);
    }
    free(a);
    return 0;
}
