# SPDX-License-Identifier: GPL-2.0
"""What is on the wire is ESP as others read it.

     A ---------- g1 ======ESP====== g2 ---------- B
  10.1.0.2   192.0.2.1         192.0.2.2      10.2.0.2
  2001:db8:1::2  2001:db8::1   2001:db8::2    2001:db8:2::2
                     ^ a listener who has the keys

Each packet is opened by code that is not esp_mod's, and once more by tshark.
"""

import os

import esp
from lab import Wire, ask, capture, check, command, equal

SUITES = ("aes128gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha256", "null-sha256")
# Names of algorithms and length of the cipher's key, as tshark wants them; it
# does not check an AEAD's ICV, and that of Debian 12 cannot open ChaCha20.
TSHARK = {
    "aes128gcm16": ("AES-GCM with 16 octet ICV [RFC4106]", 20, "NULL"),
    "aes128-sha256": ("AES-CBC [RFC3602]", 16, "HMAC-SHA-256-128 [RFC4868]"),
    "aes256-sha256": ("AES-CBC [RFC3602]", 32, "HMAC-SHA-256-128 [RFC4868]"),
    "null-sha256": ("NULL", 0, "HMAC-SHA-256-128 [RFC4868]"),
}
SIZES = (0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17, 64, 500, 1300)
HEADERS = {4: 20, 6: 40}
HOSTS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
GATES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
# Mode, families inside and outside, ESN
SHAPES = (("tunnel", 4, 4, True), ("tunnel", 4, 4, False), ("tunnel", 6, 6, False), ("transport", 4, 4, True),
          ("transport", 6, 6, False))


