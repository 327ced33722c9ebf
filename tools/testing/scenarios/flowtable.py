# SPDX-License-Identifier: GPL-2.0
"""A flowtable, which takes packets at ingress and past all hooks, takes nothing that policy asks for.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
             flow add @f
"""

import os
import select
import struct
import time

from lab import Counts, Wire, ask, check, drain, equal, eventually, ipv4, udp, udp6

HOSTS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
# g2 itself, to which no policy of the sites leads
NEAR_GATE = {4: "192.0.2.2", 6: "2001:db8::2"}
RULES = """table inet ft {
	flowtable f {
		hook ingress priority 0
		devices = { %s }
	}
	chain forward {
		type filter hook forward priority 0
		meta l4proto tcp flow add @f
		meta l4proto udp flow add @f
	}
}"""
CLEAR = "(tcp or udp) and not (ip proto 50 or ip6 proto 50)"


class Pair:
    """Two sockets of a flow, which can talk on and on."""

    def __init__(self, kind, a, b, here, there):
        self.kind = kind
        if kind == "tcp":
            listener = b.listen(there)
            self.near, self.far = a.connect(listener, here)
            self.port = listener.getsockname()[1]
            listener.close()
        else:
            self.near, self.far = a.udp(here), b.udp(there)
            self.near.connect(self.far.getsockname()[:2])
            self.far.connect(self.near.getsockname()[:2])
            self.port = self.far.getsockname()[1]
        self.from_port = self.near.getsockname()[1]

    def talk(self, times=10, good=True):
        """Some packets there and back; whether all came."""
        for number in range(times):
            data = struct.pack("!I", number) * 100
            for one, other in ((self.near, self.far), (self.far, self.near)):
                one.send(data)
                got = b""
                while len(got) < len(data):
                    if not select.select([other], [], [], 5 if good else 0.5)[0]:
                        check(not good, f"packet {number} of {self.kind} did not arrive")
                        return False
                    got += other.recv(len(data) - len(got))
                equal(got, data, "what arrives")
        return True

    def close(self):
        self.near.close()
        self.far.close()


def entry(ns, pair, family):
    """The flow's line of conntrack, or nothing."""
    lines = ns.run(f"conntrack -L -f {'ipv4' if family == 4 else 'ipv6'} -p {pair.kind}").stdout.splitlines()
    return next((line for line in lines if f"sport={pair.from_port} dport={pair.port}" in line), "")


def begin(g1, devices="lan, wan"):
    g1.run("nft -f -", text=RULES % devices)


def end(g1):
    g1.run("nft delete table inet ft")
    g1.run("conntrack -F", good=False)


def protected(lab, a, g1, g2, b, kind, family):
    """A flow that policy asks for from its first packet on."""
    lab.shape(g1, g2, family, family)
    begin(g1)
    wire = Wire(g1, "wan", CLEAR)
    pair = Pair(kind, a, b, *HOSTS[family])
    pair.talk(20)
    equal(len(wire.packets()), 0, "packets in clear")
    line = entry(g1, pair, family)
    check(line and "OFFLOAD" not in line, f"conntrack has {line!r}")
    # Whoever knows its ports gets nothing past the gateway with them.
    counts, lan = Counts(g1), Wire(a, "eth0", "udp", incoming=True)
    if kind == "udp":
        src, dst = reversed(HOSTS[family])
        body = udp(pair.port, pair.from_port, b"forged")
        forged = ipv4(src, dst, 17, body) if family == 4 else udp6(src, dst, pair.port, pair.from_port, b"forged")
        forge = Wire(g2, "wan")
        forge.send(g1.mac("wan") + g2.mac("wan") + (b"\x08\0" if family == 4 else b"\x86\xdd") + forged)
        counts.become(in_clear=1)
        equal(len(lan.packets()), 0, "forged packets on the LAN")
        forge.close()
    for each in (pair, wire, lan):
        each.close()
    end(g1)


def older(lab, a, g1, g2, b, kind, family):
    """A flow that was in the table before the policy came, and goes back there when it has gone."""
    for gate in (g1, g2):
        gate.silence()
    begin(g1)
    pair, other = Pair(kind, a, b, *HOSTS[family]), Pair(kind, a, g2, HOSTS[family][0], NEAR_GATE[family])
    for each in (pair, other):
        each.talk()
        check("OFFLOAD" in entry(g1, each, family), f"without policy a flow of {kind} is not taken: {entry(g1, each, family)!r}")
    lab.shape(g1, g2, family, family)
    wire = Wire(g1, "wan", f"{CLEAR} and port {pair.port}")
    sealed = Wire(g1, "wan", "ip proto 50 or ip6 proto 50")
    pair.talk(20)
    equal(len(wire.packets()), 0, "packets in clear behind the policy")
    check(len(sealed.packets()) >= 40, "packets of ESP")
    check("OFFLOAD" not in entry(g1, pair, family), "the flow is still in the table")
    # What no policy asks for goes on as it was.
    other.talk()
    check("OFFLOAD" in entry(g1, other, family), "a flow that no policy asks for has left the table")
    for gate in (g1, g2):
        gate.silence()
    pair.talk()
    check("OFFLOAD" in entry(g1, pair, family), "without the policy the flow is not taken again")
    for each in (pair, other, wire, sealed):
        each.close()
    end(g1)


