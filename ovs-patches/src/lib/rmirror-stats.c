/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "rmirror-stats.h"

#include <inttypes.h>

#include "odp-rmirror.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "rmirror/netlink.h"
#include "util.h"

static struct json *
session_to_json(const struct rmirror_session_stats *stats)
{
    const struct rmirror_session *session = &stats->session;
    struct json *json = json_object_create();
    struct json *drops = json_object_create();
    struct ds target = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&session->target, &target);
    json_object_put_string(json, "target", ds_cstr(&target));
    ds_destroy(&target);
    json_object_put(json, "key", session->flags & RMIRROR_F_KEY
                    ? json_integer_create(ntohl(session->key))
                    : json_null_create());
    json_object_put(json, "ttl", json_integer_create(session->ttl));
    json_object_put(json, "tos", session->flags & RMIRROR_F_TOS_INHERIT
                    ? json_string_create("inherit")
                    : json_integer_create(session->tos));
    json_object_put(json, "df",
                    json_boolean_create(session->flags & RMIRROR_F_DF));

    for (int i = 0; i < RMIRROR_N_COUNTERS; i++) {
        json_object_put(i < RMIRROR_DROPS ? json : drops,
                        i == RMIRROR_ORIG_BYTES ? "original_bytes"
                        : rmirror_counter_name(i),
                        json_integer_create(stats->counters[i]));
    }
    json_object_put(json, "drops", drops);
    return json;
}

/* Returns 'stats' as an object with the members "sessions", "max_sessions" and
 * "no_session", see rmirror-show in ovs-dpctl(8). */
struct json *
rmirror_stats_to_json(const struct rmirror_stats *stats)
{
    struct json **sessions = xmalloc(stats->n_sessions * sizeof *sessions);
    struct json *json = json_object_create();

    for (size_t i = 0; i < stats->n_sessions; i++) {
        sessions[i] = session_to_json(&stats->sessions[i]);
    }
    json_object_put(json, "sessions",
                    json_array_create(sessions, stats->n_sessions));
    json_object_put(json, "max_sessions",
                    json_integer_create(stats->max_sessions));
    json_object_put(json, "no_session",
                    json_integer_create(stats->no_session));
    return json;
}

/* Returns by how much a counter has grown from 'before' to 'now', since it was
 * reset if it was. */
static uint64_t
growth(uint64_t before, uint64_t now)
{
    return now >= before ? now - before : now;
}

/* Returns 'n' in 'ms' milliseconds by the second, rounded, UINT64_MAX if that
 * is more. */
static uint64_t
per_second(uint64_t n, long long int ms)
{
    double rate = n * 1000.0 / MAX(ms, 1) + .5;

    if (rate >= (double) UINT64_MAX) {
        return UINT64_MAX;
    }
    return rate;
}

static uint64_t
sum_drops(const struct rmirror_session_stats *session)
{
    uint64_t drops = 0;

    for (int i = RMIRROR_DROPS; i < RMIRROR_N_COUNTERS; i++) {
        drops += session->counters[i];
    }
    return drops;
}

/* Appends to 's', for each session in 'now', its counters, and how fast they
 * have grown since 'before', 'ms' milliseconds ago.  Both must be sorted. */
void
rmirror_stats_format_rates(const struct rmirror_stats *before,
                           const struct rmirror_stats *now, long long int ms,
                           struct ds *s)
{
    static const struct rmirror_session_stats zero;
    size_t j = 0;

    for (size_t i = 0; i < now->n_sessions; i++) {
        const struct rmirror_session_stats *a = &now->sessions[i];
        const struct rmirror_session_stats *b = &zero;

        while (j < before->n_sessions
               && memcmp(&before->sessions[j].session, &a->session,
                         sizeof a->session) < 0) {
            j++;
        }
        if (j < before->n_sessions
            && rmirror_session_equals(&before->sessions[j].session,
                                      &a->session)) {
            b = &before->sessions[j];
        }

        rmirror_session_format(&a->session, s);
        ds_put_format(s, "\n  copies:%"PRIu64" bytes:%"PRIu64
                      " orig_bytes:%"PRIu64" drops:%"PRIu64,
                      a->counters[RMIRROR_COPIES], a->counters[RMIRROR_BYTES],
                      a->counters[RMIRROR_ORIG_BYTES], sum_drops(a));
        ds_put_format(
            s, "\n  copies/s:%"PRIu64" bit/s:%"PRIu64" orig_bit/s:%"PRIu64
            " drops/s:%"PRIu64"\n",
            per_second(growth(b->counters[RMIRROR_COPIES],
                              a->counters[RMIRROR_COPIES]), ms),
            per_second(8 * growth(b->counters[RMIRROR_BYTES],
                                  a->counters[RMIRROR_BYTES]), ms),
            per_second(8 * growth(b->counters[RMIRROR_ORIG_BYTES],
                                  a->counters[RMIRROR_ORIG_BYTES]), ms),
            per_second(growth(sum_drops(b), sum_drops(a)), ms));
    }
    if (now->no_session) {
        ds_put_format(s, "no_session:%"PRIu64" no_session/s:%"PRIu64"\n",
                      now->no_session,
                      per_second(growth(before->no_session, now->no_session),
                                 ms));
    }
}
