/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenFlow actions as a switch gets them.  The first byte chooses the version
 * of OpenFlow, the others are the actions.
 *
 *   - Refused actions leave nothing behind.
 *   - Decoded actions that are encoded decode to the same.
 *   - So do those that are printed and parsed.
 */

#include <config.h>

#include "openflow/openflow-common.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "tests/fuzz/ofpacts.h"
#include "tests/fuzz/property.h"
#include "util.h"

static enum ofperr
decode(const void *data, size_t size, enum ofp_version version,
       struct ofpbuf *ofpacts)
{
    /* A copy of its own, so that reading behind its end is seen. */
    void *copy = xmemdup(data, size);
    struct ofpbuf openflow = ofpbuf_const_initializer(copy, size);
    uint64_t tlv_bitmap = 0;

    ofpbuf_init(ofpacts, 0);
    enum ofperr error = ofpacts_pull_openflow_actions(
        &openflow, size, version, NULL, &tlv_bitmap, ofpacts);
    free(copy);
    return error;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    enum ofp_version version = OFP10_VERSION + data[0] % 6;
    struct ofpbuf ofpacts;

    if (decode(data + 1, size - 1, version, &ofpacts)) {
        REQUIRE(!ofpacts.size);
        ofpbuf_uninit(&ofpacts);
        return 0;
    }
    ofpacts_must_read_back(ofpacts.data, ofpacts.size);

    if (ofpacts_are_faithful(ofpacts.data, ofpacts.size)) {
        struct ofpbuf encoded, again;

        ofpbuf_init(&encoded, 0);
        ofpacts_put_openflow_actions(ofpacts.data, ofpacts.size, &encoded,
                                     version);
        REQUIRE(!decode(encoded.data, encoded.size, version, &again));
        REQUIRE(ofpacts_equal(ofpacts.data, ofpacts.size,
                              again.data, again.size));
        ofpbuf_uninit(&encoded);
        ofpbuf_uninit(&again);
    }
    ofpbuf_uninit(&ofpacts);
    return 0;
}
