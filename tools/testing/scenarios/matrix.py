# SPDX-License-Identifier: GPL-2.0
"""Every suite in every setting, with the kernel's own IPsec as the peer.

    E (esp_mod)                                      X (xfrm)
      lo  10.1.0.1 to .46                              lo  10.2.0.1 to .46
          2001:db8:1::1 ...                                2001:db8:2::1 ...
      wan 192.0.2.1 to .46  ====================== wan 192.0.2.101 ...
          2001:db8::1:1 ...                            2001:db8::2:1 ...

A setting is a mode, the families inside and outside, ESN or not, and UDP around
it or not: 24 in all. In a setting each suite has addresses of its own, between
which policies want SAs of that suite for UDP. Each side asks the other; every byte must be right,
both sides must count the same packets, nobody an error, and nothing but ESP may be
on the wire. On the debug kernel the suites take turns.
"""

import os
import socket

import xfrm
from client import Client, addr
from lab import Failure, Wire, ask, check, equal, eventually

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
# xfrm of 6.1 takes UDP over IPv6 of less than 48 bytes for too short, and drops it unseen.
SIZES = (8, 200, 1400, 4000)
PORT = 6000
# In clear, or in a fragment of something else
CLEAR = f"udp port {PORT}"
SETTINGS = [(mode, inner, outer, esn, encap)
            for mode, families in (("tunnel", ((4, 4), (6, 6), (4, 6), (6, 4))), ("transport", ((4, 4), (6, 6))))
            for inner, outer in families for esn in (True, False) for encap in (False, True)]


def inner(family, number):
    """Addresses of a suite behind E and X."""
    return tuple(f"10.{side}.0.{number}" if family == 4 else f"2001:db8:{side}::{number:x}" for side in (1, 2))


def outer(family, number):
    """Addresses of a suite on the wire; those of number 1 are the ends of all tunnels."""
    if family == 4:
        return f"192.0.2.{number}", f"192.0.2.{number + 100}"
    return f"2001:db8::1:{number:x}", f"2001:db8::2:{number:x}"


def ends(setting, number):
    """Who talks, and between which ends ESP goes."""
    mode, inside, outside, _, _ = setting
    if mode == "tunnel":
        return inner(inside, number), outer(outside, 1)
    return outer(outside, number), outer(outside, number)


def name_of(setting):
    """A setting in words."""
    mode, inside, outside, esn, encap = setting
    return f"{mode} IPv{inside} in IPv{outside}{', ESN' if esn else ''}{', UDP' if encap else ''}"


