# SPDX-License-Identifier: GPL-2.0
"""Sites behind gateways, and a host that becomes part of one.

    H ------------------\\
     192.0.2.9           \\
     inside 10.1.0.9      \\
                           W (a router, all of it clear to see)
    A --- g1 -------------/ \\------------- g2 --- B
     10.1.0.2, 10.11.0.2      \\                   10.2.0.2, 10.12.0.2
     2001:db8:1::2, :11::2     \\                  2001:db8:2::2, :12::2
                                \\--------- g3 --- K
                                                  10.3.0.2, 10.13.0.2, 2001:db8:3::2, :13::2

g1 runs esp_mod and has a tunnel to each of the others; g2 is esp_mod, g3 is xfrm.
"""

import contextlib
import os
import socket

import xfrm
from lab import DISCOVER, LEVEL, PMTUDISC_DO, Wire, ask, check, equal, eventually, stream

SUITE = "aes128gcm16"
IPV6_MTU = 24
OUTER = {4: {1: "192.0.2.1", 2: "198.51.100.2", 3: "203.0.113.3", 9: "192.0.2.129"},
         6: {1: "2001:db8:f1::1", 2: "2001:db8:f2::2", 3: "2001:db8:f3::3", 9: "2001:db8:f9::1"}}
HOSTS = {4: {1: "10.1.0.2", 2: "10.2.0.2", 3: "10.3.0.2"},
         6: {1: "2001:db8:1::2", 2: "2001:db8:2::2", 3: "2001:db8:3::2"}}
SECOND = {4: {n: f"10.1{n}.0.2" for n in (1, 2, 3)}, 6: {n: f"2001:db8:1{n}::2" for n in (1, 2, 3)}}
# What the road warrior has of site 1, and of site 3
ROAD = {4: "10.1.0.9", 6: "2001:db8:1::9"}
ROAD_XFRM = "10.3.0.9"
NETS = {4: "10.{}.0.0/24", 6: "2001:db8:{}::/64"}
CLEAR = "(ip or ip6) and not icmp6 and not ip6 multicast and not esp and not (ip6[6] = 44 and ip6[40] = 50)"


