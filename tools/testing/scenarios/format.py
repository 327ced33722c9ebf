# SPDX-License-Identifier: GPL-2.0
"""The format of every packet, byte for byte, and what else RFC 4303 lets be sent.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2

Lengths are computed here from the RFCs of the suites; packets of others are made
by esp.py, and ours are read by it and by tshark.
"""

import os
import socket
import struct

import esp
from client import Client, addr
from lab import Counts, Packet, Wire, ask, capture, check, checksum, command, equal, eventually, ipv4, ipv6, udp

OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
SUITE = "aes128gcm16"
HEADERS = {4: 20, 6: 40}
DIGEST = {"sha1": 12, "sha256": 16, "sha384": 24, "sha512": 32}


def expect(suite):
    """Block, IV and ICV of a suite by its name: RFC 4106, 4309, 4543, 7634, 3686, 3602, 2410."""
    kind, _, digest = suite.partition("-")
    for name in ("gcm", "ccm"):
        if name in kind:
            return 4, 8, int(kind.split(name)[1])
    if kind.endswith("gmac") or kind.startswith("chacha"):
        return 4, 8, 16
    if kind == "null":
        return 4, 0, DIGEST[digest]
    return (4, 8, DIGEST[digest]) if kind.endswith("ctr") else (16, 16, DIGEST[digest])


def sealed(suite, inner, extra=0):
    """Bytes of ESP around so many."""
    block, iv, icv = expect(suite)
    return 8 + iv + inner + -(inner + 2) % block + 2 + icv + extra


