/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenFlow actions in the syntax of ovs-ofctl(8): rmirror, and output, group,
 * conjunction, clone and write_actions around it.
 *
 *   - What is parsed and printed parses to the same.
 *   - What is refused leaves nothing behind, and is told why.
 *   - Encoded for a switch, they decode to the same.
 */

#include <config.h>

#include <string.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/ofpacts.h"
#include "tests/fuzz/property.h"
#include "util.h"

/* Whether 'actions', which is overwritten, has only rmirror actions and what
 * may stand around them.  Open vSwitch does not survive all texts of others,
 * see docs/reliability.md. */
static bool
is_about_mirrors(char *actions)
{
    char *key, *value;

    while (ofputil_parse_key_value(&actions, &key, &value)) {
        ofp_port_t port;

        if (!strcasecmp(key, "clone") || !strcasecmp(key, "write_actions")) {
            if (!is_about_mirrors(value)) {
                return false;
            }
        } else if (strcasecmp(key, "rmirror") && strcasecmp(key, "output")
                   && strcasecmp(key, "group")
                   && strcasecmp(key, "conjunction")
                   && !ofputil_port_from_string(key, NULL, &port)) {
            return false;
        }
    }
    return true;
}

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

    char *copy = xstrdup(text);
    bool parse = is_about_mirrors(copy);
    free(copy);
    if (!parse) {
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
