# SPDX-License-Identifier: GPL-2.0
"""What an SA's owner chooses of its packets: outer header, lengths, MSS, keepalives.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
             2001:db8::1     2001:db8::2
"""

import os
import socket
import struct
import time

import esp
from lab import (IP_MTU_DISCOVER, Counts, Packet, Wire, ask, check, checksum, drain, equal,
                 eventually, ipv4, stream, udp)

V4 = ("192.0.2.1", "192.0.2.2")
V6 = ("2001:db8::1", "2001:db8::2")
SUITE = "aes128gcm16"
PMTUDISC_DO = 2
IP_MTU = 14
CE = 3
# RFC 6040 figure 4: inner field by outer field, None for a drop
ECN_OPENED = {0: (0, 0, 0, None), 1: (1, 1, 1, 3), 2: (2, 1, 2, 3), 3: (3, 3, 3, 3)}


def marked(packet, tos):
    """An IPv4 packet with another traffic class."""
    head = packet[:1] + bytes([tos]) + packet[2:10] + b"\0\0" + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


class Sites:
    """The topology, and how its tunnel is set up anew."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites()
        for gate, side in ((self.g1, 1), (self.g2, 2)):
            gate.sysctl("net/ipv6/conf/wan/disable_ipv6", 0)
            gate.ip(f"addr add 2001:db8::{side}/64 dev wan nodad")
        self.g1.run(["ping", "-c", "1", "-W", "5", V6[1]])
        self.near, self.far = self.a.udp("10.1.0.2", 5001), self.b.udp("10.2.0.2", 5002)

    def tunnel(self, out="", both="", suite=SUITE, ends=V4, each=("", "")):
        """Both SAs: `out' is said to the outbound ones, `both' to all, `each' to each
        gateway's. The key there."""
        keys = [os.urandom(self.lab.suites()[suite]["key_len"]) for _ in ends]
        for gate in (self.g1, self.g2):
            gate.silence()
        self.lab.protect(self.g1, self.g2)
        for gate, first in ((self.g1, 0), (self.g2, 1)):
            for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
                word = "out" if way[0] == first else "in"
                gate.sa(word, spi, ends[way[0]], ends[way[1]], suite, keys[way[0]],
                        more=f"reqid 1 {both} {each[first]} {out if word == 'out' else ''}")
        return keys[0]

    def on_wire(self, send, accept="esp", count=1):
        """The frames that `send' makes g1 put on the wire."""
        wire = Wire(self.g2, "wan", f"{accept} and src {V4[0]}", incoming=True)
        send()
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= count,
                   f"{count} packets on the wire")
        wire.close()
        return frames


def choices(sites):
    """Every way to build an outer header."""
    inner_tos = 0xb8 | CE
    for words, tos, df, ttl in (
            ("", inner_tos, (False, True), 64),
            ("dscp copy df copy ecn on", inner_tos, (False, True), 64),
            ("dscp 10 ttl 7", 10 << 2 | CE, (False, True), 7),
            ("dscp 0 ecn off df set", 0, (True, True), 64),
            ("ecn off df clear ttl 255", 0xb8, (False, False), 255)):
        sites.tunnel(words)
        sites.near.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, inner_tos)
        for inner_df in (False, True):
            sites.near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO if inner_df else 0)
            frame, = sites.on_wire(lambda: ask(sites.near, sites.far, b"hello"))
            packet = Packet(frame)
            equal((packet.ip[1], bool(packet.ip[6] & 0x40), packet.ip[8]), (tos, df[inner_df], ttl),
                  f"traffic class, DF and TTL with '{words}', DF {inner_df} inside")
    sites.near.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
    sites.near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)


def ecn_cells(sites):
    """All cells of RFC 6040, made by others."""
    key = sites.tunnel(both="esn off")
    wire = Wire(sites.g1, "wan")
    head = sites.g2.mac("wan") + sites.g1.mac("wan") + b"\x08\0"
    sites.far.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    seq, dropped = 0, 0
    for inner, row in ECN_OPENED.items():
        for outer, want in enumerate(row):
            seq += 1
            text = marked(ipv4("10.1.0.2", "10.2.0.2", 17, udp(5001, 5002, b"x")), 0x28 | inner)
            body = esp.seal(SUITE, key, 0x1001, seq, text)
            wire.send(head + marked(ipv4(*V4, 50, body), outer))
            if want is None:
                dropped += 1
                eventually(lambda: sites.g2.drops().get("in_ecn") == dropped, "the drop")
                equal(drain(sites.far), 0, "packets with a lost congestion mark")
                continue
            _, said, _, _ = sites.far.recvmsg(100, 100)
            equal(said[0][2][0], 0x28 | want, f"traffic class with ECN {inner} inside, {outer} outside")
    equal(sites.g2.drops(), {"in_ecn": 1}, "drops")
    sites.far.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 0)
    wire.close()


