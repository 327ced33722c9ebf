# SPDX-License-Identifier: GPL-2.0
"""A gateway with masquerade and a stateful firewall needs no extra rule.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
             masquerades to wan,
             lets connections out, and only answers in
"""

import json
import os
import socket

from lab import Counts, Wire, ask, check, drain, equal, eventually, ipv4, stream, udp

RULES = """
table ip gate {
	chain nat {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related counter accept
		iifname "lan" ct state new counter accept
		counter
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "lan" accept
		ip protocol esp accept
		icmp type echo-request accept
	}
	chain inner {
		type filter hook prerouting priority raw;
		iifname "esp0" counter
	}
}
"""

# The same for the other family
RULES6 = """
table ip6 gate6 {
	chain nat {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related counter accept
		iifname "lan" ct state new counter accept
		counter
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		icmpv6 type nd-neighbor-solicit accept
		icmpv6 type nd-neighbor-advert accept
		meta l4proto esp accept
	}
}
"""

FORWARD = """
table ip forward {
	chain nat {
		type nat hook prerouting priority dstnat;
		udp dport 5053 dnat to 10.1.0.2:5001
	}
}
table ip gate {
	chain forward {
		udp dport 5001 accept
	}
}
"""
# By which senders of TCP learn the tunnel's MTU, and what tests here want dropped
KNOWN = {"out_too_big", "out_discard", "in_clear", "out_device"}


def counters(ns, chain, table="ip gate"):
    """Packets of each rule of a chain that has a counter."""
    said = json.loads(ns.run(f"nft -j list chain {table} {chain}").stdout)
    return [part["counter"]["packets"] for item in said["nftables"] if "rule" in item
            for part in item["rule"]["expr"] if "counter" in part]


def tracked(ns, words):
    """Lines of conntrack."""
    return ns.run(f"conntrack -L {words}").stdout.splitlines()


def six(lab, a, g1, g2, b):
    """IPv6, in a tunnel over IPv6 of its own."""
    ends, hosts = ("2001:db8::1", "2001:db8::2"), ("2001:db8:1::2", "2001:db8:2::2")
    for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        gate.policy(f"dir {out} src 2001:db8:1::/64 dst 2001:db8:2::/64 action protect reqid 6")
        gate.policy(f"dir {come} src 2001:db8:2::/64 dst 2001:db8:1::/64 action protect reqid 6")
    for spi, way in ((0x6001, (0, 1)), (0x6002, (1, 0))):
        key = os.urandom(20)
        for side, gate in enumerate((g1, g2)):
            gate.sa("out" if way[0] == side else "in", spi, ends[way[0]], ends[way[1]], "aes128gcm16", key, more="reqid 6")
    g1.run("nft -f -", text=RULES6)
    near, far, outside = a.udp(hosts[0], 5001), b.udp(hosts[1], 5002), g2.udp(ends[1], 5003)
    ask(near, far, b"keeps its address")
    near.sendto(b"inside", far.getsockname()[:2])
    data, peer = far.recvfrom(100)
    equal((data, peer[:2]), (b"inside", (hosts[0], 5001)), "at B")
    near.sendto(b"out", outside.getsockname()[:2])
    data, peer = outside.recvfrom(100)
    equal((data, peer[0]), (b"out", ends[0]), "at g2, where the rule works")
    outside.sendto(b"back", peer[:2])
    equal(near.recv(100), b"back", "at A")
    # What is closed, and what is related
    with a, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((hosts[1], 5999))
        sock.send(b"nobody listens")
        try:
            sock.recv(100)
            check(False, "somebody answered")
        except ConnectionRefusedError:
            pass
    refused = counters(g1, "forward", "ip6 gate6")[2]
    far.sendto(b"knock", (hosts[0], 5009))
    eventually(lambda: counters(g1, "forward", "ip6 gate6")[2] > refused, "a new connection is for the firewall to refuse")
    listener = b.listen(hosts[1])
    stream(*a.connect(listener, hosts[0]), os.urandom(60_000))
    established, new, _ = counters(g1, "forward", "ip6 gate6")
    check(established > 20 and new >= 3, f"{established} packets seen as established, {new} as new")
    for line in tracked(g1, "-f ipv6 -p 50"):
        check("UNREPLIED" not in line, line)
    g1.run("nft delete table ip6 gate6")
    for each in (near, far, outside, listener):
        each.close()


