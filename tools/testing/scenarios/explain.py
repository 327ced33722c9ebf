# SPDX-License-Identifier: GPL-2.0
"""What espctl explains is what happens.

    E ============== X
    192.0.2.1        192.0.2.2
    2001:db8::1      2001:db8::2
    to 10.2.0.0/16 through X

Each packet is asked about, then sent; the counters must tell the same story.
"""

import contextlib
import json
import os

from lab import Counts, Wire, check, equal, eventually, ipv4, udp

SUITE = "aes128gcm16"


def ask(ns, words):
    """The two answers, by direction."""
    told = json.loads(ns.espctl("-j explain " + words).stdout)
    equal([one["direction"] for one in told], ["out", "in"], "directions")
    return {one["direction"]: one for one in told}


def main(lab):
    e, x = lab.build("E", "X")
    lab.join("E:wan X:wan")
    for ns, side in ((e, 1), (x, 2)):
        ns.ip(f"""link set lo up
                  addr add 192.0.2.{side}/24 dev wan
                  addr add 2001:db8::{side}/64 dev wan nodad
                  link set wan up""")
    e.ip("route add 10.0.0.0/8 via 192.0.2.2")
    ids = {}
    for name, words in (("sealed", "dst 10.2.0.0/16 proto udp dport 443 action protect reqid 1"),
                        ("empty", "dst 10.3.0.0/16 action protect reqid 2"),
                        ("clear", "dst 10.4.0.0/16 proto udp action bypass"),
                        ("never", "dst 10.5.0.0/16 action discard")):
        ids[name] = e.policy("dir out " + words)
        ids[name + "-in"] = e.policy("dir in " + words.replace("dst", "src", 1).replace("dport", "sport"))
    e.sa("out", 0x1001, "192.0.2.1", "192.0.2.2", SUITE, os.urandom(20))
    sa = e.sas()[0x1001]
    near = e.udp("192.0.2.1", 5000)

    with lab.test("out", "of packets that leave: the policy, the SA, the outer header and the MTU, or "
                         "the counter"):
        for dst, port, want in (
                ("10.2.0.1", 443, {"answer": "protect", "policy": ids["sealed"], "reqid": 1, "sa": sa["id"],
                                   "spi": "0x00001001", "mode": "tunnel", "outer_src": "192.0.2.1",
                                   "outer_dst": "192.0.2.2", "mtu": sa["mtu"]}),
                ("10.2.0.1", 80, {"answer": "pass"}),
                ("10.3.0.1", 80, {"answer": "drop", "policy": ids["empty"], "reqid": 2, "counter": "out_no_sa"}),
                ("10.4.0.1", 80, {"answer": "pass", "policy": ids["clear"], "counter": "out_bypass"}),
                ("10.5.0.1", 80, {"answer": "drop", "policy": ids["never"], "counter": "out_discard"}),
                ("10.9.0.1", 80, {"answer": "pass"})):
            told = ask(e, f"192.0.2.1 {dst} proto udp sport 5000 dport {port}")["out"]
            check(bool(told.pop("description", "")) == ("counter" in want), "a sentence for a counter")
            del told["direction"]
            equal(told, want, f"what would become of UDP to {dst} port {port}")
            before, sealed = e.stats(), e.sas()[0x1001]["packets"]
            # What is dropped on its way out, its sender is told of.
            with contextlib.suppress(PermissionError):
                near.sendto(b"x", (dst, port))
            equal(e.sas()[0x1001]["packets"] - sealed, int(want["answer"] == "protect"), "packets sealed")
            new = {k: v - before.get(k, 0) for k, v in e.stats().items() if v != before.get(k, 0)}
            equal(new, {want["counter"]: 1} if "counter" in want else {}, "counters")

    with lab.test("in", "of packets that arrive in clear: taken or dropped, and as what that is counted"):
        wire = Wire(x, "wan")
        head = e.mac("wan") + x.mac("wan") + b"\x08\0"
        for src, port, want in (
                ("10.2.0.1", 443, {"answer": "drop", "policy": ids["sealed-in"], "reqid": 1, "counter": "in_clear"}),
                ("10.2.0.1", 80, {"answer": "pass"}),
                ("10.4.0.1", 80, {"answer": "pass", "policy": ids["clear-in"], "counter": "in_bypass"}),
                ("10.5.0.1", 80, {"answer": "drop", "policy": ids["never-in"], "counter": "in_discard"})):
            told = ask(e, f"{src} 192.0.2.1 proto udp sport {port} dport 5000")["in"]
            told.pop("description", "")
            del told["direction"]
            equal(told, want, f"what would become of UDP from {src} port {port}")
            before = e.stats()
            wire.send(head + ipv4(src, "192.0.2.1", 17, udp(port, 5000, b"y")))
            if want["answer"] == "pass":
                equal(near.recv(10), b"y", "the packet")
            eventually(lambda: {k: v - before.get(k, 0) for k, v in e.stats().items()
                                if v != before.get(k, 0)} ==
                       ({want["counter"]: 1} if "counter" in want else {}), "the counter")
        wire.close()

    with lab.test("exempt", "neighbour discovery and IKE of this host pass a policy for everything; a "
                            "ping does not"):
        for family in (4, 6):
            e.policy(f"dir out action discard priority 9 family {family}")

        def ask_all():
            counts = Counts(e)
            for words, answer in (("192.0.2.1 192.0.2.2 proto udp sport 500 dport 500", "pass"),
                                  ("10.0.0.1 192.0.2.2 proto udp sport 500 dport 500", "drop"),
                                  ("2001:db8::1 ff02::1 icmp 135", "pass"),
                                  ("2001:db8::1 2001:db8::2", "drop"), ("192.0.2.1 192.0.2.2", "drop")):
                equal(ask(e, words)["out"]["answer"], answer, words)
            return counts.new() == {}

        # E itself may have a listener to report meanwhile.
        eventually(ask_all, "questions that count no drop")

    with lab.test("text", "people read the same in sentences"):
        said = e.espctl("explain 192.0.2.1 10.3.0.1").stdout
        check("is dropped" in said and "out_discard" in said, said)
    near.close()
