# SPDX-License-Identifier: GPL-2.0
"""A laptop whose address changes keeps its tunnel.

    C eth0 10.9.1.2 ---- N 203.0.113.1 === 203.0.113.2 G ---- S 10.2.0.2
      eth1 198.51.100.7 =================== 198.51.100.2
      inside 10.8.0.1
    D eth0 10.9.2.2 ---- N           (xfrm)
      inside 10.8.0.2

N is a router with nftables that masquerades. First N is given another address,
then C goes over to another network, without N. The SAs of C have "any" as its
own address; the inbound SA of G has "roam", and nobody calls espctl meanwhile. D is
the kernel's own IPsec, and sees nothing of what N does. At last the same without NAT:

    C eth0 2001:db8:f::7 === 2001:db8:f::2 G ---- S 2001:db8:2::2
      eth1 2001:db8:d::7 === 2001:db8:d::2
      inside 2001:db8:8::1
"""

import os
import socket
import struct

import xfrm
from lab import Counts, Monitor, Packet, Wire, check, checksum, drain, equal, eventually

SUITE = "aes128gcm16"
GATE, NAT, NEW_NAT, NEW_HOST = "203.0.113.2", "203.0.113.1", "203.0.113.9", "198.51.100.7"
GATE6, OLD_HOST6, NEW_HOST6 = "2001:db8:f::2", "2001:db8:f::7", "2001:db8:d::7"
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
# What N makes of port 4500 of D
D_PORT = 5502
RULES = f"""table ip nat {{
    chain postrouting {{ type nat hook postrouting priority 100
        oifname "wan" ip saddr 10.9.2.0/24 udp sport 4500 masquerade to :{D_PORT}
        oifname "wan" masquerade
    }}
}}"""
# Before all else, esp_mod's own hooks included
HOLE = """table inet hole {
    chain in { type filter hook prerouting priority -500
        udp dport 4500 drop
        meta l4proto esp drop
    }
}"""
PART = 150_000
DEBUG_PART = 40_000


class Road:
    """The topology, with the tunnel."""

    def __init__(self, lab):
        self.lab = lab
        self.c, self.d, self.n, self.g, self.s = lab.build("C", "D", "N", "G", "S", v6=False)
        lab.join("C:eth0 N:c0", "D:eth0 N:d0", "N:wan G:wan", "C:eth1 G:dmz", "G:lan S:eth0")
        self.c.ip(f"""link set lo up
                      addr add 10.8.0.1/32 dev lo
                      addr add 10.9.1.2/24 dev eth0
                      addr add {NEW_HOST}/24 dev eth1
                      link set eth0 up
                      route add default via 10.9.1.1
                      route add 10.2.0.0/24 via 10.9.1.1 src 10.8.0.1""")
        self.d.ip("""link set lo up
                     addr add 10.8.0.2/32 dev lo
                     addr add 10.9.2.2/24 dev eth0
                     link set eth0 up
                     route add default via 10.9.2.1
                     route add 10.2.0.0/24 via 10.9.2.1 src 10.8.0.2""")
        self.n.ip(f"""link set lo up
                      addr add 10.9.1.1/24 dev c0
                      addr add 10.9.2.1/24 dev d0
                      addr add {NAT}/24 dev wan
                      link set c0 up
                      link set d0 up
                      link set wan up""")
        self.n.run("nft -f -", text=RULES)
        self.g.ip(f"""link set lo up
                      addr add {GATE}/24 dev wan
                      addr add 198.51.100.2/24 dev dmz
                      addr add 10.2.0.1/24 dev lan
                      link set wan up
                      link set dmz up
                      link set lan up
                      route add 10.8.0.0/24 via {NAT}""")
        self.s.ip("""link set lo up
                     addr add 10.2.0.2/24 dev eth0
                     link set eth0 up
                     route add default via 10.2.0.1""")
        there, back = os.urandom(20), os.urandom(20)
        for ns, out, come in ((self.c, "out", "in"), (self.g, "in", "out")):
            ns.policy(f"dir {out} src 10.8.0.1 dst 10.2.0.0/24 action protect reqid 1")
            ns.policy(f"dir {come} src 10.2.0.0/24 dst 10.8.0.1 action protect reqid 1")
        self.g.sa("in", 0x1001, NAT, GATE, SUITE, there, more="reqid 1 encap 4500 4500 roam on")
        self.g.sa("out", 0x1002, GATE, NAT, SUITE, back, more="reqid 1 encap 4500 4500")
        self.c.sa("in", 0x1002, GATE, "any", SUITE, back, more="reqid 1 encap 4500 4500")
        self.c.sa("out", 0x1001, "any", GATE, SUITE, there, more="reqid 1 encap 4500 4500 dummy 1")
        self.monitor = Monitor(self.g)

    def peers(self, spis=(0x1001, 0x1002)):
        """Where G believes a client to be: of its SA in, and of its SA out."""
        sas = self.g.sas()
        return ((sas[spis[0]]["src"], sas[spis[0]].get("encap_sport")),
                (sas[spis[1]]["dst"], sas[spis[1]].get("encap_dport")))


