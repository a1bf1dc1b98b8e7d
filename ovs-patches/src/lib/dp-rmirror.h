/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rmirror action in the userspace datapath: copies of frames, cut and
 * encapsulated, and what is counted for each session.
 *
 * A datapath owns one dp_rmirror.  All functions may be called by any thread.
 */
#ifndef DP_RMIRROR_H
#define DP_RMIRROR_H 1

#include "odp-rmirror.h"

struct dp_packet_batch;
struct dp_rmirror;

struct dp_rmirror *dp_rmirror_create(void);
void dp_rmirror_destroy(struct dp_rmirror *);

/* Takes ownership of the packets in 'batch': encapsulated copies, of EtherType
 * 'dl_type' outside, to be treated with 'actions'. */
typedef void dp_rmirror_output_func(void *aux, struct dp_packet_batch *batch,
                                    ovs_be16 dl_type,
                                    const struct nlattr *actions,
                                    size_t actions_len);

void dp_rmirror_execute(struct dp_rmirror *, const struct nlattr *action,
                        const struct dp_packet_batch *,
                        dp_rmirror_output_func *, void *aux);

void dp_rmirror_dump(const struct dp_rmirror *, struct rmirror_stats *);
void dp_rmirror_reset(struct dp_rmirror *, bool flush);

#endif /* dp-rmirror.h */
