# SPDX-License-Identifier: GPL-2.0
"""The legend of drops: each is made once, and counted once, under its name, where it belongs.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
                  a stranger        the victim

Packets to g2 are made by esp.py at g1's side of the wire, mostly authentic ones; those
that g1 drops are A's or its own. What is an SA's fault is counted on that SA as well,
and on no other one.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess

import esp
from client import Client
from lab import (Counts, Wire, ask, check, checksum, equal, eventually, fragment, icmpv6, ipv4, ipv6, marked, udp,
                 udp6)

SUITE = "aes128gcm16"
PACKET_VNET_HDR, SOL_PACKET = 15, 263
PMTUDISC_PROBE = 3
IPV6_HDRINCL = 36
V4, V6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
# Between these, ESP comes in ESP.
DEEP = ("192.0.2.9", "192.0.2.2")
IP_NODEFRAG = 22


class Story:
    """The victim, and what it is sent."""

    def __init__(self, lab):
        self.a, self.g1, self.g2, self.b = lab.sites(both=True)
        # Lest B be heard of it
        self.far = self.b.udp("10.2.0.2", 5002)
        self.keys = {}
        self.numbers = {}
        for spi, ends, mode, more in (
                (0x1001, V4, "tunnel", "reqid 1"), (0x1002, V4, "tunnel", "reqid 1 encap 4500 4500"),
                (0x1003, DEEP, "transport", "reqid 3"), (0x1004, V4, "tunnel", "reqid 1 hard-packets 1"),
                (0x1005, V4, "tunnel", "reqid 1 sel dst 10.2.0.0/24 proto udp dport 5002"),
                (0x1006, V6, "tunnel", "reqid 1"), (0x1007, V6, "transport", "reqid 7"),
                (0x1008, V4, "tunnel", "reqid 9")):
            key = self.keys[spi] = os.urandom(20)
            self.g2.sa("in", spi, *ends, SUITE, key, mode, more.replace(" sel", " esn off window 64 sel")
                       if " sel" in more else more + " esn off window 64")
        self.g2.policy("dir in src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1 priority 50")
        self.g2.policy("dir in src 2001:db8:1::/64 dst 2001:db8:2::/64 action protect reqid 1")
        self.g2.policy("dir in src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 5009 priority 9 action protect reqid 9")
        self.g2.policy("dir out src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1")
        self.g2.policy("dir in src 192.0.2.9 dst 192.0.2.2 action protect reqid 3")
        self.g2.policy("dir in src 2001:db8::1 dst 2001:db8::2 proto udp dport 7000 action protect reqid 7")
        self.g2.policy("dir in proto udp dport 7001 family 4 action discard")
        self.client = Client(self.g2)
        self.wire = Wire(self.g1, "wan")
        self.heads = {v: self.g2.mac("wan") + self.g1.mac("wan") + kind
                      for v, kind in ((4, b"\x08\0"), (6, b"\x86\xdd"))}

    def put(self, packet):
        """A packet on the wire."""
        self.wire.send(self.heads[packet[0] >> 4] + packet)

    def next(self, spi):
        """The next number of an SA."""
        self.numbers[spi] = self.numbers.get(spi, 300) + 1
        return self.numbers[spi]

    def text(self, spi, text, seq=None):
        """ESP around a text that has its trailer."""
        return esp.seal_text(SUITE, self.keys[spi], spi, seq or self.next(spi), text)

    def sealed(self, spi, inner, proto=4, seq=None):
        """ESP around a packet."""
        return esp.seal(SUITE, self.keys[spi], spi, seq or self.next(spi), inner, proto)

    def send(self, spi, inner, proto=4, **more):
        """The same, on its way to the victim."""
        self.put(ipv4(*V4, 50, self.sealed(spi, inner, proto, **more)))

    def drops(self, client=None):
        """Drops of each SA, by SPI."""
        return {sa["spi"]: {drop["name"]: drop["value"] for drop in sa.get("drops", [])}
                for sa in (client or self.client).dump("sa-get")}


def inner(sport=5001, dport=5002, body=b"inside"):
    """A packet that g2's policies want from reqid 1."""
    return ipv4("10.1.0.2", "10.2.0.2", 17, udp(sport, dport, body))


