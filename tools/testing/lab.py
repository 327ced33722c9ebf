# SPDX-License-Identifier: GPL-2.0
"""What scenarios are made of: namespaces, wires, sockets, results.

Forks are what costs time in an emulated guest, so one process enters each
namespace in turn, keeps sockets in all of them, and gives `ip' its commands in
batches.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

import plain
import quick

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
ESPCTL = os.path.abspath("tools/espctl/espctl")
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86dd
SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_OUTGOING = 263, 23, 4
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_SNDBUFFORCE = 26, 33, 32
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DONT = 10, 23, 0
PMTUDISC_DO, PMTUDISC_PROBE = 2, 3
# What sockets of a family call things
LEVEL = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
DISCOVER = {4: IP_MTU_DISCOVER, 6: IPV6_MTU_DISCOVER}
RECVERR = {4: 11, 6: 25}
ESP, UDP = 50, 17
# Of the gateways, and of the networks behind them
GATES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
SITES = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("2001:db8:1::/64", "2001:db8:2::/64")}
NFT_JSON = 1 << 4
# Of x86, with 64 bits and with 32
FINIT_MODULE, DELETE_MODULE = (313, 176) if sys.maxsize >> 32 else (350, 129)


class Failure(Exception):
    """What a test found wrong."""


def check(true, why):
    """Fail unless true."""
    if not true:
        raise Failure(why)


def brief(value):
    """As it is written, but for what nobody could read."""
    text = repr(value)
    return text if len(text) <= 2000 else f"{text[:300]}... ({len(text)} characters)"


def equal(got, want, what):
    """Fail unless equal."""
    if got != want:
        raise Failure(f"{what}: {brief(got)}, not {brief(want)}")


def eventually(ask, what, seconds=10.0):
    """Ask until the answer is true; that answer."""
    until = time.monotonic() + seconds
    pause = 0.01
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > until:
            raise Failure(f"not in {seconds:.0f} s: {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.2)


def command(words, text=None, good=True, seconds=60):
    """Run a command in the namespace of the moment; what it did."""
    if isinstance(words, str):
        words = words.split()
    if words[0] == "nft":
        done = subprocess.CompletedProcess(words, *nft(words[1:], text))
    else:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False,
                              timeout=seconds, stdin=subprocess.DEVNULL if text is None else None)
    if good and done.returncode:
        raise Failure(f"{' '.join(words)}: status {done.returncode}: "
                      f"{done.stderr.strip() or done.stdout.strip()}")
    return done


FILTERS = {}


def compile_filter(text):
    """An expression of tcpdump's as a program for SO_ATTACH_FILTER, by its library."""
    if text not in FILTERS:
        class Program(ctypes.Structure):
            """struct bpf_program"""
            _fields_ = (("size", ctypes.c_uint), ("code", ctypes.c_void_p))

        pcap, program = ctypes.CDLL("libpcap.so.0.8"), Program()
        pcap.pcap_open_dead.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(pcap.pcap_open_dead(1, 1 << 18))
        if pcap.pcap_compile(handle, ctypes.byref(program), text.encode(), 1, ctypes.c_uint(0xffffffff)):
            raise Failure(f"no filter: {text}")
        FILTERS[text] = ctypes.string_at(program.code, program.size * 8)
        pcap.pcap_freecode(ctypes.byref(program))
        pcap.pcap_close(handle)
    return FILTERS[text]