class Sites:
    """The topology: gateways 1 to 3, each with a host; the road warrior."""

    def __init__(self, lab):
        self.lab = lab
        spaces = lab.build("W", "g1", "g2", "g3", "A", "B", "K", "H")
        self.w, g1, g2, g3, a, b, k, self.h = spaces
        self.gates, self.hosts = {1: g1, 2: g2, 3: g3}, {1: a, 2: b, 3: k}
        lab.join("W:w1 g1:wan", "W:w2 g2:wan", "W:w3 g3:wan", "W:w9 H:wan", "g1:lan A:eth0",
                 "g2:lan B:eth0", "g3:lan K:eth0")
        wires = {1: ("192.0.2.14/28", "192.0.2.1/28"), 2: ("198.51.100.1/24", "198.51.100.2/24"),
                 3: ("203.0.113.1/24", "203.0.113.3/24"), 9: ("192.0.2.142/28", "192.0.2.129/28")}
        for n, (here, there) in wires.items():
            self.w.ip(f"addr add {here} dev w{n}\nlink set w{n} up")
            ns = self.gates.get(n, self.h)
            ns.ip(f"""link set lo up
                      addr add {there} dev wan
                      link set wan up
                      route add default via {here.split('/')[0]}""")
            if n in self.gates:
                self.w.ip(f"addr add 2001:db8:f{n}::9/64 dev w{n} nodad")
                ns.ip(f"""addr add 2001:db8:f{n}::{n}/64 dev wan nodad
                          route add default via 2001:db8:f{n}::9
                          addr add 10.{n}.0.1/24 dev lan
                          addr add 10.1{n}.0.1/24 dev lan
                          addr add 2001:db8:{n}::1/64 dev lan nodad
                          addr add 2001:db8:1{n}::1/64 dev lan nodad
                          link set lan up""")
                self.hosts[n].ip(f"""link set lo up
                                     addr add 10.{n}.0.2/24 dev eth0
                                     addr add 10.1{n}.0.2/24 dev eth0
                                     addr add 2001:db8:{n}::2/64 dev eth0 nodad
                                     addr add 2001:db8:1{n}::2/64 dev eth0 nodad
                                     link set eth0 up
                                     route add default via 10.{n}.0.1
                                     route add default via 2001:db8:{n}::1""")
        # The road warrior answers as one of the first site, or of the third.
        self.w.ip("addr add 2001:db8:f9::9/64 dev w9 nodad")
        self.h.ip(f"""addr add 2001:db8:f9::1/64 dev wan nodad
                      route add default via 2001:db8:f9::9
                      addr add {ROAD[4]}/32 dev lo
                      addr add {ROAD[6]}/128 dev lo nodad
                      addr add {ROAD_XFRM}/32 dev lo
                      route add 10.1.0.0/24 via 192.0.2.142 src {ROAD[4]}
                      route add 10.2.0.0/24 via 192.0.2.142 src {ROAD[4]}
                      route add 10.3.0.0/24 via 192.0.2.142 src {ROAD_XFRM}
                      route add 2001:db8:1::/64 via 2001:db8:f9::9 src {ROAD[6]}
                      route add 2001:db8:2::/64 via 2001:db8:f9::9 src {ROAD[6]}""")
        g1.ip(f"""route add {ROAD[4]} via 192.0.2.14
                  route add {ROAD[6]} via 2001:db8:f1::9
                  neigh add proxy {ROAD[6]} dev lan""")
        g3.ip(f"route add {ROAD_XFRM} via 203.0.113.1")
        for gate in (g1, g3):
            gate.sysctl("net/ipv4/conf/lan/proxy_arp", 1)
        g1.sysctl("net/ipv6/conf/lan/proxy_ndp", 1)

    def silence(self):
        """No tunnel anywhere."""
        for n in (1, 2):
            self.gates[n].silence()
        self.h.silence()
        self.gates[3].ip("xfrm policy flush\nxfrm state flush")

    def pair(self, left, right, ends, base, reqid, nets):
        """SAs and policies of two namespaces of ours; `nets' are pairs of prefixes."""
        for spi, way in ((base + 1, (0, 1)), (base + 2, (1, 0))):
            key = os.urandom(20)
            for ns, first in ((left, 0), (right, 1)):
                word = "out" if way[0] == first else "in"
                ns.sa(word, spi, ends[way[0]], ends[way[1]], SUITE, key, more=f"reqid {reqid}")
                for net in nets:
                    ns.policy(f"dir {word} src {net[way[0]]} dst {net[way[1]]} action protect reqid {reqid}")

    def to_xfrm(self, left, ends, nets):
        """One of ours and g3, which is xfrm; `nets' are pairs of prefixes."""
        info = self.lab.suites()[SUITE]
        keys = [os.urandom(20) for _ in ends]
        for spi, way, key in ((0x3001, (0, 1), keys[0]), (0x3002, (1, 0), keys[1])):
            word = "in" if way[0] else "out"
            left.sa(word, spi, ends[way[0]], ends[way[1]], SUITE, key, more="reqid 3")
            for pair in nets:
                left.policy(f"dir {word} src {pair[way[0]]} dst {pair[way[1]]} action protect reqid 3")
        self.gates[3].ip("".join(xfrm.policies("tunnel", pair[1], pair[0], ends[1], ends[0]) for pair in nets) +
                         xfrm.state(0x3001, *ends, "tunnel", SUITE, info, keys[0]) +
                         xfrm.state(0x3002, *reversed(ends), "tunnel", SUITE, info, keys[1]))


def learn(ns, addr, there):
    """Have a host find out what fits, as each one of IPv6 does with its first long packet."""
    with ns.udp(addr) as sock:
        sock.setsockopt(LEVEL[6], DISCOVER[6], PMTUDISC_DO)
        sock.connect((there, 9))
        # Too long at once for a host that knows already.
        with contextlib.suppress(OSError):
            sock.send(bytes(1400))
        eventually(lambda: sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU) < 1500,
                   f"{ns.name} knows the MTU to {there}")


def converse(one, one_addr, other, other_addr, data):
    """UDP of several sizes, and TCP opened from either side."""
    if ":" in one_addr:
        learn(one, one_addr, other_addr)
        learn(other, other_addr, one_addr)
    near, far = one.udp(one_addr), other.udp(other_addr)
    for size in (1, 1000, 4000):
        ask(near, far, os.urandom(size))
        ask(far, near, os.urandom(size))
    near.close()
    far.close()
    for here, here_addr, there, there_addr in ((one, one_addr, other, other_addr),
                                               (other, other_addr, one, one_addr)):
        listener = there.listen(there_addr)
        stream(*here.connect(listener, here_addr), data)
        listener.close()


