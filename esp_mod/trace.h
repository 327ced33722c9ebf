/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, for perf, bpftrace and espctl trace: esp_mod:drop for each packet
 * that is dropped.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM esp_mod

#if !defined(_ESPM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ESPM_TRACE_H

#include <linux/tracepoint.h>
#include <net/net_namespace.h>
#include "drop.h"
#include "netns.h"

TRACE_EVENT(drop,
	TP_PROTO(const struct espm_net *en, const struct espm_sa *sa,
		 const struct espm_policy *policy, const struct espm_dropped *packet,
		 enum espm_counter why),
	TP_ARGS(en, sa, policy, packet, why),

	TP_STRUCT__entry(
		__string(reason, espm_counter_name(why))
		__field(u32, netns)
		__field(u32, sa)
		__field(u32, spi)
		__field(u32, policy)
		__field(u32, reqid)
		__field(u32, len)
		__field(u16, proto)
		__field(u16, sport)
		__field(u16, dport)
		__array(u8, src, 16)
		__array(u8, dst, 16)
	),

	TP_fast_assign(
		espm_assign_str(reason, espm_counter_name(why));
		__entry->netns = en->net->ns.inum;
		__entry->sa = sa ? sa->id : 0;
		__entry->spi = sa ? be32_to_cpu(sa->spi) : 0;
		__entry->policy = policy ? policy->id : 0;
		__entry->reqid = sa ? READ_ONCE(sa->reqid) : policy ? policy->reqid : 0;
		__entry->len = packet->len;
		__entry->proto = packet->proto;
		__entry->sport = packet->sport;
		__entry->dport = packet->dport;
		memcpy(__entry->src, &packet->src, sizeof(__entry->src));
		memcpy(__entry->dst, &packet->dst, sizeof(__entry->dst));
	),

	TP_printk("reason=%s netns=%u sa=%u spi=0x%08x policy=%u reqid=%u len=%u proto=%u sport=%u dport=%u src=%pI6c dst=%pI6c",
		  __get_str(reason), __entry->netns, __entry->sa, __entry->spi, __entry->policy,
		  __entry->reqid, __entry->len, __entry->proto, __entry->sport, __entry->dport,
		  __entry->src, __entry->dst)
);

#endif /* _ESPM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
