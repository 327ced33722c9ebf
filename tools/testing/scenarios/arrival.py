# SPDX-License-Identifier: GPL-2.0
"""The route by which ESP comes to this host is remembered: not when it is wrong by now.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
"""

import contextlib
import os
import time

from lab import GATES, Wire, ask, check, command, drain, equal, eventually

LEN = {4: 24, 6: 64}
PACKETS = 5
HOLE = """table netdev hole {
    chain in { type filter hook ingress device wan priority 0
        meta protocol ip ip protocol esp drop
    }
}"""


REWRITE = """table ip rewrite {
    chain pre { type filter hook prerouting priority raw
        ip protocol esp ip daddr set 10.2.0.2 notrack
    }
}"""


def send(near, text):
    for _ in range(PACKETS):
        near.sendto(text, ("10.2.0.2", 5002))


def lose_address(gates, near, far, family):
    """g2 gives up the address that ESP is for, and has it again."""
    g1, g2 = gates
    addr = f"{GATES[family][1]}/{LEN[family]} dev wan"
    ask(near, far, b"before")
    g2.ip(f"addr del {addr}")
    before = g2.sas()[0x1001]["packets"]
    wire = Wire(g2, "wan", "esp or ip6 proto 50", incoming=True)
    send(near, b"meanwhile")
    seen = []
    eventually(lambda: seen.extend(wire.packets()) or len(seen) >= PACKETS, "ESP that comes to g2")
    equal(g2.sas()[0x1001]["packets"], before, "packets that g2 opened")
    equal(drain(far), 0, "packets at B")
    wire.close()
    g2.ip(f"addr add {addr}{' nodad' if family == 6 else ''}\nroute replace 10.1.0.0/24 via 192.0.2.1")
    eventually(lambda: near.sendto(b"back", ("10.2.0.2", 5002)) and drain(far), "packets at B again")


def take_another_way(lab, gates, near, far, b):
    """The same SA's packets by a device where their source does not live."""
    g1, g2 = gates
    lab.shape(*gates, 4, 4)
    g2.sysctl("net/ipv4/conf/lan/rp_filter", 1)
    ask(near, far, b"before")
    wire = Wire(g1, "wan", "esp")
    g2.run("nft -f -", text=HOLE)
    send(near, b"taken")
    frames = []
    eventually(lambda: frames.extend(wire.packets()) or len(frames) >= PACKETS, "ESP of g1")
    g2.run("nft delete table netdev hole")
    wire.close()
    before = g2.sas()[0x1001]["packets"]
    behind, watch = Wire(b, "eth0"), Wire(g2, "lan", "esp", incoming=True)
    for frame in frames:
        behind.send(g2.mac("lan") + b.mac("eth0") + frame[12:])
    seen = []
    eventually(lambda: seen.extend(watch.packets()) or len(seen) >= PACKETS, "ESP that comes to g2 by lan")
    equal(g2.sas()[0x1001]["packets"], before, "packets that g2 opened")
    # By the other device the same are good.
    front = Wire(g1, "wan")
    for frame in frames:
        front.send(frame)
    eventually(lambda: g2.sas()[0x1001]["packets"] == before + PACKETS, "packets that g2 opened")
    equal(drain(far), PACKETS, "packets at B")
    for sock in (behind, watch, front):
        sock.close()


def send_elsewhere(lab, gates, near, far, b):
    """A rule of g2, without conntrack, has ESP go to B instead, and later no more."""
    lab.shape(*gates, 4, 4)
    ask(near, far, b"before")
    gates[1].run("nft -f -", text=REWRITE)
    wire = Wire(b, "eth0", "esp", incoming=True)
    send(near, b"elsewhere")
    seen = []
    eventually(lambda: seen.extend(wire.packets()) or len(seen) >= PACKETS, "ESP at B")
    equal(drain(far), 0, "packets at B that g2 opened")
    wire.close()
    gates[1].run("nft delete table ip rewrite")
    ask(near, far, b"again")


def be_watched(lab, gates, near, far, family):
    """Rules that come later, where ESP would have gone by while nobody stood there."""
    lab.shape(*gates, family, 4)
    g2 = gates[1]
    ask(near, far, b"before")
    with calls("ip_local_deliver" if family == 4 else "ip6_input", lab.debug) as count:
        send(near, b"before")
        equal(settle(far), PACKETS, "packets at B")
        # To B itself they go as ever.
        equal(count(), 0 if family == 6 or lab.debug else PACKETS, "packets that came to a host the long way")
    for hook in ("input", "prerouting"):
        g2.run("nft -f -", text=f"""table inet watch {{
            chain c {{ type filter hook {hook} priority 0
                meta l4proto esp counter
            }}
        }}""")
        send(near, b"watched")
        equal(settle(far), PACKETS, f"packets at B, with a rule at {hook}")
        said = g2.run("nft list table inet watch").stdout
        check(f"counter packets {PACKETS} " in said, f"at {hook}: {said}")
        g2.run("nft -f -", text="table inet watch { chain c { meta l4proto esp drop\n }\n }")
        before = g2.sas()[0x1001]["packets"]
        send(near, b"refused")
        time.sleep(0.2)
        equal(drain(far), 0, f"packets at B, refused at {hook}")
        equal(g2.sas()[0x1001]["packets"], before, "packets that g2 opened")
        g2.run("nft delete table inet watch")
    ask(near, far, b"after")


@contextlib.contextmanager
def calls(function, blind):
    """How often the kernel has called a function since. The debug kernel is blind for that."""
    tracing = "/sys/kernel/tracing/"
    def write(name, text):
        with open(tracing + name, "w", encoding="ascii") as file:
            file.write(text)
    def count():
        with open(tracing + "kprobe_profile", encoding="ascii") as file:
            return int(file.read().split()[1])
    if blind:
        yield lambda: 0
        return
    if not os.path.exists(tracing + "kprobe_events"):
        command(["mount", "-t", "tracefs", "tracefs", tracing])
    write("kprobe_events", f"p:arrival/called {function}")
    write("events/arrival/called/enable", "1")
    try:
        yield count
    finally:
        write("events/arrival/called/enable", "0")
        # Which forgets all of them
        write("kprobe_events", "")


def settle(sock):
    """Packets that come, until none comes any more."""
    found, more = 0, 1
    while more:
        time.sleep(0.1)
        more = drain(sock)
        found += more
    return found


def main(lab):
    a, g1, g2, b = lab.sites(both=True)
    gates = (g1, g2)
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    for family in (4, 6):
        with lab.test(f"address/{family}", f"IPv{family}: no packet is opened for an address that this host has no more"):
            lab.shape(*gates, family, 4)
            lose_address(gates, near, far, family)
        with lab.test(f"watched/{family}", f"IPv{family}: rules in INPUT and PREROUTING see and refuse ESP as soon as they are there"):
            be_watched(lab, gates, near, far, family)
    with lab.test("rewritten", "ESP whose destination a rule changes before routing goes there"):
        send_elsewhere(lab, gates, near, far, b)
    with lab.test("device", "by another device than the last one a packet has to pass rp_filter itself"):
        take_another_way(lab, gates, near, far, b)
    check(not g1.drops(), f"drops of g1: {g1.drops()}")
