# SPDX-License-Identifier: GPL-2.0
"""A bridge that asks netfilter (br_netfilter): what only crosses it is not its host's traffic.

        L ---- left g1 right ---- R
    192.0.2.10   br0    192.0.2.20        g1 wan ---- g2
   2001:db8::10 192.0.2.1 2001:db8::20    198.51.100.1  198.51.100.2
                2001:db8::1
"""

import os

from lab import Counts, Wire, ask, drain, equal, ipv4, udp, udp6

ENDS = {4: ("192.0.2.10", "192.0.2.20"), 6: ("2001:db8::10", "2001:db8::20")}
BRIDGE = {4: "192.0.2.1", 6: "2001:db8::1"}
AWAY = {4: "198.51.100.2", 6: "2001:db8:5::2"}
NETS = {4: "192.0.2.0/24", 6: "2001:db8::/64"}
TYPE = {4: b"\x08\0", 6: b"\x86\xdd"}


def build(lab):
    left, g1, right, g2 = lab.build("L", "g1", "R", "g2")
    lab.join("L:eth0 g1:left", "R:eth0 g1:right", "g1:wan g2:wan")
    for ns, number in ((left, "10"), (right, "20")):
        ns.ip(f"""link set lo up
                  addr add 192.0.2.{number}/24 dev eth0
                  addr add 2001:db8::{number}/64 dev eth0 nodad
                  link set eth0 up
                  route add default via 192.0.2.1
                  route add default via 2001:db8::1""")
    g1.ip("""link set lo up
             link add br0 type bridge mcast_snooping 0
             link set left master br0
             link set right master br0
             link set left up
             link set right up
             link set br0 up
             addr add 192.0.2.1/24 dev br0
             addr add 2001:db8::1/64 dev br0 nodad
             addr add 198.51.100.1/24 dev wan
             addr add 2001:db8:5::1/64 dev wan nodad
             link set wan up""")
    g2.ip("""link set lo up
             addr add 198.51.100.2/24 dev wan
             addr add 2001:db8:5::2/64 dev wan nodad
             link set wan up
             route add default via 198.51.100.1
             route add default via 2001:db8:5::1""")
    if not lab.debug:
        g1.run("modprobe br_netfilter")
    for name in ("iptables", "ip6tables"):
        g1.sysctl(f"net/bridge/bridge-nf-call-{name}", 1)
    return left, g1, right, g2


def packet(family, src, dst, sport, dport, data):
    if family == 6:
        return udp6(src, dst, sport, dport, data)
    return ipv4(src, dst, 17, udp(sport, dport, data))


def crossing(left, g1, right, family):
    """Frames from L to R, under policies of g1 that name their addresses."""
    near, far = left.udp(ENDS[family][0], 5001), right.udp(ENDS[family][1], 5002)
    ask(near, far, b"before")
    for way in ("out", "in"):
        for action in ("protect reqid 9", "discard"):
            number = g1.policy(f"dir {way} src {NETS[family]} dst {NETS[family]} proto udp action {action}")
            counts = Counts(g1)
            for size in (100, 4000):
                ask(near, far, os.urandom(size))
            counts.become()
            g1.espctl(f"policy del id {number}")
    near.close()
    far.close()


def addressed(left, g1, family):
    """What is for the bridge's own host, by the address of the bridge and of a port."""
    door = g1.udp(BRIDGE[family], 7000)
    near = left.udp(ENDS[family][0], 5001)
    ask(near, door, b"before")
    number = g1.policy(f"dir in src {NETS[family]} dst {BRIDGE[family]} proto udp action protect reqid 9")
    counts = Counts(g1)
    near.sendto(b"in clear", (BRIDGE[family], 7000))
    counts.become(in_clear=1)
    near.sendto(bytes(4000), (BRIDGE[family], 7000))
    counts.become(in_clear=2)
    wire = Wire(left, "eth0")
    forged = packet(family, ENDS[family][0], BRIDGE[family], 5001, 7000, b"by a port's address")
    for more, dev in enumerate(("left", "br0")):
        wire.send(g1.mac(dev) + left.mac("eth0") + TYPE[family] + forged)
        counts.become(in_clear=3 + more)
    equal(drain(door), 0, "packets that came in")
    g1.espctl(f"policy del id {number}")
    ask(near, door, b"after")
    for each in (door, near, wire):
        each.close()


