# SPDX-License-Identifier: GPL-2.0
"""Links of other kinds, and packets for more than one.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2

The wire between the gateways becomes a VLAN, then a port of a bridge, then stands
outside of a VRF; at last A is a container with an SA of its own inside of g1's.
"""

import contextlib
import os
import socket
import struct

from lab import Counts, Wire, ask, check, drain, equal, eventually, stream

SUITE = "aes128gcm16"
GROUP = "239.1.1.1"
GROUP6 = "ff05::4711"
IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_JOIN_GROUP = 17, 18, 20
NETS = ("10.1.0.0/24", "10.2.0.0/24")
NETS6 = ("2001:db8:1::/64", "2001:db8:2::/64")
HOSTS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}


def tunnel(lab, g1, g2):
    """SAs between the gateways, and policies for the sites in both families."""
    for gate in (g1, g2):
        gate.silence()
    for spi, left, right, src, dst, here, there in (
            (0x1001, g1, g2, "192.0.2.1", "192.0.2.2", 0, 1), (0x1002, g2, g1, "192.0.2.2", "192.0.2.1", 1, 0)):
        key = os.urandom(20)
        for gate, word in ((right, "in"), (left, "out")):
            gate.sa(word, spi, src, dst, SUITE, key)
            for nets in (NETS, NETS6):
                gate.policy(f"dir {word} src {nets[here]} dst {nets[there]} action protect reqid 1")


def groups(lab, g1, g2):
    """A multicast group, and the broadcast address of a net."""
    tunnel(lab, g1, g2)
    for gate, word in ((g1, "out"), (g2, "in")):
        for dst in (GROUP, "192.0.2.255"):
            gate.policy(f"dir {word} src 192.0.2.1 dst {dst} action protect reqid 1")
    counts = Counts(g1), Counts(g2)
    wire = Wire(g1, "wan", "ip and not esp and not igmp")
    near = g1.udp("192.0.2.1", 7000)
    near.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.0.2.1"))
    near.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    far = g2.udp("0.0.0.0", 7001)
    with g2:
        index = socket.if_nametoindex("esp0")
    far.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                   socket.inet_aton(GROUP) + socket.inet_aton("0.0.0.0") + struct.pack("=i", index))
    for dst in (GROUP, "192.0.2.255"):
        near.sendto(dst.encode(), (dst, 7001))
        equal(far.recvfrom(100), (dst.encode(), ("192.0.2.1", 7000)), f"what arrives for {dst}")
    equal(len(wire.packets()), 0, "packets in clear")
    equal(g2.sas()[0x1001]["packets"], 2, "packets of the SA")
    # g1 hears itself, as it does without ESP.
    own = g1.udp("192.0.2.255", 7001)
    near.sendto(b"all", ("192.0.2.255", 7001))
    equal((own.recv(10), far.recv(10)), (b"all", b"all"), "what g1 and g2 hear")
    own.close()
    counts[0].become()
    for each in (near, far, wire):
        each.close()


def join(ns, sock, group, dev):
    """A socket that listens to a group on a device."""
    with ns:
        index = struct.pack("=i", socket.if_nametoindex(dev))
    if ":" in group:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + index)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton(group) + socket.inet_aton("0.0.0.0") + index)


def speaker(ns, addr, dev):
    """A socket that sends to groups, and to everybody, by a device."""
    sock = ns.udp(addr, 7000)
    with ns:
        index = socket.if_nametoindex(dev)
    if ":" in addr:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_IF, index)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), index))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return sock


