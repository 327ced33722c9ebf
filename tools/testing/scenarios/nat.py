# SPDX-License-Identifier: GPL-2.0
"""Hosts behind a real NAT reach an office, by ESP in UDP.

    C (esp_mod) 10.9.1.2 ---\\
      inside 10.8.0.1        N 203.0.113.1 ======== 203.0.113.2 G ---- S 10.2.0.2
    D (xfrm)    10.9.2.2 ---/  masquerade           (esp_mod)
      inside 10.8.0.2

N is a router with nftables, and knows nothing of IPsec. Each client has its own
address in the office's numbers.
"""

import os
import socket
import time

import xfrm
from lab import Counts, Wire, ask, check, drain, equal, eventually, stream

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
SUITE = "aes128gcm16"
NAT, GATE = "203.0.113.1", "203.0.113.2"
# What N makes of port 4500 of each client
PORTS = {1: 5501, 2: 5502}
RULES = """table ip nat {
    chain postrouting { type nat hook postrouting priority 100
        oifname "wan" ip saddr 10.9.1.0/24 udp sport 4500 masquerade to :5501
        oifname "wan" ip saddr 10.9.2.0/24 udp sport 4500 masquerade to :5502
        oifname "wan" masquerade
    }
}
table ip filter {
    chain forward { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "c*" accept
        iifname "d*" accept
    }
}"""


class Office:
    """The topology, with the tunnels of both clients."""

    def __init__(self, lab):
        self.lab = lab
        spaces = lab.build("C", "D", "N", "G", "S", v6=False)
        self.c, self.d, self.n, self.g, self.s = spaces
        lab.join("C:eth0 N:c0", "D:eth0 N:d0", "N:wan G:wan", "G:lan S:eth0")
        for ns, net in ((self.c, 1), (self.d, 2)):
            ns.ip(f"""link set lo up
                      addr add 10.8.0.{net}/32 dev lo
                      addr add 10.9.{net}.2/24 dev eth0
                      link set eth0 up
                      route add default via 10.9.{net}.1
                      route add 10.2.0.0/24 via 10.9.{net}.1 src 10.8.0.{net}""")
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
                      addr add 10.2.0.1/24 dev lan
                      link set wan up
                      link set lan up
                      route add 10.8.0.0/24 via {NAT}""")
        self.s.ip("""link set lo up
                     addr add 10.2.0.2/24 dev eth0
                     link set eth0 up
                     route add default via 10.2.0.1""")
        for net in (1, 2):
            self.g.policy(f"dir in src 10.8.0.{net} dst 10.2.0.0/24 action protect reqid {net}")
            self.g.policy(f"dir out src 10.2.0.0/24 dst 10.8.0.{net} action protect reqid {net}")

    def gate(self, net):
        """G's side of a tunnel, with new keys: there, and back."""
        there, back = (os.urandom(20) for _ in range(2))
        port, base = PORTS[net], net << 12
        for sa in self.g.sas().values():
            if sa["reqid"] == net:
                self.g.espctl(f"sa del id {sa['id']}")
        self.g.sa("in", base + 1, NAT, GATE, SUITE, there, more=f"reqid {net} encap {port} 4500")
        self.g.sa("out", base + 2, GATE, NAT, SUITE, back, more=f"reqid {net} encap 4500 {port}")
        return there, back

    def client(self, more=""):
        """C and its tunnel."""
        self.c.silence()
        there, back = self.gate(1)
        self.c.policy("dir out src 10.8.0.1 dst 10.2.0.0/24 action protect reqid 1")
        self.c.policy("dir in src 10.2.0.0/24 dst 10.8.0.1 action protect reqid 1")
        self.c.sa("out", 0x1001, "10.9.1.2", GATE, SUITE, there, more=f"reqid 1 encap 4500 4500 {more}")
        self.c.sa("in", 0x1002, GATE, "10.9.1.2", SUITE, back, more="reqid 1 encap 4500 4500")

    def other_client(self):
        """D and its tunnel, of the kernel's own."""
        info = self.lab.suites()[SUITE]
        there, back = self.gate(2)
        door = self.d.udp("0.0.0.0", 4500)
        door.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        self.d.ip("xfrm policy flush\nxfrm state flush\n" +
                  xfrm.policies("tunnel", "10.8.0.2", "10.2.0.0/24", "10.9.2.2", GATE, True) +
                  xfrm.state(0x2001, "10.9.2.2", GATE, "tunnel", SUITE, info, there,
                             encap=(4500, 4500)) +
                  xfrm.state(0x2002, GATE, "10.9.2.2", "tunnel", SUITE, info, back,
                             encap=(4500, 4500)))
        return door


