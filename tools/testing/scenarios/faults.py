# SPDX-License-Identifier: GPL-2.0
"""Memory that is not there: every allocation of every operation fails once.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

The debug kernel can let the Nth allocation of a task fail (fail-nth of failslab).
So each operation is asked for with the first allocation failing, then the second,
until it meets no failure: it says that there is no memory and nothing has changed,
or it has worked all the same. Then allocations of the packets' way fail at random.
"""

import os
import threading

from client import Client, addr
from lab import Counts, ask, check, drain, equal

SRC, DST = addr("192.0.2.1"), addr("192.0.2.2")
ENOMEM, ENOBUFS = 12, 105
FAULTS = "/sys/kernel/debug/failslab/"
MOST = 400


class Nth:
    """The Nth allocation of this thread fails."""

    def __init__(self, n):
        self.fd = os.open(f"/proc/self/task/{threading.get_native_id()}/fail-nth", os.O_RDWR)
        self.n = b"%d" % n
        self.met = False

    def __enter__(self):
        os.write(self.fd, self.n)
        return self

    def __exit__(self, *_):
        # What is left of the count: 0 if it was met. To open it now might be what fails.
        self.met = os.pread(self.fd, 20, 0).strip() == b"0"
        os.pwrite(self.fd, b"0", 0)
        os.close(self.fd)


def failslab(**values):
    """How allocations fail at random; fail-nth goes before it."""
    for name, value in values.items():
        with open(FAULTS + name.replace("_", "-"), "w", encoding="ascii") as file:
            file.write(str(value))


def state(client):
    """SAs and policies."""
    sas = client.dump("sa-get")
    for sa in sas:
        sa.pop("usage", None)
        sa.pop("mtu", None)
    return sas, client.dump("policy-get")


def operation(client, prepare, act):
    """One operation, with each of its allocations failing: how many, and how often it worked all the same."""
    survived = 0
    for n in range(1, MOST):
        client.do("sa-flush")
        client.do("policy-flush")
        values = prepare()
        before = state(client)
        nth = Nth(n)
        try:
            with nth:
                act(values)
            survived += nth.met
        except client.error as error:
            number = -error.nl_msg.error
            check(number in (ENOMEM, ENOBUFS), f"allocation {n}: error {error}")
            equal(state(client), before, f"SAs and policies after allocation {n} has failed")
        except OSError as error:
            # The request itself found no memory.
            check(error.errno in (ENOMEM, ENOBUFS), f"allocation {n}: {error}")
            while True:
                client.sock.setblocking(False)
                try:
                    client.sock.recv(1 << 16)
                except BlockingIOError:
                    client.sock.setblocking(True)
                    break
        if not nth.met:
            return n - 1, survived
    check(False, f"more than {MOST} allocations")
    return None


def traffic(lab, a, g1, g2, b):
    """Packets while memory fails now and then; and after."""
    near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
    counts = Counts(g1), Counts(g2)
    failslab(task_filter="N", ignore_gfp_wait="Y", interval=7, times=-1, probability=60)
    try:
        for number in range(3000):
            try:
                near.sendto(bytes(1 + number % 3000), ("10.2.0.2", 5002))
            except OSError:
                # The sender's own memory
                pass
            if number % 50 == 0:
                drain(far)
    finally:
        failslab(probability=0)
    drain(far)
    return counts, near, far


def main(lab):
    a, g1, g2, b = lab.sites()
    r, = lab.build("R")
    # Without words, and also those that could wait
    failslab(verbose=0, ignore_gfp_wait="N", probability=0)
    client = Client(r)

    def sa():
        return client.do("sa-add", spi=0x1001, direction="out", mode="tunnel", src=SRC, dst=DST, suite="aes128gcm16",
                         reqid=1, key=os.urandom(20))["id"]

    def policy():
        return client.do("policy-add", direction="out", action="protect", reqid=1, selector={"protocol": 17},
                         family=4)["id"]

    sel = {"src-first": SRC, "src-last": SRC, "protocol": 6}
    for name, prepare, act in (
            ("sa-add", lambda: None, lambda _: client.do(
                "sa-add", spi=0x2001, direction="out", mode="tunnel", src=SRC, dst=DST, suite="aes128-sha256", reqid=1,
                key=os.urandom(48), lifetime={"hard-packets": 9, "soft-seconds": 50}, encap_sport=4500, encap_dport=4500,
                keepalive=3)),
            ("sa-add-in", sa, lambda _: client.do(
                "sa-add", spi=0x2002, direction="in", mode="tunnel", src=DST, dst=SRC, suite="chacha20poly1305", reqid=1,
                key=os.urandom(36), replay_window=65536, selector=sel)),
            ("sa-update", sa, lambda number: client.do("sa-update", id=number, new_dst=addr("192.0.2.9"), reqid=4,
                                                       lifetime={"hard-bytes": 1 << 30}, dummy=7)),
            ("sa-reserve", lambda: None, lambda _: client.do("sa-reserve", dst=SRC)),
            ("sa-get", sa, lambda number: client.do("sa-get", id=number)),
            ("sa-dump", sa, lambda _: client.dump("sa-get")),
            ("sa-del", sa, lambda number: client.do("sa-del", id=number)),
            ("sa-flush", sa, lambda _: client.do("sa-flush")),
            ("policy-add", sa, lambda _: client.do("policy-add", direction="in", action="protect", reqid=8,
                                                   selector=sel)),
            ("policy-del", policy, lambda number: client.do("policy-del", id=number)),
            ("policy-flush", policy, lambda _: client.do("policy-flush")),
            ("apply", sa, lambda _: client.do("apply", step=[
                {"policy-flush": True}, {"sa-flush": True},
                {"sa-add": {"spi": 0x2003, "direction": "out", "mode": "tunnel", "src": SRC, "dst": DST, "reqid": 1,
                            "suite": "aes128gcm16", "key": os.urandom(20)}},
                {"policy-add": {"direction": "out", "action": "protect", "reqid": 1}},
                {"policy-add": {"direction": "in", "action": "protect", "reqid": 3, "selector": sel}}])),
            ("stats-get", lambda: None, lambda _: client.do("stats-get")),
            ("explain", policy, lambda _: client.do("explain", direction="out", src=SRC, dst=DST, protocol=17))):
        with lab.test(f"nth/{name}", f"{name} with every allocation failing in turn: no memory, and nothing changed, or "
                                     "done all the same"):
            number, survived = operation(client, prepare, act)
            check(number >= 2, f"{number} allocations failed")
            lab.say(f"{name}: {number} allocations, of which it can do without {survived}")
    client.do("sa-flush")
    client.do("policy-flush")

    lab.protect(g1, g2)
    lab.tunnel(g1, g2)
    with lab.test("packets", "packets for which there is no memory are dropped and counted; the next ones pass"):
        counts, near, far = traffic(lab, a, g1, g2, b)
        names = {name for each in counts for name in each.new()}
        check(names & {"out_no_memory", "in_no_memory"}, f"drops {[each.new() for each in counts]}")
        check(names <= {"out_no_memory", "in_no_memory", "out_segment", "out_crypto", "in_crypto", "out_conntrack",
                        "out_no_route", "in_queue", "out_too_big"}, f"drops {[each.new() for each in counts]}")
        for _ in range(5):
            ask(near, far, bytes(1000))
        lab.say(f"g1 {counts[0].new()}, g2 {counts[1].new()}")