# A firewall that lets out what is new, and in what belongs to it; TFTP's answers by a helper
HELPERS = """
table ip help {
	ct helper t { type "tftp" protocol udp; }
	ct helper f { type "ftp" protocol tcp; }
	chain nat {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
	chain early {
		type filter hook prerouting priority 0;
		udp dport 69 ct helper set "t"
		tcp dport 21 ct helper set "f"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan" ct state new accept
		counter
	}
	chain late {
		type filter hook postrouting priority srcnat + 1;
		ip daddr 10.2.0.2 counter
	}
	chain same {
		type filter hook postrouting priority srcnat;
		ip daddr 10.2.0.2 counter
	}
	chain last {
		type filter hook postrouting priority 350;
		ip daddr 10.2.0.2 udp dport 5010 counter drop
		ip daddr 10.2.0.2 counter
	}
}
"""


def late_hooks(lab, a, g1, b):
    """What stands behind source NAT sees what enters a tunnel, once."""
    near, far, closed = a.udp("10.1.0.2", 5011), b.udp("10.2.0.2", 5012), b.udp("10.2.0.2", 5010)
    before = [counters(g1, chain, "ip help")[-1] for chain in ("late", "same", "last")]
    wire = Wire(g1, "wan", "ip and not esp and not icmp")
    for _ in range(5):
        ask(near, far, b"seen by all")
    after = [counters(g1, chain, "ip help")[-1] for chain in ("late", "same", "last")]
    equal([y - x for x, y in zip(before, after)], [5, 5, 5], "packets that late chains have seen")
    sealed = g1.sas()[0x1001]["packets"]
    near.sendto(b"refused", ("10.2.0.2", 5010))
    eventually(lambda: counters(g1, "last", "ip help")[0] == 1, "a rule behind ours drops it")
    equal(g1.sas()[0x1001]["packets"], sealed, "packets of the SA")
    equal(len(wire.packets()), 0, "packets in clear")
    equal(far.getsockname()[1], 5012, "port")
    for each in (near, far, closed, wire):
        each.close()


def tftp(lab, a, g1, b):
    """The answer comes from another port than was asked."""
    near, server, data = a.udp("10.1.0.2", 5021), b.udp("10.2.0.2", 69), b.udp("10.2.0.2", 5022)
    near.sendto(b"\0\1file\0octet\0", ("10.2.0.2", 69))
    _, peer = server.recvfrom(100)
    equal(peer, ("10.1.0.2", 5021), "who asks")
    data.sendto(b"\0\3\0\1contents", peer)
    equal(near.recv(100), b"\0\3\0\1contents", "at A")
    for each in (near, server, data):
        each.close()


def ftp(lab, a, g1, b):
    """The server connects to the client, as that has told it."""
    control = b.listen("10.2.0.2", 21)
    one, two = a.connect(control, "10.1.0.2")
    door = a.listen("10.1.0.2", 0x1234)
    two.send(b"220 ready\r\n")
    equal(one.recv(100), b"220 ready\r\n", "greeting")
    # It takes commands for such behind a first line.
    one.send(b"USER a\r\n")
    equal(two.recv(100), b"USER a\r\n", "what the server reads")
    one.send(b"PORT 10,1,0,2,18,52\r\n")
    equal(two.recv(100), b"PORT 10,1,0,2,18,52\r\n", "what the server reads")
    check("dport=4660" in g1.run("conntrack -L expect").stdout, "conntrack expects no connection")
    back, come = b.connect(door)
    stream(back, come, bytes(range(256)) * 100)
    for each in (one, two, control, door):
        each.close()