def padded(sites):
    """Lengths under TFC."""
    sizes = (1, 100, 700, 971, 972, 973, 1200, 1400)
    key = sites.tunnel("tfc 1000")
    counts = Counts(sites.g2)

    def send():
        for size in sizes:
            ask(sites.near, sites.far, os.urandom(size))

    frames = sites.on_wire(send, count=len(sizes))
    for size, frame in zip(sizes, frames):
        text, padding, proto = esp.unseal(SUITE, key, Packet(frame).body, 0)
        inner = size + 28
        equal(len(text), max(inner, 1000), f"bytes inside for {inner} bytes of IP")
        equal(text[inner:], bytes(len(text) - inner), "TFC padding")
        equal((proto, padding), (4, bytes(range(1, len(padding) + 1))), "trailer")
    equal(counts.new(), {}, "drops")
    # What can't be had is not an error: as much as fits.
    sites.tunnel("tfc 65535")
    for frame in sites.on_wire(send, count=len(sizes)):
        length = Packet(frame).length
        check(1497 <= length <= 1500, f"{length} bytes outside, of an MTU of 1500")


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
                sites.a.ip("route flush cache")
                sites.near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
                frames = Wire(sites.g2, "wan", incoming=True)
                ask(sites.near, sites.far, bytes(said - 28))
                frame, = [f for f in frames.packets() if len(f) > 1000]
                block = 16 if suite == "aes256-sha256" else 4
                check(1500 - block < len(frame) - 14 <= 1500, f"{len(frame) - 14} bytes outside of {what}")
                # The sender learns it from the first that is too long.
                sites.near.sendto(bytes(said - 27), sites.far.getsockname())
                eventually(lambda: learned(sites.a) == said, f"MTU of {said} learned of {what}")
                equal([f for f in frames.packets() if len(f) > 1000], [], "long packets on the wire")
                equal(drain(sites.far), 0, "packets too long that arrived")
                frames.close()
                sites.near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
    sites.a.ip("route flush cache")


def learned(ns):
    """The MTU that a host believes the way to B to have."""
    sock = ns.udp("10.1.0.2")
    sock.connect(("10.2.0.2", 5002))
    mtu = sock.getsockopt(socket.IPPROTO_IP, IP_MTU)
    sock.close()
    return mtu


def mss_of(frames):
    """The MSS that the SYNs among frames announce."""
    said = set()
    for packet in map(Packet, frames):
        if packet.proto == 6 and packet.body[13] & 2:
            at = packet.body.index(b"\x02\x04", 20)
            said.add(struct.unpack_from("!H", packet.body, at + 2)[0])
            pseudo = packet.ip[12:20] + struct.pack("!HH", 6, len(packet.body))
            equal(checksum(pseudo + packet.body), 0, "checksum of the SYN")
    return said


def mss(sites):
    """SYNs of both sides, where nobody else would lower them."""
    data = os.urandom(20_000)
    off = "mss-clamp off"
    for each, word in ((("", ""), "both gateways"), (("", off), "one gateway"),
                       ((off, ""), "the other gateway"), ((off, off), "no gateway")):
        sites.tunnel(each=each)
        listener = sites.b.listen("10.2.0.2")
        wires = [Wire(ns, "eth0", "tcp", incoming=True) for ns in (sites.a, sites.b)]
        stream(*sites.a.connect(listener), data)
        said = set().union(*(mss_of(wire.packets()) for wire in wires))
        want = 1460 if word == "no gateway" else sites.g1.sas()[0x1001]["mtu"] - 40
        equal(said, {want}, f"MSS of SYN and its answer where {word} clamp")
        for one_wire in wires:
            one_wire.close()
        listener.close()


def keepalives(sites):
    """One byte, when idle, and only then."""
    for ends, family in ((V4, "ip"), (V6, "ip6")):
        sites.tunnel("keepalive 1", both="encap 4500 4500", ends=ends)
        wire = Wire(sites.g2, "wan", f"{family} and udp dst port 4500", incoming=True)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            ask(sites.near, sites.far, b"busy")
            time.sleep(0.2)
        frames = [frame for frame in wire.packets() if len(frame) < 70]
        equal(frames, [], "keepalives beside traffic")
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= 2, "two keepalives")
        for frame in frames:
            at = 14 + (20 if family == "ip" else 40)
            length = struct.unpack_from("!H", frame, at + 4)[0]
            equal((length, frame[at + 8:at + 9]), (9, b"\xff"), "a keepalive")
        ask(sites.near, sites.far, b"still there")
        wire.close()
        check(sites.g2.stats()["in_keepalive"] >= len(frames), "keepalives swallowed")


def main(lab):
    lab.pin()
    sites = Sites(lab)
    with lab.test("header", "DSCP, ECN, DF and TTL outside are copied, set or left out as the SA says"):
        choices(sites)
    with lab.test("ecn", "all sixteen cells of RFC 6040: the mark that counts comes out, the lost one is dropped"):
        ecn_cells(sites)
    with lab.test("tfc", "packets are padded to a length, with zeroes that the peer takes off, never beyond the MTU"):
        padded(sites)
    with lab.test("mtu", "the MTU that is shown goes whole, and one byte more is refused with it: "
                         "suites, both families, with UDP and without"):
        mtus(sites)
    with lab.test("mss", "SYN and its answer announce what fits, if either gateway has it so, and keep their checksum"):
        mss(sites)
    with lab.test("keepalive", "an idle SA sends one byte to keep a NAT's mapping, a busy one does not"):
        keepalives(sites)
