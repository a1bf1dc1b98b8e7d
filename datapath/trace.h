/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rmirror

#if !defined(_RMIRROR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RMIRROR_TRACE_H

#include <linux/tracepoint.h>

#include "session.h"

#define RMIRROR_COUNTER(ENUM, NAME) TRACE_DEFINE_ENUM(RMIRROR_##ENUM);
RMIRROR_COUNTERS
#undef RMIRROR_COUNTER
TRACE_DEFINE_ENUM(RMIRROR_N_COUNTERS);

/* A copy was sent: @kept bytes of a frame that has @wire_len bytes on the wire,
 * out of device @ifindex.
 */
TRACE_EVENT(rmirror_send,
	TP_PROTO(const struct rmirror_key *key, int ifindex,
		 unsigned int kept, unsigned int wire_len),

	TP_ARGS(key, ifindex, kept, wire_len),

	TP_STRUCT__entry(
		__array(u8, target, 16)
		__field(u32, key)
		__field(int, ifindex)
		__field(unsigned int, kept)
		__field(unsigned int, wire_len)
	),

	TP_fast_assign(
		memcpy(__entry->target, &key->target, 16);
		__entry->key = be32_to_cpu(key->key);
		__entry->ifindex = ifindex;
		__entry->kept = kept;
		__entry->wire_len = wire_len;
	),

	TP_printk("target=%pI6c key=%u ifindex=%d kept=%u wire_len=%u",
		  __entry->target, __entry->key, __entry->ifindex,
		  __entry->kept, __entry->wire_len)
);

#define RMIRROR_COUNTER(ENUM, NAME) { RMIRROR_##ENUM, NAME },

/* @n copies were not sent, for @reason, an RMIRROR_DROP_*. */
TRACE_EVENT(rmirror_drop,
	TP_PROTO(const struct rmirror_key *key, enum rmirror_counter reason,
		 unsigned int n),

	TP_ARGS(key, reason, n),

	TP_STRUCT__entry(
		__array(u8, target, 16)
		__field(u32, key)
		__field(int, reason)
		__field(unsigned int, n)
	),

	TP_fast_assign(
		memcpy(__entry->target, &key->target, 16);
		__entry->key = be32_to_cpu(key->key);
		__entry->reason = reason;
		__entry->n = n;
	),

	TP_printk("target=%pI6c key=%u reason=%s n=%u",
		  __entry->target, __entry->key,
		  __print_symbolic(__entry->reason,
				   RMIRROR_COUNTERS
				   { RMIRROR_N_COUNTERS, "unknown" }),
		  __entry->n)
);

#undef RMIRROR_COUNTER

#endif /* _RMIRROR_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