def members(lab, g1, g2):
    """Members of a group on the sending host, under policies for both directions."""
    for family, src, dsts in ((4, "192.0.2.1", (GROUP, "192.0.2.255")), (6, "2001:db8:1::1", (GROUP6,))):
        tunnel(lab, g1, g2)
        for dst in dsts:
            g1.policy(f"dir out src {src} dst {dst} action protect reqid 1")
            for gate in (g1, g2):
                gate.policy(f"dir in src {src} dst {dst} action protect reqid 1")
        wire = Wire(g1, "wan", "udp and not esp")
        near, own = speaker(g1, src, "wan"), g1.udp("0.0.0.0" if family == 4 else "::", 7001)
        for dst in dsts:
            if not dst.endswith(".255"):
                join(g1, own, dst, "wan")
            counts = Counts(g1)
            before = g1.sas()[0x1001]["packets"]
            near.sendto(dst.encode(), (dst, 7001))
            got, peer = own.recvfrom(100)
            equal((got, peer[0]), (dst.encode(), src), f"what a member on the same host gets for {dst}")
            equal(drain(own), 0, "packets besides")
            equal(g1.sas()[0x1001]["packets"] - before, 1, "packets of the SA")
            counts.become()
        equal(len(wire.packets()), 0, "packets in clear")
        for each in (near, own, wire):
            each.close()


def taught(lab, g1, g2):
    """A VRF's packet that ends behind our hook is no lesson for those of others."""
    tunnel(lab, g1, g2)
    for dst in (GROUP, "192.0.2.255"):
        for gate, word in ((g1, "out"), (g2, "in")):
            gate.policy(f"dir {word} src 192.0.2.1 dst {dst} action protect reqid 1")
    g1.ip("""link add red type vrf table 10
             link set red up
             link add d0 type dummy
             link set d0 master red
             addr add 203.0.113.1/24 dev d0
             link set d0 up""")
    g1.run("nft -f -", text="""table ip stop {
        chain c {
            type filter hook postrouting priority 200
            oifname "red" counter drop
        }
    }""")
    wire = Wire(g1, "wan", "udp and not esp")
    red, near = g1.udp("0.0.0.0"), speaker(g1, "192.0.2.1", "wan")
    red.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"red")
    for dst in (GROUP, "192.0.2.255"):
        # Nobody cares for what becomes of it.
        with contextlib.suppress(OSError):
            red.sendto(b"lesson", ("203.0.113.9", 9))
        before = g1.sas()[0x1001]["packets"]
        near.sendto(b"secret", (dst, 7001))
        equal(g1.sas()[0x1001]["packets"] - before, 1, f"packets of the SA for {dst}")
    check("packets 0 " not in g1.run("nft list table ip stop").stdout, "no packet of the VRF came so far")
    equal(len(wire.packets()), 0, "packets in clear")
    g1.run("nft delete table ip stop")
    g1.ip("link del d0\nlink del red")
    for each in (wire, red, near):
        each.close()


# Tunnels of the kernel between the gateways, their device, and what travels in them
KERNEL_TUNNELS = {
    "gre": ("gre", 4), "gretap": ("gretap", 4), "sit": ("sit", 6), "ipip": ("ipip", 4), "ip6gre": ("ip6gre", 4),
}


def kernel_tunnel(lab, a, g1, g2, b, kind, data):
    """A tunnel of the kernel's between the gateways, under ESP in transport mode."""
    form, version = KERNEL_TUNNELS[kind]
    ends = ("2001:db8::1", "2001:db8::2") if kind == "ip6gre" else ("192.0.2.1", "192.0.2.2")
    for gate in (g1, g2):
        gate.silence()
    for spi, left, right, way in ((0x3001, g1, g2, (0, 1)), (0x3002, g2, g1, (1, 0))):
        key = os.urandom(20)
        for gate, word in ((right, "in"), (left, "out")):
            gate.sa(word, spi, ends[way[0]], ends[way[1]], SUITE, key, mode="transport", more="reqid 3")
            gate.policy(f"dir {word} src {ends[way[0]]} dst {ends[way[1]]} action protect reqid 3")
    here, there = HOSTS[version]
    for gate, number, host in ((g1, 0, there), (g2, 1, here)):
        gate.ip(f"""link add t0 type {form} local {ends[number]} remote {ends[1 - number]}
                    link set t0 up
                    addr add 10.9.0.{number + 1}/24 dev t0
                    addr add fd09::{number + 1}/64 dev t0 nodad""")
        # What the device takes for granted of its way, which ESP makes shorter.
        gate.ip(f"link set t0 mtu {1462 if kind == 'gretap' else 1476}\n"
                f"route add {host} dev t0{' via 10.9.0.%d' % (2 - number) if kind == 'gretap' else ''}")
    wire = Wire(g1, "wan", "(ip or ip6) and not (ip proto 50 or ip6 proto 50) and not icmp6 and not icmp")
    near, far = a.udp(here), b.udp(there)
    ask(near, far, data[:100])
    listener = b.listen(there)
    # From a host behind the gateways, and from a gateway itself.
    stream(*a.connect(listener, here), data)
    equal(len(wire.packets()), 0, "packets in clear")
    for gate, host in ((g1, there), (g2, here)):
        gate.ip(f"route del {host} dev t0\nlink del t0")
        gate.silence()
    for each in (near, far, listener, wire):
        each.close()


