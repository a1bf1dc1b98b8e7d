/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a datapath counts for rmirror actions, for programs and by the second.
 * See odp-rmirror.h for the counters and their plain form.
 */
#ifndef RMIRROR_STATS_H
#define RMIRROR_STATS_H 1

struct ds;
struct json;
struct rmirror_stats;

struct json *rmirror_stats_to_json(const struct rmirror_stats *);
void rmirror_stats_format_rates(const struct rmirror_stats *before,
                                const struct rmirror_stats *now,
                                long long int ms, struct ds *);

#endif /* rmirror-stats.h */