def helpers(lab, a, g1, b):
    """Protocols that open a second connection, through a firewall that drops what is new from outside."""
    if not lab.debug:
        g1.run("modprobe -a nf_conntrack_tftp nf_conntrack_ftp")
    g1.run("nft delete table ip gate")
    g1.run("conntrack -F", good=False)
    g1.run("nft -f -", text=HELPERS)
    late_hooks(lab, a, g1, b)
    tftp(lab, a, g1, b)
    ftp(lab, a, g1, b)
    g1.run("nft delete table ip help")
    g1.run("nft -f -", text=RULES)


def main(lab):
    a, g1, g2, b = lab.sites(both=True)
    lab.protect(g1, g2)
    lab.tunnel(g1, g2)
    g1.run("nft -f -", text=RULES)
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    outside = g2.udp("192.0.2.2", 5003)
    listener = b.listen("10.2.0.2", 5004)

    with lab.test("masquerade", "what leaves to elsewhere is masqueraded, so the rule works"):
        near.sendto(b"out", ("192.0.2.2", 5003))
        data, peer = outside.recvfrom(100)
        equal((data, peer[0]), (b"out", "192.0.2.1"), "at g2")
        outside.sendto(b"back", peer)
        equal(near.recv(100), b"back", "at A")

    with lab.test("exempt", "what goes into the tunnel keeps its addresses without a rule, and "
                            "answers come back"):
        near.sendto(b"in", ("10.2.0.2", 5002))
        data, peer = far.recvfrom(100)
        equal((data, peer), (b"in", ("10.1.0.2", 5001)), "at B")
        ask(near, far, bytes(4000))
        equal(g1.drops(), {}, "drops of g1")

    with lab.test("stateful", "a TCP connection through the tunnel passes a stateful firewall"):
        established, new, _ = counters(g1, "forward")
        one, two = a.connect(listener, "10.1.0.2")
        equal(two.getpeername()[0], "10.1.0.2", "B's peer")
        stream(one, two, bytes(range(256)) * 400)
        now = counters(g1, "forward")
        equal(now[1] - new, 1, "packets that the firewall saw as new")
        check(now[0] - established > 20, f"{now[0] - established} packets seen as established")

    with lab.test("conntrack", "conntrack has the inner flows once, as ASSURED"):
        lines = [line for line in tracked(g1, "-p tcp") if "dport=5004" in line]
        equal(len(lines), 1, f"flows of {lines}")
        check("ASSURED" in lines[0], lines[0])
        lines = [line for line in tracked(g1, "-p udp") if "dport=5002" in line]
        equal(len(lines), 1, f"flows of {lines}")
        check("UNREPLIED" not in lines[0], lines[0])

    with lab.test("conntrack-esp", "the outer flow is confirmed, and no flow is left unanswered"):
        lines = tracked(g1, "-p 50")
        check(lines, "no flow of ESP")
        for line in lines:
            check("UNREPLIED" not in line, line)
        stats = g1.run("conntrack -S").stdout
        check(all(f"{word}=0" in line for line in stats.splitlines()
                  for word in ("insert_failed", "drop")), stats)

    with lab.test("interface", "iifname esp0 counts exactly what comes out of the tunnel"):
        before, = counters(g1, "inner")
        for _ in range(20):
            ask(near, far, b"count")
        equal(counters(g1, "inner")[0] - before, 20, "packets of iifname esp0")

    with lab.test("closed", "a new connection out of the tunnel is for the firewall to refuse"):
        drain(near)
        far.sendto(b"knock", ("10.1.0.2", 5009))
        eventually(lambda: counters(g1, "forward")[2] > 0, "the last rule counts it")
        g1.run('nft add rule ip gate forward iifname esp0 udp dport 5009 accept')
        door = a.udp("10.1.0.2", 5009)
        far.sendto(b"knock", ("10.1.0.2", 5009))
        equal(door.recv(100), b"knock", "at A, once a rule lets it in by esp0")

    with lab.test("filtered", "the administrator's input rules see ESP before it is opened"):
        g1.run("nft insert rule ip gate input ip protocol esp ip saddr 192.0.2.2 counter drop")
        before = g1.sas()[0x1002]["packets"]
        far.sendto(b"refused", ("10.1.0.2", 5009))
        eventually(lambda: counters(g1, "input")[0] > 0, "the rule counts it")
        equal(g1.sas()[0x1002]["packets"], before, "packets of the SA")
        g1.run("nft flush chain ip gate input")
        g1.run("nft add rule ip gate input accept")

    with lab.test("own", "the gateway's own traffic takes the tunnel as well"):
        own = g1.udp("10.1.0.1", 5010)
        ask(own, far, b"from the gateway")
        own.close()

    with lab.test("ping", "ping through the tunnel works, and its flow ends answered"):
        before, = counters(g1, "inner")
        a.run("ping -q -c 3 -i 0.2 -W 5 10.2.0.2")
        equal(counters(g1, "inner")[0] - before, 3, "packets of iifname esp0")
        for line in tracked(g1, "-p icmp"):
            check("UNREPLIED" not in line, line)

    with lab.test("unreachable", "ICMP errors about inner packets come back through the tunnel"):
        with a:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("10.2.0.2", 5999))
        sock.settimeout(5)
        sock.send(b"nobody listens")
        try:
            sock.recv(100)
            check(False, "somebody answered")
        except ConnectionRefusedError:
            pass
        sock.close()

    with lab.test("bypass", "what policy lets through in clear stays let through when masquerade gives "
                            "it another source"):
        first = g1.policy("dir out src 10.1.0.0/24 dst 192.0.2.0/24 priority 1 action bypass")
        second = g1.policy("dir out src 192.0.2.1 dst 192.0.2.2 proto udp priority 2 action discard")
        before = g1.stats()["out_bypass"] if "out_bypass" in g1.stats() else 0
        near.sendto(b"let through", ("192.0.2.2", 5003))
        equal(outside.recvfrom(100)[0], b"let through", "at g2")
        equal(g1.stats()["out_bypass"] - before, 1, "times that it was counted")
        for number in (first, second):
            g1.espctl(f"policy del id {number}")

    with lab.test("discard", "what policy discards under its new source is discarded behind masquerade"):
        number = g1.policy("dir out src 192.0.2.1 dst 192.0.2.2 proto udp priority 2 action discard")
        counts = Counts(g1)
        near.sendto(b"stopped", ("192.0.2.2", 5003))
        counts.become(out_discard=1)
        g1.espctl(f"policy del id {number}")

    with lab.test("ipv6", "masquerade and a stateful firewall for IPv6 need no extra rule either"):
        six(lab, a, g1, g2, b)

    with lab.test("helpers", "hooks behind source NAT see what enters a tunnel, and helpers of connection tracking serve TFTP "
                             "and active FTP, without a rule for ESP"):
        helpers(lab, a, g1, b)

    with lab.test("forward", "destination NAT is no way around the policy that wants ESP"):
        g1.run("nft -f -", text=FORWARD)
        counts = Counts(g1)
        drain(near)
        wire = Wire(g2, "wan")
        frame = g1.mac("wan") + g2.mac("wan") + b"\x08\0"
        wire.send(frame + ipv4("10.2.0.5", "192.0.2.1", 17, udp(5002, 5053, b"forged")))
        counts.become(in_clear=1)
        wire.send(frame + ipv4("192.0.2.2", "192.0.2.1", 17, udp(5002, 5053, b"from outside")))
        equal(near.recvfrom(100)[0], b"from outside", "what A gets by the forwarded port")
        equal(drain(near), 0, "datagrams besides")
        counts.become(in_clear=1)
        wire.close()

    with lab.test("drops", "all of that dropped no packet but those of closed doors"):
        for gate in (g1, g2):
            equal({k: v for k, v in gate.drops().items() if k not in KNOWN}, {}, "drops")