def mixed(office):
    """Both clients at once, and the server to each."""
    s = office.s
    wire = Wire(office.g, "wan", f"ip and not (udp and host {NAT} and host {GATE} and port 4500)")
    data = os.urandom(60_000)
    listener, far = s.listen("10.2.0.2"), s.udp("10.2.0.2", 7)
    for ns, net in ((office.c, 1), (office.d, 2)):
        near = ns.udp(f"10.8.0.{net}")
        for size in (1, 1000, 1400):
            ask(near, far, os.urandom(size))
            ask(far, near, os.urandom(size))
        stream(*ns.connect(listener, f"10.8.0.{net}"), data)
        inner = ns.listen(f"10.8.0.{net}")
        stream(*s.connect(inner), data)
        for sock in (near, inner):
            sock.close()
    for sock in (listener, far):
        sock.close()
    equal(len(wire.packets()), 0, "packets on the wire that are not ESP in UDP")
    wire.close()
    equal({k: v for k, v in office.g.drops().items() if k != "out_too_big"}, {}, "drops of G")
    equal(xfrm.errors(office.d), {}, "errors of D")
    sas = office.g.sas()
    check(min(sas[spi]["packets"] for spi in (0x1001, 0x1002, 0x2001, 0x2002)) > 20, "packets")


def end_to_end(office):
    """Transport mode through the NAT: the sums of TCP and UDP cover addresses that it has changed."""
    c, d, g, info = office.c, office.d, office.g, office.lab.suites()[SUITE]
    for net, client in ((1, c), (2, d)):
        addr, port, base = f"10.9.{net}.2", PORTS[net], 0x10000 * net
        there, back = (os.urandom(20) for _ in range(2))
        numbers = [g.policy(f"dir in src {NAT} dst {GATE} proto {proto} dport 80 priority 5 action protect reqid 1{net}")
                   for proto in ("tcp", "udp")]
        numbers += [g.policy(f"dir out src {GATE} dst {NAT} proto {proto} sport 80 priority 5 action protect reqid 1{net}")
                    for proto in ("tcp", "udp")]
        g.sa("in", base + 1, NAT, GATE, SUITE, there, "transport", f"reqid 1{net} encap {port} 4500")
        g.sa("out", base + 2, GATE, NAT, SUITE, back, "transport", f"reqid 1{net} encap 4500 {port}")
        if client is c:
            c.policy(f"dir out src {addr} dst {GATE} action protect reqid 11")
            c.policy(f"dir in src {GATE} dst {addr} action protect reqid 11")
            c.sa("out", base + 1, addr, GATE, SUITE, there, "transport", "reqid 11 encap 4500 4500")
            c.sa("in", base + 2, GATE, addr, SUITE, back, "transport", "reqid 11 encap 4500 4500")
        else:
            d.ip("xfrm policy flush\nxfrm state flush\n" + xfrm.policies("transport", addr, GATE, addr, GATE, True) +
                 xfrm.state(base + 1, addr, GATE, "transport", SUITE, info, there, encap=(4500, 4500)) +
                 xfrm.state(base + 2, GATE, addr, "transport", SUITE, info, back, encap=(4500, 4500)))
        wire = Wire(g, "wan", f"ip and not (udp and host {NAT} and port 4500)")
        listener, far, near = g.listen(GATE, 80), g.udp(GATE, 80), client.udp(addr)
        stream(*client.connect(listener, addr), os.urandom(60_000))
        for size in (1, 1000):
            data = os.urandom(size)
            near.sendto(data, (GATE, 80))
            got, peer = far.recvfrom(2000)
            equal((got, peer[0]), (data, NAT), "what G gets, from where")
            far.sendto(data, peer)
            equal(near.recv(2000), data, "what comes back")
        equal(len(wire.packets()), 0, "packets on the wire that are not ESP in UDP")
        check(g.sas()[base + 1]["packets"] > 10, "packets of the SA")
        for each in (listener, far, near, wire):
            each.close()
        for number in numbers:
            g.espctl(f"policy del id {number}")
    equal({k: v for k, v in g.drops().items() if k != "out_too_big"}, {}, "drops of G")
    equal(xfrm.errors(d), {}, "errors of D")


