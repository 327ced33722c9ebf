# SPDX-License-Identifier: GPL-2.0
"""What an administrator sees: drops as they happen, rates, gaps, advice.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
"""

import contextlib
import json
import os
import socket
import subprocess
import time

from lab import (ESPCTL, IP_MTU_DISCOVER, PMTUDISC_DONT, Counts, Wire, ask, check, drain, equal,
                 eventually, ipv4, udp)

PMTUDISC_DO = 2
INSTANCES = "/sys/kernel/tracing/instances"


class Trace:
    """A trace of one namespace that runs."""

    def __init__(self, ns, words=""):
        before = set(os.listdir(INSTANCES))
        self.child = ns.start([ESPCTL, "-j", "trace", *words.split()], stdout=subprocess.PIPE)

        def is_on():
            for name in set(os.listdir(INSTANCES)) - before:
                # A new instance is there before its events.
                with contextlib.suppress(FileNotFoundError), \
                        open(f"{INSTANCES}/{name}/events/esp_mod/drop/enable", encoding="ascii") as file:
                    if file.read().strip() == "1":
                        return True
            return False
        eventually(is_on, "the trace is on")

    def stop(self):
        """End it; what it has said."""
        time.sleep(0.3)
        self.child.terminate()
        said = self.child.communicate(timeout=10)[0]
        equal(self.child.returncode, 0, "status of the trace")
        return [json.loads(line) for line in said.splitlines()]


def traced(lab, a, g1, g2, near, far):
    """Drops with their reason, header, SA and policy; filters; nothing left behind."""
    there, _ = lab.tunnel(g1, g2)
    lab.protect(g1, g2)
    ask(near, far, b"hello")
    policy = g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 7001 priority 5 action discard")
    everything, some = Trace(g1), Trace(g1, "dport 7002-7010 reason out_no_sa")
    lonely = g1.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 proto udp dport 7002 priority 6 action protect reqid 77")
    counts = Counts(g1)
    near.sendto(b"discarded", ("10.2.0.2", 7001))
    near.sendto(b"lonely", ("10.2.0.2", 7002))
    counts.become(out_discard=1, out_no_sa=1)
    for number, name in ((policy, "out_discard"), (lonely, "out_no_sa")):
        shown = json.loads(g1.espctl(f"-j stats policy {number}").stdout)
        equal([(c["name"], c["value"], c["drop"]) for c in shown], [(name, 1, True)], f"stats policy {number}")
    said = everything.stop()
    want = {"src": "10.1.0.2", "dst": "10.2.0.2", "protocol": 17, "sport": 5001}
    equal([{key: line.get(key) for key in ("reason", "policy", "dport", "len", "reqid")} for line in said],
          [{"reason": "out_discard", "policy": policy, "dport": 7001, "len": 37, "reqid": None},
           {"reason": "out_no_sa", "policy": lonely, "dport": 7002, "len": 34, "reqid": 77}], "drops told")
    for line in said:
        equal({key: line[key] for key in want}, want, "the packet's header")
    equal([line["reason"] for line in some.stop()], ["out_no_sa"], "drops that a filter lets through")
    # Each is counted at its policy, too.
    drops = {p["id"]: {d["name"]: d["value"] for d in p["drops"]} for p in g1.policies() if p["drops"]}
    equal(drops, {policy: {"out_discard": 1}, lonely: {"out_no_sa": 1}}, "drops of policies")
    # Those of an SA, on the other side
    other = Trace(g2, "src 192.0.2.1")
    wire = Wire(g1, "wan")
    wire.send(g2.mac("wan") + g1.mac("wan") + b"\x08\0" +
              ipv4("192.0.2.1", "192.0.2.2", 50, b"\0\0\x10\x01" + b"\0\0\1\0" + bytes(60)))
    line, = other.stop()
    equal((line["reason"], line["sa"], line["spi"], line["src"]),
          ("in_icv", g2.sas()[0x1001]["id"], "0x00001001", "192.0.2.1"), "a forged packet")
    check(there.hex() not in str(line), "the key is traced")
    wire.close()
    equal(os.listdir(INSTANCES), [], "instances of tracefs left behind")
    done = g1.espctl("trace reason in_icvv", good=False)
    equal((done.returncode, done.stderr), (2, "espctl: reason in_icvv: did you mean 'in_icv'?\n"), "a typo")
    done = g1.espctl("trace count 1 timeout 1", good=False)
    equal((done.returncode, done.stdout), (1, ""), "without a drop")


