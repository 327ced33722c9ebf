# SPDX-License-Identifier: GPL-2.0
"""Large packets, lists of packets and sums that nobody has computed yet.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2

All offloads of veth are on, as they are by default, and more. So what A sends
reaches g1 in packets of up to 64 KB, without checksums. Listeners tell that it
was so, and that on the wire between the gateways it was not.
"""

import ctypes
import fcntl
import os
import socket
import struct

from lab import Counts, Wire, ask, check, checksum, equal, stream

UDP_SEGMENT, UDP_GRO = 103, 104
SOL_UDP = 17
INNER = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
SIOCETHTOOL, ETHTOOL_SGSO, ETHTOOL_STXCSUM, ETHTOOL_SGRO = 0x8946, 0x24, 0x17, 0x2c


def ethtool(ns, dev, command, value):
    """Switch an offload of a device."""
    with ns, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        data = ctypes.create_string_buffer(struct.pack("II", command, value))
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", dev.encode(), ctypes.addressof(data)))


class Story:
    """The sites, both families."""

    def __init__(self, lab):
        self.lab = lab
        self.a, self.g1, self.g2, self.b = lab.sites(both=True)

    def tunnel(self, outer, inner):
        """SAs and policies between the sites."""
        self.lab.shape(self.g1, self.g2, outer, inner)


def longest(frames):
    """Length of the longest of frames, Ethernet header aside."""
    return max((len(frame) - 14 for frame in frames), default=0)


def tcp(story, outer, inner):
    """A stream in packets of 64 KB up to the gateway."""
    story.tunnel(outer, inner)
    here, there = INNER[inner]
    data = os.urandom(200_000 if story.lab.debug else 1_000_000)
    listener = story.b.listen(there)
    # The first one learns what fits.
    stream(*story.a.connect(listener, here), data[:20_000])
    lan, wan = Wire(story.g1, "lan", incoming=True), Wire(story.g2, "wan", "esp", incoming=True)
    counts = Counts(story.g1), Counts(story.g2)
    stream(*story.a.connect(listener, here), data)
    large, small = longest(lan.packets()), longest(wan.packets())
    check(large > 4000, f"A's longest packet has {large} bytes: not segmented late")
    check(1000 < small <= 1500, f"the longest ESP packet has {small} bytes")
    for each in counts:
        each.become()
    for each in (listener, lan, wan):
        each.close()