def nft(words, text=None):
    """nft in the namespace of the moment, by its library: status, output, errors."""
    lib = ctypes.CDLL("libnftables.so.1")
    for function in ("nft_ctx_new", "nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(lib, function).restype = ctypes.c_void_p
    ctx = ctypes.c_void_p(lib.nft_ctx_new(0))
    lib.nft_ctx_buffer_output(ctx)
    lib.nft_ctx_buffer_error(ctx)
    if words[0] == "-j":
        words = words[1:]
        lib.nft_ctx_output_set_flags(ctx, NFT_JSON)
    status = lib.nft_run_cmd_from_buffer(ctx, (" ".join(words) if text is None else text).encode())
    out, err = (ctypes.string_at(function(ctx)).decode() for function in (lib.nft_ctx_get_output_buffer,
                                                                          lib.nft_ctx_get_error_buffer))
    lib.nft_ctx_free(ctx)
    return 1 if status else 0, out, err


class Wire:
    """A socket that sees packets on a device, and can send any.

    With incoming set it sees only what arrives, and of that only what the
    filter accepts, so that the packets that it does not want are not cloned.
    """

    def __init__(self, ns, dev, accept="", incoming=False):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            if incoming:
                self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            if accept:
                program = compile_filter(accept)
                buf = ctypes.create_string_buffer(program, len(program))
                self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                     struct.pack("HP", len(program) // 8,
                                                 ctypes.addressof(buf)))
            self.sock.bind((dev, ETH_P_ALL))
        self.sock.setblocking(False)

    def packets(self):
        """Those seen since the last call: frames."""
        seen = []
        while True:
            try:
                frame, _ = self.sock.recvfrom(1 << 17)
            except BlockingIOError:
                return seen
            seen.append(frame)

    def send(self, frame):
        """Put a frame on the wire."""
        self.sock.send(frame)

    def close(self):
        self.sock.close()


def capture(path, frames):
    """Frames as a file of tcpdump's."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 1 << 18, 1))
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)


class Packet:
    """An IPv4 frame, read as far as tests want."""

    def __init__(self, frame):
        self.frame = frame
        self.type = struct.unpack_from("!H", frame, 12)[0]
        self.proto = None
        if self.type != ETH_P_IP:
            return
        self.ip = frame[14:]
        ihl = (self.ip[0] & 15) * 4
        self.length = struct.unpack_from("!H", self.ip, 2)[0]
        self.proto = self.ip[9]
        self.src, self.dst = (socket.inet_ntoa(self.ip[at:at + 4]) for at in (12, 16))
        self.body = self.ip[ihl:self.length]
        if self.proto == ESP:
            self.spi, self.seq = struct.unpack_from("!II", self.body)


def checksum(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, proto, body, ttl=64, ident=1):
    """An IPv4 packet."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident, 0, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def fragment(packet, field):
    """An IPv4 packet with that flags and offset."""
    head = packet[:6] + struct.pack("!H", field) + packet[8:10] + bytes(2) + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


def ipv6(src, dst, proto, body, ttl=64):
    """An IPv6 packet."""
    return struct.pack("!IHBB", 6 << 28, len(body), proto, ttl) + socket.inet_pton(socket.AF_INET6, src) + \
        socket.inet_pton(socket.AF_INET6, dst) + body


def icmpv6(src, dst, body):
    """A message of ICMPv6, given with a checksum of 0."""
    pseudo = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + \
        struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ipv6(src, dst, 58, body)


def udp(sport, dport, body):
    """A UDP datagram without checksum."""
    return struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body


def udp6(src, dst, sport, dport, body):
    """A UDP datagram in IPv6, where the checksum is not optional."""
    datagram = udp(sport, dport, body)
    pseudo = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + \
        struct.pack("!II", len(datagram), UDP)
    return ipv6(src, dst, UDP, datagram[:6] + struct.pack("!H", checksum(pseudo + datagram)) + datagram[8:])


def marked(packet, tos):
    """A packet with another traffic class."""
    if packet[0] >> 4 == 6:
        return struct.pack("!I", 6 << 28 | tos << 20) + packet[4:]
    head = packet[:1] + bytes([tos]) + packet[2:10] + b"\0\0" + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


def told(sock, what):
    """The ICMP error that a socket with IP_RECVERR is told of: (type, code, from, info)."""
    version = 6 if sock.family == socket.AF_INET6 else 4
    sock.setblocking(False)

    def read():
        try:
            _, ancillary, _, _ = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return None
        for *this, data in ancillary:
            if this == [LEVEL[version], RECVERR[version]]:
                _, _, typ, code, _, info = struct.unpack_from("=IBBBBI", data)
                if version == 4:
                    return typ, code, socket.inet_ntoa(data[20:24]), info
                return typ, code, socket.inet_ntop(socket.AF_INET6, data[24:40]), info
        return None
    got = eventually(read, f"an ICMP error {what}")
    sock.settimeout(5)
    return got


