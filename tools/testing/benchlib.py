# SPDX-License-Identifier: GPL-2.0
"""What the bench is made of: four namespaces, the systems between them, meters.

    A ----- g1 ======== g2 ----- B        veth between them
"""

import ctypes
import os
import re
import socket
import statistics
import subprocess
import sys
import time

ESPCTL = "tools/espctl/espctl"
MODULE = "build/stock/esp_mod.ko"
KEYS = ("aa" * 36, "bb" * 36)
LIBC = ctypes.CDLL(None, use_errno=True)
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2

# By family: ends, links, networks and gateways.
A = {4: "10.1.0.2", 6: "2001:db8:1::2"}
B = {4: "10.2.0.2", 6: "2001:db8:2::2"}
G1 = {4: "192.0.2.1", 6: "2001:db8::1"}
G2 = {4: "192.0.2.2", 6: "2001:db8::2"}
NET_A = {4: "10.1.0.0/24", 6: "2001:db8:1::/64"}
NET_B = {4: "10.2.0.0/24", 6: "2001:db8:2::/64"}
LAN1 = {4: "10.1.0.1", 6: "2001:db8:1::1"}
LAN2 = {4: "10.2.0.1", 6: "2001:db8:2::1"}
PLEN = {4: 24, 6: 64}

# Suite: bytes of key and salt, and xfrm's name of it
SUITES = {"aes128gcm16": (20, "rfc4106(gcm(aes))"),
          "chacha20poly1305": (36, "rfc7539esp(chacha20,poly1305)")}