def natted(lab, a, g1, g2):
    """What policy says of a flow as NAT has made it."""
    g1.silence()
    begin(g1)
    g1.run("nft -f -", text="""table ip nat {
        chain post {
            type nat hook postrouting priority srcnat
            oifname "wan" masquerade
        }
    }""")
    pair = Pair("udp", a, g2, "10.1.0.2", "192.0.2.2")
    pair.far.close()
    pair.far = g2.udp("192.0.2.2", pair.port)
    pair.near.send(b"who am I")
    _, seen = pair.far.recvfrom(100)
    equal(seen[0], "192.0.2.1", "the address that g2 sees")
    pair.far.connect(seen)
    pair.talk()
    check("OFFLOAD" in entry(g1, pair, 4), "without policy it is not taken")
    number = g1.policy("dir out src 192.0.2.1 dst 192.0.2.2 proto udp action discard")
    counts, wire = Counts(g1), Wire(g1, "wan", "udp")
    pair.near.send(b"stopped")
    counts.become(out_discard=1)
    equal(len(wire.packets()), 0, "packets behind the policy")
    g1.espctl(f"policy del id {number}")
    number = g1.policy("dir in src 192.0.2.2 dst 10.1.0.2 proto udp action discard")
    drain(pair.far)
    drain(pair.near)
    counts = Counts(g1)
    pair.near.send(b"there")
    equal(pair.far.recv(100), b"there", "at g2")
    pair.far.send(b"stopped, as NAT has made it")
    counts.become(in_discard=1)
    g1.espctl(f"policy del id {number}")
    for each in (pair, wire):
        each.close()
    g1.run("nft delete table ip nat")
    end(g1)


def lasting(lab, a, g1, g2, b):
    """Entries of protected flows live and end as others."""
    lab.shape(g1, g2, 4, 4)
    begin(g1, "lan, wan, esp0")
    wire = Wire(g1, "wan", CLEAR)
    pair = Pair("udp", a, b, *HOSTS[4])
    until = time.monotonic() + 3
    while time.monotonic() < until:
        pair.talk(1)
        time.sleep(0.2)
    line = entry(g1, pair, 4)
    check("ASSURED" in line and "OFFLOAD" not in line, f"a stream of UDP is tracked as {line!r}")
    equal(len(wire.packets()), 0, "packets in clear, with esp0 in the table")
    g1.sysctl("net/netfilter/nf_conntrack_udp_timeout_stream", 1)
    pair.talk(1)
    eventually(lambda: not entry(g1, pair, 4), "the entry expires", 10)
    g1.sysctl("net/netfilter/nf_conntrack_udp_timeout_stream", 120)
    for each in (pair, wire):
        each.close()
    end(g1)


def by_act_ct(lab, a, g1, g2, b):
    """The table of tc's own, which holds only the entry of conntrack."""
    lab.shape(g1, g2, 4, 4)
    g1.ip("""link set dev lan up""")
    for dev in ("lan", "wan"):
        g1.run(f"tc qdisc add dev {dev} clsact")
        g1.run(f"tc filter add dev {dev} ingress prio 1 chain 0 proto ip flower ct_state -trk action ct pipe action goto chain 1")
        g1.run(f"tc filter add dev {dev} ingress prio 1 chain 1 proto ip flower ct_state +trk+new action ct commit")
        g1.run(f"tc filter add dev {dev} ingress prio 1 chain 1 proto ip flower ct_state +trk+est action pass")
    wire = Wire(g1, "wan", CLEAR)
    for kind in ("tcp", "udp"):
        pair = Pair(kind, a, b, *HOSTS[4])
        pair.talk(20)
        pair.close()
    equal(len(wire.packets()), 0, "packets in clear")
    for dev in ("lan", "wan"):
        g1.run(f"tc qdisc del dev {dev} clsact")
    wire.close()
    g1.run("conntrack -F", good=False)


def main(lab):
    a, g1, g2, b = lab.sites(both=True)
    for family in (4, 6):
        for kind in ("tcp", "udp"):
            with lab.test(f"protected/{kind}/{family}", "a flow that policy asks for is never taken, and what is forged "
                                                        "with its ports is dropped"):
                protected(lab, a, g1, g2, b, kind, family)
            with lab.test(f"older/{kind}/{family}", "one that was taken before its policy came falls out, others stay; "
                                                    "without the policy it is taken again"):
                older(lab, a, g1, g2, b, kind, family)
    with lab.test("nat", "what policy says of a flow as NAT has made it holds as well"):
        natted(lab, a, g1, g2)
    with lab.test("lasting", "entries of protected flows become assured and expire as others, also with esp0 in the table"):
        lasting(lab, a, g1, g2, b)
    if not lab.debug:
        with lab.test("act_ct", "tc's table of connections is no way around policy either"):
            by_act_ct(lab, a, g1, g2, b)
