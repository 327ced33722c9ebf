# SPDX-License-Identifier: GPL-2.0
"""What an SA's owner chooses of its packets: outer header, lengths, MSS, keepalives.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
"""

import os
import socket
import struct
import time

import esp
from lab import (DISCOVER, ESP, LEVEL, PMTUDISC_DO, PMTUDISC_PROBE, RECVERR, Counts, Packet, Wire, ask, check, checksum,
                 drain, equal, eventually, ipv4, ipv6, marked, stream, told, udp, udp6)

V4 = ("192.0.2.1", "192.0.2.2")
V6 = ("2001:db8::1", "2001:db8::2")
OUTER = {4: V4, 6: V6}
INNER = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
FAMILIES = ((4, 4), (6, 6), (4, 6), (6, 4))
HEADERS = {4: 20, 6: 40}
SUITE = "aes128gcm16"
IPV6_RECVTCLASS, IPV6_TCLASS, IPV6_RECVHOPLIMIT, IP_RECVTTL = 66, 67, 51, 12
CE = 3
# What sockets of a family call things
TOS = {4: socket.IP_TOS, 6: IPV6_TCLASS}
RECVTOS = {4: socket.IP_RECVTOS, 6: IPV6_RECVTCLASS}
RECVTTL = {4: IP_RECVTTL, 6: IPV6_RECVHOPLIMIT}
# RFC 6040 figure 4: inner field by outer field, None for a drop
ECN_OPENED = {0: (0, 0, 0, None), 1: (1, 1, 1, 3), 2: (2, 1, 2, 3), 3: (3, 3, 3, 3)}


class Sites:
    """The topology, and how its tunnel is set up anew."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites(both=True)
        self.near = {v: self.a.udp(INNER[v][0], 5001) for v in (4, 6)}
        self.far = {v: self.b.udp(INNER[v][1], 5002) for v in (4, 6)}
        self.lab.protect(self.g1, self.g2)
        for gate, out, come in ((self.g1, "out", "in"), (self.g2, "in", "out")):
            gate.policy(f"dir {out} src 2001:db8:1::/64 dst 2001:db8:2::/64 action protect reqid 1")
            gate.policy(f"dir {come} src 2001:db8:2::/64 dst 2001:db8:1::/64 action protect reqid 1")

    def tunnel(self, out="", both="", suite=SUITE, ends=V4, each=("", "")):
        """Both SAs: `out' is said to the outbound ones, `both' to all, `each' to each
        gateway's. The key there."""
        keys = [os.urandom(self.lab.suites()[suite]["key_len"]) for _ in ends]
        for gate in (self.g1, self.g2):
            gate.flush_sas()
        for gate, first in ((self.g1, 0), (self.g2, 1)):
            for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
                word = "out" if way[0] == first else "in"
                gate.sa(word, spi, ends[way[0]], ends[way[1]], suite, keys[way[0]],
                        more=f"reqid 1 {both} {each[first]} {out if word == 'out' else ''}")
        return keys[0]

    def on_wire(self, send, count=1, family=4):
        """The frames that `send' makes g1 put on the wire."""
        wire = Wire(self.g2, "wan", f"esp and src {OUTER[family][0]}", incoming=True)
        send()
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= count,
                   f"{count} packets on the wire")
        wire.close()
        return frames


def header(frame):
    """Of an IP header: traffic class, DF, TTL. IPv6 has no DF, which is always so."""
    packet = frame[14:]
    if packet[0] >> 4 == 4:
        equal((packet[0], checksum(packet[:20]), packet[9]), (0x45, 0, ESP), "length, checksum and protocol")
        return packet[1], bool(packet[6] & 0x40), packet[8]
    equal(packet[6], ESP, "next header")
    return struct.unpack_from("!I", packet)[0] >> 20 & 0xff, None, packet[7]