def routed(left, g1, g2, family):
    """What g1 routes from the bridge to elsewhere, and back."""
    away = g2.udp(AWAY[family], 7000)
    near = left.udp(ENDS[family][0], 5001)
    ask(near, away, b"before")
    for way, counter in (("in", "in_clear"), ("out", "out_no_sa")):
        number = g1.policy(f"dir {way} src {NETS[family]} dst {AWAY[family]} proto udp action protect reqid 9")
        counts = Counts(g1)
        near.sendto(b"in clear", (AWAY[family], 7000))
        counts.become(**{counter: 1})
        near.sendto(bytes(4000), (AWAY[family], 7000))
        counts.become(**{counter: 2})
        equal(drain(away), 0, "packets that arrived")
        g1.espctl(f"policy del id {number}")
    ask(near, away, b"after")
    near.close()
    away.close()


def forwarded_port(left, g1, g2):
    """Destination NAT in the bridge's way: policy sees the packet as it was, and as it is."""
    g1.run("nft -f -", text=f"""table ip nat {{
        chain pre {{
            type nat hook prerouting priority dstnat
            ip daddr {BRIDGE[4]} udp dport 5053 dnat to {AWAY[4]}:7000
        }}
    }}""")
    away, near = g2.udp(AWAY[4], 7000), left.udp(ENDS[4][0], 5001)
    near.sendto(b"before", (BRIDGE[4], 5053))
    equal(away.recv(100), b"before", "by the forwarded port")
    for dst in (BRIDGE[4], AWAY[4]):
        number = g1.policy(f"dir in src {NETS[4]} dst {dst} proto udp action protect reqid 9")
        counts = Counts(g1)
        near.sendto(b"in clear", (BRIDGE[4], 5053))
        counts.become(in_clear=1)
        g1.espctl(f"policy del id {number}")
    equal(drain(away), 0, "packets that arrived")
    g1.run("nft delete table ip nat")
    near.close()
    away.close()


def through(left, g1, g2):
    """From the bridge into a tunnel, with policies that discard all else: ESP is not what came in."""
    for spi, one, other, way in ((0x1001, g1, g2, (1, 2)), (0x1002, g2, g1, (2, 1))):
        key = os.urandom(20)
        for ns, word in ((one, "out"), (other, "in")):
            ns.sa(word, spi, *(f"198.51.100.{number}" for number in way), "aes128gcm16", key)
            nets = [NETS[4], "198.51.100.2/32"][::1 if way == (1, 2) else -1]
            ns.policy(f"dir {word} src {nets[0]} dst {nets[1]} proto udp action protect reqid 1 priority 1")
    g1.policy(f"dir in src {NETS[4]} action bypass")
    g1.policy(f"dir out dst {NETS[4]} action bypass")
    for word in ("in", "out"):
        g1.policy(f"dir {word} action discard priority 9000 family 4")
    counts = Counts(g1)
    near, away = left.udp(ENDS[4][0], 5001), g2.udp(AWAY[4], 7000)
    for size in (100, 1400):
        ask(near, away, os.urandom(size))
    counts.become()
    for each in (near, away):
        each.close()
    for ns in (g1, g2):
        ns.silence()


def sealed(left, g1, g2):
    """ESP that arrives over the bridge, and leaves by it."""
    for spi, one, other, src, dst in ((0x1001, left, g1, ENDS[4][0], BRIDGE[4]), (0x1002, g1, left, BRIDGE[4], ENDS[4][0])):
        key = os.urandom(20)
        for ns, way in ((one, "out"), (other, "in")):
            ns.sa(way, spi, src, dst, "aes128gcm16", key, mode="transport")
            ns.policy(f"dir {way} src {src} dst {dst} action protect reqid 1")
    counts = Counts(g1)
    wire = Wire(left, "eth0", "udp")
    near, door = left.udp(ENDS[4][0], 5001), g1.udp(BRIDGE[4], 7000)
    for size in (100, 3000):
        ask(near, door, os.urandom(size))
    counts.become()
    equal(len(wire.packets()), 0, "packets in clear")
    for each in (near, door, wire):
        each.close()
    for ns in (left, g1):
        ns.silence()


def main(lab):
    left, g1, right, g2 = build(lab)
    for family in (4, 6):
        with lab.test(f"crossing/{family}", "frames that only cross the bridge are neither sealed nor dropped, whole or in fragments"):
            crossing(left, g1, right, family)
        with lab.test(f"addressed/{family}", "what is addressed to the bridge, or to one of its ports, is judged"):
            addressed(left, g1, family)
        with lab.test(f"routed/{family}", "what the host routes from the bridge is judged, either way"):
            routed(left, g1, g2, family)
    with lab.test("dnat", "destination NAT of what came by the bridge is no way around policy"):
        forwarded_port(left, g1, g2)
    with lab.test("through", "what the bridge brings goes into a tunnel, and its ESP is not taken for what came in"):
        through(left, g1, g2)
    with lab.test("sealed", "ESP arrives and leaves over the bridge"):
        sealed(left, g1, g2)