class Story:
    """The sites, with both families everywhere."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites(both=True)
        self.near = {4: self.a.udp("10.1.0.2", 5001), 6: self.a.udp("2001:db8:1::2", 5001)}
        self.far = {4: self.b.udp("10.2.0.2", 5002), 6: self.b.udp("2001:db8:2::2", 5002)}
        self.client = Client(self.g1)

    def out(self, suite, outer=4, spi=0x1001, **more):
        """An outbound SA of g1."""
        src, dst = map(addr, OUTER[outer])
        self.client.do("sa-add", spi=spi, direction="out", mode="tunnel", src=src, dst=dst, suite=suite, reqid=1,
                       key=os.urandom(self.lab.suites()[suite]["key_len"]), **more)

    def both(self, suite=SUITE, outer=4, more="reqid 1"):
        """A tunnel; the key there."""
        for gate in (self.g1, self.g2):
            gate.silence()
        size = self.lab.suites()[suite]["key_len"]
        keys = os.urandom(size), os.urandom(size)
        for spi, key, way in ((0x1001, keys[0], (0, 1)), (0x1002, keys[1], (1, 0))):
            for gate, first in ((self.g2, way[0] == 1), (self.g1, way[0] == 0)):
                word = "out" if first else "in"
                ends = OUTER[outer][way[0]], OUTER[outer][way[1]]
                # What is said of sending is for one side.
                words = more if word == "out" else more.split(" dummy")[0]
                gate.sa(word, spi, *ends, suite, key, more=words)
        for inner in (4, 6):
            left, right = ("10.1.0.0/24", "10.2.0.0/24") if inner == 4 else ("2001:db8:1::/64", "2001:db8:2::/64")
            for gate, out, come in ((self.g1, "out", "in"), (self.g2, "in", "out")):
                gate.policy(f"dir {out} src {left} dst {right} action protect reqid 1")
                gate.policy(f"dir {come} src {right} dst {left} action protect reqid 1")
        return keys


def lengths(story):
    """Every suite, and payloads of each remainder."""
    g1 = story.g1
    g1.silence()
    story.g2.silence()
    g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
    # g2 does not know these SPIs, and says so each time.
    story.g2.run("nft -f -", text="table ip quiet { chain c { type filter hook input priority 0; ip protocol esp drop\n"
                                  " }\n }")
    wire = Wire(g1, "wan", "esp")
    sizes = range(0, 18)
    for suite in story.lab.suites():
        story.out(suite)
        for size in sizes:
            story.near[4].sendto(bytes(size), ("10.2.0.2", 5002))
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= len(sizes), f"packets of {suite}")
        for size, frame in zip(sizes, frames):
            packet = Packet(frame)
            equal(packet.length, 20 + sealed(suite, 28 + size), f"length of {suite} around {28 + size} bytes")
            equal(packet.seq, size + 1, f"number of {suite}")
        sa, = story.client.dump("sa-get")
        # What is shown is the table of MTUs: what is left of 1500 by whole blocks.
        for outer in (4, 6):
            for encap in ({}, {"encap_sport": 4500, "encap_dport": 4500}):
                story.client.do("sa-update", id=sa["id"], src=addr(OUTER[outer][0]), new_dst=addr(OUTER[outer][1]),
                                **(encap or {"encap_sport": 0, "encap_dport": 0}))
                said = story.client.do("sa-get", id=sa["id"])["mtu"]
                room = 1500 - HEADERS[outer] - (8 if encap else 0)
                check(sealed(suite, said) <= room < sealed(suite, said + 1),
                      f"the MTU {said} of {suite} over IPv{outer}{' with UDP' if encap else ''} is not exact")
        story.client.do("sa-flush")
    wire.close()
    story.g2.run("nft delete table ip quiet")


def consumed(story):
    """Padding of every length that a byte can tell, made by others."""
    for suite in ("null-sha256", SUITE):
        key, _ = story.both(suite, more="reqid 1 esn off")
        wire = Wire(story.g1, "wan")
        head = story.g2.mac("wan") + story.g1.mac("wan") + b"\x08\0"
        counts = Counts(story.g2)
        for seq, pad in enumerate(range(0, 256, 5 if story.lab.debug else 1), 1):
            size = -(28 + pad + 2) % 4
            data = os.urandom(size)
            text = ipv4("10.1.0.2", "10.2.0.2", 17, udp(5001, 5002, data))
            body = esp.seal_text(suite, key, 0x1001, seq, text + bytes(range(1, pad + 1)) + bytes([pad, 4]))
            wire.send(head + ipv4(*OUTER[4], 50, body))
            equal(story.far[4].recv(100), data, f"what came under {pad} bytes of padding")
        counts.become()
        wire.close()


def stripped(story):
    """Zeroes and others behind a packet that states its own length, more of them than padding could count."""
    key, _ = story.both(more="reqid 1 esn off")
    wire = Wire(story.g1, "wan")
    head = story.g2.mac("wan") + story.g1.mac("wan") + b"\x08\0"
    counts = Counts(story.g2)
    for seq, extra in enumerate((1, 7, 255, 256, 1000), 1):
        data = os.urandom(seq)
        datagram = udp(5001, 5002, data)
        pseudo = addr("2001:db8:1::2") + addr("2001:db8:2::2") + struct.pack("!II", len(datagram), 17)
        datagram = datagram[:6] + struct.pack("!H", checksum(pseudo + datagram)) + datagram[8:]
        for version, text in ((4, ipv4("10.1.0.2", "10.2.0.2", 17, udp(5001, 5002, data))),
                              (6, ipv6("2001:db8:1::2", "2001:db8:2::2", 17, datagram))):
            body = esp.seal(SUITE, key, 0x1001, 2 * seq + version // 6, text + os.urandom(extra), 4 if version == 4 else 41)
            wire.send(head + ipv4(*OUTER[4], 50, body))
            equal(story.far[version].recv(2000), data, f"what came in front of {extra} bytes, IPv{version}")
    counts.become()
    wire.close()


def dummies(story):
    """Packets that hold none."""
    for outer in (4, 6):
        keys = story.both(more="reqid 1 dummy 1", outer=outer)
        wire = Wire(story.g2, "wan", "esp and src " + OUTER[outer][0], incoming=True)
        counts = Counts(story.g2)
        frames = []
        eventually(lambda: frames.extend(wire.packets()) or len(frames) >= 2, "two dummy packets")
        # Slow machines have sent one before anybody listened.
        first = struct.unpack_from("!I", frames[0], 18 + HEADERS[outer])[0]
        for number, frame in enumerate(frames, first):
            body = frame[14 + HEADERS[outer]:]
            equal(struct.unpack_from("!II", body), (0x1001, number), "SPI and number of a dummy packet")
            _, padding, proto = esp.unseal(SUITE, keys[0], body, 0)
            equal((proto, padding), (59, bytes(range(1, len(padding) + 1))), "next header and padding of a dummy packet")
        eventually(lambda: story.g2.sas()[0x1001]["seq"] >= len(frames), "g2 takes them")
        check(story.g2.stats().get("in_dummy", 0) >= len(frames), f"dummies of {story.g2.stats()}")
        ask(story.near[4], story.far[4], b"traffic between them")
        counts.become()
        wire.close()
    # Those of others: of no length, and of any
    key, _ = story.both(more="reqid 1 esn off")
    wire = Wire(story.g1, "wan")
    head = story.g2.mac("wan") + story.g1.mac("wan") + b"\x08\0"
    counts, before = Counts(story.g2), story.g2.stats().get("in_dummy", 0)
    for seq, size in enumerate((0, 1, 2, 3, 100, 1300), 1):
        body = esp.seal(SUITE, key, 0x1001, seq, os.urandom(size), 59)
        wire.send(head + ipv4(*OUTER[4], 50, body))
    eventually(lambda: story.g2.stats().get("in_dummy", 0) == before + 6, "six dummy packets are taken")
    counts.become()
    wire.close()


def labels(story):
    """The outer flow label, and the traffic class, of IPv6 in IPv6."""
    seen = []
    for _ in range(2):
        story.both(outer=6)
        wire = Wire(story.g2, "wan", "esp and src " + OUTER[6][0], incoming=True)
        for _ in range(3):
            ask(story.near[6], story.far[6], b"labelled")
        other = story.a.udp("2001:db8:1::2")
        ask(other, story.far[6], b"another flow")
        other.close()
        found = {struct.unpack_from("!I", frame, 14)[0] & 0xfffff for frame in wire.packets()}
        wire.close()
        equal(len(found), 1, "flow labels of one SA")
        seen += found
    check(len(set(seen)) == 2 and 0 not in seen, f"flow labels {seen} of two SAs")


def in_udp(story):
    """IP | UDP 4500 | ESP | IP, and what tshark makes of it."""
    taken = []
    for outer in (4, 6):
        keys = story.both(outer=outer, more="reqid 1 encap 4500 4500")
        wire = Wire(story.g1, "wan", "udp port 4500")
        for _ in range(3):
            ask(story.near[4], story.far[4], b"within UDP")
        frames = wire.packets()
        wire.close()
        equal(len(frames), 6, "packets on the wire")
        for at, frame in enumerate(frames):
            datagram = frame[14 + HEADERS[outer]:]
            sport, dport, length, total = struct.unpack_from("!HHHH", datagram)
            equal((sport, dport, length), (4500, 4500, 8 + sealed(SUITE, 38)), "UDP header")
            if outer == 4:
                equal(total, 0, "UDP checksum over IPv4")
            else:
                pseudo = frame[22:54] + struct.pack("!IHBB", length, 0, 0, 17)
                equal(checksum(pseudo + datagram), 0, "sum over UDP in IPv6")
            text, _, proto = esp.unseal(SUITE, keys[at % 2], datagram[8:], 0)
            equal((text[28:], proto), (b"within UDP", 4), "what is inside")
        taken += frames
    # Once for both families: it takes long to start.
    capture("/tmp/espm.pcap", taken)
    said = command(["tshark", "-n", "-r", "/tmp/espm.pcap", "-T", "fields", "-e", "frame.protocols", "-e", "esp.spi",
                    "-e", "esp.sequence"], seconds=200).stdout.splitlines()
    equal(len(said), len(taken), "packets that tshark sees")
    for at, line in enumerate(said):
        protocols, spi, seq = line.split("\t")
        check(protocols.endswith("udp:udpencap:esp"), f"tshark reads {protocols}")
        equal((int(spi, 0), int(seq, 0)), (0x1001 + at % 2, at % 6 // 2 + 1), "SPI and number that tshark reads")


def main(lab):
    lab.pin()
    story = Story(lab)
    with lab.test("lengths", "every suite: no byte of padding too many, and the MTU that is shown is exact, over IPv4 "
                             "and IPv6, with UDP and without"):
        lengths(story)
    with lab.test("padding", "padding of 0 to 255 bytes is taken"):
        consumed(story)
    with lab.test("tfc", "what stands behind a packet is taken off by its own length, in both families"):
        stripped(story)
    with lab.test("dummy", "an idle SA sends dummy packets, which only its key tells from others; those of others are "
                           "taken without complaint, of any length"):
        dummies(story)
    with lab.test("label", "an outer flow label is the SA's, and tells nothing of the flows inside"):
        labels(story)
    with lab.test("udp", "ESP in UDP over both families, as RFC 3948 draws it, and as tshark reads it"):
        in_udp(story)