class Road6:
    """The topology without NAT, with the tunnel."""

    def __init__(self, lab):
        self.c, self.g, self.s = lab.build("C", "G", "S")
        lab.join("C:eth0 G:wan", "C:eth1 G:dmz", "G:lan S:eth0")
        self.c.ip(f"""link set lo up
                      addr add 2001:db8:8::1/128 dev lo nodad
                      addr add {OLD_HOST6}/64 dev eth0 nodad
                      addr add {NEW_HOST6}/64 dev eth1 nodad
                      link set eth0 up
                      route add 2001:db8:2::/64 via {GATE6} src 2001:db8:8::1""")
        self.g.ip(f"""link set lo up
                      addr add {GATE6}/64 dev wan nodad
                      addr add 2001:db8:d::2/64 dev dmz nodad
                      addr add 2001:db8:2::1/64 dev lan nodad
                      link set wan up
                      link set dmz up
                      link set lan up
                      route add 2001:db8:8::/64 via {OLD_HOST6}""")
        self.s.ip("""link set lo up
                     addr add 2001:db8:2::2/64 dev eth0 nodad
                     link set eth0 up
                     route add default via 2001:db8:2::1""")
        there, back = os.urandom(20), os.urandom(20)
        for ns, out, come in ((self.c, "out", "in"), (self.g, "in", "out")):
            ns.policy(f"dir {out} src 2001:db8:8::1 dst 2001:db8:2::/64 action protect reqid 1")
            ns.policy(f"dir {come} src 2001:db8:2::/64 dst 2001:db8:8::1 action protect reqid 1")
        self.g.sa("in", 0x1001, OLD_HOST6, GATE6, SUITE, there, more="reqid 1 roam on")
        self.g.sa("out", 0x1002, GATE6, OLD_HOST6, SUITE, back)
        self.c.sa("in", 0x1002, GATE6, "any", SUITE, back, more="reqid 1")
        self.c.sa("out", 0x1001, "any", GATE6, SUITE, there, more="reqid 1 dummy 1")
        self.monitor = Monitor(self.g)

    peers = Road.peers


def push(source, sink, data):
    """A part of a TCP stream, and nothing the other way."""
    source.setblocking(False)
    sink.settimeout(40)
    left, got = memoryview(data), bytearray()
    while len(got) < len(data):
        if left:
            try:
                left = left[source.send(left[:1 << 16]):]
            except BlockingIOError:
                pass
        part = sink.recv(1 << 18)
        check(part, "TCP connection ended early")
        got.extend(part)
    check(got == data, "the TCP stream differs from what was sent")
    source.settimeout(10)


def moved(road, addr, spis=(0x1001, 0x1002)):
    """G is told so, and shows it: (address, port) of a client."""
    def both_moved():
        peers = road.peers(spis)
        return peers[0][0] == addr and peers[0] == peers[1] and peers
    peers = eventually(both_moved, f"G sends to {addr}", 20)
    events = [e for e in road.monitor.take() if e["event"] == "sa-mapping"]
    road.monitor.seen = []
    told = {int(e["sa"]["spi"], 0): e["sa"] for e in events}
    equal(sorted(told), list(spis), "SAs told to have moved")
    equal((told[spis[0]]["src"], told[spis[1]]["dst"]), (addr, addr), "addresses told")
    return peers[0]


