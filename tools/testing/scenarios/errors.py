# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about protected traffic, from inside and from the way (RFC 4301 section 6).

     A ---------- g1 ---- R ---- g2 ---------- H ---- B
  10.1.0.2   192.0.2.1        198.51.100.2   10.2.0.1   10.2.9.2

    g1 ======== ESP ======= g2     R knows nothing of it; H is a router of site 2
"""

import os
import socket
import struct

from lab import Counts, Wire, ask, check, checksum, drain, equal, eventually, ipv4, udp

SUITE = "aes128gcm16"
G1, G2 = "192.0.2.1", "198.51.100.2"
IP_RECVERR, IP_MTU_DISCOVER, PMTUDISC_DO, PMTUDISC_PROBE, IP_TTL = 11, 10, 2, 3, 2
ANY = "priority 9000 family 4"


def build(lab):
    a, g1, r, g2, h, b = lab.build("A", "g1", "R", "g2", "H", "B", v6=False)
    lab.join("A:eth0 g1:lan", "g1:wan R:w1", "R:w2 g2:wan", "g2:lan H:north", "H:south B:eth0")
    a.ip("link set lo up\naddr add 10.1.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.1.0.1")
    g1.ip(f"""link set lo up
              addr add 10.1.0.1/24 dev lan
              addr add {G1}/24 dev wan
              link set lan up
              link set wan up
              route add default via 192.0.2.254""")
    r.ip("""link set lo up
            addr add 192.0.2.254/24 dev w1
            addr add 198.51.100.254/24 dev w2
            link set w1 up
            link set w2 up""")
    g2.ip(f"""link set lo up
              addr add {G2}/24 dev wan
              addr add 10.2.0.254/24 dev lan
              link set lan up
              link set wan up
              route add default via 198.51.100.254
              route add unreachable 10.2.8.0/24
              route add 10.2.9.0/24 via 10.2.0.1""")
    h.ip("""link set lo up
            addr add 10.2.0.1/24 dev north
            addr add 10.2.9.1/24 dev south
            link set north up
            link set south up
            route add default via 10.2.0.254""")
    b.ip("link set lo up\naddr add 10.2.9.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.2.9.1")
    there, back = os.urandom(20), os.urandom(20)
    for ns, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        ns.sa(out, 0x1001, G1, G2, SUITE, there)
        ns.sa(come, 0x1002, G2, G1, SUITE, back)
        ns.policy(f"dir {out} src 10.1.0.0/16 dst 10.2.0.0/16 action protect reqid 1")
        ns.policy(f"dir {come} src 10.2.0.0/16 dst 10.1.0.0/16 action protect reqid 1")
    return a, g1, r, g2, h, b


def told(sock):
    """The ICMP error that a socket is told of: (type, code, from, info)."""
    sock.setblocking(False)

    def read():
        try:
            _, ancillary, _, _ = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
                _, _, typ, code, _, info = struct.unpack_from("=IBBBBI", data)
                return typ, code, socket.inet_ntoa(data[20:24]), info
        return None
    got = eventually(read, "an ICMP error at A")
    sock.settimeout(5)
    return got


def inside(a, h, b):
    """What routers behind the other gateway say."""
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.9.2", 5002)
    ask(near, far, b"hello")
    near.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    near.sendto(b"closed", ("10.2.9.2", 9))
    equal(told(near)[:3], (3, 3, "10.2.9.2"), "about a closed port")
    near.setsockopt(socket.IPPROTO_IP, IP_TTL, 3)
    near.sendto(b"too far", ("10.2.9.2", 5002))
    equal(told(near)[:3], (11, 0, "10.2.0.1"), "about a hop too many")
    near.setsockopt(socket.IPPROTO_IP, IP_TTL, 64)
    # By the gateway itself, whose own address no policy names.
    near.sendto(b"nobody", ("10.2.8.2", 5002))
    equal(told(near)[:3], (3, 1, G2), "about a net that is not there")
    h.ip("link set south mtu 1300")
    near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    near.sendto(bytes(1320), ("10.2.9.2", 5002))
    typ, code, who, mtu = told(near)
    equal((typ, code, who, mtu), (3, 4, "10.2.0.1", 1300), "about a narrow link")
    h.ip("link set south mtu 1500")
    near.close()
    far.close()


def forged(lab, a, g1, r, near, far):
    """What somebody on the way makes up about packets that he can't have seen."""
    wire = Wire(r, "w1")
    counts = Counts(g1)
    head = g1.mac("wan") + r.mac("w1") + b"\x08\0"
    quoted = ipv4("10.1.0.2", "10.2.9.2", 17, udp(5001, 5002, bytes(64)))
    for kind, code, info in ((3, 3, 0), (3, 4, 600), (11, 0, 0)):
        body = struct.pack("!BBHHH", kind, code, 0, 0, info) + quoted
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        wire.send(head + ipv4("192.0.2.254", "10.1.0.2", 1, body))
    counts.become(in_clear_error=3)
    # About traffic in clear they are nobody's business but the hosts'.
    quoted = ipv4("10.1.0.2", "203.0.113.5", 17, udp(5001, 5002, bytes(64)))
    body = struct.pack("!BBHHH", 3, 3, 0, 0, 0) + quoted
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    listener = Wire(a, "eth0", "icmp", incoming=True)
    wire.send(head + ipv4("192.0.2.254", "10.1.0.2", 1, body))
    eventually(listener.packets, "the error about traffic in clear arrives")
    counts.become(in_clear_error=3)
    ask(near, far, b"nothing has happened")
    listener.close()
    wire.close()