class Ns:
    """A network namespace; `with ns:' enters it."""

    here = []

    def __init__(self, name):
        self.name = name
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self):
        Ns.here.append(self.fd)
        if LIBC.setns(self.fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return self

    def __exit__(self, *_):
        Ns.here.pop()
        LIBC.setns(Ns.here[-1] if Ns.here else HOME, CLONE_NEWNET)

    def close(self):
        """Let go of the namespace, so that it can die."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def delete(self):
        """Remove it; the kernel takes it down once nothing holds it."""
        self.close()
        plain.del_namespaces([self.name])

    def ip(self, lines):
        """Commands of ip, one a line."""
        lines = [line.strip() for line in lines.strip().splitlines()]
        # Its option -n would cost as much again, for a mount of sysfs.
        with self:
            while lines and plain.ip(lines[0]):
                del lines[0]
            return command(["ip", "-batch", "-"], "\n".join(lines)).stdout if lines else ""

    def run(self, words, **kw):
        """Run a command in here."""
        with self:
            return command(words, **kw)

    def start(self, words, **kw):
        """Start a command in here, without waiting for it."""
        with self:
            return subprocess.Popen(words.split() if isinstance(words, str) else words,
                                    stdin=subprocess.DEVNULL, **kw)

    def sysctl(self, name, value):
        with self, open("/proc/sys/" + name, "w", encoding="ascii") as file:
            file.write(str(value))

    def read(self, path):
        """A file of /proc as this namespace has it."""
        with self, open(path, encoding="ascii") as file:
            return file.read()

    # espctl

    def espctl(self, words, key=None, good=True):
        """espctl in here; what it did."""
        with self:
            return command([ESPCTL, *words.split()], text=key, good=good)

    def sas(self):
        """SAs of this namespace, by SPI as a number: much of what `shown' has."""
        with self:
            return {int(sa["spi"], 0): sa for sa in quick.sas()}

    def shown(self):
        """SAs of this namespace, by SPI as a number, as espctl shows them."""
        return {int(sa["spi"], 0): sa for sa in json.loads(self.espctl("-j sa show").stdout)}

    def policies(self):
        """Policies of this namespace."""
        return json.loads(self.espctl("-j policy show").stdout)

    def stats(self):
        """Counters that are not zero: name and value."""
        return {name: value for name, value, _ in self.counters() if value}

    def drops(self):
        """Counters of drops that are not zero: name and value."""
        return {name: value for name, value, drop in self.counters() if value and drop}

    def counters(self):
        """Name and value of each counter, and whether it is of drops."""
        with self:
            return quick.counters()

    def sa(self, way, spi, src, dst, suite, key, mode="tunnel", more="reqid 1"):
        """Add an SA."""
        try:
            with self:
                quick.add_sa(way, spi, src, dst, suite, key, mode, more)
        except quick.Unknown:
            self.say_sa(way, spi, src, dst, suite, key, mode, more)

    def say_sa(self, way, spi, src, dst, suite, key, mode="tunnel", more="reqid 1", good=True):
        """Add an SA with espctl; what it did."""
        return self.espctl(f"sa add spi {spi:#x} dir {way} mode {mode} src {src} dst {dst} "
                           f"suite {suite} key-file - {more}", key=key.hex(), good=good)

    def policy(self, words):
        """Add a policy; its id."""
        try:
            with self:
                return quick.add_policy(words)
        except quick.Unknown:
            return json.loads(self.espctl("-j policy add " + words).stdout)["id"]

    def silence(self):
        """Remove every policy and SA."""
        with self:
            quick.flush_policies()
            quick.flush_sas()

    def flush_sas(self):
        """Remove every SA."""
        with self:
            quick.flush_sas()

    def flush_policies(self):
        """Remove every policy."""
        with self:
            quick.flush_policies()

    def del_sa(self, spi, dst, way):
        """Remove an SA."""
        with self:
            quick.del_sa(spi, dst, way)

    # Sockets

    def udp(self, addr, port=0):
        """A UDP socket that lets its packets be fragmented."""
        family = socket.AF_INET6 if ":" in addr else socket.AF_INET
        with self:
            sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        sock.bind((addr, port))
        sock.settimeout(5)
        return sock

    def listen(self, addr, port=0):
        """A TCP socket that listens."""
        with self:
            sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                                 socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((addr, port))
        sock.listen(16)
        sock.settimeout(10)
        return sock

    def connect(self, listener, source=None, seconds=10):
        """Connect to a listener of another namespace: both ends."""
        with self:
            near = socket.socket(listener.family, socket.SOCK_STREAM)
        near.settimeout(seconds)
        if source:
            near.bind((source, 0))
        near.connect(listener.getsockname()[:2])
        far, _ = listener.accept()
        return near, far

    def mac(self, dev):
        """Ethernet address of a device."""
        with self, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            import fcntl
            got = fcntl.ioctl(sock, 0x8927, struct.pack("256s", dev.encode()))
        return got[18:24]


class Monitor:
    """What the kernel tells of SAs and policies of a namespace, from now on."""

    def __init__(self, ns):
        self.child = ns.start([ESPCTL, "-j", "monitor"], stdout=subprocess.PIPE)
        os.set_blocking(self.child.stdout.fileno(), False)
        self.rest = b""
        self.seen = []
        # Groups are the fourth column.
        eventually(lambda: any(line.split()[2] == str(self.child.pid) and int(line.split()[3], 16)
                               for line in ns.read("/proc/net/netlink").splitlines()[1:]),
                   "espctl monitor listens")

    def take(self):
        """All events so far, each a dictionary."""
        with contextlib.suppress(BlockingIOError):
            *lines, self.rest = (self.rest + (os.read(self.child.stdout.fileno(), 1 << 20))).split(b"\n")
            self.seen += [json.loads(line) for line in lines]
        return self.seen

    def await_names(self, *names, seconds=10):
        """Exactly these events since the last call, in this order."""
        with contextlib.suppress(Failure):
            eventually(lambda: len(self.take()) >= len(names), "", seconds)
        got, self.seen = self.seen, []
        equal([event["event"] for event in got], list(names), "events")
        return got

    def stop(self):
        """End it; its status."""
        self.child.terminate()
        self.child.stdout.close()
        return self.child.wait(5)


class Counts:
    """Drops that one namespace counts from now on; it must be exactly those wanted."""

    def __init__(self, ns):
        self.ns = ns
        self.before = ns.drops()

    def new(self):
        """Names and numbers, of drops since."""
        return {name: value - self.before.get(name, 0)
                for name, value in self.ns.drops().items() if value != self.before.get(name, 0)}

    def become(self, seconds=5, **want):
        """Wait until they are those wanted; more than wanted never becomes right."""
        want = {name: value for name, value in want.items() if value}
        try:
            eventually(lambda: self.new() == want, "", seconds)
        except Failure:
            raise Failure(f"{self.ns.name} dropped {self.new()}, not {want}") from None


# The first hook of the kernel patches a jump into the paths of packets, the last
# one takes it out. QEMU before 8.1 can go on for ever with the instructions from
# before, where another CPU runs them meanwhile. So hooks of a namespace that sees
# no packets hold these jumps.
HOLD = "table inet hold {" + "".join(
    f"\nchain {hook} {{ type filter hook {hook} priority 0\n }}"
    for hook in ("prerouting", "input", "forward", "output", "postrouting")) + "\n}"
HOME = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def drain(sock):
    """Discard what waits in a socket; how many packets."""
    sock.setblocking(False)
    count = 0
    try:
        while True:
            sock.recv(65536)
            count += 1
    except BlockingIOError:
        sock.settimeout(5)
        return count


def ask(near, far, data):
    """A datagram there and the same back, byte for byte."""
    near.sendto(data, far.getsockname()[:2])
    try:
        got, peer = far.recvfrom(65536)
    except TimeoutError:
        raise Failure(f"{len(data)} bytes did not arrive there") from None
    equal(got, data, f"{len(data)} bytes there")
    far.sendto(data, peer[:2])
    try:
        got = near.recv(65536)
    except TimeoutError:
        raise Failure(f"{len(data)} bytes did not arrive back") from None
    equal(got, data, f"{len(data)} bytes back")


def stream(near, far, data, seconds=60):
    """Send data both ways at once over TCP; compare it, and end the connection."""
    both = {near: [memoryview(data), bytearray()], far: [memoryview(data), bytearray()]}
    until = time.monotonic() + seconds
    for sock in both:
        sock.setblocking(False)
    while any(left or len(got) < len(data) for left, got in both.values()):
        wants = [s for s, (left, _) in both.items() if left]
        readable, writable, _ = select.select(list(both), wants, [], 1)
        if time.monotonic() > until:
            raise Failure(f"TCP stands still: {[len(got) for _, got in both.values()]} "
                          f"of {len(data)} bytes arrived")
        for sock in readable:
            part = sock.recv(1 << 18)
            check(part, "TCP connection ended early")
            both[sock][1].extend(part)
        for sock in writable:
            sent = sock.send(both[sock][0][:1 << 16])
            both[sock][0] = both[sock][0][sent:]
    for sock, way in ((far, "there"), (near, "back")):
        check(both[sock][1] == data, f"the TCP stream {way} differs from what was sent")
    # In this order, so that nobody waits: the end is part of the test.
    near.close()
    far.setblocking(True)
    far.settimeout(10)
    equal(far.recv(1), b"", "behind the TCP stream")
    far.close()


class Lab:
    """A scenario that runs."""

    def __init__(self, scenario, prefixes, kernel):
        self.scenario = scenario
        self.prefixes = prefixes
        self.kernel = kernel
        self.debug = kernel == "debug"
        self.module = os.path.abspath(f"build/{kernel}/esp_mod.ko")
        self.spaces = {}
        self.children = []
        self.failed = 0
        self.results = 0
        # Of each test: seconds and name
        self.took = []

    # Results

    def wants(self, name):
        """Whether this test was asked for."""
        return name.startswith(self.prefixes)

    @contextlib.contextmanager
    def test(self, name, sentence):
        """A test: what is raised in it fails it, and it alone."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            self.failed += 1
            self.results += 1
            print(f"not ok {self.scenario}/{name}: {sentence}")
            if isinstance(error, Failure):
                self.say(str(error))
            else:
                self.say(traceback.format_exc())
            self.explain()
        else:
            self.results += 1
            print(f"ok {self.scenario}/{name}: {sentence}")
        self.took.append((time.monotonic() - began, name))

    def say(self, text):
        """A diagnostic."""
        for line in text.rstrip().splitlines():
            print(f"#   {line}")

    def explain(self):
        """What the namespaces know of a failure."""
        if not os.path.exists("/sys/module/esp_mod"):
            return
        for name, ns in self.spaces.items():
            if ns.fd < 0:
                continue
            with contextlib.suppress(Exception):
                stats = ns.stats()
                if stats:
                    self.say(f"{name}: {stats}")
            with contextlib.suppress(Exception):
                lines = ns.read("/proc/net/xfrm_stat").splitlines()
                bad = {k: v for k, v in (line.split() for line in lines) if v != "0"}
                if bad:
                    self.say(f"{name}: {bad}")

    # The machine

    def insmod(self):
        """Load the module, as insmod does."""
        with open(self.module, "rb") as file:
            if LIBC.syscall(FINIT_MODULE, file.fileno(), b"", 0):
                raise Failure(f"insmod: {os.strerror(ctypes.get_errno())}")

    def rmmod(self):
        """Unload, as rmmod does; what was said and the status."""
        failed = LIBC.syscall(DELETE_MODULE, b"esp_mod", os.O_NONBLOCK)
        said = f"rmmod: {os.strerror(ctypes.get_errno())}" if failed else ""
        return subprocess.CompletedProcess("rmmod", int(bool(failed)), "", said)

    def build(self, *names, v6=True):
        """Namespaces of those names."""
        plain.add_namespaces(names)
        for name in names:
            ns = self.spaces[name] = Ns(name)
            with ns:
                if not v6:
                    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w",
                              encoding="ascii") as file:
                        file.write("1")
                for dev in ("all", "default"):
                    with open(f"/proc/sys/net/ipv6/conf/{dev}/accept_dad", "w",
                              encoding="ascii") as file:
                        file.write("0")
                with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                    file.write("1")
                with open("/proc/sys/net/ipv6/conf/all/forwarding", "w",
                          encoding="ascii") as file:
                    file.write("1")
                # Rates of ICMP would make counts uncertain.
                with open("/proc/sys/net/ipv4/icmp_ratelimit", "w", encoding="ascii") as file:
                    file.write("0")
        return [self.spaces[name] for name in names]

    def pin(self):
        """Stay on one CPU, so that packets stay in order."""
        os.sched_setaffinity(0, {0})

    def join(self, *wires):
        """Wires, each `ns:dev ns:dev'."""
        for wire in wires:
            (lns, ldev), (rns, rdev) = (end.split(":") for end in wire.split())
            with self.spaces[lns]:
                check(plain.add_veth(ldev, rdev, self.spaces[rns].fd), f"no wire {wire}")

    def sites(self, both=False):
        """A -- g1 == g2 -- B, the topology of most scenarios.

                10.1.0.2        192.0.2.1      192.0.2.2        10.2.0.2
            A eth0 -- lan g1 wan ============== wan g2 lan -- eth0 B
          2001:db8:1::2       2001:db8::1    2001:db8::2     2001:db8:2::2

        both: with IPv6
        """
        # IPv4 alone: what hosts of IPv6 say unasked would make counts uncertain.
        spaces = self.build("A", "g1", "g2", "B", v6=False)
        self.join("A:eth0 g1:lan", "g1:wan g2:wan", "g2:lan B:eth0")
        a, g1, g2, b = spaces
        for host, net in ((a, 1), (b, 2)):
            host.ip(f"""link set lo up
                        addr add 10.{net}.0.2/24 dev eth0
                        link set eth0 up
                        route add default via 10.{net}.0.1""")
        for gate, net, other in ((g1, 1, 2), (g2, 2, 1)):
            gate.ip(f"""link set lo up
                        addr add 10.{net}.0.1/24 dev lan
                        addr add 192.0.2.{net}/24 dev wan
                        link set lan up
                        link set wan up
                        route add 10.{other}.0.0/24 via 192.0.2.{other}""")
        if both:
            self.second_family(a, g1, g2, b)
        # Neighbours become known, so that no packet waits for one later.
        for here, there in (("10.1.0.2", "10.2.0.2"), ("2001:db8:1::2", "2001:db8:2::2"))[:1 + both]:
            near, far = a.udp(here), b.udp(there)
            eventually(lambda near=near, far=far: self.reaches(near, far), f"{here} reaches {there} in clear")
            near.close()
            far.close()
        return spaces

    def second_family(self, a, g1, g2, b):
        """IPv6 for the sites."""
        for ns in (a, g1, g2, b):
            # esp0 is yet to come.
            for dev in ("default", *(name for name in ("eth0", "lan", "wan") if (name == "eth0") == (ns in (a, b)))):
                ns.sysctl(f"net/ipv6/conf/{dev}/disable_ipv6", 0)
        for host, gate, net, other in ((a, g1, 1, 2), (b, g2, 2, 1)):
            host.ip(f"""addr add 2001:db8:{net}::2/64 dev eth0 nodad
                        route add default via 2001:db8:{net}::1""")
            gate.ip(f"""addr add 2001:db8:{net}::1/64 dev lan nodad
                        addr add 2001:db8::{net}/64 dev wan nodad
                        route add 2001:db8:{other}::/64 via 2001:db8::{other}""")

    @staticmethod
    def reaches(near, far):
        """Whether a datagram arrives."""
        near.sendto(b"hello", far.getsockname()[:2])
        far.settimeout(0.3)
        try:
            return far.recv(10)
        except TimeoutError:
            return None
        finally:
            far.settimeout(5)

    def tunnel(self, g1, g2, suite="aes128gcm16", there=None, back=None, more="reqid 1",
               more_in=""):
        """The tunnel between the sites: SAs 0x1001 there and 0x1002 back."""
        size = self.suites()[suite]["key_len"]
        there = there or os.urandom(size)
        back = back or os.urandom(size)
        for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
            for way, spi, src, dst, key in ((out, 0x1001, "192.0.2.1", "192.0.2.2", there),
                                            (come, 0x1002, "192.0.2.2", "192.0.2.1", back)):
                gate.sa(way, spi, src, dst, suite, key,
                        more=f"{more} {more_in if way == 'in' else ''}")
        return there, back

    @staticmethod
    def shape(g1, g2, outer, inner, ports=""):
        """SAs and policies of the tunnel, in place of all that is there: families of ESP and of what is
        inside, whose ports are those of B."""
        for gate in (g1, g2):
            gate.silence()
        for spi, way in ((0x1001, (0, 1)), (0x1002, (1, 0))):
            key = os.urandom(20)
            src, dst = (SITES[inner][number] for number in way)
            port = ports and f"proto udp {'sport' if way[0] else 'dport'} {ports}"
            # Whoever receives comes first.
            for number, word in ((way[1], "in"), (way[0], "out")):
                gate = (g1, g2)[number]
                gate.sa(word, spi, GATES[outer][way[0]], GATES[outer][way[1]], "aes128gcm16", key)
                gate.policy(f"dir {word} src {src} dst {dst} {port} action protect reqid 1")

    def protect(self, g1, g2):
        """The policies of the tunnel between the sites."""
        for gate, out, come in ((g1, "out", "in"), (g2, "in", "out")):
            gate.policy(f"dir {out} src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")
            gate.policy(f"dir {come} src 10.2.0.0/24 dst 10.1.0.0/24 action protect reqid 1")

    def suites(self):
        """What espctl knows of each suite."""
        if not hasattr(self, "_suites"):
            got = json.loads(command([ESPCTL, "-j", "suites"]).stdout)
            self._suites = {suite["name"]: suite for suite in got}
        return self._suites

    def load(self, *pairs, size=200, pause=0.0):
        """A process that sends datagrams for ever: (socket, address)...; its pid.

        pause: seconds between two, that others get on as well
        """
        pid = os.fork()
        if pid:
            self.children.append(pid)
            return pid
        try:
            # Else a namespace that is deleted would live on in here.
            for ns in self.spaces.values():
                ns.close()
            data = os.urandom(size)
            for sock, _ in pairs:
                sock.setblocking(False)
            while True:
                for sock, peer in pairs:
                    with contextlib.suppress(OSError):
                        sock.sendto(data, peer)
                    if pause:
                        time.sleep(pause)
        finally:
            os._exit(0)

    def unload(self, pid):
        """End a process of load()."""
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.children.remove(pid)

    def clear(self):
        """Remove all namespaces."""
        for pid in list(self.children):
            self.unload(pid)
        for ns in self.spaces.values():
            ns.close()
        plain.del_namespaces(self.spaces)
        self.spaces.clear()

    def run(self, main):
        """All of a scenario; 1 if it could not come to its end."""
        try:
            if not self.debug:
                # Where udev would load the fast drivers, nobody does here.
                command("modprobe -qa aesni_intel ghash_clmulni_intel sha256_ssse3 sha512_ssse3 "
                        "chacha_x86_64 poly1305_x86_64 esp4 esp6", good=False)
            command("nft -f -", HOLD)
            self.insmod()
            main(self)
        finally:
            slow = [f"{name} {took:.1f} s" for took, name in sorted(self.took, reverse=True)[:5] if took > 2]
            if slow:
                self.say("slowest: " + ", ".join(slow))
            self.clear()
            command("nft delete table inet hold", good=False)
            if os.path.exists("/sys/module/esp_mod"):
                done = self.rmmod()
                if done.returncode:
                    print(f"# rmmod: {done.stderr.strip()}")
                    raise Failure("the module cannot be unloaded")
        if not self.results:
            raise Failure("no test of that name")
        return 0