def run(words, **kw):
    """Run a command, which must succeed; give its output."""
    done = subprocess.run(words.split() if isinstance(words, str) else words,
                          capture_output=True, text=True, check=False, **kw)
    if done.returncode:
        sys.exit(f"{words}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def within(ns, words, **kw):
    """Run a command in a namespace."""
    words = words.split() if isinstance(words, str) else words
    return run(["ip", "netns", "exec", ns, *words], **kw)


def enter(ns):
    """Move this process into a namespace."""
    with open(f"/run/netns/{ns}", encoding="ascii") as there:
        if LIBC.setns(there.fileno(), 0):
            sys.exit(f"setns {ns}: {os.strerror(ctypes.get_errno())}")


def write(ns, path, *lines):
    """Write lines into a file of /proc/net, as a namespace sees it."""
    within(ns, ["sh", "-c", "".join(f"echo '{line}' > {path}; " for line in lines)])


def wire(left, ldev, laddr, right, rdev, raddr):
    """Two namespaces and a veth pair between them."""
    run(f"ip link add {ldev} netns {left} type veth peer name {rdev} netns {right}")
    for ns, dev, addr in ((left, ldev, laddr), (right, rdev, raddr)):
        for family in (4, 6):
            run(f"ip -n {ns} addr add {addr[family]}/{PLEN[family]} dev {dev} nodad")
        run(f"ip -n {ns} link set {dev} up")


def build_topology():
    """The four hosts; B drops UDP as it comes in."""
    for ns in ("A", "g1", "g2", "B"):
        run(f"ip netns add {ns}")
        within(ns, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
                   "net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0")
        run(f"ip -n {ns} link set lo up")
    wire("A", "eth0", A, "g1", "lan", LAN1)
    wire("g1", "wan", G1, "g2", "wan", G2)
    wire("g2", "lan", LAN2, "B", "eth0", B)
    for family in (4, 6):
        ip = f"ip -{family}"
        run(f"{ip} -n A route add default via {LAN1[family]}")
        run(f"{ip} -n B route add default via {LAN2[family]}")
        run(f"{ip} -n g1 route add {NET_B[family]} via {G2[family]}")
        run(f"{ip} -n g2 route add {NET_A[family]} via {G1[family]}")
        knock(family)
    run("tc -n B qdisc add dev eth0 clsact")
    for protocol in ("ip", "ipv6"):
        run(f"tc -n B filter add dev eth0 ingress protocol {protocol} flower ip_proto udp "
            "action drop")


def knock(family):
    """Have neighbours found, routes cached, handshakes done."""
    within("A", f"ping -{family} -c 2 -i 0.2 -W 5 {B[family]}")


class Case:
    """What is asked of a system: a suite, a family (of both headers), with UDP or not."""

    def __init__(self, suite, family=4, natt=False):
        self.suite, self.family, self.natt = suite, family, natt

    @property
    def shape(self):
        return f"{self.family}-in-{self.family}" + (", NAT-T" if self.natt else "")


class Plain:
    """Forwarding alone."""
    name = "plain"

    def suite(self, case):
        return None

    def up(self, case):
        pass

    def down(self):
        pass


class Xfrm:
    """The kernel's own IPsec."""

    def __init__(self, name="xfrm"):
        self.name = name
        self.sockets = []

    def suite(self, case):
        return case.suite

    def up(self, case):
        fam = case.family
        key_len, alg = SUITES[case.suite]
        encap = "encap espinudp 4500 4500 0.0.0.0" if case.natt else ""
        states = "".join(
            f"xfrm state add src {src} dst {dst} proto esp spi {spi} reqid 1 mode tunnel "
            f"flag esn replay-window 1024 aead {alg} 0x{key[:2 * key_len]} 128 "
            f"{encap}\n"
            for src, dst, spi, key in ((G1[fam], G2[fam], "0x1001", KEYS[0]),
                                       (G2[fam], G1[fam], "0x1002", KEYS[1])))
        for ns, local, remote, here, there in (
                ("g1", G1[fam], G2[fam], NET_A[fam], NET_B[fam]),
                ("g2", G2[fam], G1[fam], NET_B[fam], NET_A[fam])):
            policies = f"xfrm policy add src {here} dst {there} dir out " \
                f"tmpl src {local} dst {remote} proto esp reqid 1 mode tunnel\n"
            for way in ("fwd", "in"):
                policies += f"xfrm policy add src {there} dst {here} dir {way} " \
                    f"tmpl src {remote} dst {local} proto esp reqid 1 mode tunnel\n"
            within(ns, "ip -batch -", input=states + policies)
            if case.natt:
                self.sockets.append(encap_socket(ns))

    def down(self):
        for ns in ("g1", "g2"):
            within(ns, "ip xfrm policy flush")
            within(ns, "ip xfrm state flush")
        while self.sockets:
            self.sockets.pop().close()


def encap_socket(ns):
    """xfrm takes ESP in UDP where a socket says so."""
    with open("/proc/self/ns/net", encoding="ascii") as here:
        enter(ns)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        LIBC.setns(here.fileno(), 0)
    sock.bind(("0.0.0.0", 4500))
    sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    return sock


class WireGuard:
    """Another tunnel; its cipher is always chacha20poly1305, always in UDP."""
    name = "wireguard"

    def suite(self, case):
        return "chacha20poly1305"

    def up(self, case):
        fam = case.family
        secret = {ns: run("wg genkey").strip() for ns in ("g1", "g2")}
        public = {ns: run("wg pubkey", input=secret[ns]).strip() for ns in secret}
        for ns, peer, end, there in (("g1", "g2", G2[fam], NET_B[fam]),
                                     ("g2", "g1", G1[fam], NET_A[fam])):
            end = f"[{end}]" if fam == 6 else end
            run(f"ip -n {ns} link add wg0 type wireguard")
            within(ns, f"wg set wg0 private-key /proc/self/fd/0 listen-port 51820 peer "
                       f"{public[peer]} allowed-ips {there} endpoint {end}:51820",
                   input=secret[ns])
            run(f"ip -n {ns} link set wg0 up")
            run(f"ip -{fam} -n {ns} route replace {there} dev wg0")
        self.family = fam
        knock(fam)

    def down(self):
        fam = self.family
        run(f"ip -{fam} -n g1 route replace {NET_B[fam]} via {G2[fam]} dev wan")
        run(f"ip -{fam} -n g2 route replace {NET_A[fam]} via {G1[fam]} dev wan")
        for ns in ("g1", "g2"):
            run(f"ip -n {ns} link del wg0")


class EspMod:
    """Ours. The module goes with it: its hooks would be in the way of others."""

    def __init__(self, name="esp_mod", parameters=""):
        self.name, self.parameters = name, parameters

    def suite(self, case):
        return case.suite

    def up(self, case):
        run(f"insmod {MODULE} {self.parameters}")
        fam = case.family
        encap = "encap 4500 4500" if case.natt else ""
        key_len = 2 * SUITES[case.suite][0]
        for ns, ways in (("g1", ("out", "in")), ("g2", ("in", "out"))):
            for way, src, dst, spi, key in ((ways[0], G1[fam], G2[fam], "0x1001", KEYS[0]),
                                            (ways[1], G2[fam], G1[fam], "0x1002", KEYS[1])):
                within(ns, f"{ESPCTL} sa add spi {spi} dir {way} mode tunnel src {src} dst {dst} "
                           f"suite {case.suite} reqid 1 {encap} key-file -", input=key[:key_len])
            for way, src, dst in ((ways[0], NET_A[fam], NET_B[fam]),
                                  (ways[1], NET_B[fam], NET_A[fam])):
                within(ns, f"{ESPCTL} policy add dir {way} src {src} dst {dst} "
                           "action protect reqid 1")

    def down(self):
        run("rmmod esp_mod")


class Pktgen:
    """Packets from A to where tc drops them, by the kernel's generator.

    This process stays there, for it reads how many came.
    """

    def __init__(self):
        run("modprobe pktgen")
        self.mac = re.search(r"link/ether (\S+)", run("ip -n g1 link show lan"))[1]
        self.at("B", "eth0")
        self.aim(4)

    def at(self, ns, dev):
        """Where packets are dropped, and counted."""
        enter(ns)
        self.ns, self.dev = ns, dev
        self.counters = os.open("/proc/self/net/dev", os.O_RDONLY)

    def aim(self, family, *more):
        """Datagrams of a family; more: lines for pktgen."""
        to = "dst6" if family == 6 else "dst"
        write("A", "/proc/net/pktgen/kpktgend_0", "rem_device_all", "add_device eth0")
        lines = ["clone_skb 0", "delay 0", f"{to} {B[family]}", f"dst_mac {self.mac}",
                 "udp_src_min 9", "udp_src_max 9", "udp_dst_min 9", "udp_dst_max 9"]
        lines.append(f"src6 {A[6]}" if family == 6 else f"src_min {A[4]}")
        if family == 4:
            lines.append(f"src_max {A[4]}")
        write("A", "/proc/net/pktgen/eth0", *lines, *more)

    def dropped(self):
        said = run(f"tc -n {self.ns} -s filter show dev {self.dev} ingress")
        return sum(map(int, re.findall(r"dropped (\d+)", said)))

    def received(self):
        table = os.pread(self.counters, 4096, 0).decode()
        return int(re.search(rf"{self.dev}:\s*\d+\s+(\d+)", table)[1])

    def send(self, size, count, doze=False):
        """Nanoseconds that so many packets of so many bytes of IP took, the last one's arrival
        included; all must come.

        The clock runs from pktgen's own start until the last packet is at B. This
        process polls for that with the idle policy: it takes next to nothing while
        there is work, and keeps the guest from idling, which would count as time.
        With doze it sleeps in between, and leaves its CPU to others.
        """
        before = self.dropped()
        write("A", "/proc/net/pktgen/eth0", f"count {count}", f"pkt_size {size + 14}")
        last = self.received() + count
        give_up = time.monotonic() + 120
        with subprocess.Popen(["ip", "netns", "exec", "A", "sh", "-c",
                               "echo start > /proc/net/pktgen/pgctrl"]):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            while self.received() < last and time.monotonic() < give_up:
                if doze:
                    time.sleep(0.002)
            stopped = time.monotonic_ns()
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        started = int(re.search(r"started: (\d+)us", within("A", "cat /proc/net/pktgen/eth0"))[1])
        arrived = self.dropped() - before
        if arrived != count:
            sys.exit(f"{count} packets of {size} bytes sent, {arrived} arrived\n" +
                     "".join(within(ns, f"{ESPCTL} stats") for ns in ("g1", "g2")
                             if os.path.exists("/sys/module/esp_mod")))
        return stopped - started * 1000

    def cost(self, size, count, runs=3):
        """Nanoseconds, which are instructions, for a packet: the median of some runs."""
        self.send(size, count // 4)
        return round(statistics.median(self.send(size, count) / count for _ in range(runs)))


class Child:
    """A function of this process, run in a namespace by another one; what it returns is a number."""

    def __init__(self, ns, work):
        self.end, there = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.end)
            enter(ns)
            os.write(there, str(work()).encode())
            os._exit(0)
        os.close(there)

    def result(self):
        with open(self.end, encoding="ascii") as pipe:
            number = pipe.read()
        os.waitpid(self.pid, 0)
        if not number:
            sys.exit("bench: a helper failed")
        return int(number)


def stream(size):
    """Nanoseconds that a TCP stream of so many bytes from A to B took.

    Neither end copies it (sendfile, MSG_TRUNC), so that most of what is seen lies
    between the two.
    """
    with open("/dev/shm/stream", "wb") as file:
        file.write(os.urandom(1 << 20))

    def receive():
        with socket.create_server((B[4], 5001)) as server:
            sock, _ = server.accept()
        left = size
        buf = bytearray(1 << 20)
        while left:
            got = sock.recv_into(buf, min(left, len(buf)), socket.MSG_TRUNC)
            if not got:
                os._exit(1)
            left -= got
        return time.monotonic_ns()

    def send():
        with socket.socket() as sock, open("/dev/shm/stream", "rb") as file:
            while sock.connect_ex((B[4], 5001)):
                time.sleep(0.01)
            started = time.monotonic_ns()
            left = size
            while left:
                left -= os.sendfile(sock.fileno(), file.fileno(), 0, min(left, 1 << 20))
        return started

    to, frm = Child("B", receive), Child("A", send)
    started = frm.result()
    return to.result() - started


def ping(times):
    """Nanoseconds of an echo from A to B and back, the median of so many."""

    def work():
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.connect((B[4], 0))
        took = []
        for number in range(times):
            head = b"\x08\x00" + b"\0\0" + b"\x12\x34" + number.to_bytes(2, "big") + bytes(56)
            total = sum(int.from_bytes(head[at:at + 2], "big") for at in range(0, len(head), 2))
            total = (total & 0xffff) + (total >> 16)
            packet = head[:2] + (0xffff - total).to_bytes(2, "big") + head[4:]
            begin = time.monotonic_ns()
            sock.send(packet)
            while sock.recv(200)[26:28] != packet[6:8]:
                pass
            took.append(time.monotonic_ns() - begin)
        return round(statistics.median(took))

    return Child("A", work).result()


def aead(suite, size):
    """Nanoseconds of seal and open of a packet of so many bytes of IP, by the kernel's tcrypt.

    tcrypt measures some lengths; ours lies between two of them.
    """
    text = -(-(size + 2) // 4) * 4
    mode = {"aes128gcm16": 211, "chacha20poly1305": 213}[suite]
    name = SUITES[suite][1]
    bits = 8 * SUITES[suite][0]
    run("dmesg -C")
    # It never stays loaded, by design.
    subprocess.run(["modprobe", "tcrypt", f"mode={mode}"], capture_output=True, check=False)
    told = run("dmesg")
    total = 0
    for way in ("encryption", "decryption"):
        points = {}
        for block in re.split(r"testing speed of ", told)[1:]:
            if block.startswith(name) and way in block.splitlines()[0]:
                points = {int(n): int(cycles) for n, cycles in re.findall(
                    rf"\({bits} bit key, (\d+) byte blocks\):.*?1 operation in (\d+) cycles", block,
                    re.S)}
        if not points:
            return None
        low = max(n for n in points if n <= text)
        high = min(n for n in points if n > text)
        total += points[low] + (points[high] - points[low]) * (text - low) / (high - low)
    return round(total)


def pcrypt(suite):
    """Have the kernel's parallel crypto stand in front of a suite's algorithm, for all who use it."""
    alg = f"pcrypt({SUITES[suite][1]})"
    run("modprobe pcrypt")
    # It makes the instance, and never stays loaded.
    subprocess.run(["modprobe", "tcrypt", f"alg={alg}", "type=3"], capture_output=True, check=False)
    with open("/proc/crypto", encoding="ascii") as file:
        if "pcrypt(" not in file.read():
            sys.exit(f"bench: no {alg}")


MANY_NET, MANY_FIRST, MANY_LAST, MANY_FLOWS = "172.16.0.0/14", "172.16.0.0", "172.16.3.231", 1000


def private(path, flags):
    """An opener for files with keys."""
    return os.open(path, flags, 0o600)


def apply(ns, lines):
    """A file of espctl's commands."""
    with open("/dev/shm/conf", "w", encoding="ascii") as file:
        file.writelines(lines)
    within(ns, f"{ESPCTL} -f /dev/shm/conf")


def many(count):
    """So many outbound SAs, and a policy for a host behind each, at g1."""
    key = "/dev/shm/keys"
    for first in range(0, count, 10_000):
        lines = []
        for number in range(first, min(first + 10_000, count)):
            # Two outbound SAs must not share a key.
            path = f"{key}.{number - first}"
            with open(path, "w", encoding="ascii", opener=private) as file:
                file.write(f"{number:040x}")
            lines.append(f"sa add spi {0x10000 + number:#x} dir out mode tunnel src {G1[4]} dst {G2[4]} "
                         f"suite aes128gcm16 key-file {path} reqid {10 + number}\n")
            lines.append(f"policy add dir out src {NET_A[4]} dst 172.{16 + (number >> 16)}.{number >> 8 & 255}."
                         f"{number & 255} priority 1 action protect reqid {10 + number}\n")
        apply("g1", lines)
