# SPDX-License-Identifier: GPL-2.0
"""A reader of NFQUEUE that accepts each packet: nfqueue.py QUEUE [N].

Prints a line when it listens. With N, it waits for N packets, and then accepts them.
"""

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NFNL_SUBSYS_QUEUE, MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 3, 0, 1, 2
CFG_CMD, CFG_PARAMS, BIND, COPY_META = 1, 2, 1, 1
PACKET_HDR, VERDICT_HDR, NF_ACCEPT = 1, 2, 1


def message(kind, queue, attr, data):
    """A netlink message with one attribute."""
    attr = struct.pack("=HH", 4 + len(data), attr) + data
    attr += bytes(-len(attr) % 4)
    return struct.pack("=IHHII", 20 + len(attr), NFNL_SUBSYS_QUEUE << 8 | kind, 1, 0, 0) + \
        struct.pack("!BBH", 0, 0, queue) + attr


def main():
    queue = int(sys.argv[1])
    together = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    waiting = []
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    sock.bind((0, 0))
    sock.send(message(MSG_CONFIG, queue, CFG_CMD, struct.pack("!BBH", BIND, 0, 0)))
    sock.send(message(MSG_CONFIG, queue, CFG_PARAMS, struct.pack("!IB", 0, COPY_META)))
    print("listens", flush=True)
    while True:
        data = sock.recv(1 << 16)
        while len(data) >= 20:
            size, kind = struct.unpack_from("=IH", data)
            if kind == 2 and struct.unpack_from("=i", data, 16)[0]:
                sys.exit(f"refused: {struct.unpack_from('=i', data, 16)[0]}")
            if kind == NFNL_SUBSYS_QUEUE << 8 | MSG_PACKET:
                waiting.append(packet_id(data[20:size]))
            data = data[(size + 3) & ~3:]
        if len(waiting) >= together:
            for number in waiting:
                sock.send(message(MSG_VERDICT, queue, VERDICT_HDR, struct.pack("!II", NF_ACCEPT, number)))
            waiting.clear()


def packet_id(attrs):
    """The number that the kernel gave to a packet."""
    while attrs:
        size, kind = struct.unpack_from("=HH", attrs)
        if kind & 0x3fff == PACKET_HDR:
            return struct.unpack_from("!I", attrs, 4)[0]
        attrs = attrs[(size + 3) & ~3:]
    raise ValueError("a packet without a number")


main()