def stream(road, part):
    """One TCP connection, and two moves in the middle of it."""
    listener = road.s.listen("10.2.0.2")
    near, far = road.c.connect(listener, "10.8.0.1")
    listener.close()
    # N gives ports of its own choice, or the same.
    moved_to = [road.peers()[0]]
    push(near, far, os.urandom(part))
    push(far, near, os.urandom(part))

    # The NAT gets another address: what it knew is gone.
    road.n.ip(f"""addr add {NEW_NAT}/24 dev wan
                  addr del {NAT}/24 dev wan
                  addr replace {NEW_NAT}/24 dev wan""")
    # C has nothing to say, and S much: only the dummy packets tell.
    push(far, near, os.urandom(part))
    moved_to.append(moved(road, NEW_NAT))
    push(near, far, os.urandom(part))

    # Another network.
    road.c.ip(f"""link set eth1 up
                  route replace {GATE}/32 via 198.51.100.2
                  route replace 10.2.0.0/24 via 198.51.100.2 src 10.8.0.1
                  link set eth0 down""")
    push(far, near, os.urandom(part))
    moved_to.append(moved(road, NEW_HOST))
    push(near, far, os.urandom(part))
    equal(moved_to[2], (NEW_HOST, 4500), "where C is in the end")
    near.close()
    equal(far.recv(1), b"", "behind the TCP stream")
    far.close()
    for name, ns in (("C", road.c), ("G", road.g)):
        equal(ns.drops(), {}, f"drops of {name}")
    check(road.g.stats()["in_dummy"] > 0 and road.c.stats()["out_dummy"] > 0, "dummy packets")


def as_if_from(frame, addr, port):
    """A frame of ESP, within IPv4 that of UDP, as it would come from elsewhere."""
    ip = bytearray(frame[14:])
    if ip[0] >> 4 == 6:
        ip[8:24] = socket.inet_pton(socket.AF_INET6, addr)
        return frame[:14] + bytes(ip)
    ip[12:16] = socket.inet_aton(addr)
    ip[10:12] = b"\0\0"
    ip[10:12] = struct.pack("!H", checksum(bytes(ip[:20])))
    ip[20:22] = struct.pack("!H", port)
    return frame[:14] + bytes(ip)


def forged(road, ends, gate, elsewhere, esp_at):
    """Packets from elsewhere that are not the newest, or not C's. ends: inside; esp_at: where ESP begins in a frame."""
    port = (ends[1], 9)
    near, far = road.c.udp(ends[0], 9), road.s.udp(*port)
    before = road.peers()
    wire = Wire(road.c, "eth1", f"(udp or esp) and dst {gate}")

    def frames():
        """Those with more inside than a dummy packet."""
        return [frame for frame in wire.packets() if len(frame) > esp_at + 52]

    for number in range(6):
        near.sendto(bytes([number]), port)
        far.recv(10)
    seen = frames()
    equal(len(seen), 6, "packets of C on the wire")
    counts = Counts(road.g)
    # Six that were received.
    for frame in seen:
        wire.send(as_if_from(frame, elsewhere, 6666))
    counts.become(in_replay_seen=len(seen))
    # One that nobody has sealed.
    fresh = bytearray(seen[-1])
    at = esp_at + 4
    fresh[at:at + 4] = struct.pack("!I", struct.unpack_from("!I", fresh, at)[0] + 1000)
    wire.send(as_if_from(bytes(fresh), elsewhere, 6666))
    counts.become(in_replay_seen=len(seen), in_icv=1)
    # One of C's that comes late, when a newer one was there: authentic, and no news.
    road.g.run("nft -f -", text=HOLE)
    near.sendto(b"late", port)
    late = eventually(frames, "the late one")[0]
    road.g.run("nft delete table inet hole")
    near.sendto(b"newer", port)
    equal(far.recv(100), b"newer", "what arrives")
    wire.send(as_if_from(late, elsewhere, 6666))
    equal(far.recv(100), b"late", "what arrives late")
    equal(road.peers(), before, "where G believes C to be")
    near.sendto(b"still here", port)
    equal(far.recv(100), b"still here", "what arrives")
    equal(road.peers(), before, "where G believes C to be")
    wire.close()
    near.close()
    far.close()
    events = {event["event"] for event in road.monitor.take()}
    check("sa-mapping" not in events, f"events {events}")


