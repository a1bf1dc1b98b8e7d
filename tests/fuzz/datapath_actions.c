/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datapath actions in the syntax of ovs-dpctl(8).
 *
 *   - What is parsed and printed parses to the same bytes.
 *   - What is refused leaves nothing behind.
 *   - An rmirror that is parsed is one that a datapath can decode.
 */

#include <config.h>

#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/odp_actions.h"
#include "tests/fuzz/property.h"
#include "util.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0((const char *) data, size);
    struct ofpbuf actions;

    ofpbuf_init(&actions, 0);
    if (odp_actions_from_string(text, NULL, &actions)) {
        REQUIRE(!actions.size);
    } else {
        odp_actions_must_read_back(actions.data, actions.size);
    }
    ofpbuf_uninit(&actions);
    free(text);
    return 0;
}
