# SPDX-License-Identifier: GPL-2.0
"""Fragments inside and outside of ESP, and datagrams as long as they come.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2

Linux fragments and reassembles at A and B; a listener on the wire counts, and
sends fragments again in another order.
"""

import itertools
import os
import random
import socket
import struct
import time

import esp
from lab import (GATES, Counts, Wire, ask, check, checksum, drain, equal, eventually, fragment, ipv4, ipv6,
                 udp, udp6)

SUITE = "aes128gcm16"
IP_NODEFRAG, IPV6_HDRINCL = 22, 36
INNER = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
LONGEST = {4: 65507, 6: 65487}
# Before defragmentation
HOLE = """table inet hole {
    chain in { type filter hook prerouting priority -500
        iifname "wan" meta l4proto esp drop
        iifname "wan" meta l4proto 44 drop
        ip frag-off & 0x3fff != 0 drop
    }
}"""


class Story:
    """The sites, in both families."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.build("A", "g1", "g2", "B")
        lab.join("A:eth0 g1:lan", "g1:wan g2:wan", "g2:lan B:eth0")
        for host, net in ((self.a, 1), (self.b, 2)):
            host.ip(f"""link set lo up
                        addr add 10.{net}.0.2/24 dev eth0
                        addr add 2001:db8:{net}::2/64 dev eth0 nodad
                        link set eth0 up
                        route add default via 10.{net}.0.1
                        route add default via 2001:db8:{net}::1""")
        for gate, net, other in ((self.g1, 1, 2), (self.g2, 2, 1)):
            gate.ip(f"""link set lo up
                        addr add 10.{net}.0.1/24 dev lan
                        addr add 2001:db8:{net}::1/64 dev lan nodad
                        addr add 192.0.2.{net}/24 dev wan
                        addr add 2001:db8::{net}/64 dev wan nodad
                        link set lan up
                        link set wan up
                        route add 10.{other}.0.0/24 via 192.0.2.{other}
                        route add 2001:db8:{other}::/64 via 2001:db8::{other}""")
            # Fragments of 64 KB are more than the kernel keeps by default for so many.
            for name in ("net/ipv4/ipfrag_high_thresh", "net/ipv6/ip6frag_high_thresh"):
                gate.sysctl(name, 64 << 20)
        self.near = {v: self.a.udp(INNER[v][0], 5001) for v in (4, 6)}
        self.far = {v: self.b.udp(INNER[v][1], 5002) for v in (4, 6)}
        for v in (4, 6):
            eventually(lambda v=v: self.reaches(v), "A reaches B in clear")

    def is_quiet(self, v):
        """Whether nothing comes to A or B for a while."""
        drain(self.near[v])
        drain(self.far[v])
        time.sleep(0.3)
        return not drain(self.near[v]) + drain(self.far[v])

    def reaches(self, v):
        self.near[v].sendto(b"hello", self.far[v].getsockname()[:2])
        self.far[v].settimeout(0.2)
        try:
            return self.far[v].recv(10)
        except TimeoutError:
            return None
        finally:
            self.far[v].settimeout(5)

    def tunnel(self, outer, inner, ports=""):
        """SAs and policies of one shape."""
        self.lab.shape(self.g1, self.g2, outer, inner, ports)
        drain(self.far[inner])


def inside(story):
    """Datagrams that A sends in fragments."""
    for outer, inner in ((4, 4), (6, 6), (4, 6), (6, 4)):
        for ports in ("", "5002"):
            story.tunnel(outer, inner, ports)
            # Hosts of IPv6 learn what fits.
            for near, far in ((story.near[inner], story.far[inner]), (story.far[inner], story.near[inner])):
                near.sendto(bytes(1400), far.getsockname()[:2])
            eventually(lambda o=outer, i=inner: story.reaches(i), "A reaches B")
            # What had to wait on its way comes late.
            eventually(lambda i=inner: story.is_quiet(i), "nothing more comes")
            counts = Counts(story.g1), Counts(story.g2)
            wire = Wire(story.g1, "wan", "udp")
            # IPv6 by one port: what no router behind the other end may fragment must fit.
            for size in (1400, 2000, 9000) if inner == 4 or not ports else (1100, 1300):
                ask(story.near[inner], story.far[inner], os.urandom(size))
            for each in counts:
                each.become()
            equal(len(wire.packets()), 0, "packets in clear")
            wire.close()


def longest(story):
    """As long as UDP can be."""
    for outer, inner in ((4, 4), (6, 6)):
        story.tunnel(outer, inner)
        counts = Counts(story.g1), Counts(story.g2)
        ask(story.near[inner], story.far[inner], os.urandom(LONGEST[inner]))
        for each in counts:
            each.become()
    # By their ports, fragments could not be told apart at the other end.
    story.tunnel(4, 4, "5002")
    counts = Counts(story.g1)
    story.near[4].sendto(bytes(LONGEST[4]), story.far[4].getsockname())
    counts.become(out_too_long=1)
    ask(story.near[4], story.far[4], os.urandom(60_000))
    counts.become(out_too_long=1)


def shuffled(story):
    """Fragments of ESP in any order, some of them twice."""
    chance = random.Random(3)
    for outer in (4, 6):
        story.tunnel(outer, 4)
        wire, counts = Wire(story.g1, "wan", "ip or ip6"), Counts(story.g2)
        for _ in range(4):
            story.g2.run("nft -f -", text=HOLE)
            wire.packets()
            data = os.urandom(5000)
            story.near[4].sendto(data, story.far[4].getsockname())
            frames = []
            def seen():
                frames.extend(frame for frame in wire.packets()
                              if frame[:6] == story.g2.mac("wan") and len(frame) > 400)
                return len(frames) >= 4
            eventually(seen, "four fragments on the wire")
            equal(drain(story.far[4]), 0, "packets through the hole")
            story.g2.run("nft delete table inet hole")
            order = list(frames)
            chance.shuffle(order)
            if outer == 4:
                order.insert(1, order[0])
            for frame in order:
                wire.send(frame)
            equal(story.far[4].recv(9000) == data, True, "the datagram is what was sent")
        counts.become()
        wire.close()


def transport(story, v):
    """ESP in transport mode is one packet, whatever becomes of it later."""
    g1, g2, ends = story.g1, story.g2, GATES[v]
    for gate in (g1, g2):
        gate.silence()
    for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
        key = os.urandom(20)
        for gate, first in ((g2, way[0] == 1), (g1, way[0] == 0)):
            word = "out" if first else "in"
            gate.sa(word, spi, ends[way[0]], ends[way[1]], SUITE, key, mode="transport")
            gate.policy(f"dir {word} src {ends[way[0]]} dst {ends[way[1]]} action protect reqid 1")
    near, far = g1.udp(ends[0], 6001), g2.udp(ends[1], 6002)
    ask(near, far, os.urandom(4000))
    sas = g1.sas()
    equal((sas[0x1001]["packets"], sas[0x1002]["packets"]), (1, 1), "packets of ESP for 4000 bytes")
    counts = Counts(g1)
    # A fragment that somebody makes by hand.
    first = struct.pack("!BBHI", 17, 0, 1, 7)
    if v == 4:
        with g1:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, 1)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 7, 0x2000, 64, 17, 0, socket.inet_aton(ends[0]),
                           socket.inet_aton(ends[1]))
        raw.sendto(head + bytes(64), (ends[1], 0))
    else:
        with g1:
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        # Of a length that no fragment but the last one has, else it would wait for the others of its kind.
        raw.sendto(ipv6(*ends, 44, first + bytes(60)), (ends[1], 0))
    counts.become(out_fragment=1)
    equal({d["name"]: d["value"] for d in g1.sas()[0x1001]["drops"]}, {"out_fragment": 1}, "drops of the SA")
    # A fragment of ESP alone never becomes a packet, and nothing waits for ever.
    wire = Wire(g1, "wan")
    esp = struct.pack("!II", 0x1001, 99) + bytes(80)
    if v == 4:
        packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(esp), 8, 0x2000, 64, 50, 0, socket.inet_aton(ends[0]),
                             socket.inet_aton(ends[1]))
        packet = packet[:10] + struct.pack("!H", checksum(packet)) + packet[12:] + esp
    else:
        packet = ipv6(*ends, 44, struct.pack("!BBHI", 50, 0, 1, 8) + esp)
    before = g2.stats()
    wire.send(g2.mac("wan") + g1.mac("wan") + (b"\x08\0" if v == 4 else b"\x86\xdd") + packet)
    equal(g2.stats(), before, "counters of g2, after a first fragment of ESP")
    for each in (near, far, raw):
        each.close()
    wire.close()


def halves4(src, dst, ident, whole, ttl=64):
    """A datagram in two fragments of IPv4."""
    return [fragment(ipv4(src, dst, 17, part, ttl=ttl, ident=ident), at // 8 | (at == 0) << 13)
            for at, part in ((0, whole[:616]), (616, whole[616:]))]


def halves6(src, dst, ident, whole):
    """The same of IPv6."""
    return [ipv6(src, dst, 44, struct.pack("!BBHI", 17, 0, at | (at == 0), ident) + part)
            for at, part in ((0, whole[:616]), (616, whole[616:]))]


def halves(v, ident, body):
    """A datagram from A to B in two fragments, as packets."""
    if v == 4:
        return halves4(*INNER[4], ident, udp(5001, 5002, body))
    return halves6(*INNER[6], ident, udp6(*INNER[6], 5001, 5002, body)[40:])


def mixed(story, v, tracked):
    """What comes in clear, and what comes out of ESP, with all that tells fragments of a packet the same."""
    g1, g2, key, numbers = story.g1, story.g2, os.urandom(20), itertools.count(1)
    story.tunnel(4, v)
    g2.sa("in", 0x3001, *GATES[4], SUITE, key, more="reqid 1 esn off")
    if tracked:
        g2.run("nft -f -", text="table inet t { chain c { type filter hook prerouting priority 0; ct state new accept\n }\n }")
    wire = Wire(g1, "wan", "less 1")
    head = g2.mac("wan") + g1.mac("wan")
    def sealed(packet):
        body = esp.seal(SUITE, key, 0x3001, next(numbers), packet, 4 if v == 4 else 41)
        wire.send(head + b"\x08\0" + ipv4(*GATES[4], 50, body))
    def clear(packet):
        wire.send(head + (b"\x08\0" if v == 4 else b"\x86\xdd") + packet)
    # UDP's checksum does not tell
    good, bad = (bytes(1200), bytes(1194) + b"\xff\xff\0\0\xff\xff")
    for ident, forged_first in ((71, True), (72, False)):
        genuine, forged = halves(v, ident, good), halves(v, ident, bad)
        steps = [(clear, forged[1]), (sealed, genuine[0])]
        for put, half in steps if forged_first else reversed(steps):
            put(half)
        equal(story.is_quiet(v), True, "nothing comes of half a packet and a forged half")
        sealed(genuine[1])
        equal(story.far[v].recv(2000) == good, True, "the datagram is what was sealed")
    if tracked:
        g2.run("nft delete table inet t")
    wire.close()


def multicast(story):
    """Fragments that a process makes itself, of which a copy stays on this host."""
    g1, g2, group = story.g1, story.g2, "239.1.2.3"
    story.tunnel(4, 4)
    members = [g1.udp(group, 5005), g2.udp(group, 5005)]
    for sock, end in zip(members, GATES[4]):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(end))
    with g1:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(GATES[4][0]))
    data = os.urandom(1200)
    for half in halves4(GATES[4][0], group, 73, udp(5004, 5005, data), ttl=1):
        raw.sendto(half, (group, 0))
    for sock, where in zip(members, ("g1", "g2")):
        equal(sock.recv(2000) == data, True, f"the datagram on {where}")
    for each in (raw, *members):
        each.close()


def main(lab):
    story = Story(lab)
    with lab.test("inside", "datagrams that hosts send in fragments pass tunnels of each family inside of each, "
                            "for any port and for one"):
        inside(story)
    with lab.test("longest", "datagrams of 64 KB pass, in fragments inside; by one port's policy what no packet of ESP "
                             "can hold is refused, as out_too_long"):
        longest(story)
    with lab.test("shuffled", "the fragments of a packet of ESP may come in any order"):
        shuffled(story)
    for v in (4, 6):
        with lab.test(f"transport/ipv{v}", "transport mode seals whole datagrams, and no fragment"):
            transport(story, v)
    for v in (4, 6):
        for tracked in (False, True):
            with lab.test(f"mixed/ipv{v}{'/tracked' if tracked else ''}",
                          "a fragment in clear never becomes a part of a packet that came out of ESP" +
                          (", where connections are tracked, too" if tracked else "")):
                mixed(story, v, tracked)
    with lab.test("multicast", "a multicast datagram that a process sends in fragments leaves, and stays as well"):
        multicast(story)