def rebound(road, part):
    """A client of the kernel's own, whose NAT gets another address."""
    d, g, info = road.d, road.g, road.lab.suites()[SUITE]
    there, back = os.urandom(20), os.urandom(20)
    g.sa("in", 0x2001, NEW_NAT, GATE, SUITE, there, more=f"reqid 2 encap {D_PORT} 4500 roam on")
    g.sa("out", 0x2002, GATE, NEW_NAT, SUITE, back, more=f"reqid 2 encap 4500 {D_PORT}")
    g.policy("dir in src 10.8.0.2 dst 10.2.0.0/24 action protect reqid 2")
    g.policy("dir out src 10.2.0.0/24 dst 10.8.0.2 action protect reqid 2")
    door = d.udp("0.0.0.0", 4500)
    door.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    d.ip(xfrm.policies("tunnel", "10.8.0.2", "10.2.0.0/24", "10.9.2.2", GATE, True) +
         xfrm.state(0x2001, "10.9.2.2", GATE, "tunnel", SUITE, info, there, encap=(4500, 4500)) +
         xfrm.state(0x2002, GATE, "10.9.2.2", "tunnel", SUITE, info, back, encap=(4500, 4500)))
    road.monitor.take().clear()
    listener = road.s.listen("10.2.0.2")
    near, far = d.connect(listener, "10.8.0.2")
    push(far, near, os.urandom(part))
    road.n.ip(f"addr add {NAT}/24 dev wan\naddr del {NEW_NAT}/24 dev wan\naddr replace {NAT}/24 dev wan")
    # It speaks first, for it knows no dummy packets.
    push(near, far, os.urandom(part))
    equal(moved(road, NAT, (0x2001, 0x2002)), (NAT, D_PORT), "where D is")
    push(far, near, os.urandom(part))
    equal((xfrm.errors(d), g.drops()), ({}, road.drops), "errors of D, and drops of G")
    for each in (near, far, listener, door):
        each.close()


def stream6(road, part):
    """Another network, in the middle of a TCP connection over IPv6."""
    listener = road.s.listen("2001:db8:2::2")
    near, far = road.c.connect(listener, "2001:db8:8::1")
    wire = Wire(road.g, "dmz", "ip6 and not icmp6 and not esp and not ip6 multicast")
    push(near, far, os.urandom(part))
    push(far, near, os.urandom(part))
    road.c.ip(f"""link set eth1 up
                  route add {GATE6}/128 via 2001:db8:d::2
                  route replace 2001:db8:2::/64 via 2001:db8:d::2 src 2001:db8:8::1
                  link set eth0 down""")
    push(far, near, os.urandom(part))
    moved(road, NEW_HOST6)
    push(near, far, os.urandom(part))
    equal(len(wire.packets()), 0, "packets on the wire that are not ESP")
    for name, ns in (("C", road.c), ("G", road.g)):
        equal({k: v for k, v in ns.drops().items() if k != "out_too_big"}, {}, f"drops of {name}")
    for each in (near, far, listener, wire):
        each.close()


def main(lab):
    road = Road(lab)
    part = DEBUG_PART if lab.debug else PART
    with lab.test("stream", "a TCP stream goes on while the NAT in front of the laptop gets another address, and "
                            "while the laptop goes to another network; each move is told"):
        stream(road, part)
    with lab.test("forged", "packets from elsewhere that are replayed or forged move nothing"):
        forged(road, ("10.8.0.1", "10.2.0.2"), GATE, "198.51.100.66", 42)
    road.drops = road.g.drops()
    with lab.test("xfrm", "a client that is xfrm keeps its TCP stream while its NAT gets another address"):
        rebound(road, part)
    equal(road.monitor.stop(), 0, "status of espctl monitor")
    lab.clear()
    road = Road6(lab)
    with lab.test("ipv6", "a TCP stream over IPv6 goes on while the laptop goes to another network"):
        stream6(road, part)
    with lab.test("forged/ipv6", "packets from elsewhere over IPv6 that are replayed or forged move nothing"):
        forged(road, ("2001:db8:8::1", "2001:db8:2::2"), GATE6, "2001:db8:d::66", 54)
    equal(road.monitor.stop(), 0, "status of espctl monitor")
