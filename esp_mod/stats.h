/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters. Each packet that is dropped increments exactly one of them, in
 * its namespace and, where an SA is to blame, on that SA too. One list gives
 * the enum, the name and the description.
 */
#ifndef _ESPM_STATS_H
#define _ESPM_STATS_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/types.h>

/* NOTE(enum, name, sentence) counts what is no drop. */
#define ESPM_NOTES(NOTE)								\
	NOTE(IN_NOT_OURS, "in_not_ours", \
	     "ESP for an SPI without an SA, left to other users of ESP") \
	NOTE(IN_BYPASS, "in_bypass", "clear packets that a bypass policy let in") \
	NOTE(OUT_BYPASS, "out_bypass", "clear packets that a bypass policy let out") \
	NOTE(IN_DUMMY, "in_dummy", \
	     "dummy packets (next header 59), taken and discarded as the RFC says") \
	NOTE(OUT_DUMMY, "out_dummy", "dummy packets sent, by SAs that had nothing to send") \
	NOTE(IN_KEEPALIVE, "in_keepalive", \
	     "NAT keepalives, taken and discarded as the RFC says")

#define ESPM_DROPS(DROP)								\
	DROP(IN_MALFORMED, "in_malformed", \
	     "too short for an SPI, or for its suite's header, IV, trailer and ICV") \
	DROP(IN_FRAGMENT, "in_fragment", "ESP inside of a fragment that was not reassembled") \
	DROP(IN_ENCAP, "in_encap", \
	     "UDP missing, or on port 4500 where the SA has none or another") \
	DROP(IN_REPLAY_OLD, "in_replay_old", "sequence number left of the replay window") \
	DROP(IN_REPLAY_SEEN, "in_replay_seen", "sequence number received before") \
	DROP(IN_ICV, "in_icv", "integrity check failed: forged, damaged, or the keys differ") \
	DROP(IN_CRYPTO, "in_crypto", "the crypto engine failed or was busy, inbound") \
	DROP(IN_BACKLOG, "in_backlog", "too many packets waited for the cipher already, inbound") \
	DROP(IN_NO_MEMORY, "in_no_memory", "out of memory, inbound") \
	DROP(IN_SA_DEAD, "in_sa_dead", "the SA ended before the packet was opened") \
	DROP(IN_EXPIRED, "in_expired", \
	     "the SA has expired: a limit of its life is reached, inbound") \
	DROP(IN_LARVAL, "in_larval", "the SPI is reserved, and its SA has no keys yet") \
	DROP(IN_TRAILER, "in_trailer", "authentic, but with more padding than packet") \
	DROP(IN_PADDING, "in_padding", "authentic, but its padding is not 1, 2, 3 ...") \
	DROP(IN_NEXT_HEADER, "in_next_header", "authentic, but not what the SA's mode carries") \
	DROP(IN_INNER, "in_inner", \
	     "authentic, but the inner IP header, or its checksum, is wrong") \
	DROP(IN_ECN, "in_ecn", "outer header says congestion, inner cannot (RFC 6040)") \
	DROP(IN_SELECTOR, "in_selector", "inner packet is outside of the SA's selector") \
	DROP(IN_POLICY, "in_policy", "no inbound policy wants the inner packet from this SA") \
	DROP(IN_LINK, "in_link", \
	     "a redirect or neighbour discovery out of a tunnel, which is no link") \
	DROP(IN_NO_ROUTE, "in_no_route", \
	     "opened, and then without a route to where NAT sends it") \
	DROP(IN_NEST, "in_nest", "too many layers of transport mode inside of each other") \
	DROP(IN_QUEUE, "in_queue", "the queue of the esp device is full, or the device is down") \
	DROP(IN_CLEAR, "in_clear", "came in clear where policy says ESP") \
	DROP(IN_CLEAR_ERROR, "in_clear_error", \
	     "ICMP error that came in clear about a packet that never left in clear") \
	DROP(IN_DISCARD, "in_discard", "an inbound policy says discard") \
	DROP(IN_HIDDEN_PORTS, "in_hidden_ports", \
	     "a fragment without the ports that a policy asks for, inbound") \
	DROP(IN_UNREADABLE, "in_unreadable", "clear packet whose headers cannot be read") \
	DROP(IN_REASSEMBLY, "in_reassembly", \
	     "a fragment of IPv6 that does not fit the others, inbound") \
	DROP(IN_CONNTRACK, "in_conntrack", "connection tracking refused the ESP packet") \
	DROP(OUT_NO_SA, "out_no_sa", "policy says ESP and there is no SA of its reqid") \
	DROP(OUT_HELD, "out_held", \
	     "waited for an SA on demand, or in NFQUEUE, and could not go on as ESP") \
	DROP(OUT_SA_DEAD, "out_sa_dead", "the SA ended before the packet was sealed") \
	DROP(OUT_EXPIRED, "out_expired", \
	     "the SA has expired and there is no other one of its reqid") \
	DROP(OUT_SEQ_END, "out_seq_end", "the SA has used its last sequence number") \
	DROP(OUT_DISCARD, "out_discard", "an outbound policy says discard") \
	DROP(OUT_HIDDEN_PORTS, "out_hidden_ports", \
	     "a fragment without the ports that a policy asks for, outbound") \
	DROP(OUT_UNREADABLE, "out_unreadable", "packet whose headers cannot be read, outbound") \
	DROP(OUT_ENDPOINTS, "out_endpoints", \
	     "transport mode, and the packet's addresses are not the SA's") \
	DROP(OUT_FRAGMENT, "out_fragment", "a fragment, which transport mode must not carry") \
	DROP(OUT_TOO_BIG, "out_too_big", \
	     "larger than the SA's MTU and not to be fragmented; its sender was told") \
	DROP(OUT_TOO_LONG, "out_too_long", \
	     "so long that with ESP it would pass 65535 bytes") \
	DROP(OUT_REASSEMBLY, "out_reassembly", \
	     "a fragment of IPv6 that does not fit the others, outbound") \
	DROP(OUT_SEGMENT, "out_segment", \
	     "to make segments, fragments or a checksum of it failed") \
	DROP(OUT_NO_ROUTE, "out_no_route", "no route to the SA's destination") \
	DROP(OUT_NO_MEMORY, "out_no_memory", "out of memory, outbound") \
	DROP(OUT_CRYPTO, "out_crypto", "the crypto engine failed or was busy, outbound") \
	DROP(OUT_BACKLOG, "out_backlog", \
	     "too many packets waited for the cipher already, outbound") \
	DROP(OUT_NEST, "out_nest", "policies would wrap the packet in too many layers of ESP") \
	DROP(OUT_CONNTRACK, "out_conntrack", "connection tracking refused the packet") \
	DROP(OUT_DEVICE, "out_device", "sent to the esp device, which only receives")

#define ESPM_COUNTER_ENUM(id, name, sentence) ESPM_##id,

enum espm_counter {
	ESPM_NOTES(ESPM_COUNTER_ENUM)
	ESPM_DROPS(ESPM_COUNTER_ENUM)
	ESPM_COUNTERS,
	/* Not a counter: what functions say that have nothing to drop. */
	ESPM_PASS = ESPM_COUNTERS,
};

/**
 * struct espm_stats - counters of a namespace, on one CPU
 * @count: one for each of enum espm_counter
 */
struct espm_stats {
	unsigned long count[ESPM_COUNTERS];
};

/**
 * struct espm_drops - drops of one SA; rare, so not per CPU
 * @count: one for each of enum espm_counter
 */
struct espm_drops {
	atomic_long_t count[ESPM_COUNTERS];
};

const char *espm_counter_name(enum espm_counter id);
const char *espm_counter_sentence(enum espm_counter id);
bool espm_counter_is_drop(enum espm_counter id);
u64 espm_stats_sum(const struct espm_stats __percpu *stats, enum espm_counter id);

#endif /* _ESPM_STATS_H */
