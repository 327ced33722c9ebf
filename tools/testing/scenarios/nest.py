# SPDX-License-Identifier: GPL-2.0
"""ESP in ESP ends, also where policies would catch their own output for ever.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2

    transport inside of tunnel: A === B within g1 === g2, B also as xfrm
    transport outside of tunnel: both between g1 and g2
    three levels: both at once; and a road warrior A, with a tunnel to g2 and B inside
"""

import os

import xfrm
from asynchronous import make_async
from lab import ESP, Counts, Packet, Wire, ask, check, drain, equal, eventually, stream

COUNT = 20


def pair(lab, left, right, spi, src, dst, mode, reqid, suite="aes128gcm16"):
    """SAs there (spi) and back (spi + 1) between two namespaces."""
    size = lab.suites()[suite]["key_len"]
    for number, a, b, ways in ((spi, src, dst, ("out", "in")), (spi + 1, dst, src, ("in", "out"))):
        key = os.urandom(size)
        for ns, way in zip((left, right), ways):
            ns.sa(way, number, a, b, suite, key, mode, f"reqid {reqid}")


class Story:
    """The sites."""

    def __init__(self, lab):
        self.lab = lab
        self.sites = self.a, self.g1, self.g2, self.b = lab.sites(both=True)
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)
        self.wire = Wire(self.g1, "wan", "ip")

    def silence(self):
        for ns in self.sites:
            ns.silence()
        drain(self.near)
        drain(self.far)
        self.wire.packets()

    def esp_alone(self):
        """Packets on the wire, all of them ESP."""
        packets = [Packet(frame) for frame in self.wire.packets()]
        equal({packet.proto for packet in packets} - {ESP}, set(), "other protocols on the wire")
        return packets


def any_any(lab, story, suite, name):
    with lab.test(f"any/{name}", "any-any policies do not wrap what they have made themselves: one "
                                 "layer, and it arrives"):
        story.silence()
        pair(lab, story.g1, story.g2, 0x1001, "192.0.2.1", "192.0.2.2", "tunnel", 1, suite)
        for gate in (story.g1, story.g2):
            gate.policy("dir out action protect reqid 1 family 4")
        # g1 takes all that comes by wan only out of the tunnel, g2 likewise; the
        # sites' own nets are on this side of the gateways and come in clear.
        story.g1.policy("dir in src 10.1.0.0/24 priority 1 action bypass")
        story.g2.policy("dir in src 10.2.0.0/24 priority 1 action bypass")
        story.g1.policy("dir out dst 10.1.0.0/24 priority 1 action bypass")
        story.g2.policy("dir out dst 10.2.0.0/24 priority 1 action bypass")
        for gate in (story.g1, story.g2):
            gate.policy("dir in action protect reqid 1 family 4")
        here, there = Counts(story.g1), Counts(story.g2)
        for _ in range(COUNT):
            ask(story.near, story.far, b"around the world")
        equal([p.seq for p in story.esp_alone() if p.spi == 0x1001], list(range(1, COUNT + 1)),
              "numbers on the wire: one packet of ESP for each")
        here.become()
        there.become()


def around(lab, story, suite, name):
    with lab.test(f"around/{name}", "a tunnel inside of transport mode between the same gateways: two "
                                    "layers, both opened"):
        story.silence()
        lab.protect(story.g1, story.g2)
        pair(lab, story.g1, story.g2, 0x1001, "192.0.2.1", "192.0.2.2", "tunnel", 1, suite)
        pair(lab, story.g1, story.g2, 0x3001, "192.0.2.1", "192.0.2.2", "transport", 2, suite)
        for gate, out, back in ((story.g1, "out", "in"), (story.g2, "in", "out")):
            gate.policy(f"dir {out} src 192.0.2.1 dst 192.0.2.2 action protect reqid 2")
            gate.policy(f"dir {back} src 192.0.2.2 dst 192.0.2.1 action protect reqid 2")
        here, there = Counts(story.g1), Counts(story.g2)
        for size in (1, 64, 1300, 4000):
            ask(story.near, story.far, os.urandom(size))
        listener = story.b.listen("10.2.0.2", 5004)
        stream(*story.a.connect(listener, "10.1.0.2"), os.urandom(60_000))
        listener.close()
        equal({p.spi for p in story.esp_alone() if hasattr(p, "spi")} & {0x1001, 0x1002}, set(),
              "SPIs of the inner layer on the wire")
        for spi in (0x1001, 0x3001):
            check(story.g2.sas()[spi]["packets"] >= 4, f"packets of {spi:#x}")
        for counts in (here, there):
            equal({k: v for k, v in counts.new().items() if k != "out_too_big"}, {}, "drops")


