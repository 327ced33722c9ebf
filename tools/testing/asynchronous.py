# SPDX-License-Identifier: GPL-2.0
"""Makes a suite asynchronous, by a template of the kernel's around its driver.

On the debug kernel cryptd hands each packet to a kernel thread. It refuses drivers
that call themselves asynchronous already, as those of AES-NI do. Debian's kernel
tests what it instantiates, where cryptd fails for some AEADs; there pcrypt hands
packets to other CPUs, of whose locks lockdep in turn complains.
"""

import contextlib
import os
import socket

from lab import Failure, check, command

INSTANCES = {}


def is_async(sa):
    """Whether an SA has such a driver."""
    return sa["driver"].startswith(("cryptd(", "pcrypt("))


def make_async(lab, ns, suite, esn=True):
    """From now on SAs of this suite have an asynchronous driver; its name.

    Binding a socket to TEMPLATE(DRIVER) makes that instance, of better priority
    than DRIVER itself.
    """
    def probe():
        ns.sa("in", 0xfffff, "192.0.2.99", "192.0.2.98", suite,
              os.urandom(lab.suites()[suite]["key_len"]),
              more=f"reqid 99 esn {'on' if esn else 'off'}")
        sa = ns.sas()[0xfffff]
        ns.del_sa(0xfffff, "192.0.2.98", "in")
        return sa

    sa = probe()
    if not is_async(sa):
        if not lab.debug:
            command("modprobe -a pcrypt algif_aead")
        INSTANCES[suite, esn] = alg = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
        template = "cryptd" if lab.debug else "pcrypt"
        # The kernel's name for two that we join ourselves
        driver = f"rfc7539esp({sa['driver']})" if suite == "chacha20poly1305" else sa["driver"]
        alg.bind(("aead", f"{template}({driver})"))
        sa = probe()
        check(is_async(sa), f"the driver of {suite} is {sa['driver']}")
    return sa["driver"]


def softirqs():
    """The thread that does what softirqs leave on the first CPU."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().strip() == "ksoftirqd/0":
                    return int(pid)
    raise Failure("no ksoftirqd/0")


@contextlib.contextmanager
def starved():
    """The thread that seals and opens packets of this CPU waits until the end of this; softirqs do not."""
    limit = "/proc/sys/kernel/sched_rt_runtime_us"
    with open(limit, encoding="ascii") as file:
        was = file.read()
    with open(limit, "w", encoding="ascii") as file:
        file.write("-1")
    thread = softirqs()
    os.sched_setaffinity(0, {0})
    os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(60))
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, range(os.cpu_count()))
        with open(limit, "w", encoding="ascii") as file:
            file.write(was)