def choices(sites):
    """Every way to build an outer header."""
    dscp = 0xb8
    for inner, outer in FAMILIES:
        near, far = sites.near[inner], sites.far[inner]
        far.setsockopt(LEVEL[inner], RECVTTL[inner], 1)
        for words, tos, df, ttl in (
                ("", lambda ecn: dscp | ecn, (False, True), 64),
                ("dscp copy df copy ecn on", lambda ecn: dscp | ecn, (False, True), 64),
                ("dscp 10 ttl 7", lambda ecn: 10 << 2 | ecn, (False, True), 7),
                ("dscp 0 ecn off df set", lambda ecn: 0, (True, True), 64),
                ("ecn off df clear ttl 255", lambda ecn: dscp, (False, False), 255)):
            # What is said in words is no default: once is enough.
            if words.startswith("dscp copy") and (inner, outer) != (4, 4):
                continue
            sites.tunnel(words, ends=OUTER[outer])
            for inner_df in (False, True):
                near.setsockopt(LEVEL[inner], DISCOVER[inner], PMTUDISC_DO if inner_df else 0)
                for ecn in range(4):
                    near.setsockopt(LEVEL[inner], TOS[inner], dscp | ecn)
                    frame, = sites.on_wire(lambda: near.sendto(b"hello", far.getsockname()[:2]), family=outer)
                    # In IPv6 nobody on the way makes fragments, so that each packet has DF.
                    want_df = None if outer == 6 else df[inner_df or inner == 6]
                    equal(header(frame), (tos(ecn), want_df, ttl),
                          f"traffic class, DF and TTL of {inner} in {outer} with '{words}', DF {inner_df} inside")
                    data, said, _, _ = far.recvmsg(100, 100)
                    # Both gateways pass the packet on, as routers do.
                    equal((data, struct.unpack("=i", said[0][2])[0]), (b"hello", 62), "what arrives, and its hop limit")
        near.setsockopt(LEVEL[inner], TOS[inner], 0)
        near.setsockopt(LEVEL[inner], DISCOVER[inner], 0)
        far.setsockopt(LEVEL[inner], RECVTTL[inner], 0)


def ecn_cells(sites):
    """All cells of RFC 6040, made by others."""
    wire = Wire(sites.g1, "wan")
    macs = sites.g2.mac("wan") + sites.g1.mac("wan")
    before = sites.g2.drops().get("in_ecn", 0)
    for number, (inner, outer) in enumerate(FAMILIES, 1):
        key = sites.tunnel(both="esn off", ends=OUTER[outer])
        far = sites.far[inner]
        far.setsockopt(LEVEL[inner], RECVTOS[inner], 1)
        seq = 0
        for mark, row in ECN_OPENED.items():
            for around, want in enumerate(row):
                seq += 1
                text = ipv4(*INNER[4], 17, udp(5001, 5002, b"x")) if inner == 4 else udp6(*INNER[6], 5001, 5002, b"x")
                body = esp.seal(SUITE, key, 0x1001, seq, marked(text, 0x28 | mark), 4 if inner == 4 else 41)
                packet = ipv4(*V4, ESP, body) if outer == 4 else ipv6(*V6, ESP, body)
                wire.send(macs + (b"\x08\0" if outer == 4 else b"\x86\xdd") + marked(packet, around))
                if want is None:
                    eventually(lambda: sites.g2.drops().get("in_ecn", 0) == before + number, "the drop")
                    equal(drain(far), 0, "packets with a lost congestion mark")
                    continue
                _, said, _, _ = far.recvmsg(100, 100)
                equal(said[0][2][0], 0x28 | want, f"traffic class with ECN {mark} inside, {around} outside, "
                                                  f"IPv{inner} in IPv{outer}")
        equal({d["name"]: d["value"] for d in sites.g2.sas()[0x1001]["drops"]}, {"in_ecn": 1}, "drops of the SA")
        far.setsockopt(LEVEL[inner], RECVTOS[inner], 0)
    wire.close()


