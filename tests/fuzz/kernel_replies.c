/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of its sessions.  The input is cut into messages: two
 * bytes say how long each is.  The first one answers the question about the
 * module, the others are the sessions.
 *
 *   - What is taken for a session is one that an action can have: its text
 *     parses to the same.
 *   - All of it can be printed.
 */

#include <config.h>

#include "dpif-netlink-rmirror.h"
#include "netlink-protocol.h"
#include "netlink-socket.h"
#include "odp-rmirror.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "rmirror-stats.h"
#include "tests/fuzz/property.h"
#include "util.h"

/* The first message, and those that are left. */
static struct ofpbuf *info;
static const uint8_t *input;
static size_t input_left;

/* Takes the next message, which begins with a header as nl_dump_next() and
 * nl_transact() have checked it. */
static struct ofpbuf *
next_message(void)
{
    size_t len = 0;

    if (input_left >= 2) {
        len = MIN(input[0] * 256 + input[1], input_left - 2);
        input += 2;
        input_left -= 2;
    } else {
        input_left = 0;
    }
    struct ofpbuf *msg = ofpbuf_new(NLMSG_HDRLEN + len);
    struct nlmsghdr *header = ofpbuf_put_zeros(msg, NLMSG_HDRLEN);
    header->nlmsg_len = NLMSG_HDRLEN + len;
    ofpbuf_put(msg, input, len);
    input += len;
    input_left -= len;
    return msg;
}

/* The sockets, in place of those of Open vSwitch: the linker is told so. */

int __wrap_nl_lookup_genl_family(const char *name, int *number);
int __wrap_nl_transact(int protocol, const struct ofpbuf *request,
                       struct ofpbuf **replyp);
void __wrap_nl_dump_start(struct nl_dump *, int protocol,
                          const struct ofpbuf *request);
bool __wrap_nl_dump_next(struct nl_dump *, struct ofpbuf *reply,
                         struct ofpbuf *buffer);
int __wrap_nl_dump_done(struct nl_dump *);

int
__wrap_nl_lookup_genl_family(const char *name OVS_UNUSED, int *number)
{
    *number = 32;
    return 0;
}

int
__wrap_nl_transact(int protocol OVS_UNUSED,
                   const struct ofpbuf *request OVS_UNUSED,
                   struct ofpbuf **replyp)
{
    *replyp = ofpbuf_clone(info);
    return 0;
}

void
__wrap_nl_dump_start(struct nl_dump *dump OVS_UNUSED, int protocol OVS_UNUSED,
                     const struct ofpbuf *request OVS_UNUSED)
{
}

bool
__wrap_nl_dump_next(struct nl_dump *dump OVS_UNUSED, struct ofpbuf *reply,
                    struct ofpbuf *buffer)
{
    if (!input_left) {
        return false;
    }

    struct ofpbuf *msg = next_message();
    ofpbuf_clear(buffer);
    ofpbuf_put(buffer, msg->data, msg->size);
    ofpbuf_delete(msg);
    *reply = ofpbuf_const_initializer(buffer->data, buffer->size);
    return true;
}

int
__wrap_nl_dump_done(struct nl_dump *dump OVS_UNUSED)
{
    return 0;
}

static void
session_must_read_back(const struct rmirror_session *session)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct rmirror parsed;

    rmirror_session_format(session, &text);
    char *error = rmirror_parse(ds_cstr(&text), &parsed);
    REQUIRE_SAME(error ? error : "", "");
    REQUIRE(rmirror_session_equals(&parsed.session, session));
    ds_destroy(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rmirror_stats stats = { .n_sessions = 0 };
    struct ds text = DS_EMPTY_INITIALIZER;

    input = data;
    input_left = size;
    info = next_message();
    dpif_netlink_rmirror_dump(NULL, &stats);
    for (size_t i = 0; i < stats.n_sessions; i++) {
        session_must_read_back(&stats.sessions[i].session);
    }
    rmirror_stats_format(&stats, &text);
    rmirror_stats_format_rates(&stats, &stats, 1000, &text);
    struct json *json = rmirror_stats_to_json(&stats);
    json_to_ds(json, 0, &text);
    json_destroy(json);
    ds_destroy(&text);
    free(stats.sessions);
    ofpbuf_delete(info);
    return 0;
}