def to_xfrm(lab, story, suite, spi, ends, reqid):
    """Transport mode of A with B, which is xfrm."""
    info = lab.suites()[suite]
    story.a.policy(f"dir out src {ends[0]} dst {ends[1]} action protect reqid {reqid}")
    story.a.policy(f"dir in src {ends[1]} dst {ends[0]} action protect reqid {reqid}")
    lines = xfrm.policies("transport", ends[1], ends[0], ends[1], ends[0])
    for number, way, (src, dst) in ((spi, "out", ends), (spi + 1, "in", ends[::-1])):
        key = os.urandom(info["key_len"])
        story.a.sa(way, number, src, dst, suite, key, "transport", f"reqid {reqid}")
        lines += xfrm.state(number, src, dst, "transport", suite, info, key)
    story.b.ip(lines)


def end_xfrm(story):
    """B without IPsec again; nothing was amiss."""
    equal(xfrm.errors(story.b), {}, "errors of B")
    story.b.ip("xfrm policy flush\nxfrm state flush")


def inside(lab, story, suite, name):
    with lab.test(f"inside/{name}", "transport mode from A to B, which is xfrm, inside of the gateways' tunnel"):
        story.silence()
        lab.protect(story.g1, story.g2)
        lab.tunnel(story.g1, story.g2, suite)
        to_xfrm(lab, story, suite, 0x4001, ("10.1.0.2", "10.2.0.2"), 7)
        lan = Wire(story.a, "eth0", "ip")
        for size in (1, 64, 1300, 4000):
            ask(story.near, story.far, os.urandom(size))
        listener = story.b.listen("10.2.0.2", 5004)
        stream(*story.a.connect(listener, "10.1.0.2"), os.urandom(60_000))
        listener.close()
        equal({Packet(frame).proto for frame in lan.packets()} - {1}, {ESP}, "on A's own wire")
        check(xfrm.packets(story.b)[0x4001] >= 4, "packets of the inner SA")
        lan.close()
        story.esp_alone()
        end_xfrm(story)


OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
ENDS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}


def layers(lab, suite, pairs):
    """SAs and policies of layers: (left, right, spi, ends, mode, reqid, selectors)."""
    for left, right, spi, ends, mode, reqid, nets in pairs:
        pair(lab, left, right, spi, *ends, mode, reqid, suite)
        for ns, out, back in ((left, "out", "in"), (right, "in", "out")):
            ns.policy(f"dir {out} src {nets[0]} dst {nets[1]} action protect reqid {reqid}")
            ns.policy(f"dir {back} src {nets[1]} dst {nets[0]} action protect reqid {reqid}")


def talk(story, here, there, version, data):
    """Datagrams and a stream, in nothing but ESP on A's own wire."""
    # Reports of listeners have their ICMPv6 behind hop-by-hop options.
    lan = Wire(story.a, "eth0", "ip and not icmp" if version == 4 else "ip6 and not icmp6 and ip6[6] != 0")
    near, far = story.a.udp(here), story.b.udp(there)
    for size in (1, 64, 1200, 4000):
        ask(near, far, os.urandom(size))
    listener = story.b.listen(there)
    stream(*story.a.connect(listener, here), data)
    at = 23 if version == 4 else 20
    frames = lan.packets()
    # IPv6 may have a fragment header in front.
    equal({frame[at] for frame in frames} - {44}, {ESP}, "protocols on A's own wire")
    for each in (near, far, listener, lan):
        each.close()


def three(lab, story, suite, name):
    for version in (4, 6):
        with lab.test(f"three/{name}/ipv{version}", "three levels: transport mode from A to B, in the gateways' tunnel, "
                                                    "in transport mode between them"):
            story.silence()
            a, g1, g2, b = story.sites
            nets = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("2001:db8:1::/64", "2001:db8:2::/64")}[version]
            pairs = ((g1, g2, 0x1001, OUTER[version], "tunnel", 1, nets),
                     (g1, g2, 0x3001, OUTER[version], "transport", 2, OUTER[version]))
            if version == 6 and name == "sync":
                to_xfrm(lab, story, suite, 0x4001, ENDS[version], 7)
                layers(lab, suite, pairs)
            else:
                layers(lab, suite, ((a, b, 0x4001, ENDS[version], "transport", 7, ENDS[version]), *pairs))
            talk(story, *ENDS[version], version, os.urandom(40_000))
            innermost = b.sas().get(0x4001, {}).get("packets") or xfrm.packets(b)[0x4001]
            for spi, packets in ((0x4001, innermost), *((spi, g2.sas()[spi]["packets"]) for spi in (0x1001, 0x3001))):
                check(packets >= 8, f"{packets} packets of {spi:#x}")
            end_xfrm(story)
            # Only a first fragment shows its SPI.
            wire = {p.spi for p in story.esp_alone() if hasattr(p, "spi") and not p.ip[7] and not p.ip[6] & 0x1f}
            check(version == 6 or wire <= {0x3001, 0x3002}, f"SPIs on the wire {wire}")