def padded(sites):
    """Lengths under TFC."""
    sizes = {4: (1, 100, 700, 971, 972, 973, 1200, 1400), 6: (1, 951, 952, 953, 1350)}
    key = sites.tunnel("tfc 1000")
    counts = Counts(sites.g2)

    def send(version):
        for size in sizes[version]:
            ask(sites.near[version], sites.far[version], os.urandom(size))

    for version in (4, 6):
        frames = sites.on_wire(lambda v=version: send(v), count=len(sizes[version]))
        for size, frame in zip(sizes[version], frames):
            text, padding, proto = esp.unseal(SUITE, key, Packet(frame).body, 0)
            inner = size + 8 + HEADERS[version]
            equal(len(text), max(inner, 1000), f"bytes inside for {inner} bytes of IP")
            equal(text[inner:], bytes(len(text) - inner), "TFC padding")
            equal((proto, padding), (4 if version == 4 else 41, bytes(range(1, len(padding) + 1))), "trailer")
    equal(counts.new(), {}, "drops")
    # What can't be had is not an error: as much as fits.
    sites.tunnel("tfc 65535")
    for frame in sites.on_wire(lambda: send(4), count=len(sizes[4])):
        length = Packet(frame).length
        check(1497 <= length <= 1500, f"{length} bytes outside, of an MTU of 1500")


def exactly(sites, said, ns, addrs, version, what, block):
    """What is said goes whole, and one byte more is refused with it."""
    near, far = ns.udp(addrs[0]), sites.far[version]
    near.setsockopt(LEVEL[version], RECVERR[version], 1)
    # With DF, whatever the socket has learned
    near.setsockopt(LEVEL[version], DISCOVER[version], PMTUDISC_PROBE)
    frames = Wire(sites.g2, "wan", incoming=True)
    size = said - 8 - HEADERS[version]
    near.sendto(bytes(size), far.getsockname()[:2])
    equal(len(far.recv(2000)), size, "bytes that arrive")
    frame, = [f for f in frames.packets() if len(f) > 1000]
    check(1500 - block < len(frame) - 14 <= 1500, f"{len(frame) - 14} bytes outside of {what}")
    near.sendto(bytes(size + 1), far.getsockname()[:2])
    kind, code, _, mtu = told(near, f"about one byte more than {said}")
    equal((kind, code, mtu), (3, 4, said) if version == 4 else (2, 0, said), f"what the sender is told of {what}")
    equal([f for f in frames.packets() if len(f) > 1000], [], "long packets on the wire")
    equal(drain(far), 0, "packets too long that arrived")
    frames.close()
    near.close()


def mtus(sites):
    """The table of effective MTUs: what is said is what goes whole."""
    suites = (SUITE, "aes256-sha256", "null-sha512")
    for suite in suites[:1 if sites.lab.debug else None]:
        for ends, family in ((V4, "4"), (V6, "6")):
            for encap in ("", "encap 4500 4500"):
                sites.tunnel(both=encap, suite=suite, ends=ends)
                said = sites.g1.sas()[0x1001]["mtu"]
                what = f"{suite} over IPv{family} {encap}"
                check(1350 < said < 1470, f"{said} is the MTU of {what}")
                block = 16 if suite == "aes256-sha256" else 4
                for ns, hosts, who in ((sites.a, INNER, "A"), (sites.g1, {4: ("10.1.0.1",), 6: ("2001:db8:1::1",)}, "g1")):
                    for version in (4, 6):
                        exactly(sites, said, ns, hosts[version], version, f"{what}, IPv{version} of {who}", block)


def fragmented(sites):
    """What is too long, and may be fragmented, is, whatever the SA does to DF."""
    for words, inner_df in (("", False), ("df set", False), ("df clear", False), ("df clear", True)):
        sites.tunnel(words)
        near, far = sites.near[4], sites.far[4]
        near.setsockopt(LEVEL[4], DISCOVER[4], PMTUDISC_PROBE if inner_df else 0)
        counts = Counts(sites.g1)
        data = os.urandom(1472)
        frames = sites.on_wire(lambda: near.sendto(data, far.getsockname()), count=2)
        equal(far.recv(2000), data, f"what arrives with '{words}', DF {inner_df}")
        equal([(f[20] & 0x60, f[21]) for f in frames], [(0x20, 0), (0, frames[1][21])], "flags of two fragments")
        counts.become()
        near.setsockopt(LEVEL[4], DISCOVER[4], 0)