def on_the_way(a, g1, r, near, far):
    """What a router says about our ESP."""
    near.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    before = g1.sas()[0x1001]["mtu"]
    r.ip("link set w2 mtu 1200")
    near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
    near.sendto(bytes(1300), ("10.2.9.2", 5002))
    after = eventually(lambda: g1.sas()[0x1001]["mtu"] < before and g1.sas()[0x1001]["mtu"], "the SA's MTU sinks")
    check(1120 <= after < 1200, f"MTU of the SA {after} behind a link of 1200")
    # The next one is told so.
    near.sendto(bytes(1300), ("10.2.9.2", 5002))
    equal(told(near), (3, 4, "10.1.0.1", after), "about the next packet")
    near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
    near.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 0)
    ask(near, far, os.urandom(1000))
    r.ip("link set w2 mtu 1500")
    # Unreachable is no reason to give up an SA.
    r.ip("route add unreachable 198.51.100.2/32")
    near.sendto(b"lost", ("10.2.9.2", 5002))
    r.ip("route del unreachable 198.51.100.2/32")
    drain(near)
    ask(near, far, b"there again")
    equal(g1.sas()[0x1001]["state"], "valid", "state")


def any_any(g1, g2):
    """Neighbours and key daemons under a policy for everything."""
    for ns, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        ns.policy(f"dir {out} action protect reqid 1 {ANY}")
        ns.policy(f"dir {come} action protect reqid 1 {ANY}")
    counts = Counts(g1), Counts(g2)
    g1.ip("neigh flush dev wan")
    near, far = g1.udp(G1, 500), g2.udp(G2, 500)
    ask(near, far, b"IKE")
    with g1:
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind((G1, 6000))
    other = g2.udp(G2, 6001)
    wire = Wire(g1, "wan", "udp port 6001")
    ask(probe, other, b"anything else")
    equal(len(wire.packets()), 0, "packets in clear")
    for each in counts:
        each.become()
    for each in (near, far, probe, other, wire):
        each.close()


def main(lab):
    a, g1, r, g2, h, b = build(lab)
    with lab.test("inside", "errors from behind the other gateway come through the tunnel: port, hop limit, net, "
                            "and a narrow link's MTU"):
        inside(a, h, b)
    near, far = a.udp("10.1.0.2", 5003), b.udp("10.2.9.2", 5002)
    with lab.test("forged", "an error in clear about a packet that policy protects is made up, and dropped; one about "
                            "a packet in clear passes"):
        forged(lab, a, g1, r, near, far)
    with lab.test("path", "a router's word about our ESP lowers the SA's MTU, and the next sender is told; "
                          "unreachable ends nothing"):
        on_the_way(a, g1, r, near, far)
    with lab.test("any", "neighbours are found and IKE passes under a policy that protects everything"):
        any_any(g1, g2)