def subnets(sites, version, listen, clean, data):
    """Three pairs of subnets of site 1 and of another one, and the fourth, which no policy names."""
    sites.silence()

    def nets(n):
        return [(NETS[version].format(one), NETS[version].format(other))
                for one, other in ((1, n), (11, n), (1, f"1{n}"))]

    gates, a = sites.gates, sites.hosts[1]
    sites.pair(gates[1], gates[2], (OUTER[version][1], OUTER[version][2]), 0x2000, 2, nets(2))
    sites.to_xfrm(gates[1], (OUTER[version][1], OUTER[version][3]), nets(3))
    wires = listen()
    for n in (2, 3):
        other = sites.hosts[n]
        converse(a, HOSTS[version][1], other, HOSTS[version][n], data)
        for here, there in ((SECOND[version][1], HOSTS[version][n]), (HOSTS[version][1], SECOND[version][n])):
            with a.udp(here) as near, other.udp(there) as far:
                for size in (1, 1000):
                    ask(near, far, os.urandom(size))
                    ask(far, near, os.urandom(size))
    clean(wires)
    near, far = a.udp(SECOND[version][1]), sites.hosts[2].udp(SECOND[version][2])
    wire = Wire(sites.w, "w1", f"host {SECOND[version][2]}", incoming=True)
    sealed = gates[1].sas()[0x2001]["packets"]
    near.sendto(b"no policy", far.getsockname()[:2])
    eventually(wire.packets, "the packet that no policy names, in clear")
    equal(gates[1].sas()[0x2001]["packets"], sealed, "packets sealed")
    for sock in (near, far, wire):
        sock.close()


def main(lab):
    sites = Sites(lab)
    data = os.urandom(20_000 if lab.debug else 60_000)

    def clean(wires):
        """Nothing but ESP was seen by the router, and nothing was refused."""
        for wire in wires:
            seen = wire.packets()
            check(not seen, f"in clear on the way: {seen[0].hex() if seen else ''}")
            wire.close()
        for ns in (sites.gates[1], sites.gates[2], sites.h):
            equal({k: v for k, v in ns.drops().items() if k != "out_too_big"}, {}, f"drops of {ns.name}")
        equal(xfrm.errors(sites.gates[3]), {}, "errors of g3")

    def listen():
        """What passes the router in clear."""
        return [Wire(sites.w, dev, CLEAR) for dev in ("w1", "w2", "w3", "w9")]

    for inner, outer in ((4, 4), (6, 6), (4, 6), (6, 4)):
        with lab.test(f"{inner}in{outer}", f"one gateway has IPv{inner} tunnels over IPv{outer} to two "
                                           "sites at once, esp_mod and xfrm; only ESP passes the router"):
            sites.silence()
            sites.pair(sites.gates[1], sites.gates[2], (OUTER[outer][1], OUTER[outer][2]), 0x2000, 2,
                       [(NETS[inner].format(1), NETS[inner].format(2))])
            sites.to_xfrm(sites.gates[1], (OUTER[outer][1], OUTER[outer][3]),
                          [(NETS[inner].format(1), NETS[inner].format(3))])
            wires = listen()
            for n in (2, 3):
                converse(sites.hosts[1], HOSTS[inner][1], sites.hosts[n], HOSTS[inner][n], data)
            clean(wires)

    for version in (4, 6):
        with lab.test(f"subnets/ipv{version}", "several subnets of each site share one pair of SAs, with esp_mod and with "
                                               "xfrm, and what no policy names is not carried"):
            subnets(sites, version, listen, clean, data)

    for version in (4, 6):
        with lab.test(f"road/ipv{version}", "a host elsewhere takes an address of the first site, reaches it and the site "
                                            "behind the next tunnel, and is reached"):
            sites.silence()
            home, further = NETS[version].format(1), NETS[version].format(2)
            sites.pair(sites.gates[1], sites.gates[2], (OUTER[version][1], OUTER[version][2]), 0x2000, 2, [(home, further)])
            sites.pair(sites.h, sites.gates[1], (OUTER[version][9], OUTER[version][1]), 0x9000, 9,
                       [(ROAD[version], home), (ROAD[version], further)])
            wires = listen()
            for n in (1, 2):
                converse(sites.h, ROAD[version], sites.hosts[n], HOSTS[version][n], data)
            clean(wires)

    with lab.test("road/xfrm", "and the same where the gateway of the site is xfrm"):
        sites.silence()
        sites.to_xfrm(sites.h, (OUTER[4][9], OUTER[4][3]), [(ROAD_XFRM, NETS[4].format(3))])
        wires = listen()
        converse(sites.h, ROAD_XFRM, sites.hosts[3], HOSTS[4][3], data)
        clean(wires)
