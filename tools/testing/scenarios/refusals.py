# SPDX-License-Identifier: GPL-2.0
"""What espctl refuses: one clear sentence, a status, and nothing changed.

    R, a namespace with one SA and one policy, and nobody to talk to

Each refusal is one line on standard error that begins with `espctl: ' and says
why, nothing on standard output, and a status other than 0; the SAs and policies
are the same before and after.
"""

import os
import re
import shutil
import socket

from client import Client
from lab import ESPCTL, check, command, equal

KEY = "0123456789abcdef0123456789abcdef01234567"
TOOL = "/tmp/espctl"
FILE = "/tmp/refusals.key"
ENDS = "mode tunnel src 192.0.2.1 dst 192.0.2.2"


class Story:
    """A namespace, and its state."""

    def __init__(self, lab):
        self.lab = lab
        self.r, = lab.build("R")
        self.client = Client(self.r)
        self.r.espctl(f"sa add spi 0x1001 dir out {ENDS} suite aes128gcm16 reqid 1 key-file -", KEY)
        self.r.espctl(f"sa add spi 0x1001 dir in {ENDS} suite aes128gcm16 reqid 1 key-file -", KEY)
        self.r.policy("dir out src 10.1.0.0/24 dst 10.2.0.0/24 action protect reqid 1")

    def state(self):
        """SAs and policies, but for the clock, which goes on."""
        sas = self.client.dump("sa-get")
        for sa in sas:
            del sa["usage"]
        return sas, self.client.dump("policy-get")

    def refused(self, name, sentence, words, why, key=KEY, prefix=()):
        """A test: these words are refused with a sentence like that."""
        with self.lab.test(name, sentence):
            before = self.state()
            with self.r:
                done = command([*prefix, TOOL if prefix else ESPCTL, *words.split()], text=key,
                               good=False)
            check(done.returncode > 0, f"status {done.returncode}")
            equal(done.stdout, "", "standard output")
            lines = done.stderr.splitlines()
            equal(len(lines), 1, f"lines of {done.stderr!r}")
            check(lines[0].startswith("espctl: "), f"said {lines[0]!r}")
            check(re.search(why, lines[0]), f"said {lines[0]!r}, nothing like {why!r}")
            check(not key or len(key) < 8 or key not in lines[0], f"the key is in {lines[0]!r}")
            equal(self.state(), before, "SAs and policies")


def sa(spi="0x2001", way="out", ends=ENDS, suite="aes128gcm16", more="reqid 1 key-file -"):
    return f"sa add spi {spi} dir {way} {ends} suite {suite} {more}"