def key_daemons(office):
    """IKE shares the port, and its packets are the daemons'."""
    c, g = office.c, office.g
    near, far = c.udp("10.9.1.2", 4500), g.udp(GATE, 4500)
    # Even where a policy wants all there is.
    c.policy("dir out action protect reqid 1 priority 5000 family 4")
    c.policy("dir in action protect reqid 1 priority 5000 family 4")
    for size in (0, 28, 1300):
        said = bytes(4) + os.urandom(size)
        near.sendto(said, (GATE, 4500))
        got, peer = far.recvfrom(2000)
        equal((got, peer), (said, (NAT, PORTS[1])), "IKE there")
        far.sendto(said, peer)
        equal(near.recv(2000), said, "IKE back")
    office.client()
    inner, echo = c.udp("10.8.0.1"), office.s.udp("10.2.0.2", 7)
    ask(inner, echo, b"ESP beside IKE")
    near.sendto(b"\xff", (GATE, 4500))
    eventually(lambda: g.stats().get("in_keepalive"), "the keepalive is swallowed")
    equal((drain(near), drain(far)), (0, 0), "packets at the daemons' sockets that are not IKE")
    for sock in (near, far, inner, echo):
        sock.close()


def judged(office):
    """A client whose packets are wanted out of another SA, for a while."""
    inner, server, g = office.c.udp("10.8.0.1", 9), office.s.udp("10.2.0.2", 9), office.g
    office.client()
    for _ in range(3):
        ask(inner, server, b"known")
    counts = Counts(g)
    number = g.policy(f"dir in src {NAT} dst {GATE} proto udp dport 4500 priority 1 action protect reqid 77")
    for _ in range(3):
        inner.sendto(b"not any more", ("10.2.0.2", 9))
    counts.become(in_clear=3)
    g.espctl(f"policy del id {number}")
    ask(inner, server, b"known again")
    counts.become(in_clear=3)
    inner.close()
    server.close()


def mapping(office):
    """A NAT forgets who says nothing."""
    inner, server = office.c.udp("10.8.0.1", 9), office.s.udp("10.2.0.2", 9)
    for name in ("udp_timeout", "udp_timeout_stream"):
        office.n.sysctl("net/netfilter/nf_conntrack_" + name, 2)

    def reached(more, seconds):
        office.client(more)
        ask(inner, server, b"I am here")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.2)
        server.sendto(b"still?", inner.getsockname())
        inner.settimeout(1)
        try:
            return inner.recv(100) == b"still?"
        except TimeoutError:
            return False

    check(reached("keepalive 1", 3.2), "with keepalives the server does not reach the client")
    check(not reached("", 3.2), "without keepalives N remembers: the test shows nothing")
    for name in ("udp_timeout", "udp_timeout_stream"):
        office.n.sysctl("net/netfilter/nf_conntrack_" + name, 120)
    inner.close()
    server.close()


def main(lab):
    office = Office(lab)
    office.client()
    door = office.other_client()
    with lab.test("clients", "two clients behind one NAT, esp_mod and xfrm, work with the office, and "
                             "the office reaches them; only ESP in UDP is on the wire"):
        mixed(office)
    with lab.test("transport", "transport mode goes through the NAT from either client, whose TCP and UDP has sums over "
                               "other addresses"):
        end_to_end(office)
        office.client()
    with lab.test("ike", "IKE on port 4500 reaches the daemons' sockets untouched, ESP and keepalives "
                         "never do"):
        key_daemons(office)
    with lab.test("judged", "what policies say of ESP in UDP counts from the next packet on"):
        judged(office)
    with lab.test("keepalive", "keepalives hold the NAT's mapping of an idle client, and without them "
                               "it is lost"):
        mapping(office)
    door.close()