class Bench:
    """Both ends, and the sockets of every suite."""

    def __init__(self, lab):
        self.lab = lab
        self.e, self.x = lab.build("E", "X")
        lab.join("E:wan X:wan")
        for ns, side, other in ((self.e, 1, 2), (self.x, 2, 1)):
            lines = ""
            for number in range(1, len(lab.suites()) + 1):
                for family, bits in ((4, 32), (6, 128)):
                    flag = "nodad" if family == 6 else ""
                    lines += f"addr add {inner(family, number)[side - 1]}/{bits} dev lo {flag}\n"
                    lines += f"addr add {outer(family, number)[side - 1]}/{24 if family == 4 else 64} dev wan {flag}\n"
            ns.ip(f"""link set lo up
                      {lines}
                      link set wan up
                      route add 10.{other}.0.0/24 via {outer(4, 1)[other - 1]}
                      route add 2001:db8:{other}::/64 via {outer(6, 1)[other - 1]}""")
        self.client = Client(self.e)
        self.clear = Wire(self.e, "wan", CLEAR)
        self.doors = {}
        self.failures = {suite: [] for suite in lab.suites()}
        self.count = {suite: 0 for suite in lab.suites()}

    def door(self, family):
        """X takes ESP in UDP from a socket that says so; E needs one lest X be told that nobody listens."""
        for ns in (self.e, self.x):
            sock = ns.udp("::" if family == 6 else "0.0.0.0", 4500)
            if ns is self.x:
                sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
            self.doors.setdefault(family, []).append(sock)

    def close_doors(self):
        for socks in self.doors.values():
            for sock in socks:
                sock.close()
        self.doors.clear()

    def configure(self, setting, suites):
        """SAs and policies of all these suites."""
        mode, _, _, esn, encap = setting
        client = self.client
        client.do("policy-flush")
        client.do("sa-flush")
        lines = "xfrm policy flush\nxfrm state flush\n"
        for number, suite in enumerate(suites, 1):
            info = self.lab.suites()[suite]
            (here, there), (left, right) = ends(setting, number)
            if encap:
                lines += f"xfrm policy update src {left} dst {right} proto 17 dport 4500 dir in priority 1 action allow\n"
            for spi, way, src, dst, first, last in ((0x1000, "out", left, right, here, there),
                                                    (0x2000, "in", right, left, there, here)):
                key = os.urandom(info["key_len"])
                more = {"encap-sport": 4500, "encap-dport": 4500} if encap else {}
                client.do("sa-add", spi=spi + number, direction=way, mode=mode, src=addr(src), dst=addr(dst), suite=suite,
                          key=key, reqid=number, esn=int(esn), **more)
                selector = {"src-first": addr(first), "src-last": addr(first), "dst-first": addr(last),
                            "dst-last": addr(last), "protocol": 17}
                client.do("policy-add", direction=way, action="protect", reqid=number, selector=selector)
                lines += xfrm.state(spi + number, src, dst, mode, suite, info, key, esn,
                                    (4500, 4500) if encap else None).replace(" reqid 1 ", f" reqid {number} ")
                tmpl = f"src {src} dst {dst} " if mode == "tunnel" else ""
                for theirs in ("in", "fwd") if way == "out" else ("out",):
                    lines += f"xfrm policy add src {first} dst {last} proto 17 dir {theirs} " \
                        f"priority 9 tmpl {tmpl}proto esp reqid {number} mode {mode}\n"
        self.x.ip(lines)

    def run(self, setting, suites):
        """A setting, for these suites."""
        self.configure(setting, suites)
        errors, before = xfrm.errors(self.x), self.e.drops()
        self.clear.packets()
        for number, suite in enumerate(suites, 1):
            self.count[suite] += 1
            (here, there), _ = ends(setting, number)
            near, far = self.e.udp(here, PORT), self.x.udp(there, PORT)
            near.settimeout(2)
            far.settimeout(2)
            try:
                for size in SIZES:
                    ask(near, far, os.urandom(size))
                    ask(far, near, os.urandom(size))
            except Failure as failure:
                self.failures[suite].append(f"{name_of(setting)}: {failure}")
            near.close()
            far.close()

        def compare():
            self.ours = {sa["spi"]: sa["packets"] for sa in self.client.dump("sa-get")}
            self.theirs = xfrm.packets(self.x)
            return self.ours == self.theirs
        try:
            eventually(compare, "both sides count the same", 3)
        except Failure:
            pass
        for number, suite in enumerate(suites, 1):
            for spi in (0x1000 + number, 0x2000 + number):
                ours, theirs = self.ours.get(spi), self.theirs.get(spi)
                if ours != theirs or not ours or ours < 2 * len(SIZES):
                    self.failures[suite].append(f"{name_of(setting)}: {spi:#x} counts {ours} here, {theirs} there")
        new = {name: value for name, value in self.e.drops().items() if value != before.get(name, 0)}
        new.pop("out_too_big", None)
        equal(new, {}, f"drops of E, {name_of(setting)}")
        equal(xfrm.errors(self.x), errors, f"errors of X, {name_of(setting)}")
        equal(len(self.clear.packets()), 0, f"packets in clear, {name_of(setting)}")


def main(lab):
    bench = Bench(lab)
    suites = list(lab.suites())
    with lab.test("settings", f"{len(SETTINGS)} settings: nobody counts an error, and nothing but ESP is on the wire"):
        # First those without UDP, lest a socket take what is not for it.
        for number, setting in enumerate(sorted(SETTINGS, key=lambda setting: setting[4])):
            if setting[4] and not bench.doors:
                bench.door(4)
                bench.door(6)
            bench.run(setting, suites[number % 6::6] if lab.debug else suites)
        bench.close_doors()
    for suite in suites:
        with lab.test(suite, f"{suite} with xfrm in {bench.count[suite]} settings: modes, families, ESN, UDP"):
            equal(bench.failures[suite], [], "failures")
            check(bench.count[suite] >= (4 if lab.debug else len(SETTINGS)), f"{bench.count[suite]} settings")