def main(lab):
    story = Story(lab)
    refused = story.refused

    with lab.test("asleep", "what is refused where there is no SA and no policy leaves no device there"):
        fresh, = lab.build("S")
        with open(FILE, "w", opener=lambda path, how: os.open(path, how, 0o600), encoding="ascii") as file:
            file.write(KEY)
        good = f"policy add dir out action discard\n{sa(more=f'reqid 1 key-file {FILE}')}\n"

        def has_device():
            with fresh:
                return "esp0" in [name for _, name in socket.if_nameindex()]
        for line, why in (("sa del id 7", "no such SA"), ("policy del id 7", "no such policy"), ("sa flush", "stands before")):
            done = fresh.espctl("-f -", f"{good}{line}\n", good=False)
            check(done.returncode and why in done.stderr, f"{line!r} is answered {done.stderr!r}")
            check(not has_device(), f"esp0 is there after {line!r}")
        fresh.espctl("-f -", good)
        check(has_device(), "esp0 is not there with an SA")

    with lab.test("control", "the words of these tests, without the mistake, are accepted"):
        story.r.espctl(sa("0x2001"), os.urandom(20).hex())
        story.r.espctl("sa del spi 0x2001 dst 192.0.2.2 dir out")

    # Keys
    refused("key-short", "a key one byte too short is refused", sa(), "20|bytes|length", KEY[:-2])
    refused("key-long", "a key one byte too long is refused", sa(), "20|bytes|length", KEY + "00")
    refused("key-none", "an empty key file is refused", sa(), "empty|no key|holds", "")
    refused("key-not-hex", "a key that is not hex is refused", sa(), "hex", "Don't panic, said the book")
    refused("key-file-missing", "a key file that is not there is refused",
            sa(more="reqid 1 key-file /none"), "No such file")
    refused("key-in-argv", "a key on the command line is refused, and not repeated",
            sa(more=f"reqid 1 key 0x{KEY}"), "command line")
    refused("key-twice", "the same key on a second outbound SA is refused",
            sa(), "another outbound SA has this key")
    refused("key-twice-gcm8", "nor is it taken for another suite of the same cipher",
            sa(suite="aes128gcm8"), "another outbound SA has this key")
    refused("key-missing", "an SA without a key is refused", sa(more="reqid 1"), "key-file")

    # Suites
    for name, suite, why in (
            ("unknown", "rot13", "suite"), ("no-integrity", "aes128", "integrity"),
            ("no-integrity-cbc", "aes256", "integrity"),
            ("null", "null", "null"), ("null-null", "null-null", "integrity"),
            ("des", "des-sha256", "DES"), ("3des", "3des-sha256", "3DES"),
            ("md5", "aes128-md5", "MD5"), ("blowfish", "blowfish128-sha256", "64-bit"),
            ("ah", "ah-sha256", "AH"), ("none", "aes128-none", "integrity")):
        refused(f"suite-{name}", f"the suite {suite} is refused with a reason", sa(suite=suite), why)

    # Numbers and addresses
    for spi in ("0", "1", "0xff"):
        refused(f"spi-{int(spi, 0)}", f"SPI {spi}, which RFC 4303 reserves, is refused",
                sa(spi), "256|0x100|255|reserve")
    refused("spi-large", "an SPI of more than 32 bits is refused", sa("0x100000000"), "4294967295")
    refused("reqid-0", "reqid 0 is refused", sa(more="reqid 0 key-file -"), "reqid")
    refused("duplicate", "a second SA of the same SPI, destination and direction is refused",
            sa("0x1001", "in"), "exists|already|there is")
    refused("families", "an SA between two families is refused",
            sa(ends="mode tunnel src 192.0.2.1 dst 2001:db8::2"), "famil|address")
    refused("dst-any", "an SA to 0.0.0.0 is refused",
            sa(ends="mode tunnel src 192.0.2.1 dst 0.0.0.0"), "dst|destination|address|unicast")
    refused("window", "a replay window of more than 65536 is refused",
            sa(way="in", more="reqid 1 window 65537 key-file -"), "65536|window")
    refused("ttl", "a hop limit of 0 is refused", sa(more="reqid 1 ttl 0 key-file -"), "ttl")
    for word in ("dscp 10", "ecn off", "df set", "ttl 9", "tfc 1000"):
        refused(f"outer-in/{word.split()[0]}", f"'{word}' is refused for an inbound SA",
                sa(way="in", more=f"reqid 1 {word} key-file -"), "only an outbound SA in tunnel mode")
        refused(f"outer-transport/{word.split()[0]}", f"'{word}' is refused in transport mode",
                sa(ends=ENDS.replace("tunnel", "transport"), more=f"reqid 1 {word} key-file -"),
                "only an outbound SA in tunnel mode")
    refused("keepalive", "a keepalive without UDP encapsulation is refused",
            sa(more="reqid 1 keepalive 20 key-file -"), "only an outbound SA with UDP")
    refused("encap-half", "encapsulation with port 0 is refused",
            sa(more="reqid 1 encap 4500 0 key-file -"), "encap|port")
    refused("policy-reqid", "protect without a reqid is refused",
            "policy add dir out action protect", "reqid")
    refused("policy-range", "a range that ends before it begins is refused",
            "policy add dir out src 10.0.0.9-10.0.0.1 action discard", "range")
    refused("policy-families", "a selector between two families is refused",
            "policy add dir out src 10.0.0.1 dst 2001:db8::1 action discard", "famil")
    refused("sa-del", "an SA that is not there cannot be deleted", "sa del id 999999", "no such SA")
    refused("policy-del", "nor can such a policy", "policy del id 999999", "no such policy")
    refused("typo", "a mistyped word is refused, with a guess", "sa add sip 0x2001", "spi|see")

    # Who asks
    # A clone in a home may be out of their reach.
    shutil.copy(ESPCTL, TOOL)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    for what in ("sa show", "policy show", "stats", "sa flush", "policy flush"):
        refused(f"nobody/{what.replace(' ', '-')}", f"'{what}' by one who is not root is refused",
                what, "CAP_NET_ADMIN|root", None, nobody)
    refused("nobody/sa-add", "and so is an SA", sa(), "CAP_NET_ADMIN|root", os.urandom(20).hex(),
            nobody)
    userns = (*nobody, "unshare", "--map-root-user", "--net", "--user")
    for what in ("sa show", "policy add dir out action discard", "sa flush"):
        refused(f"userns/{what.split()[0]}-{what.split()[1]}",
                f"'{what}' by root of a user namespace alone is refused, and told of userns=1",
                what, "userns", None, userns)

    with lab.test("secret", "no key is in what espctl shows"):
        shown = "".join(story.r.espctl(words).stdout for words in ("-j sa show", "sa show", "-j policy show"))
        check(KEY not in shown and KEY[:16] not in shown, "the key is shown")

    with lab.test("userns-open", "with userns=1 root of a user namespace may configure its own network"):
        path = "/sys/module/esp_mod/parameters/userns"
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
        try:
            with story.r:
                command([*userns, TOOL, "policy", "add", "dir", "out", "action", "discard"])
        finally:
            with open(path, "w", encoding="ascii") as file:
                file.write("0")

    with lab.test("no-module", "without the module espctl says so"):
        equal(lab.rmmod().returncode, 0, "status of rmmod")
        for words in ("sa show", "sa flush", "stats", "policy show"):
            done = story.r.espctl(words, good=False)
            check(done.returncode > 0, f"status {done.returncode}")
            equal(done.stdout, "", "standard output")
            equal(len(done.stderr.splitlines()), 1, f"lines of {done.stderr!r}")
            check(re.match("espctl: .*esp_mod", done.stderr), f"said {done.stderr!r}")
