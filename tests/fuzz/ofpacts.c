/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/fuzz/ofpacts.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/property.h"

bool
ofpacts_are_faithful(const struct ofpact *ofpacts, size_t len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH_FLATTENED (a, ofpacts, len) {
        if (a->type != OFPACT_RMIRROR && a->type != OFPACT_CLONE
            && a->type != OFPACT_OUTPUT && a->type != OFPACT_GROUP
            && a->type != OFPACT_CONJUNCTION) {
            return false;
        }
        /* Some ports are parsed that no switch takes. */
        if (a->type == OFPACT_OUTPUT
            && ofpact_check_output_port(ofpact_get_OUTPUT(a)->port,
                                        OFPP_MAX)) {
            return false;
        }
    }
    return true;
}

void
ofpacts_must_read_back(const struct ofpact *ofpacts, size_t len)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .s = &text };

    ofpacts_format(ofpacts, len, &fp);
    if (ofpacts_are_faithful(ofpacts, len)) {
        enum ofputil_protocol usable_protocols;
        struct ofpbuf again;

        ofpbuf_init(&again, 0);
        struct ofpact_parse_params pp = {
            .ofpacts = &again,
            .usable_protocols = &usable_protocols,
        };
        const char *s = ds_cstr(&text);
        if (!strncmp(s, "actions=", 8)) {
            s += 8;
        }
        char *error = ofpacts_parse_actions(s, &pp);
        REQUIRE_SAME(error ? error : "", "");

        /* The length of output actions that do not go to the controller has no
         * text. */
        struct ds other = DS_EMPTY_INITIALIZER;
        fp.s = &other;
        ofpacts_format(again.data, again.size, &fp);
        REQUIRE_SAME(ds_cstr(&text), ds_cstr(&other));
        ds_destroy(&other);
        ofpbuf_uninit(&again);
    }
    ds_destroy(&text);
}
