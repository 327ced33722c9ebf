# SPDX-License-Identifier: GPL-2.0
"""Makes a suite asynchronous, by the kernel's crypto daemon."""

import os
import socket

from lab import check

INSTANCES = {}


def cryptd(lab, ns, suite, esn=True):
    """From now on SAs of this suite have an asynchronous driver; its name.

    Binding a socket to cryptd(DRIVER) makes that instance, of better priority
    than DRIVER itself.
    """
    def driver():
        ns.sa("in", 0xfffff, "192.0.2.99", "192.0.2.98", suite,
              os.urandom(lab.suites()[suite]["key_len"]),
              more=f"reqid 99 esn {'on' if esn else 'off'}")
        name = ns.sas()[0xfffff]["driver"]
        ns.espctl("sa del spi 0xfffff dst 192.0.2.98 dir in")
        return name

    name = driver()
    if name.startswith("cryptd("):
        return name
    if not lab.debug:
        from lab import command
        command("modprobe -a cryptd algif_aead")
    INSTANCES[suite, esn] = alg = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
    alg.bind(("aead", f"cryptd({name})"))
    got = driver()
    check(got.startswith("cryptd("), f"the driver of {suite} is {got}")
    return got