def gaps(lab, g1, g2, near, far):
    """What is lost on the way, and what comes late."""
    g2.silence()
    g1.silence()
    lab.tunnel(g1, g2, more="reqid 1 esn off")
    lab.protect(g1, g2)
    wire = Wire(g2, "wan", "esp", incoming=True)
    hole = "table ip hole { chain in { type filter hook prerouting priority -500; ip protocol esp drop\n }\n }"
    g2.run("nft -f -", text=hole)
    for number in range(20):
        near.sendto(bytes([number]), ("10.2.0.2", 5002))
    frames = []
    eventually(lambda: frames.extend(wire.packets()) or len(frames) == 20, "packets on the wire")
    g2.run("nft delete table ip hole")
    player = Wire(g1, "wan")
    for number in (0, 1, 2, 19, 5, 18):
        player.send(frames[number])
    eventually(lambda: g2.sas()[0x1001]["packets"] == 6, "what was played arrives")
    sa = g2.sas()[0x1001]
    equal((sa["lost"], sa["reorder"]), (14, 14), "numbers lost, and how late one came")
    for number in range(20):
        player.send(frames[number])
    eventually(lambda: g2.sas()[0x1001]["packets"] == 20, "the rest arrives")
    equal(g2.sas()[0x1001]["lost"], 0, "numbers lost, after all have come")
    check("reordered by up to 1" in g2.espctl("sa show").stdout, "what people read")
    drain(far)
    wire.close()
    player.close()


def reasons(g1, near, far):
    """Who watches the kernel's own tracepoint is told the kernel's reason."""
    base = f"{INSTANCES}/reasons"
    os.mkdir(base)
    try:
        with open(base + "/events/skb/kfree_skb/enable", "w", encoding="ascii") as file:
            file.write("1")
        counts = Counts(g1)
        near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
        near.sendto(bytes(1472), ("10.2.0.2", 5002))
        counts.become(out_too_big=1)
        near.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
        with open(base + "/trace", encoding="ascii") as file:
            said = [line for line in file if "PKT_TOO_BIG" in line]
        equal(len(said), 1, "packets of which the kernel says that they are too big")
    finally:
        with open(base + "/events/skb/kfree_skb/enable", "w", encoding="ascii") as file:
            file.write("0")
        os.rmdir(base)
    drain(far)


def pinned(lab, g1, g2, near, far):
    """Output by the newest SA, or by the one that is pinned."""
    g1.silence()
    g2.silence()
    lab.protect(g1, g2)
    lab.tunnel(g1, g2)
    key = os.urandom(20)
    g2.sa("in", 0x3001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)
    g1.sa("out", 0x3001, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)

    def by():
        """The SPI that seals the next packet."""
        before = {spi: sa["seq"] for spi, sa in g1.sas().items() if sa["direction"] == "out"}
        ask(near, far, b"by which?")
        return [spi for spi, sa in g1.sas().items() if spi in before and sa["seq"] > before[spi]]

    equal(by(), [0x3001], "the newest one seals")
    g1.espctl("sa update spi 0x1001 dst 192.0.2.2 dir out pin on")
    equal(by(), [0x1001], "the pinned one seals")
    g2.sa("in", 0x3002, "192.0.2.1", "192.0.2.2", "aes128gcm16", key := os.urandom(20))
    g1.sa("out", 0x3002, "192.0.2.1", "192.0.2.2", "aes128gcm16", key)
    equal(by(), [0x1001], "the pinned one seals, also where a newer one comes")
    g1.espctl("sa update spi 0x1001 dst 192.0.2.2 dir out pin off")
    equal(by(), [0x3002], "the newest one seals again")
    g1.espctl("sa update spi 0x3001 dst 192.0.2.2 dir out pin on")
    g1.espctl("sa del spi 0x3001 dst 192.0.2.2 dir out")
    equal(by(), [0x3002], "the newest one seals when the pinned one is gone")
    done = g1.espctl("sa update spi 0x1002 dst 192.0.2.1 dir in pin on", good=False)
    equal(done.stderr, "espctl: pin on: only an outbound SA is chosen, and can be pinned\n", "inbound")


