# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about protected traffic, from inside and from the way (RFC 4301 section 6).

     A ---------- g1 ---- R ---- g2 ---------- H ---- B
  10.1.0.2   192.0.2.1        198.51.100.2   10.2.0.1   10.2.9.2
  fd01::2    2001:db8:1::1    2001:db8:2::2  fd02::1    fd02:9::2

    g1 ======== ESP ======= g2     R knows nothing of it; H is a router of site 2
"""

import os
import struct

from lab import (DISCOVER, LEVEL, PMTUDISC_DO, PMTUDISC_PROBE, RECVERR, Counts, Wire, ask, check, checksum, drain,
                 equal, eventually, fragment, icmpv6, ipv4, ipv6, told, udp)

SUITE = "aes128gcm16"
TTL = {4: 2, 6: 16}


class Names:
    """Addresses of a family, and what ICMP calls things there."""

    def __init__(self, version):
        self.version = version
        if version == 4:
            self.a, self.a_net = "10.1.0.2", "10.1.0.0/16"
            self.b, self.b_net, self.none = "10.2.9.2", "10.2.0.0/16", "10.2.8.2"
            self.g1, self.g2, self.r, self.h = "192.0.2.1", "198.51.100.2", "192.0.2.254", "10.2.0.1"
            self.g1_lan, self.elsewhere = "10.1.0.1", "203.0.113.5"
            self.closed, self.far, self.unreachable, self.large = (3, 3), (11, 0), (3, 1), (3, 4)
        else:
            self.a, self.a_net = "fd01::2", "fd01::/16"
            self.b, self.b_net, self.none = "fd02:9::2", "fd02::/16", "fd02:8::2"
            self.g1, self.g2, self.r, self.h = "2001:db8:1::1", "2001:db8:2::2", "2001:db8:1::9", "fd02::1"
            self.g1_lan, self.elsewhere = "fd01::1", "2001:db8:5::5"
            self.closed, self.far, self.unreachable, self.large = (1, 4), (3, 0), (1, 0), (2, 0)

    def error(self, kind, code, info, about, src=None, dst=None):
        """An ICMP error, of R's to A."""
        src, dst = src or self.r, dst or self.a
        if self.version == 6:
            return icmpv6(src, dst, struct.pack("!BBHI", kind, code, 0, info) + about)
        body = struct.pack("!BBHHH", kind, code, 0, 0, info) + about
        return ipv4(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])

    def packet(self, dst, src=None, ports=(5001, 5002)):
        """What A, or somebody else, is said to have sent."""
        return (ipv4 if self.version == 4 else ipv6)(src or self.a, dst, 17, udp(*ports, bytes(64)))

    @property
    def type(self):
        """Of a frame"""
        return b"\x08\0" if self.version == 4 else b"\x86\xdd"


def build(lab):
    a, g1, r, g2, h, b = lab.build("A", "g1", "R", "g2", "H", "B")
    lab.join("A:eth0 g1:lan", "g1:wan R:w1", "R:w2 g2:wan", "g2:lan H:north", "H:south B:eth0")
    for ns, lines in (
            (a, """addr add 10.1.0.2/24 dev eth0
                   addr add fd01::2/64 dev eth0 nodad
                   link set eth0 up
                   route add default via 10.1.0.1
                   route add default via fd01::1"""),
            (g1, """addr add 10.1.0.1/24 dev lan
                    addr add fd01::1/64 dev lan nodad
                    addr add 192.0.2.1/24 dev wan
                    addr add 2001:db8:1::1/64 dev wan nodad
                    link set lan up
                    link set wan up
                    route add default via 192.0.2.254
                    route add default via 2001:db8:1::9"""),
            (r, """addr add 192.0.2.254/24 dev w1
                   addr add 2001:db8:1::9/64 dev w1 nodad
                   addr add 198.51.100.254/24 dev w2
                   addr add 2001:db8:2::9/64 dev w2 nodad
                   link set w1 up
                   link set w2 up"""),
            (g2, """addr add 198.51.100.2/24 dev wan
                    addr add 2001:db8:2::2/64 dev wan nodad
                    addr add 10.2.0.254/24 dev lan
                    addr add fd02::fe/64 dev lan nodad
                    link set lan up
                    link set wan up
                    route add default via 198.51.100.254
                    route add default via 2001:db8:2::9
                    route add unreachable 10.2.8.0/24
                    route add unreachable fd02:8::/64
                    route add 10.2.9.0/24 via 10.2.0.1
                    route add fd02:9::/64 via fd02::1"""),
            (h, """addr add 10.2.0.1/24 dev north
                   addr add fd02::1/64 dev north nodad
                   addr add 10.2.9.1/24 dev south
                   addr add fd02:9::1/64 dev south nodad
                   link set north up
                   link set south up
                   route add default via 10.2.0.254
                   route add default via fd02::fe"""),
            (b, """addr add 10.2.9.2/24 dev eth0
                   addr add fd02:9::2/64 dev eth0 nodad
                   link set eth0 up
                   route add default via 10.2.9.1
                   route add default via fd02:9::1""")):
        ns.ip("link set lo up\n" + lines)
        ns.sysctl("net/ipv6/icmp/ratelimit", 0)
    return a, g1, r, g2, h, b