def road(lab, story, suite, name):
    with lab.test(f"road/{name}", "a host's tunnel to the other gateway, with transport mode to a server behind it "
                                  "inside"):
        story.silence()
        a, _, g2, b = story.sites
        a.ip("addr add 10.8.0.1/32 dev lo\nroute add 10.2.0.0/24 via 10.1.0.1 src 10.8.0.1")
        g2.ip("route add 10.8.0.0/24 via 192.0.2.1")
        story.g1.ip("route add 10.8.0.0/24 via 10.1.0.2")
        layers(lab, suite, (
            (a, b, 0x4001, ("10.8.0.1", "10.2.0.2"), "transport", 7, ("10.8.0.1", "10.2.0.2")),
            (a, g2, 0x1001, ("10.1.0.2", "192.0.2.2"), "tunnel", 1, ("10.8.0.1", "10.2.0.0/24"))))
        # The first match decides: what transport mode makes is for the tunnel.
        a.policy("dir out src 10.8.0.1 dst 10.2.0.0/24 proto 50 priority 5 action protect reqid 1")
        a.policy("dir in src 10.2.0.0/24 dst 10.8.0.1 proto 50 priority 5 action protect reqid 1")
        talk(story, "10.8.0.1", "10.2.0.2", 4, os.urandom(40_000))
        check(b.sas()[0x4001]["packets"] >= 8 and g2.sas()[0x1001]["packets"] >= 8, "packets of both layers")
        a.ip("route del 10.2.0.0/24\naddr del 10.8.0.1/32 dev lo")
        g2.ip("route del 10.8.0.0/24")
        story.g1.ip("route del 10.8.0.0/24")


def endless(lab, story, suite, name):
    with lab.test(f"endless/{name}", "two policies that feed each other end, in either family: each packet counts once "
                                     "as out_nest"):
        story.silence()
        g1 = story.g1
        size = lab.suites()[suite]["key_len"]
        for base, version, beyond, nets in ((0x5001, 4, "10.2.0.9", "10.2.0.0/24"),
                                            (0x5003, 6, "2001:db8:2::9", "2001:db8:2::/64")):
            src, gate = OUTER[version]
            g1.sa("out", base, src, gate, suite, os.urandom(size), more=f"reqid {base}")
            g1.sa("out", base + 1, src, beyond, suite, os.urandom(size), more=f"reqid {base + 1}")
            g1.policy(f"dir out dst {nets} action protect reqid {base}")
            g1.policy(f"dir out dst {gate} action protect reqid {base + 1}")
        counts = Counts(g1)
        near6, wire6 = story.a.udp(ENDS[6][0]), Wire(story.g1, "wan", "ip6 and not icmp6")
        for _ in range(COUNT):
            story.near.sendto(b"for ever", ("10.2.0.2", 5002))
            near6.sendto(b"for ever", (ENDS[6][1], 5002))
        eventually(lambda: sum(counts.new().values()) >= 2 * COUNT, "each packet counted")
        counts.become(out_nest=2 * COUNT)
        check(not story.wire.packets() and not wire6.packets(), "something left")
        near6.close()
        wire6.close()


def translated(lab, story, suite, name):
    with lab.test(f"translated/{name}", "source NAT of the ESP packets themselves does not have them "
                                        "wrapped again"):
        story.silence()
        g1 = story.g1
        g1.ip("addr replace 192.0.2.9/24 dev wan")
        g1.run("nft -f -", text="table ip own { chain c { type nat hook postrouting priority srcnat;"
                                " oifname wan snat to 192.0.2.9\n }\n }")
        pair(lab, g1, story.g2, 0x1001, "192.0.2.1", "192.0.2.2", "tunnel", 1, suite)
        g1.policy("dir out action protect reqid 1 family 4")
        story.g2.policy("dir in src 10.1.0.0/24 action protect reqid 1")
        here, there = Counts(g1), Counts(story.g2)
        for number in range(COUNT):
            story.near.sendto(b"elsewhere", ("10.2.0.2", 5002))
            equal(story.far.recvfrom(100), (b"elsewhere", ("10.1.0.2", 5001)), f"packet {number}")
        packets = [p for p in story.esp_alone() if p.src == "192.0.2.9"]
        equal([p.seq for p in packets], list(range(1, COUNT + 1)), "numbers on the wire")
        here.become()
        there.become()
        g1.run("nft delete table ip own")
        g1.run("conntrack -F")


def main(lab):
    story = Story(lab)
    for part in (any_any, around, inside, three, road, endless, translated):
        part(lab, story, "aes128gcm16", "sync")
    story.silence()
    make_async(lab, story.g1, "chacha20poly1305")
    for part in (any_any, three, endless, translated) if lab.debug else (any_any, around, inside, three, endless, translated):
        part(lab, story, "chacha20poly1305", "async")