def group6(lab, g1, g2):
    """A multicast group of IPv6."""
    tunnel(lab, g1, g2)
    for gate, word in ((g1, "out"), (g2, "in")):
        gate.policy(f"dir {word} src 2001:db8:1::1 dst {GROUP6} action protect reqid 1")
    counts = Counts(g1), Counts(g2)
    wire = Wire(g1, "wan", "udp")
    near = g1.udp("2001:db8:1::1", 7000)
    with g1:
        near.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_IF, socket.if_nametoindex("wan"))
    near.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3)
    far = g2.udp("::", 7001)
    with g2:
        index = socket.if_nametoindex("esp0")
    far.setsockopt(socket.IPPROTO_IPV6, IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, GROUP6) +
                   struct.pack("=i", index))
    near.sendto(b"group", (GROUP6, 7001))
    got, peer = far.recvfrom(100)
    equal((got, peer[:2]), (b"group", ("2001:db8:1::1", 7000)), "what arrives")
    equal(len(wire.packets()), 0, "packets in clear")
    equal(g2.sas()[0x1001]["packets"], 1, "packets of the SA")
    for each in counts:
        equal({k: v for k, v in each.new().items() if k != "out_device"}, {}, "drops")
    for each in (near, far, wire):
        each.close()


def carries(lab, a, b, g1, data, versions=(4, 6)):
    """The tunnel carries datagrams and a stream."""
    before = g1.sas()[0x1001]["packets"]
    for version in versions:
        here, there = HOSTS[version]
        near, far = a.udp(here), b.udp(there)
        ask(near, far, os.urandom(1000))
        listener = b.listen(there)
        stream(*a.connect(listener, here), data)
        for each in (near, far, listener):
            each.close()
        after = g1.sas()[0x1001]["packets"]
        check(after - before > 5, f"{after - before} packets of the SA, IPv{version}")
        before = after


def vlan(lab, a, g1, g2, b, data):
    """ESP in frames of 802.1Q."""
    for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
        gate.ip(f"""addr del 192.0.2.{net}/24 dev wan
                    link add link wan name wan.7 type vlan id 7
                    addr add 192.0.2.{net}/24 dev wan.7
                    link set wan.7 up
                    route add 10.{other}.0.0/24 via 192.0.2.{other}
                    route replace 2001:db8:{other}::/64 dev wan.7""")
    tunnel(lab, g1, g2)
    wire = Wire(g1, "wan", "vlan 7 and not ip proto 50 and not arp")
    carries(lab, a, b, g1, data)
    equal(len([frame for frame in wire.packets() if frame[12:14] == b"\x81\0" and frame[27] not in (50,)]), 0,
          "tagged packets that are not ESP")
    wire.close()
    for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
        gate.ip(f"""link del wan.7
                    addr add 192.0.2.{net}/24 dev wan
                    route add 10.{other}.0.0/24 via 192.0.2.{other}
                    route replace 2001:db8:{other}::/64 via 2001:db8::{other}""")