def protect(names, g1, g2):
    """The tunnel, with both ends of one family."""
    for gate in (g1, g2):
        gate.silence()
    there, back = os.urandom(20), os.urandom(20)
    for ns, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        ns.sa(out, 0x1001, names.g1, names.g2, SUITE, there)
        ns.sa(come, 0x1002, names.g2, names.g1, SUITE, back)
        ns.policy(f"dir {out} src {names.a_net} dst {names.b_net} action protect reqid 1")
        ns.policy(f"dir {come} src {names.b_net} dst {names.a_net} action protect reqid 1")


def inside(names, a, h, b):
    """What routers behind the other gateway say."""
    level, discover = LEVEL[names.version], DISCOVER[names.version]
    near, far = a.udp(names.a, 5001), b.udp(names.b, 5002)
    ask(near, far, b"hello")
    near.setsockopt(level, RECVERR[names.version], 1)
    near.sendto(b"closed", (names.b, 9))
    equal(told(near, "about a closed port")[:3], (*names.closed, names.b), "about a closed port")
    near.setsockopt(level, TTL[names.version], 3)
    near.sendto(b"too far", (names.b, 5002))
    equal(told(near, "about a hop too many")[:3], (*names.far, names.h), "about a hop too many")
    near.setsockopt(level, TTL[names.version], 64)
    # By the gateway itself, whose own address may stand in no policy.
    near.sendto(b"nobody", (names.none, 5002))
    equal(told(near, "about a net that is not there")[:2], names.unreachable, "about a net that is not there")
    h.ip("link set south mtu 1300")
    near.setsockopt(level, discover, PMTUDISC_DO)
    near.sendto(bytes(1320), (names.b, 5002))
    equal(told(near, "about a narrow link"), (*names.large, names.h, 1300), "about a narrow link")
    h.ip("link set south mtu 1500")
    a.ip("route flush cache")
    near.close()
    far.close()


def forged(names, a, g1, r, near, far):
    """What somebody on the way makes up about packets that he can't have seen."""
    wire = Wire(r, "w1")
    counts = Counts(g1)
    head = g1.mac("wan") + r.mac("w1") + (b"\x08\0" if names.version == 4 else b"\x86\xdd")
    for (kind, code), info in ((names.closed, 0), (names.large, 1280), (names.far, 0)):
        wire.send(head + names.error(kind, code, info, names.packet(names.b)))
    counts.become(in_clear_error=3)
    # Behind an extension header, and about what says that it is a fragment
    plain = names.error(*names.large, 1280, names.packet(names.b))
    if names.version == 6:
        options = bytes([58, 0, 1, 4, 0, 0, 0, 0])
        hidden = plain[:4] + struct.pack("!HB", len(plain) - 40 + 8, 60) + plain[7:40] + options + plain[40:]
        about = names.packet(names.b)
        part = about[:4] + struct.pack("!HB", len(about) - 40 + 8, 44) + about[7:40] + struct.pack("!BBHI", 17, 0, 8, 7) + about[40:]
    else:
        hidden, part = plain, fragment(names.packet(names.b), 0x0001)
    wire.send(head + hidden)
    counts.become(in_clear_error=4)
    wire.send(head + names.error(*names.large, 1280, part))
    counts.become(in_clear_error=5)
    # About traffic in clear they are nobody's business but the hosts'.
    listener = Wire(a, "eth0", "icmp or icmp6", incoming=True)
    wire.send(head + names.error(*names.closed, 0, names.packet(names.elsewhere)))
    kind = bytes(names.closed)
    at = 14 + (20 if names.version == 4 else 40)
    eventually(lambda: [frame for frame in listener.packets() if frame[at:at + 2] == kind],
               "the error about traffic in clear arrives")
    counts.become(in_clear_error=5)
    ask(near, far, b"nothing has happened")
    listener.close()
    wire.close()