def datagrams(story, inner, received):
    """Datagrams that A hands to the kernel as one (UDP_SEGMENT), and B may take as one (UDP_GRO)."""
    story.tunnel(4, inner)
    here, there = INNER[inner]
    near, far = story.a.udp(here), story.b.udp(there)
    if received:
        far.setsockopt(SOL_UDP, UDP_GRO, 1)
    counts = Counts(story.g1), Counts(story.g2)
    lan, wan = Wire(story.g1, "lan", incoming=True), Wire(story.g2, "wan", "esp", incoming=True)
    for size, number in ((1200, 30), (100, 60), (1, 20)):
        data = os.urandom(size * number - size // 2)
        near.setsockopt(SOL_UDP, UDP_SEGMENT, size)
        near.sendto(data, far.getsockname()[:2])
        got = b""
        while len(got) < len(data):
            got += far.recv(65536)
        equal(got, data, f"datagrams of {size}")
    equal(near.getsockopt(SOL_UDP, UDP_SEGMENT), 1, "segment size")
    large, small = longest(lan.packets()), longest(wan.packets())
    check(large > 4000, f"A's longest packet has {large} bytes")
    check(1000 < small <= 1500, f"the longest ESP packet has {small} bytes")
    for each in counts:
        each.become()
    for each in (near, far, lan, wan):
        each.close()


def own(story, inner):
    """Packets of the gateway itself, whose checksum is left to a device (CHECKSUM_PARTIAL)."""
    story.tunnel(4, inner)
    here = "10.1.0.1" if inner == 4 else "2001:db8:1::1"
    there = INNER[inner][1]
    near, far = story.g1.udp(here), story.b.udp(there)
    lan = Wire(story.b, "eth0", "udp", incoming=True)
    for size in (0, 1, 7, 100, 1200, 1391):
        ask(near, far, os.urandom(size))
    # Sealed, it must be there: nobody behind can compute it.
    at = 14 + (20 if inner == 4 else 40)
    for frame in lan.packets():
        proto = 17
        addrs = frame[26:34] if inner == 4 else frame[22:54]
        datagram = frame[at:at + struct.unpack_from("!H", frame, at + 4)[0]]
        equal(checksum(addrs + struct.pack("!HH", proto, len(datagram)) + datagram), 0, "sum over a datagram")
    listener = story.b.listen(there)
    stream(*story.g1.connect(listener, here), os.urandom(100_000))
    for each in (near, far, listener, lan):
        each.close()


def lists(story, inner):
    """Datagrams that g1's device has gathered into a list (GRO for forwarding), and unlike ones among them."""
    for gate, dev in ((story.g1, "lan"), (story.g1, "wan"), (story.g2, "wan"), (story.g2, "lan")):
        gate.run(["ethtool", "-K", dev, "gro", "on", "rx-udp-gro-forwarding", "on", "rx-gro-list", "on"])
    story.tunnel(4, inner)
    here, there = INNER[inner]
    near, far = story.a.udp(here), story.b.udp(there)
    counts = Counts(story.g1), Counts(story.g2)
    lan, wan = Wire(story.g1, "lan", "udp", incoming=True), Wire(story.g2, "wan", "esp", incoming=True)
    # Without GSO of its own, so that they arrive one by one and close together.
    ethtool(story.a, "eth0", ETHTOOL_SGSO, 0)
    sent = []
    near.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
    for number in range(12):
        data = os.urandom(20_000 - number)
        near.sendto(data, far.getsockname()[:2])
        sent.append(data)
    got = []
    while sum(map(len, got)) < sum(map(len, sent)):
        got.append(far.recv(65536))
    # Two CPUs need not keep the order of datagrams.
    want = [data[at:at + 1000] for data in sent for at in range(0, len(data), 1000)]
    equal(sorted(got), sorted(want), "what B got")
    listener = story.b.listen(there)
    stream(*story.a.connect(listener, here), os.urandom(100_000))
    large, small = longest(lan.packets()), longest(wan.packets())
    check(large > 2000, f"the longest packet of UDP at g1 has {large} bytes: nothing was gathered")
    check(1000 < small <= 1500, f"the longest ESP packet has {small} bytes")
    ethtool(story.a, "eth0", ETHTOOL_SGSO, 1)
    for each in counts:
        equal({k: v for k, v in each.new().items() if k != "out_too_big"}, {}, "drops")
    for each in (near, far, lan, wan, listener):
        each.close()
    for gate, dev in ((story.g1, "lan"), (story.g1, "wan"), (story.g2, "wan"), (story.g2, "lan")):
        gate.run(["ethtool", "-K", dev, "gro", "off", "rx-udp-gro-forwarding", "off", "rx-gro-list", "off"])


def gathered(story):
    """What leaves a tunnel is gathered again: B's side sees fewer packets than the wire."""
    story.tunnel(4, 4)
    for gate in (story.g1, story.g2):
        ethtool(gate, "wan", ETHTOOL_SGRO, 1)
    listener = story.b.listen(INNER[4][1])
    data = os.urandom(200_000 if story.lab.debug else 1_000_000)
    stream(*story.a.connect(listener, INNER[4][0]), data[:20_000])
    lan, wan = Wire(story.b, "eth0", "tcp", incoming=True), Wire(story.g2, "wan", "esp", incoming=True)
    near, far = story.a.connect(listener, INNER[4][0])
    stream(near, far, data)
    inside, outside = lan.packets(), wan.packets()
    check(longest(inside) > 2800, f"the longest packet behind the tunnel has {longest(inside)} bytes")
    check(longest(outside) <= 1500, f"the longest one on the wire has {longest(outside)}")
    for each in (lan, wan, listener):
        each.close()
    for gate in (story.g1, story.g2):
        ethtool(gate, "wan", ETHTOOL_SGRO, 0)


def none(story):
    """Nothing on: neither large packets nor sums left to devices."""
    story.tunnel(4, 4)
    for ns, dev in ((story.a, "eth0"), (story.g1, "lan"), (story.g1, "wan"), (story.g2, "wan"), (story.g2, "lan"),
                    (story.b, "eth0")):
        for command in (ETHTOOL_SGSO, ETHTOOL_STXCSUM):
            ethtool(ns, dev, command, 0)
    listener = story.b.listen(INNER[4][1])
    stream(*story.a.connect(listener, INNER[4][0]), os.urandom(100_000))
    near, far = story.a.udp(INNER[4][0]), story.b.udp(INNER[4][1])
    for size in (1, 1000, 4000):
        ask(near, far, os.urandom(size))
    for each in (near, far, listener):
        each.close()


def main(lab):
    story = Story(lab)
    # Of a sender that is slow, TCP makes small packets otherwise.
    story.a.sysctl("net/ipv4/tcp_min_tso_segs", 16)
    lab.say("all offloads on")
    for outer, inner in ((4, 4), (6, 6), (4, 6), (6, 4)):
        with lab.test(f"tcp/{inner}in{outer}", f"TCP over IPv{inner} reaches the gateway in packets of many KB, and leaves "
                                               f"it over IPv{outer} in ESP packets that fit"):
            tcp(story, outer, inner)
    for inner in (4, 6):
        with lab.test(f"udp/ipv{inner}", "datagrams handed over as one (UDP_SEGMENT) leave as many"):
            datagrams(story, inner, False)
        with lab.test(f"udp-gro/ipv{inner}", "and come out whole for one who takes many as one (UDP_GRO)"):
            datagrams(story, inner, True)
        with lab.test(f"partial/ipv{inner}", "checksums that were left to a device are inside of ESP"):
            own(story, inner)
        with lab.test(f"list/ipv{inner}", "datagrams that a device has gathered in a list are sealed one by one"):
            lists(story, inner)
    with lab.test("gathered", "TCP that comes out of a tunnel is gathered into large packets again"):
        gathered(story)
    with lab.test("none", "without any offload the same arrives"):
        none(story)
