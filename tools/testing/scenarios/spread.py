# SPDX-License-Identifier: GPL-2.0
"""The crypto of one CPU's packets on all of them, and nothing is overtaken.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

The parameter spread=2 sends every packet through a lane, where other CPUs seal
and open it; spread=1 only those of a CPU that has too much to do. pktgen numbers
its packets, on one CPU; B looks at each number.
"""

import contextlib
import os
import struct
import time

from asynchronous import make_async, starved
from lab import Counts, Wire, check, command, drain, equal, eventually
from load import Load, add_sas

SUITE = "aes128gcm16"
NEVER, WHEN_BUSY, ALWAYS = range(3)
PACKETS, DEBUG_PACKETS = 5_000, 1_000
BURST = 500
ROUNDS, DEBUG_ROUNDS = 10, 4
# Packets in a lane
RING = 1024
MORE = 20
PKTGEN = "/proc/net/pktgen/"


def set_spread(value):
    """When packets go to other CPUs."""
    with open("/sys/module/esp_mod/parameters/spread", "w", encoding="ascii") as file:
        file.write(str(value))


class Pktgen:
    """Numbered datagrams of A, all from one CPU, as B receives them."""

    def __init__(self, a, g1, b):
        self.a = a
        command("modprobe -q pktgen", good=False)
        mac = ":".join(f"{byte:02x}" for byte in g1.mac("lan"))
        self.tell("kpktgend_0", "rem_device_all", "add_device eth0")
        self.tell("eth0", "clone_skb 0", "delay 0", "dst 10.2.0.2", f"dst_mac {mac}",
                  "src_min 10.1.0.2", "src_max 10.1.0.2", "udp_src_min 9", "udp_src_max 9",
                  "udp_dst_min 9", "udp_dst_max 9")
        self.wire = Wire(b, "eth0", "udp port 9", incoming=True)

    def tell(self, name, *lines):
        for line in lines:
            with self.a, open(PKTGEN + name, "w", encoding="ascii") as file:
                file.write(line + "\n")

    def flood(self, size, count):
        """So many packets, of which some come; until no more do."""
        self.tell("eth0", f"count {count}", f"pkt_size {size + 14}")
        self.tell("pgctrl", "start")
        seen = 0
        while True:
            time.sleep(0.5)
            more = len(self.wire.packets())
            if seen and not more:
                return
            seen += more

    def burst(self, size, count=BURST):
        """So many packets, which all come, in order."""
        self.tell("eth0", f"count {count}", f"pkt_size {size + 14}")
        self.tell("pgctrl", "start")
        seen = []
        eventually(lambda: seen.extend(self.wire.packets()) or len(seen) >= count,
                   f"{count} packets at B", 60)
        numbers = [struct.unpack_from("!I", frame, 14 + 20 + 8 + 4)[0] for frame in seen]
        first = numbers[0]
        equal(numbers, list(range(first, first + count)), "numbers at B")


def check_gates(gates):
    """Nothing dropped, lost or late on either side of the tunnel."""
    for gate in gates:
        equal(gate.drops(), {}, f"drops of {gate.name}")
        for sa in gate.sas().values():
            equal((sa.get("lost", 0), sa.get("reorder", 0)), (0, 0), f"lost and late, {gate.name}")