@contextlib.contextmanager
def together(ns, hook, match, more=""):
    """Two packets wait until both are there, and then go on one after the other."""
    reader = ns.start(["/usr/bin/python3", "tools/testing/nfqueue.py", "6", "2"], stdout=subprocess.PIPE)
    equal(reader.stdout.readline(), b"listens\n", "what the reader says")
    ns.run("nft -f -", text=f"""table ip together {{
        {more}
        chain q {{ type filter hook {hook} priority 0
            ct state new {match} queue num 6
        }}
    }}""")
    try:
        yield
    finally:
        ns.run("nft delete table ip together")
        reader.terminate()
        reader.stdout.close()
        reader.wait(5)


def layers(story, count):
    """Transport mode in itself."""
    body, proto = udp(1, 7000, b"deep"), 17
    for _ in range(count):
        body, proto = story.sealed(0x1003, body, proto), 50
    return ipv4(*DEEP, 50, body)


def esp_down(story):
    story.g2.ip("link set esp0 down")
    story.send(0x1001, inner())
    eventually(lambda: story.drops()[0x1001].get("in_queue"), "the drop")
    story.g2.ip("link set esp0 up")


def untracked(story):
    """Where defragmentation is kept away, a fragment comes as far as the SA."""
    story.g2.run("nft -f -", text="table ip6 raw { chain c { type filter hook prerouting priority -450; notrack\n }\n }")
    body = story.sealed(0x1006, inner())
    story.put(ipv6(*V6, 44, struct.pack("!BBHI", 50, 0, 1, 7) + body[:48]))
    eventually(lambda: story.drops()[0x1006].get("in_fragment"), "the drop")
    story.g2.run("nft delete table ip6 raw")