def to_the_far_side(names, a, g1, r, h, far):
    """An error that is forwarded: about a packet of B's, which came to g1 by ESP."""
    level = LEVEL[names.version]
    far.setsockopt(level, RECVERR[names.version], 1)
    drain(far)
    about = names.packet(names.a, names.b, (5002, 5003))
    arrives = Wire(h, "north", "icmp or icmp6", incoming=True)
    counts = Counts(g1)
    # From the net outside, where nobody has seen that packet in clear
    wire = Wire(r, "w1")
    for (kind, code), info in ((names.large, 1280), (names.unreachable, 0)):
        for src in (names.r, names.elsewhere):
            wire.send(g1.mac("wan") + r.mac("w1") + names.type + names.error(kind, code, info, about, src, names.b))
    counts.become(in_clear_error=4)
    wire.close()
    # From a router behind g1, whose own address no policy names
    wire = Wire(a, "eth0")
    at = 14 + (20 if names.version == 4 else 40)
    wire.send(g1.mac("lan") + a.mac("eth0") + names.type + names.error(*names.unreachable, 0, about, names.elsewhere, names.b))
    eventually(lambda: [frame for frame in arrives.packets() if frame[at:at + 2] == bytes(names.unreachable)],
               "the router's error arrives behind g2")
    equal(told(far, "about its packet")[:3], (*names.unreachable, names.elsewhere), "what B is told")
    counts.become(in_clear_error=4)
    far.setsockopt(level, RECVERR[names.version], 0)
    wire.close()
    arrives.close()


def out_of_an_sa(names, a, g1, g2, h, far):
    """A peer that seals errors which go elsewhere than the packet that they quote came from."""
    wire = Wire(h, "north")
    head = g2.mac("lan") + h.mac("north") + names.type
    counts = Counts(g1)
    # g2 would not do it of its own.
    number = g2.policy(f"dir out src {names.h} dst {names.g1} action protect reqid 1 priority 1")
    wire.send(head + names.error(*names.unreachable, 0, names.packet(names.b), names.h, names.g1))
    counts.become(in_policy=1)
    g2.espctl(f"policy del id {number}")
    # An inbound policy that discards names it.
    proto = "icmp" if names.version == 4 else "icmpv6"
    number = g1.policy(f"dir in src {names.elsewhere} dst {names.a} proto {proto} action discard priority 1")
    about = names.packet(names.b, names.a, (5003, 5002))
    wire.send(head + names.error(*names.unreachable, 0, about, names.elsewhere, names.a))
    counts.become(in_policy=2)
    g1.espctl(f"policy del id {number}")
    arrives = Wire(a, "eth0", "icmp or icmp6", incoming=True)
    at = 14 + (20 if names.version == 4 else 40)
    wire.send(head + names.error(*names.unreachable, 0, about, names.elsewhere, names.a))
    eventually(lambda: [frame for frame in arrives.packets() if frame[at:at + 2] == bytes(names.unreachable)],
               "without that policy the error arrives")
    counts.become(in_policy=2)
    for each in (wire, arrives):
        each.close()


