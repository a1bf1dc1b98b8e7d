/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenFlow actions in the syntax of ovs-ofctl(8).
 *
 *   - What is parsed and printed parses to the same.
 *   - What is refused leaves nothing behind, and is told why.
 *   - Encoded for a switch, they decode to the same.
 */

#include <config.h>

#include <string.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/ofpacts.h"
#include "tests/fuzz/property.h"
#include "util.h"

static void
must_decode(const struct ofpbuf *ofpacts)
{
    struct ofpbuf encoded, again;
    uint64_t tlv_bitmap = 0;

    ofpbuf_init(&encoded, 0);
    ofpbuf_init(&again, 0);
    ofpacts_put_openflow_actions(ofpacts->data, ofpacts->size, &encoded,
                                 OFP13_VERSION);
    if (encoded.size <= UINT16_MAX) {
        enum ofperr error = ofpacts_pull_openflow_actions(
            &encoded, encoded.size, OFP13_VERSION, NULL, &tlv_bitmap, &again);
        REQUIRE(!error);
        REQUIRE(ofpacts_equal(ofpacts->data, ofpacts->size,
                              again.data, again.size));
    }
    ofpbuf_uninit(&encoded);
    ofpbuf_uninit(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0((const char *) data, size);
    enum ofputil_protocol usable_protocols;
    struct ofpbuf ofpacts;

    /* See docs/reliability.md. */
    if (strstr(text, "zone")) {
        free(text);
        return 0;
    }
    ofpbuf_init(&ofpacts, 0);
    struct ofpact_parse_params pp = {
        .ofpacts = &ofpacts,
        .usable_protocols = &usable_protocols,
    };
    char *error = ofpacts_parse_actions(text, &pp);
    free(text);
    if (error) {
        REQUIRE(*error && !ofpacts.size);
        free(error);
    } else {
        ofpacts_must_read_back(ofpacts.data, ofpacts.size);
        if (ofpacts.size && usable_protocols & OFPUTIL_P_OF13_OXM
            && ofpacts_are_faithful(ofpacts.data, ofpacts.size)) {
            must_decode(&ofpacts);
        }
    }
    ofpbuf_uninit(&ofpacts);
    return 0;
}