def error(story):
    about = ipv4("10.2.0.2", "10.1.0.2", 17, udp(5002, 5001, bytes(8)))
    body = struct.pack("!BBHI", 3, 3, 0, 0) + about
    return ipv4("192.0.2.77", "10.2.0.2", 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def answers_clash(story):
    """NAT has made one of two flows, both new: connection tracking takes the first one alone."""
    with together(story.g2, "input", "ip protocol esp", """chain n { type nat hook prerouting priority dstnat
            ip daddr 192.0.2.3 dnat to 192.0.2.2
        }"""):
        for dst in ("192.0.2.2", "192.0.2.3"):
            story.put(ipv4(V4[0], dst, 50, story.sealed(0x1001, inner())))
        eventually(lambda: story.drops()[0x1001].get("in_conntrack"), "the drop")


def nowhere(story):
    """Destination NAT of a packet that came out of transport mode, to where no route leads."""
    story.g2.run("nft -f -", text="""table ip6 nowhere {
        chain n { type nat hook prerouting priority dstnat
            udp dport 7000 dnat to 2001:db8:dead::1
        }
    }""")
    datagram = udp6(*V6, 8, 7000, b"nowhere")[40:]
    counts = Counts(story.g2)
    story.put(ipv6(*V6, 50, story.sealed(0x1007, datagram, 17)))
    counts.become(in_no_route=1)
    story.g2.run("nft delete table ip6 nowhere")


def damaged():
    """A packet whose header's sum is wrong."""
    packet = inner()
    return packet[:10] + bytes([packet[10] ^ 1]) + packet[11:]


def redirect(gate="10.1.0.2", host="10.2.0.2", to="10.2.0.9", about="198.51.100.9"):
    """Somebody tells a host of a better way."""
    body = struct.pack("!BBH4s", 5, 1, 0, socket.inet_aton(to)) + ipv4(host, about, 17, udp(1, 2, b""))
    return ipv4(gate, host, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def limit(packet, hops):
    """A packet of IPv6 with another hop limit."""
    return packet[:7] + bytes([hops]) + packet[8:]


def advertisement():
    """A neighbour's."""
    ends = "2001:db8:1::2", "2001:db8:2::2"
    body = struct.pack("!BBHI", 136, 0, 0, 0x60 << 24) + socket.inet_pton(socket.AF_INET6, ends[0])
    return limit(icmpv6(*ends, body), 255)


def pieces():
    """Two fragments of one packet of IPv6 that overlap."""
    return [ipv6(*V6, 44, struct.pack("!BBHI", 17, 0, at << 3 | 1, 77) + bytes(16)) for at in (0, 1)]


# Name, the SA to blame or None, and what makes it
INBOUND = (
    ("in_malformed", 0x1001, lambda s: s.put(ipv4(*V4, 50, struct.pack("!II", 0x1001, 900) + bytes(11)))),
    # No SPI: nobody's. Behind other headers, too.
    ("in_malformed", None, lambda s: s.put(ipv4(*V4, 50, b"abc"))),
    ("in_malformed", None, lambda s: s.put(ipv4(*V4, 50, b""))),
    ("in_malformed", None, lambda s: s.put(ipv6(*V6, 60, bytes((50, 0, 1, 4)) + bytes(4) + b"a"))),
    # No number: the SA's.
    ("in_malformed", 0x1001, lambda s: s.put(ipv4(*V4, 50, struct.pack("!I", 0x1001) + b"abc"))),
    ("in_malformed", 0x1002, lambda s: s.put(ipv4(*V4, 17, udp(4500, 4500, struct.pack("!I", 0x1002) + b"abc")))),
    ("in_encap", 0x1002, lambda s: s.send(0x1002, inner())),
    ("in_encap", 0x1001, lambda s: s.put(ipv4(*V4, 17, udp(4500, 4500, s.sealed(0x1001, inner()))))),
    ("in_encap", 0x1006, lambda s: s.put(udp6(*V6, 4500, 4500, s.sealed(0x1006, inner())))),
    ("in_fragment", 0x1006, untracked),
    ("in_replay_seen", 0x1001, lambda s: (s.send(0x1001, inner(), seq=200), s.send(0x1001, inner(), seq=200))),
    ("in_replay_old", 0x1001, lambda s: s.send(0x1001, inner(), seq=3)),
    ("in_icv", 0x1001, lambda s: s.put(ipv4(*V4, 50, s.sealed(0x1001, inner(), seq=290)[:-1] + b"?"))),
    ("in_expired", 0x1004, lambda s: (s.send(0x1004, inner()), s.send(0x1004, inner()))),
    ("in_larval", 0x5000, lambda s: (s.client.do("sa-reserve", dst=socket.inet_aton(V4[1]), spi=0x5000, spi_last=0x5000),
                                     s.put(ipv4(*V4, 50, struct.pack("!II", 0x5000, 1) + bytes(60))))),
    ("in_trailer", 0x1001, lambda s: s.put(ipv4(*V4, 50, s.text(0x1001, bytes(18) + bytes([200, 4]))))),
    ("in_padding", 0x1001, lambda s: s.put(ipv4(*V4, 50, s.text(0x1001, inner() + bytes(4) + b"\4\4")))),
    ("in_next_header", 0x1001, lambda s: s.send(0x1001, inner(), 6)),
    ("in_inner", 0x1001, lambda s: s.send(0x1001, b"\x55" + inner()[1:])),
    ("in_inner", 0x1001, lambda s: s.send(0x1001, damaged())),
    ("in_ecn", 0x1001, lambda s: s.put(marked(ipv4(*V4, 50, s.sealed(0x1001, inner())), 3))),
    ("in_selector", 0x1005, lambda s: s.send(0x1005, inner(dport=6000))),
    ("in_policy", 0x1001, lambda s: s.send(0x1001, ipv4("10.77.0.2", "10.2.0.2", 17, udp(1, 2, b"")))),
    ("in_policy", 0x1001, lambda s: s.send(0x1001, inner(dport=5009))),
    ("in_hidden_ports", 0x1005, lambda s: s.send(0x1005, fragment(inner(), 3))),
    ("in_nest", 0x1003, lambda s: s.put(layers(s, 6))),
    ("in_queue", 0x1001, esp_down),
    ("in_clear", None, lambda s: s.put(inner())),
    ("in_clear_error", None, lambda s: s.put(error(s))),
    ("in_discard", None, lambda s: s.put(ipv4(*V4, 17, udp(1, 7001, b"")))),
    ("in_unreadable", None, lambda s: s.put(ipv6(*V6, 60, b"\x11"))),
    ("in_link", 0x1001, lambda s: s.send(0x1001, redirect())),
    ("in_link", 0x1006, lambda s: s.put(ipv6(*V6, 50, s.sealed(0x1006, advertisement(), 41)))),
    ("in_reassembly", None, lambda s: [s.put(piece) for piece in pieces()]),
    ("in_no_route", None, nowhere),
    ("in_conntrack", 0x1001, answers_clash),
)


def whole(story):
    """What looks like a fragment and is none (RFC 6946) is taken."""
    far = story.g2.udp(V6[1], 7000)
    datagram = udp6(*V6, 7, 7000, b"none")[40:]
    body = story.sealed(0x1007, datagram, 17)
    counts = Counts(story.g2)
    story.put(ipv6(*V6, 44, struct.pack("!BBHI", 50, 0, 0, 9) + body))
    equal(far.recv(100), b"none", "at g2")
    counts.become()
    far.close()


def elsewhere(story):
    """UDP to another port is its socket's, whatever it carries."""
    far = story.g2.udp(V4[1], 4501)
    counts = Counts(story.g2)
    body = story.sealed(0x1002, inner())
    story.put(ipv4(*V4, 17, udp(4500, 4501, body)))
    equal(far.recv(2000), body, "what the socket gets")
    counts.become()
    far.close()


def by_link(lab):
    """A peer that may send anything tells a host what only its link may tell it."""
    peer, host = lab.build("P", "H")
    lab.join("P:wan H:wan")
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.sysctl("net/" + name, 0)
    for ns, side in ((peer, 1), (host, 2)):
        ns.ip(f"""link set lo up
                  addr add 192.0.2.{side}/24 dev wan
                  addr add 2001:db8::{side}/64 dev wan nodad
                  link set wan up""")
    host.ip("""route add 198.51.100.0/24 via 192.0.2.1
               route add 2001:db8:9::/64 via fe80::1 dev wan
               neigh replace 192.0.2.77 lladdr 02:00:00:00:00:77 dev wan nud permanent
               neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev wan nud permanent
               neigh replace fe80::77 lladdr 02:00:00:00:00:77 dev wan nud permanent""")
    key = os.urandom(20)
    host.sa("in", 0x1001, *V4, SUITE, key, more="reqid 1 esn off")
    host.policy("dir in action protect reqid 1")
    # Whatever is set for all devices, or for this one
    for name in ("ipv4/conf/all/accept_redirects", "ipv4/conf/esp0/accept_redirects",
                 "ipv6/conf/esp0/accept_redirects", "ipv6/conf/esp0/accept_ra"):
        host.sysctl("net/" + name, 1)
    wire, counts = Wire(peer, "wan"), Counts(host)
    head = host.mac("wan") + peer.mac("wan") + b"\x08\0"
    about = ipv6("2001:db8::2", "2001:db8:9::9", 17, udp(1, 2, b""))
    better = struct.pack("!BBHI", 137, 0, 0, 0) + b"".join(
        socket.inet_pton(socket.AF_INET6, addr) for addr in ("fe80::77", "2001:db8:9::9")) + \
        struct.pack("!BBHI", 4, (8 + len(about)) // 8, 0, 0) + about
    for number, (packet, proto) in enumerate((
            (limit(icmpv6("fe80::1", "ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)), 255), 41),
            (limit(icmpv6("fe80::1", "2001:db8::2", better), 255), 41),
            (redirect("192.0.2.1", "192.0.2.2", "192.0.2.77"), 4)), 1):
        wire.send(head + ipv4(*V4, 50, esp.seal(SUITE, key, 0x1001, number, packet, proto)))
    eventually(lambda: host.sas()[0x1001]["seq"] == 3, "three packets came")
    way = {dst: host.run(["ip", "route", "get", dst]).stdout for dst in ("198.51.100.9", "2001:db8:9::9")}
    equal(host.run(["ip", "-6", "route", "show", "default"]).stdout, "", "default route")
    check("77" not in way["198.51.100.9"].replace("198.51.100.9", ""), f"the way is {way['198.51.100.9']}")
    check("fe80::77" not in way["2001:db8:9::9"], f"the way is {way['2001:db8:9::9']}")
    # What hosts of IPv6 say unasked comes in clear.
    equal(counts.new().get("in_link"), 3, "drops as in_link")
    host.silence()
    wire.close()


class Outward:
    """What g1 drops of what leaves."""

    def __init__(self, story):
        self.story, self.g1, self.a = story, story.g1, story.a
        g1 = self.g1
        for spi, dst, mode, more in (
                (0x2001, V4[1], "transport", "reqid 1"), (0x2002, "203.0.113.77", "tunnel", "reqid 2"),
                (0x2003, V4[1], "transport", "reqid 3"), (0x2004, V4[1], "tunnel", "reqid 4"),
                (0x2005, V4[1], "tunnel", f"reqid 5 esn off seq {(1 << 32) - 2}"),
                (0x2006, V4[1], "tunnel", "reqid 6 hard-packets 1"), (0x2008, V6[1], "tunnel", "reqid 8")):
            g1.sa("out", spi, V6[0] if ":" in dst else V4[0], dst, SUITE, os.urandom(20), mode, more)
        nets, ends = "src 10.1.0.0/24 dst 10.2.0.0/24", "src 192.0.2.1 dst 192.0.2.2"
        for words in (f"{nets} proto udp dport 6001 action protect reqid 1", f"{nets} proto udp dport 6002 action protect reqid 2",
                      f"{ends} proto 200 action protect reqid 3", f"{nets} proto udp dport 6004 action protect reqid 4",
                      f"{nets} proto udp dport 6005 action protect reqid 5", f"{nets} proto udp dport 6006 action protect reqid 6",
                      f"{nets} proto udp dport 6007 action protect reqid 7", f"{nets} proto 253 action protect reqid 4",
                      f"{ends} proto udp dport 6009 action discard", f"{nets} proto tcp dport 6010 action protect reqid 4",
                      f"{nets} proto tcp dport 6011 action protect reqid 8"):
            g1.policy("dir out " + words)
        g1.ip("route add 10.99.0.0/24 dev esp0")
        self.near, self.own = self.a.udp("10.1.0.2"), g1.udp("192.0.2.1")
        with g1:
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self.raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.raw.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, 1)
        self.raw6.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        self.lan = Wire(self.a, "eth0", "less 1")
        self.head = g1.mac("lan") + self.a.mac("eth0") + b"\x08\0"

    def send(self, port, size=1, times=1):
        """Datagrams of A's."""
        for _ in range(times):
            self.near.sendto(bytes(size), ("10.2.0.2", port))

    def fragment(self, proto):
        """The first fragment of something, made by hand."""
        self.raw.sendto(fragment(ipv4(*V4, proto, bytes(64)), 0x2000), (V4[1], 0))

    def train(self, port, size, segment):
        """A large packet of TCP, whose sum and segments are to be made."""
        tcp = struct.pack("!HHIIHHHH", 5, port, 1, 0, 0x5010, 1000, 0, 0) + bytes(size)
        frame = self.head + ipv4("10.1.0.2", "10.2.0.2", 6, tcp)
        self.lan.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.lan.send(struct.pack("=BBHHHH", 1, 1, 54, segment, 34, 16) + frame)
        self.lan.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 0)

    def long_segments(self, port, spi):
        """Of two segments the first one is as long as IP allows, and too long for ESP; the other one goes on."""
        before = self.g1.sas()[spi]["packets"]
        self.train(port, 65480, 65470)
        eventually(lambda: self.g1.sas()[spi]["packets"] == before + 1, "the second segment")

    def undivided(self):
        """A large packet of TCP that g1 then takes for another protocol, of which it can make no segments."""
        self.g1.run("nft -f -", text="""table ip other { chain c { type filter hook forward priority 0
            ip protocol tcp ip protocol set 253\n }\n }""")
        self.train(6, 3000, 1000)
        eventually(lambda: self.g1.drops().get("out_segment"), "the drop")
        self.g1.run("nft delete table ip other")

    def answers_clash(self):
        """As above, of what leaves."""
        with together(self.g1, "forward", "udp dport 6004", """chain n { type nat hook prerouting priority dstnat
                ip daddr 10.2.0.77 dnat to 10.2.0.2
            }"""):
            for dst in ("10.2.0.2", "10.2.0.77"):
                self.near.sendto(b"x", (dst, 6004))
            eventually(lambda: self.g1.drops().get("out_conntrack"), "the drop")

    def probe(self):
        """What is too long, and has DF."""
        self.near.setsockopt(socket.IPPROTO_IP, 10, PMTUDISC_PROBE)
        self.send(6004, 1460)
        self.near.setsockopt(socket.IPPROTO_IP, 10, 0)

    def close(self):
        for each in (self.near, self.own, self.raw, self.raw6, self.lan):
            each.close()


OUTBOUND = (
    ("out_endpoints", 0x2001, lambda o: o.send(6001)),
    ("out_no_route", 0x2002, lambda o: o.send(6002)),
    ("out_fragment", 0x2003, lambda o: o.fragment(200)),
    ("out_too_big", 0x2004, lambda o: o.probe()),
    ("out_too_long", 0x2004, lambda o: o.send(6004, 65507)),
    ("out_too_long", 0x2004, lambda o: o.long_segments(6010, 0x2004)),
    ("out_too_long", 0x2008, lambda o: o.long_segments(6011, 0x2008)),
    ("out_reassembly", None, lambda o: [o.raw6.sendto(piece, (V6[1], 0)) for piece in pieces()]),
    ("out_segment", 0x2004, lambda o: o.undivided()),
    ("out_conntrack", 0x2004, lambda o: o.answers_clash()),
    # The last number is sent, the next one is not there.
    ("out_seq_end", 0x2005, lambda o: o.send(6005, times=2)),
    ("out_expired", 0x2006, lambda o: o.send(6006, times=2)),
    ("out_no_sa", None, lambda o: o.send(6007)),
    ("out_discard", None, lambda o: o.own.sendto(b"x", (V4[1], 6009))),
    ("out_hidden_ports", None, lambda o: o.raw.sendto(fragment(ipv4(*V4, 17, bytes(64)), 3), (V4[1], 0))),
    ("out_unreadable", None, lambda o: o.raw6.sendto(ipv6(*V6, 60, b"\x11"), (V6[1], 0))),
    ("out_device", None, lambda o: o.own.sendto(b"x", ("10.99.0.1", 6003))),
)


def legend_of_documents():
    """The legend in Documentation/testing.md: drops and the tests that make them."""
    with open("Documentation/testing.md", encoding="utf-8") as file:
        return dict(re.findall(r"^\| `((?:in|out)_\w+)` \| `(\S+)`", file.read(), flags=re.M))


def all_of(lab, story, gate, rows, make):
    """A test for each row of a list."""
    client = Client(gate)
    for number, (name, blame, act) in enumerate(rows):
        nth = [row[0] for row in rows[:number]].count(name)
        label = name + ("", "-other")[nth] if nth < 2 else f"{name}-other-{nth}"
        where = f"on the SA {blame:#x} and no other" if blame else "and on no SA"
        with lab.test(label, f"a packet is dropped as {name}, once, {where}"):
            counts, before = Counts(gate), story.drops(client)
            try:
                act(make)
            except OSError:
                # The sender is told at once.
                pass
            counts.become(**{name: 1})
            changed = {}
            for spi, drops in story.drops(client).items():
                for drop, value in drops.items():
                    if value != before.get(spi, {}).get(drop, 0):
                        changed.setdefault(spi, {})[drop] = value - before.get(spi, {}).get(drop, 0)
            equal(changed, {blame: {name: 1}} if blame else {}, "SAs on which it is counted")
    client.close()


def main(lab):
    lab.pin()
    story = Story(lab)
    all_of(lab, story, story.g2, INBOUND, story)
    with lab.test("whole", "a packet of IPv6 that has a fragment header, and is whole, is opened"):
        whole(story)
    with lab.test("elsewhere", "ESP in UDP to another port than the SA's, or 4500, is its socket's"):
        elsewhere(story)
    with lab.test("by-link", "a peer whose SA carries anything gives a host no default route and no redirects, in "
                             "either family"):
        by_link(lab)
    outward = Outward(story)
    all_of(lab, story, story.g1, OUTBOUND, outward)
    outward.close()
    with lab.test("complete", "Documentation/testing.md names for each counter of drops the test that makes it"):
        legend = legend_of_documents()
        equal(sorted(legend), sorted(name for name, _, drop in story.g2.counters() if drop), "drops of the legend")
        here = {name for name, _, _ in INBOUND + OUTBOUND}
        equal({name for name, test in legend.items() if test.startswith("legend/")}, here, "those that are made here")
    with lab.test("sentences", "each counter has a sentence of its own, and its name says which way"):
        counters = story.client.do("stats-get")["counters"]
        equal(len({c["description"] for c in counters}), len(counters), "different sentences")
        check(all(c["name"].startswith(("in_", "out_")) for c in counters), "names")
    near, far = story.a.udp("10.1.0.2"), story.g2.udp("192.0.2.2")
    ask(near, far, b"still there")
    near.close()
    far.close()