def bridge(lab, a, g1, g2, b, data):
    """The address stands on a bridge, of which the wire is a port."""
    for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
        gate.ip(f"""addr del 192.0.2.{net}/24 dev wan
                    link add br0 type bridge
                    link set wan master br0
                    addr add 192.0.2.{net}/24 dev br0
                    link set br0 up
                    route add 10.{other}.0.0/24 via 192.0.2.{other}
                    route replace 2001:db8:{other}::/64 dev br0""")
    tunnel(lab, g1, g2)
    carries(lab, a, b, g1, data)
    for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
        gate.ip(f"""link del br0
                    addr add 192.0.2.{net}/24 dev wan
                    route add 10.{other}.0.0/24 via 192.0.2.{other}
                    route replace 2001:db8:{other}::/64 via 2001:db8::{other}""")


def vrf(lab, a, g1, g2, b, data):
    """The site is a VRF of its own; ESP travels outside of it."""
    tunnel(lab, g1, g2)
    g1.ip("""link add red type vrf table 10
             link set red up
             link set lan master red
             link set esp0 master red
             route del 10.2.0.0/24
             route add table 10 10.2.0.0/24 via 192.0.2.2 dev wan onlink
             addr replace 2001:db8:1::1/64 dev lan nodad
             route del 2001:db8:2::/64
             route add table 10 2001:db8:2::/64 via 2001:db8::2 dev wan onlink""")
    carries(lab, a, b, g1, data)
    check("10.2.0.0" not in g1.ip("route show"), "the sites' routes are only the VRF's")
    g1.ip("""link set esp0 nomaster
             link del red
             addr replace 2001:db8:1::1/64 dev lan nodad
             route add 10.2.0.0/24 via 192.0.2.2
             route add 2001:db8:2::/64 via 2001:db8::2""")


def container(lab, a, g1, g2, b, data):
    """A namespace with an SA of its own, behind a host with another one."""
    tunnel(lab, g1, g2)
    for spi, left, right, src, dst in ((0x2001, a, b, "10.1.0.2", "10.2.0.2"), (0x2002, b, a, "10.2.0.2", "10.1.0.2")):
        key = os.urandom(20)
        for ns, word in ((right, "in"), (left, "out")):
            ns.sa(word, spi, src, dst, SUITE, key, mode="transport", more="reqid 5")
            ns.policy(f"dir {word} src {src} dst {dst} action protect reqid 5")
    lan = Wire(g1, "lan", "ip and not esp and not icmp")
    carries(lab, a, b, g1, data, (4,))
    equal(len(lan.packets()), 0, "packets in clear between the container and its host")
    check(a.sas()[0x2001]["packets"] > 10, "packets of the container's SA")
    lan.close()
    for ns in (a, b):
        ns.silence()


def main(lab):
    a, g1, g2, b = lab.sites(both=True)
    data = os.urandom(40_000 if lab.debug else 100_000)
    with lab.test("groups", "policies for a multicast group and a broadcast address carry their packets by tunnel"):
        groups(lab, g1, g2)
    with lab.test("groups/ipv6", "and so do those for a group of IPv6"):
        group6(lab, g1, g2)
    with lab.test("groups/members", "members of the group on the sending host hear it in clear, whatever policy says of "
                                    "what leaves and what comes in, and one sealed packet leaves"):
        members(lab, g1, g2)
    with lab.test("groups/vrf", "a VRF's packet that ends behind our hook opens no way for groups and broadcasts"):
        taught(lab, g1, g2)
    for kind in KERNEL_TUNNELS:
        with lab.test(f"tunnel/{kind}", f"{kind} over transport mode learns what fits, and TCP in it flows"):
            kernel_tunnel(lab, a, g1, g2, b, kind, data)
    for name, part, sentence in (
            ("vlan", vlan, "ESP travels in frames of 802.1Q"),
            ("bridge", bridge, "ESP leaves by a bridge, and arrives by one"),
            ("vrf", vrf, "a site stands in a VRF, and its ESP travels outside of it"),
            ("container", container, "a container's SA lies inside of its host's")):
        with lab.test(name, sentence):
            part(lab, a, g1, g2, b, data)
    for gate in (g1, g2):
        # What the kernel says of its groups on esp0 goes nowhere.
        equal({k: v for k, v in gate.drops().items() if k not in ("out_too_big", "out_device")}, {},
              f"drops of {gate.name}")
