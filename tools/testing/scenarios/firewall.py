# SPDX-License-Identifier: GPL-2.0
"""Reverse path filters, queues to programs, and AH of others.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
"""

import os
import subprocess

from lab import Counts, Wire, ask, check, equal, eventually, ipv4, stream, udp

def nstat(ns):
    """Packets that the reverse path filter has dropped."""
    lines = [line.split() for line in ns.read("/proc/net/netstat").splitlines() if line.startswith("TcpExt:")]
    return int(dict(zip(*lines))["IPReversePathFilter"])


HOSTS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
GATES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


def filters(lab, a, g1, g2, b, data):
    """Strict reverse path filters on the side of the net."""
    for gate in (g1, g2):
        gate.sysctl("net/ipv4/conf/all/rp_filter", 0)
        gate.sysctl("net/ipv4/conf/wan/rp_filter", 1)
        gate.sysctl("net/ipv4/conf/lan/rp_filter", 1)
    near, far = a.udp("10.1.0.2"), b.udp("10.2.0.2")
    ask(near, far, data[:1000])
    listener = b.listen("10.2.0.2")
    stream(*a.connect(listener, "10.1.0.2"), data)
    # Also where they are set on each device that appears, and so on esp0: no route leads back by it.
    for value in (1, 2):
        for gate in (g1, g2):
            gate.sysctl("net/ipv4/conf/esp0/rp_filter", value)
        ask(near, far, data[:1000])
        stream(*a.connect(listener, "10.1.0.2"), data)
    # One for all devices at once is told of.
    g2.sysctl("net/ipv4/conf/all/rp_filter", 1)
    done = g2.say_sa("in", 0x9001, "192.0.2.1", "192.0.2.2", "aes128gcm16", os.urandom(20))
    check("net.ipv4.conf.all.rp_filter is 1" in done.stderr, f"espctl said {done.stderr!r}")
    g2.sysctl("net/ipv4/conf/all/rp_filter", 0)
    done = g2.say_sa("in", 0x9002, "192.0.2.1", "192.0.2.2", "aes128gcm16", os.urandom(20))
    equal(done.stderr, "", "what espctl says without a filter for all")
    # They do filter: a source that is at home elsewhere does not come in by the wan.
    wire = Wire(g2, "wan")
    counts = nstat(g1)
    wire.send(g1.mac("wan") + g2.mac("wan") + b"\x08\0" + ipv4("10.1.0.77", "10.1.0.2", 17, udp(1, 2, b"spoofed")))
    eventually(lambda: nstat(g1) > counts, "the filter drops what is spoofed")
    wire.close()
    for gate in (g1, g2):
        gate.sysctl("net/ipv4/conf/all/rp_filter", 0)
    for each in (near, far, listener):
        each.close()


def queues(lab, a, g1, g2, b, data):
    """Each hook hands its packets to a program, which gives them back."""
    reader = g1.start(["/usr/bin/python3", "tools/testing/nfqueue.py", "5"], stdout=subprocess.PIPE)
    equal(reader.stdout.readline(), b"listens\n", "what the reader says")
    ends = [(a.udp(here), b.udp(there)) for here, there in HOSTS.values()]
    wire = Wire(g1, "wan", "udp")
    for hook in HOOKS:
        for priority in (-350, 350) if hook in ("prerouting", "postrouting") else (0,):
            g1.run("nft -f -", text=f"""table inet q {{
                chain c {{ type filter hook {hook} priority {priority}
                    iifname "lo" accept
                    oifname "lo" accept
                    meta l4proto esp counter queue num 5
                    meta l4proto udp counter queue num 5
                }}
            }}""")
            for near, far in ends:
                for size in (100, 1300, 3000):
                    ask(near, far, os.urandom(size))
            equal(len(wire.packets()), 0, f"packets in clear, with a queue in {hook}")
            seen = g1.run("nft list table inet q").stdout
            check(seen.count("packets 0 ") < 2, f"the queue in {hook} at {priority} saw nothing")
            g1.run("nft delete table inet q")
    reader.terminate()
    reader.stdout.close()
    reader.wait(5)
    for each in (wire, *sum(ends, ())):
        each.close()


def protect_by_ah(pairs, key):
    """AH of the kernel's own, each way."""
    lines = {}
    for left, right, src, dst, spi in pairs:
        state = f"xfrm state add src {src} dst {dst} proto ah spi {spi:#x} reqid 9 mode transport " \
            f"auth-trunc hmac(sha256) 0x{key} 128\n"
        for ns, way in ((left, "out"), (right, "in")):
            lines[ns] = lines.get(ns, "") + state + \
                f"xfrm policy add src {src} dst {dst} proto 17 dir {way} tmpl proto ah reqid 9 mode transport\n"
    for ns, text in lines.items():
        ns.ip(text)


def ah(lab, a, g1, g2, b, version):
    """AH of the kernel's own, to this host and through it."""
    key = os.urandom(32).hex()
    (left, right), (here, there) = GATES[version], HOSTS[version]
    protect_by_ah(((g1, g2, left, right, 0x77), (g2, g1, right, left, 0x78)), key)
    counts = Counts(g1), Counts(g2)
    stats = g1.stats(), g2.stats()
    wire = Wire(g1, "wan", "ip proto 51 or ip6 proto 51")
    near, far = g1.udp(left), g2.udp(right)
    ask(near, far, b"authentic")
    equal(len(wire.packets()), 2, "packets of AH on the wire")
    for each in counts:
        each.become()
    equal((g1.stats(), g2.stats()), stats, "counters")
    for ns in (g1, g2):
        ns.ip("xfrm policy flush\nxfrm state flush")
    wire.close()
    near.close()
    far.close()
    # Through the tunnel: what A and B agree on is no business of the gateways.
    protect_by_ah(((a, b, here, there, 0x79), (b, a, there, here, 0x7a)), key)
    lan = Wire(g1, "lan", "ip proto 51 or ip6 proto 51")
    wire = Wire(g1, "wan", "(ip or ip6) and not esp and not icmp6")
    near, far = a.udp(here), b.udp(there)
    ask(near, far, b"authentic and sealed")
    equal((len(lan.packets()), len(wire.packets())), (2, 0), "packets of AH before the gateway, and of no ESP behind it")
    for each in counts:
        each.become()
    for ns in (a, b):
        ns.ip("xfrm policy flush\nxfrm state flush")
    for each in (near, far, lan, wire):
        each.close()


def main(lab):
    a, g1, g2, b = lab.sites(both=True)
    lab.protect(g1, g2)
    for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
        gate.policy(f"dir {out} src 2001:db8:1::/64 dst 2001:db8:2::/64 action protect reqid 1")
        gate.policy(f"dir {come} src 2001:db8:2::/64 dst 2001:db8:1::/64 action protect reqid 1")
    lab.tunnel(g1, g2)
    data = os.urandom(30_000 if lab.debug else 100_000)
    with lab.test("rp_filter", "reverse path filters, strict and loose, on each device need nothing set for tunnels, and "
                               "filter what is spoofed; espctl tells of one for all devices"):
        filters(lab, a, g1, g2, b, data)
    with lab.test("queue", "packets of either family that a program holds in a queue, at any hook, go on as if it were "
                           "not there"):
        queues(lab, a, g1, g2, b, data)
    for version in (4, 6):
        with lab.test(f"ah/ipv{version}", "AH of others is left to them, to this host and through it"):
            ah(lab, a, g1, g2, b, version)
    for gate in (g1, g2):
        equal({k: v for k, v in gate.drops().items() if k not in ("out_too_big", "out_device")}, {},
              f"drops of {gate.name}")
