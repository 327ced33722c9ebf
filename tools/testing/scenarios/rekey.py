# SPDX-License-Identifier: GPL-2.0
"""New keys under load, and no packet is lost.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2

A new SA comes in at its receiver first, then at its sender, which takes the
newest one of a reqid; the old ones go later. Datagrams with numbers flow both
ways meanwhile; each must arrive, once, in order.
"""

from lab import Wire, check, equal, eventually
from load import Load, add_sas, note_ivs

ROUNDS = 25
DEBUG_ROUNDS = 8


def remove(gates, number):
    """The SAs of a round, senders first; what is on its way still comes in."""
    for way, base in ((0, 0x10000), (1, 0x20000)):
        dst = ("192.0.2.2", "192.0.2.1")[way]
        gates[way].del_sa(base + number, dst, "out")
    yield
    for way, base in ((0, 0x10000), (1, 0x20000)):
        dst = ("192.0.2.2", "192.0.2.1")[way]
        gates[1 - way].del_sa(base + number, dst, "in")


def main(lab):
    lab.pin()
    a, g1, g2, b = lab.sites()
    gates = (g1, g2)
    rounds = DEBUG_ROUNDS if lab.debug else ROUNDS
    with lab.test("load", f"{rounds} times new SAs for both directions under load: each packet arrives, "
                          "in order; nothing in clear, no IV twice under one key"):
        lab.protect(g1, g2)
        add_sas(gates, 0)
        wire = Wire(g1, "wan", "ip")
        load = Load(a, b)
        seen, frames = {}, 0
        for number in range(1, rounds + 1):
            load.turn()
            add_sas(gates, number)
            load.turn()
            for _ in remove(gates, number - 1):
                # What the old SA has sealed is opened before it goes.
                load.turn(0.01)
                eventually(lambda: load.take(0) or max(load.sent[0] - load.got[1],
                                                       load.sent[1] - load.got[0]) == 0,
                           "what is on its way")
            frames += note_ivs(wire.packets(), seen)
        load.finish()
        wire.close()
        check(len(seen) > 2 * rounds * 0.9, f"{len(seen)} SAs were used in {rounds} rounds")
        check(frames == sum(load.sent), f"{frames} packets of ESP for {sum(load.sent)} datagrams")
        for gate in gates:
            equal(gate.drops(), {}, f"drops of {gate.name}")
            equal(len(gate.sas()), 2, f"SAs of {gate.name} that are left")