def keep_order(lab, pktgen, gates, value, size, sentence):
    packets = DEBUG_PACKETS if lab.debug else PACKETS
    with lab.test(f"order/{value}/{size}", sentence):
        set_spread(value)
        for _ in range(packets // BURST):
            pktgen.burst(size)
        check_gates(gates)


def remove(gates, number, ways=("out", "in")):
    for word in ways:
        for way, base in ((0, 0x10000), (1, 0x20000)):
            gate = gates[way] if word == "out" else gates[1 - way]
            gate.espctl(f"sa del spi {base + number:#x} dst {('192.0.2.2', '192.0.2.1')[way]} dir {word}")


def keep_orders(lab, pktgen, gates):
    keep_order(lab, pktgen, gates, NEVER, 64, "without help packets arrive in order")
    keep_order(lab, pktgen, gates, ALWAYS, 64, "short packets, all of them on other CPUs, arrive in order")
    keep_order(lab, pktgen, gates, ALWAYS, 1400, "and long ones")
    keep_order(lab, pktgen, gates, WHEN_BUSY, 1400, "packets arrive in order where other CPUs help now and then")


def change_sas(lab, a, b, gates):
    rounds = DEBUG_ROUNDS if lab.debug else ROUNDS
    with lab.test("rekey", f"{rounds} times SAs come and go under load on all CPUs: each packet arrives, in order"):
        set_spread(ALWAYS)
        add_sas(gates, 0)
        load = Load(a, b)
        for number in range(1, rounds + 1):
            load.turn()
            add_sas(gates, number)
            load.turn()
            remove(gates, number - 1, ("out",))
            load.settle()
            remove(gates, number - 1, ("in",))
        load.finish()
        for gate in gates:
            equal(gate.drops(), {}, f"drops of {gate.name}")
        remove(gates, rounds)


def end_under_load(lab, a, gates):
    """Whatever happens to these packets: SAs, parameter, namespace and module let go of them."""
    sock = a.udp("10.1.0.2", 4002)
    with lab.test("end", "SAs are flushed, and spread is switched to and fro, while packets are on other CPUs"):
        pid = lab.load((sock, ("10.2.0.2", 4002)), size=1000, pause=0.0005)
        for number in range(4):
            set_spread((ALWAYS, NEVER, ALWAYS, WHEN_BUSY)[number % 4])
            add_sas(gates, number)
            eventually(lambda number=number: gates[1].sas()[0x10000 + number].get("packets"), "packets")
            for gate in gates:
                gate.espctl("sa flush")
        set_spread(ALWAYS)
        add_sas(gates, 99)
        gates[0].delete()
        lab.unload(pid)
        sock.close()


@contextlib.contextmanager
def help_on(cpus):
    """Whoever helps does so on these CPUs, a mask, until the end of this."""
    path = "/sys/devices/virtual/workqueue/esp_mod_spread/cpumask"
    with open(path, encoding="ascii") as file:
        was = file.read()
    with open(path, "w", encoding="ascii") as file:
        file.write(cpus)
    try:
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(was)


def fill(a, g1, g2, b):
    """A lane whose first packet is not sealed before the last one has come."""
    near, far = a.udp("10.1.0.2", 4003), b.udp("10.2.0.2", 4003)
    counts = Counts(g1), Counts(g2)
    with help_on("1"), starved():
        for number in range(RING + MORE):
            near.sendto(number.to_bytes(2, "big"), ("10.2.0.2", 4003))
    came, names = [], {"out_crypto", "in_crypto"}
    while not came or came[-1] < RING - 2 * MORE:
        came.append(int.from_bytes(far.recv(10), "big"))
    time.sleep(0.5)
    came += [RING] * drain(far)
    out, more = counts[0].new(), counts[1].new()
    equal(out.pop("out_backlog", 0), MORE, "packets for which the lane had no room")
    # Nor has cryptd for the last ones.
    check({*out, *more} <= names, f"drops {out} and {more}")
    equal(len(came) + sum(out.values()) + sum(more.values()), RING, "packets")
    equal(came, sorted(came), "order at B")
    near.close()
    far.close()


def drive_late(lab, pktgen, gates):
    with lab.test("async", "a driver that is asynchronous or late: what is too much for it is dropped, the rest arrives"):
        suite = "chacha20poly1305"
        make_async(lab, gates[0], suite)
        lab.tunnel(*gates, suite)
        set_spread(ALWAYS)
        pktgen.flood(1400, 2000)
        # As many as the driver has room for.
        for _ in range(5):
            pktgen.burst(1400, 100)
        for gate in gates:
            names = {"out_crypto", "in_crypto", "out_backlog", "in_backlog"}
            check(set(gate.drops()) <= names, f"drops of {gate.name}: {gate.drops()}")


def main(lab):
    a, g1, g2, b = lab.sites()
    gates = (g1, g2)
    lab.protect(*gates)
    lab.tunnel(*gates, SUITE)
    lab.pin()
    pktgen = Pktgen(a, g1, b)
    # Who takes what comes, lest B answer each of them by ICMP
    taker = b.udp("10.2.0.2", 9)
    if lab.wants("order"):
        keep_orders(lab, pktgen, gates)
    for gate in gates:
        gate.espctl("sa flush")
    if lab.wants("rekey"):
        change_sas(lab, a, b, gates)
    if lab.wants("async"):
        drive_late(lab, pktgen, gates)
        # pcrypt seals on other CPUs, which wait for nobody.
        if lab.debug:
            with lab.test("backlog", "a lane is full one day: what comes is dropped as out_backlog, the rest arrives "
                                     "in order"):
                fill(a, g1, g2, b)
        for gate in gates:
            gate.espctl("sa flush")
    pktgen.wire.close()
    taker.close()
    pktgen.tell("kpktgend_0", "rem_device_all")
    command("rmmod pktgen", good=False)
    if lab.wants("end"):
        end_under_load(lab, a, gates)
