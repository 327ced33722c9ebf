# SPDX-License-Identifier: GPL-2.0
"""The module comes and goes under traffic.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
     |                                          |
     +-- four flows of datagrams, both ways ----+

Nothing is stopped for it. That nothing leaks or warns is for the runner to see.
"""

import os
import subprocess
import time

import plain
from lab import ESPCTL, Ns, ask, check, drain, equal, eventually


class Setup:
    """All commands of a tunnel, started at once."""

    def __init__(self, suite, key_len):
        self.suite, self.key_len = suite, key_len

    def go(self, g1, g2):
        there, back = (os.urandom(self.key_len).hex() for _ in range(2))
        running = []
        for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
            for words, key in (
                    (f"sa add spi 0x1001 dir {out} mode tunnel src 192.0.2.1 dst 192.0.2.2 suite "
                     f"{self.suite} reqid 1 key-file -", there),
                    (f"sa add spi 0x1002 dir {come} mode tunnel src 192.0.2.2 dst 192.0.2.1 suite "
                     f"{self.suite} reqid 1 key-file -", back),
                    (f"policy add dir {out} src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1",
                     ""),
                    (f"policy add dir {come} src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1",
                     "")):
                with gate:
                    done = subprocess.Popen([ESPCTL, *words.split()], stdin=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True)
                done.stdin.write(key)
                done.stdin.close()
                running.append((words, done))
        for words, done in running:
            said = done.stderr.read()
            done.stderr.close()
            equal((done.wait(60), said), (0, ""), f"espctl {words}")

    def begin(self, g1, g2, number):
        """One or the other way, by the number of a round."""
        if number % 20:
            self.quickly(g1, g2)
        else:
            self.go(g1, g2)

    def quickly(self, g1, g2):
        """The same without processes, one after the other."""
        there, back = os.urandom(self.key_len), os.urandom(self.key_len)
        for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
            gate.sa(out, 0x1001, "192.0.2.1", "192.0.2.2", self.suite, there)
            gate.sa(come, 0x1002, "192.0.2.2", "192.0.2.1", self.suite, back)
            gate.policy(f"dir {out} src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
            gate.policy(f"dir {come} src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1")


def start(lab, a, b):
    """Four flows; their sockets' peers, and the processes."""
    # Enough for packets to be everywhere, and CPU left for the rest.
    pause = 0.008 if lab.debug else 0.002
    left = [a.udp("10.1.0.2", 6000 + n) for n in range(2)]
    right = [b.udp("10.2.0.2", 6000 + n) for n in range(2)]
    pids = [lab.load(*((sock, ("10.2.0.2", 6000 + n)) for n, sock in enumerate(left)), size=100,
                     pause=pause),
            lab.load(*((sock, ("10.1.0.2", 6000 + n)) for n, sock in enumerate(right)), size=1800,
                     pause=pause)]
    return left, right, pids


def passes(left, right):
    """Datagrams arrive at both ends."""
    for sock in (*left, *right):
        drain(sock)
    for sock in (left[0], right[0]):
        sock.settimeout(20)
        sock.recv(4000)


def main(lab):
    a, g1, g2, b = lab.sites()
    setup = Setup("aes128gcm16", 20)
    # The requirement is of the debug kernel.
    rounds, few = (100, 3) if lab.debug else (10, 5)
    left, right, pids = start(lab, a, b)

    with lab.test("flush", f"SAs and policies flushed under traffic, {few} times"):
        for number in range(few):
            setup.begin(g1, g2, number)
            passes(left, right)
            g2.espctl("sa flush")
            g1.espctl("policy flush")
            g1.espctl("sa flush")
            g2.espctl("policy flush")

    with lab.test("rmmod", f"insmod, configure, traffic and rmmod under traffic, {rounds} times"):
        lab.rmmod()
        slowest = 0
        for number in range(rounds):
            lab.insmod()
            setup.begin(g1, g2, number)
            passes(left, right)
            if number == 0:
                check(g2.sas()[0x1001]["packets"] > 0, "no packet went by ESP")
            began = time.monotonic()
            done = lab.rmmod()
            slowest = max(slowest, time.monotonic() - began)
            equal(done.returncode, 0, f"round {number + 1}: rmmod: {done.stderr}")
        check(slowest < 30, f"one rmmod took {slowest:.0f} s")

    with lab.test("clear-again", "without the module the same traffic passes in clear"):
        passes(left, right)
        lab.insmod()

    with lab.test("namespace", f"the gateways' namespaces deleted under traffic, {few} times"):
        for number in range(few):
            setup.begin(g1, g2, number)
            passes(left, right)
            victims = (g1, g2) if number % 2 else (g2, g1)
            for gate in victims:
                gate.delete()
            eventually(lambda: not os.path.exists("/run/netns/g1"), "gone", 30)
            plain.add_namespaces(("g1", "g2"))
            g1, g2 = lab.spaces["g1"], lab.spaces["g2"] = Ns("g1"), Ns("g2")
            # What remains of the old ones goes with its devices, in its own time.
            for host, dev in ((a, "eth0"), (b, "eth0")):
                eventually(lambda h=host: "eth0" not in h.read("/proc/net/dev"), "the wire is gone",
                           60)
            lab.join("A:eth0 g1:lan", "g1:wan g2:wan", "g2:lan B:eth0")
            for host, net in ((a, 1), (b, 2)):
                host.ip(f"""addr add 10.{net}.0.2/24 dev eth0
                            link set eth0 up
                            route add default via 10.{net}.0.1""")
            for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
                gate.sysctl("net/ipv4/ip_forward", 1)
                gate.ip(f"""link set lo up
                            addr add 10.{net}.0.1/24 dev lan
                            addr add 192.0.2.{net}/24 dev wan
                            link set lan up
                            link set wan up
                            route add 10.{other}.0.0/24 via 192.0.2.{other}""")

    for pid in pids:
        lab.unload(pid)

    with lab.test("after", "after all that a tunnel works as on the first day"):
        for sock in (*left, *right):
            drain(sock)
        setup.go(g1, g2)
        near, far = a.udp("10.1.0.2", 5001), b.udp("10.2.0.2", 5002)
        ask(near, far, b"still here")
        equal(g2.sas()[0x1001]["state"], "valid", "state of an SA")