class Taken:
    """What was captured of all suites and shapes: frames, and what each must be found to be."""

    def __init__(self):
        self.frames, self.wanted, self.keys = [], [], {}

    def add(self, suite, version, esn, spis, keys, frames):
        """Frames that go there and back in turn, of each size."""
        for at, frame in enumerate(frames):
            self.frames.append(frame)
            self.wanted.append((suite, spis[at % 2], at // 2 + 1, ("5002", "5001")[at % 2], 8 + SIZES[at // 2], esn))
        for spi, key in zip(spis, keys):
            self.keys[spi] = (suite, version, key)


def read(lab, story, suite, shape, taken):
    """One suite in one shape: traffic, captured and opened."""
    mode, inner, outer, esn = shape
    a, g1, g2, b = story
    near, far, gates = a, b, (g1, g2)
    ends, there = GATES[outer], HOSTS[inner]
    if mode == "transport":
        near, far, there = g1, g2, ends
    for gate in gates:
        gate.silence()
    first = 0x1001 + len(taken.keys)
    spis = first, first + 1
    keys = [os.urandom(lab.suites()[suite]["key_len"]) for _ in spis]
    for spi, key, way in ((spis[0], keys[0], (0, 1)), (spis[1], keys[1], (1, 0))):
        for side, gate in enumerate(gates):
            word = "out" if way[0] == side else "in"
            gate.sa(word, spi, ends[way[0]], ends[way[1]], suite, key, mode, f"reqid 1 esn {'on' if esn else 'off'}")
            gate.policy(f"dir {word} src {there[way[0]]} dst {there[way[1]]} action protect reqid 1")
    near, far = near.udp(there[0], 5001), far.udp(there[1], 5002)
    wire, clear = Wire(g1, "wan", "esp or udp"), Wire(g1, "esp0")
    data = [os.urandom(size) for size in SIZES]
    for one in data:
        ask(near, far, one)
    # Without a link header, so that no filter could tell
    frames, frames_clear = wire.packets(), [frame for frame in clear.packets() if frame[9 if inner == 4 else 6] == 17]
    for each in (near, far, wire, clear):
        each.close()

    block = 16 if suite in esp.CBC else 4
    seen = {spi: [] for spi in spis}
    for frame in frames:
        packet = frame[14:]
        equal((packet[0] >> 4, packet[9] if outer == 4 else packet[6]), (outer, 50), "family and protocol on the wire")
        body = packet[HEADERS[outer]:]
        spi, seq = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        check(spi in seen, f"SPI {spi:#x}")
        text, padding, proto = esp.unseal(suite, keys[spi - first], body, 0 if esn else None)
        equal(proto, 17 if mode == "transport" else 4 if inner == 4 else 41, "next header")
        equal(padding, bytes(range(1, len(padding) + 1)), "padding")
        equal((len(padding) + 2 + len(text)) % block, 0, "alignment")
        check(len(padding) < block, f"{len(padding)} bytes of padding")
        seen[spi].append((seq, body, text[8 + (0 if mode == "transport" else HEADERS[inner]):]))
    for spi, packets in seen.items():
        equal([seq for seq, _, _ in packets], list(range(1, len(SIZES) + 1)),
              f"sequence numbers of {spi:#x}")
        equal([text for _, _, text in packets], data, f"data under {spi:#x}")
        if suite != "null-sha256":
            size = 16 if suite in esp.CBC else 8
            ivs = [body[8:8 + size] for _, body, _ in packets]
            equal(len(set(ivs)), len(ivs), "different IVs")
            if suite in esp.CBC:
                ends = {body[-32:-16] for _, body, _ in packets}
                check(not ends & set(ivs), "an IV is an earlier ciphertext")
    if mode == "tunnel":
        equal(len(frames_clear), 2 * len(SIZES), "packets on esp0")
        equal(sorted(frame[8 + HEADERS[inner]:] for frame in frames_clear), sorted(data * 2), "data on esp0")
        at = 12 if inner == 4 else 8
        size = 4 if inner == 4 else 16
        check(len({frame[at:at + size] for frame in frames_clear}) == 2, "esp0 does not show both directions")
    taken.add(suite, outer, esn, spis, keys, frames)


def tshark(taken):
    """What tshark reads, told the keys: a line for each frame."""
    capture("/tmp/espm.pcap", taken.frames)
    words = ["tshark", "-n", "-r", "/tmp/espm.pcap", "-o", "esp.enable_encryption_decode:TRUE",
             "-o", "esp.enable_authentication_check:TRUE", "-T", "fields", "-e", "esp.spi", "-e", "esp.sequence",
             "-e", "udp.dstport", "-e", "udp.length", "-e", "esp.icv_bad"]
    for spi, (suite, version, key) in taken.keys.items():
        if suite in TSHARK:
            cipher, size, integrity = TSHARK[suite]
            words += ["-o", f'uat:esp_sa:"IPv{version}","*","*","{spi:#x}","{cipher}",'
                            f'"0x{key[:size].hex()}","{integrity}","0x{key[size:].hex()}"']
    return [line.split("\t") for line in command(words, seconds=300).stdout.splitlines()]


def main(lab):
    lab.pin()
    story = lab.sites(both=True)
    taken = Taken()
    suites = SUITES[::2] if lab.debug else SUITES
    for suite in suites:
        for shape in SHAPES:
            mode, inner, outer, esn = shape
            what = f"{inner}in{outer}" if mode == "tunnel" else f"ipv{inner}"
            with lab.test(f"opened/{suite}/{mode}/{what}/{'esn' if esn else 'noesn'}",
                          f"{suite} {'with' if esn else 'without'} ESN in {mode} mode: opened by others with the "
                          "key; padding 1, 2, 3; numbers from 1"):
                read(lab, story, suite, shape, taken)

    lines = tshark(taken)
    for suite in suites:
        with lab.test(f"tshark/{suite}", "tshark, told the keys, reads the UDP inside of " + suite
                      if suite in TSHARK else f"tshark reads SPIs and numbers of {suite}"):
            equal(len(lines), len(taken.wanted), "packets that tshark sees")
            mine = [(line, want) for line, want in zip(lines, taken.wanted) if want[0] == suite]
            equal(len(mine), 2 * len(SIZES) * len(SHAPES), "packets that were captured")
            for (spi, seq, port, length, bad), want in mine:
                equal((int(spi, 0), int(seq, 0)), want[1:3], "SPI and number")
                if suite in TSHARK:
                    equal((port, length), (want[3], str(want[4])), "port and length that tshark reads")
                    # Of one that is right it says nothing, and it knows no ESN; read() has checked each.
                    check(want[5] or bad in ("", "0", "False"), f"tshark finds the ICV wrong: {bad}")
