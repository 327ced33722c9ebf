# SPDX-License-Identifier: GPL-2.0
"""The legend of drops: each is made once, and counted once, under its name, where it belongs.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
                  a stranger        the victim

Packets to g2 are made by esp.py at g1's side of the wire, mostly authentic ones.
What is an SA's fault is counted on that SA as well, and on no other one.
"""

import os
import socket
import struct

import esp
from client import Client
from lab import Counts, Wire, ask, check, checksum, equal, eventually, ipv4, ipv6, udp

SUITE = "aes128gcm16"
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

    def drops(self):
        """Drops of each SA, by SPI."""
        return {sa["spi"]: {drop["name"]: drop["value"] for drop in sa.get("drops", [])}
                for sa in self.client.dump("sa-get")}


def inner(sport=5001, dport=5002, body=b"inside"):
    """A packet that g2's policies want from reqid 1."""
    return ipv4("10.1.0.2", "10.2.0.2", 17, udp(sport, dport, body))


def fragment(packet, field):
    """An IPv4 packet with that flags and offset."""
    head = packet[:6] + struct.pack("!H", field) + packet[8:10] + bytes(2) + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


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


# Name, the SA to blame or None, and what makes it
INBOUND = (
    ("in_malformed", 0x1001, lambda s: s.put(ipv4(*V4, 50, struct.pack("!II", 0x1001, 900) + bytes(11)))),
    ("in_encap", 0x1002, lambda s: s.send(0x1002, inner())),
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
    ("in_ecn", 0x1001, lambda s: s.put(tos(ipv4(*V4, 50, s.sealed(0x1001, inner())), 3))),
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
)


def tos(packet, value):
    """An IPv4 packet with another traffic class."""
    head = packet[:1] + bytes([value]) + packet[2:10] + bytes(2) + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


def whole(story):
    """What looks like a fragment and is none (RFC 6946) is taken."""
    far = story.g2.udp(V6[1], 7000)
    # A checksum is not optional there.
    datagram = struct.pack("!HHHH", 7, 7000, 12, 0) + b"none"
    pseudo = socket.inet_pton(socket.AF_INET6, V6[0]) + socket.inet_pton(socket.AF_INET6, V6[1]) + struct.pack("!II", 12, 17)
    datagram = datagram[:6] + struct.pack("!H", checksum(pseudo + datagram)) + datagram[8:]
    body = story.sealed(0x1007, datagram, 17)
    counts = Counts(story.g2)
    story.put(ipv6(*V6, 44, struct.pack("!BBHI", 50, 0, 0, 9) + body))
    equal(far.recv(100), b"none", "at g2")
    counts.become()
    far.close()


def outward(lab, story):
    """Those of packets that leave, where no other scenario has them."""
    g1 = story.g1
    g1.sa("out", 0x2001, *V4, SUITE, os.urandom(20), "transport", "reqid 5")
    g1.sa("out", 0x2002, V4[0], "203.0.113.77", SUITE, os.urandom(20), "tunnel", "reqid 6")
    g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 6000 action protect reqid 5")
    g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 6001 action protect reqid 6")
    g1.policy("dir out src 192.0.2.1 dst 192.0.2.2 proto udp dport 6002 action discard")
    near = story.a.udp("10.1.0.2")
    with g1:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, 1)
    own = g1.udp("192.0.2.1")
    g1.ip("route add 10.99.0.0/24 dev esp0")
    for name, make in (
            ("out_endpoints", lambda: near.sendto(b"x", ("10.2.0.2", 6000))),
            ("out_no_route", lambda: near.sendto(b"x", ("10.2.0.2", 6001))),
            ("out_discard", lambda: own.sendto(b"x", ("192.0.2.2", 6002))),
            ("out_hidden_ports", lambda: raw.sendto(fragment(ipv4(*V4, 17, bytes(64)), 3), ("192.0.2.2", 0))),
            ("out_device", lambda: own.sendto(b"x", ("10.99.0.1", 6003)))):
        with lab.test(name, f"a packet is dropped as {name}, once"):
            counts = Counts(g1)
            try:
                make()
            except OSError:
                # The sender is told at once.
                pass
            counts.become(**{name: 1})
    for sock in (near, raw, own):
        sock.close()


def main(lab):
    lab.pin()
    story = Story(lab)
    for number, (name, blame, make) in enumerate(INBOUND):
        label = name if name != INBOUND[number - 1][0] else name + "-other"
        where = f"on the SA {blame:#x} and no other" if blame else "and on no SA"
        with lab.test(label, f"a packet is dropped as {name}, once, {where}"):
            counts, before = Counts(story.g2), story.drops()
            make(story)
            counts.become(**{name: 1})
            after = story.drops()
            new = {spi: {n: v for n, v in drops.items() if v != before.get(spi, {}).get(n, 0)}
                   for spi, drops in after.items()}
            changed = {spi: list(drops) for spi, drops in new.items() if drops}
            equal(changed, {blame: [name]} if blame else {}, "SAs on which it is counted")
    with lab.test("whole", "a packet of IPv6 that has a fragment header, and is whole, is opened"):
        whole(story)
    outward(lab, story)
    with lab.test("sentences", "each counter has a sentence of its own, and its name says which way"):
        counters = story.client.do("stats-get")["counters"]
        equal(len({c["description"] for c in counters}), len(counters), "different sentences")
        check(all(c["name"].startswith(("in_", "out_")) for c in counters), "names")
    near, far = story.a.udp("10.1.0.2"), story.g2.udp("192.0.2.2")
    ask(near, far, b"still there")
    near.close()
    far.close()