def mss_of(frames):
    """The MSS that the SYNs among frames announce."""
    said = set()
    for frame in frames:
        version = frame[14] >> 4
        at = 14 + HEADERS[version]
        if frame[23 if version == 4 else 20] != 6 or not frame[at + 13] & 2:
            continue
        body = frame[at:14 + struct.unpack_from("!H", frame, 16)[0] if version == 4 else None]
        said.add(struct.unpack_from("!H", body, body.index(b"\x02\x04", 20) + 2)[0])
        pseudo = frame[26:34] if version == 4 else frame[22:54]
        equal(checksum(pseudo + struct.pack("!HH", 6, len(body)) + body), 0, "checksum of the SYN")
    return said


def mss(sites):
    """SYNs of both sides, where nobody else would lower them."""
    data = os.urandom(20_000)
    off = "mss-clamp off"
    # What hosts have learned so far
    for family in ("-4", "-6"):
        sites.a.run(["ip", family, "route", "flush", "cache"])
    for each, word in ((("", ""), "both gateways"), (("", off), "one gateway"),
                       ((off, ""), "the other gateway"), ((off, off), "no gateway")):
        sites.tunnel(each=each)
        mtu = sites.g1.sas()[0x1001]["mtu"]
        for version in (4, 6):
            listener = sites.b.listen(INNER[version][1])
            wires = [Wire(ns, "eth0", "tcp", incoming=True) for ns in (sites.a, sites.b)]
            # Where nobody clamps, senders learn what fits by ICMP, and go on.
            stream(*sites.a.connect(listener), data)
            said = set().union(*(mss_of(wire.packets()) for wire in wires))
            want = (1500 if word == "no gateway" else mtu) - HEADERS[version] - 20
            equal(said, {want}, f"MSS of SYN and its answer over IPv{version} where {word} clamp")
            for each_one in (*wires, listener):
                each_one.close()


def keepalives(sites):
    """One byte, when idle, and only then."""
    for ends, family in ((V4, "ip"), (V6, "ip6")):
        sites.tunnel("keepalive 1", both="encap 4500 4500", ends=ends)
        wire = Wire(sites.g2, "wan", f"{family} and udp dst port 4500", incoming=True)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            ask(sites.near[4], sites.far[4], b"busy")
            time.sleep(0.2)
        frames = [frame for frame in wire.packets() if len(frame) < 70]
        equal(frames, [], "keepalives beside traffic")
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= 2, "two keepalives")
        for frame in frames:
            at = 14 + (20 if family == "ip" else 40)
            length = struct.unpack_from("!H", frame, at + 4)[0]
            equal((length, frame[at + 8:at + 9]), (9, b"\xff"), "a keepalive")
        ask(sites.near[4], sites.far[4], b"still there")
        wire.close()
        check(sites.g2.stats()["in_keepalive"] >= len(frames), "keepalives swallowed")


def main(lab):
    lab.pin()
    sites = Sites(lab)
    with lab.test("header", "DSCP, ECN, DF and TTL outside are copied, set or left out as the SA says, in each family "
                            "around each"):
        choices(sites)
    with lab.test("ecn", "all sixteen cells of RFC 6040, in each family around each: the mark that counts comes out, "
                         "the lost one is dropped"):
        ecn_cells(sites)
    with lab.test("tfc", "packets are padded to a length, with zeroes that the peer takes off, never beyond the MTU"):
        padded(sites)
    with lab.test("mtu", "the MTU that is shown goes whole, and one byte more is refused with it, to hosts and to the "
                         "gateway itself: suites, both families inside and outside, with UDP and without"):
        mtus(sites)
    with lab.test("fragmented", "what is too long and may be fragmented is, also where the SA takes DF away"):
        fragmented(sites)
    with lab.test("mss", "SYN and its answer announce what fits, if either gateway has it so, and keep their checksum"):
        mss(sites)
    with lab.test("keepalive", "an idle SA sends one byte to keep a NAT's mapping, a busy one does not"):
        keepalives(sites)