def rates(lab, g1, near):
    """espctl top has the busiest first."""
    pid = lab.load((near, ("10.2.0.2", 5002)), pause=0.005)
    said = json.loads(g1.espctl("-j top every 1 count 1").stdout)
    lab.unload(pid)
    equal(said[0]["spi"], "0x00003002", "the busiest SA")
    check(said[0]["packets_per_second"] > 5 and said[0]["bits_per_second"] > 5 * 8 * 200, f"rates {said[0]}")
    equal([sa["packets_per_second"] for sa in said[1:]], [0.0] * (len(said) - 1), "rates of the others")
    text = g1.espctl("top every 1 count 1").stdout
    check("PACKETS/S" in text and "\033" not in text, "what is written to a file")


def advice(g1):
    """espctl doctor finds what is wrong, and says what to do."""
    def found():
        done = g1.espctl("-j doctor", good=False)
        lines = json.loads(done.stdout)
        bad = {line["check"]: line for line in lines if not line["good"]}
        equal(done.returncode, 1 if bad else 0, "status")
        check(all(line["advice"] for line in bad.values()), f"findings without advice: {bad}")
        return set(bad) - {"clock"}

    at_first = found()
    check(at_first <= {"crypto"}, f"found {at_first} where all is well")
    g1.sysctl("net/ipv4/conf/all/rp_filter", 1)
    g1.sysctl("net/ipv4/ip_forward", 0)
    g1.sysctl("net/ipv6/conf/esp0/disable_ipv6", 1)
    g1.policy("dir out dst 10.77.0.0/16 action protect reqid 99")
    g1.ip("xfrm policy add src 10.77.0.1 dst 10.77.0.2 dir out")
    g1.ip("link set wan mtu 1300")
    want = {"rp_filter", "forwarding", "ipv6", "policy", "xfrm", "mtu"}
    equal(found() - at_first, want, "what is found")
    # Not every kernel has routes that wrap packets, or tell a device how to.
    g1.run("ip route add 10.78.0.0/16 encap ip id 7 dst 192.0.2.2 dev wan", good=False)
    equal(found() - at_first, want, "what is found with a route that tells a device how to wrap")
    if not g1.run("ip route add 10.79.0.0/16 encap seg6 mode encap segs 2001:db8::9 dev wan", good=False).returncode:
        equal(found() - at_first, want | {"around"}, "what is found with a route that wraps packets")
        g1.ip("route del 10.79.0.0/16")
    g1.run("ip route del 10.78.0.0/16", good=False)
    g1.ip("link set wan mtu 1500\nxfrm policy flush")
    g1.sysctl("net/ipv4/conf/all/rp_filter", 0)
    g1.sysctl("net/ipv4/ip_forward", 1)
    check("sysctl -w net.ipv6.conf.esp0.disable_ipv6=0" in g1.espctl("doctor", good=False).stdout,
          "what people read")


def main(lab):
    lab.pin()
    a, g1, g2, b = lab.sites()
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    for ns in (g1, g2):
        # A tunnel of IPv4 alone has this off in the test's topology.
        ns.sysctl("net/ipv6/conf/default/disable_ipv6", 0)
    with lab.test("trace", "drops are told as they happen, with reason, header, SA and policy; filters sort them; "
                           "nothing is left behind"):
        traced(lab, a, g1, g2, near, far)
    with lab.test("gaps", "numbers that are lost and packets that come late are told apart from wrong keys"):
        gaps(lab, g1, g2, near, far)
    with lab.test("reason", "drops have the kernel's own reason, too, where there is one"):
        reasons(g1, near, far)
    with lab.test("pin", "the newest SA of a reqid sends, or the one that is pinned"):
        pinned(lab, g1, g2, near, far)
    with lab.test("top", "rates of each SA, the busiest first"):
        rates(lab, g1, near)
    with lab.test("doctor", "what keeps ESP from working is found, with advice"):
        advice(g1)