def on_the_way(names, a, g1, r, near, far):
    """What a router says about our ESP."""
    level, discover = LEVEL[names.version], DISCOVER[names.version]
    # What fits 1500 and not 1400
    narrow, size = 1400, 1340
    near.setsockopt(level, RECVERR[names.version], 1)
    g1.sysctl(f"net/ipv{names.version}/route/mtu_expires", 3)
    before = g1.sas()[0x1001]["mtu"]
    r.ip(f"link set w2 mtu {narrow}")
    near.setsockopt(level, discover, PMTUDISC_PROBE)
    near.sendto(bytes(size), (names.b, 5002))
    after = eventually(lambda: g1.sas()[0x1001]["mtu"] < before and g1.sas()[0x1001]["mtu"], "the SA's MTU sinks")
    check(narrow - 90 <= after < narrow, f"MTU of the SA {after} behind a link of {narrow}")
    # The next one is told so.
    near.sendto(bytes(size), (names.b, 5002))
    equal(told(near, "about the next packet"), (*names.large, names.g1_lan, after), "about the next packet")
    near.setsockopt(level, discover, 0)
    near.setsockopt(level, RECVERR[names.version], 0)
    ask(near, far, os.urandom(1000))
    # The way gets wide again, which nobody tells.
    r.ip("link set w2 mtu 1500")
    eventually(lambda: g1.sas()[0x1001]["mtu"] == before, "what was learned is forgotten in time")
    # Unreachable is no reason to give up an SA.
    r.ip(f"route add unreachable {names.g2}")
    near.sendto(b"lost", (names.b, 5002))
    r.ip(f"route del unreachable {names.g2}")
    drain(near)
    ask(near, far, b"there again")
    equal(g1.sas()[0x1001]["state"], "valid", "state")


def any_any(names, g1, g2):
    """Neighbours and key daemons under a policy for everything."""
    for ns, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        ns.policy(f"dir {out} action protect reqid 1 priority 9000 family {names.version}")
        ns.policy(f"dir {come} action protect reqid 1 priority 9000 family {names.version}")
    counts = Counts(g1), Counts(g2)
    for ns in (g1, g2):
        ns.ip("neigh flush dev wan")
    near, far = g1.udp(names.g1, 500), g2.udp(names.g2, 500)
    ask(near, far, b"IKE")
    probe, other = g1.udp(names.g1, 6000), g2.udp(names.g2, 6001)
    wire = Wire(g1, "wan", "udp port 6001")
    ask(probe, other, b"anything else")
    equal(len(wire.packets()), 0, "packets in clear")
    for each in counts:
        each.become()
    for each in (near, far, probe, other, wire):
        each.close()


def main(lab):
    a, g1, r, g2, h, b = build(lab)
    for version in (4, 6):
        names = Names(version)
        protect(names, g1, g2)
        with lab.test(f"inside/ipv{version}", "errors from behind the other gateway come through the tunnel: port, hop "
                                              "limit, net, and a narrow link's MTU"):
            inside(names, a, h, b)
        a.ip("route flush cache")
        near, far = a.udp(names.a, 5003), b.udp(names.b, 5002)
        with lab.test(f"forged/ipv{version}", "an error in clear about a packet that policy protects is made up, and "
                                              "dropped; one about a packet in clear passes"):
            forged(names, a, g1, r, near, far)
        with lab.test(f"forwarded/ipv{version}", "an error about a packet out of ESP is sealed for its sender only if it comes "
                                                 "from where that packet went"):
            to_the_far_side(names, a, g1, r, h, far)
        with lab.test(f"sealed/ipv{version}", "an error out of an SA passes only to whom it is about, and not where a policy "
                                              "discards it"):
            out_of_an_sa(names, a, g1, g2, h, far)
        drain(near)
        with lab.test(f"path/ipv{version}", "a router's word about our ESP lowers the SA's MTU, the next sender is told, "
                                            "and it is forgotten in time; unreachable ends nothing"):
            on_the_way(names, a, g1, r, near, far)
        with lab.test(f"any/ipv{version}", "neighbours are found and IKE passes under a policy that protects everything"):
            any_any(names, g1, g2)
        near.close()
        far.close()
