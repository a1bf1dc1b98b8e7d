# SPDX-License-Identifier: Apache-2.0
"""Frames that nobody would send, of all forms that the kernel has for one: each
original is what it would be without a mirror, and each copy what expected.py
says.

Each frame enters the datapath twice, by a port with a mirror and by one
without, which tells what the kernel makes of it.  The source address of a frame
is its number, which all its packets and copies have."""

import collections
import contextlib
import os
import pathlib
import socket
import struct

import expected
import genl
import inputs
import lab
import virtual
import wire
from datapath import (DATAPATH, ENGINE, SENSOR, SENSOR6, SENSOR_B, WIRE, WIRE6,
                      one_processor, tiers)
from lab import check, equal, until
from registry import case

SOL_PACKET, PACKET_VNET_HDR = 263, 15
LENGTHS = 0, 0, 14, 15, 34, 54, 60, 64, 96, 128, 1500, "mtu"
# Whatever else a frame is, it has no tag, one, or two and more.  A mask that says
# nothing of what is in a tag would be left out, and then the tag be refused.
_ANY = "encap(eth_type(0x0600/0x0))"
_TAG = "vlan(vid=0/0,pcp=0/0)"
MATCHES = ["in_port(%d),eth()"]
for _tpid in "0x8100", "0x88a8":
    MATCHES.append("in_port(%%d),eth(),eth_type(%s),%s,%s"
                   % (_tpid, _TAG, _ANY))
    for _inner in "0x8100", "0x88a8":
        MATCHES.append("in_port(%%d),eth(),eth_type(%s),%s,"
                       "encap(eth_type(%s),%s,%s)"
                       % (_tpid, _TAG, _inner, _TAG, _ANY))
ADDRESSES = [socket.inet_aton(ip) for ip in (SENSOR, SENSOR, SENSOR_B, WIRE,
                                             "10.0.0.1", "10.0.0.2")]
ADDRESSES6 = [socket.inet_pton(socket.AF_INET6, ip)
              for ip in (SENSOR6, SENSOR6, WIRE6, "fd00::1", "fd00::2")]


# Frames.

def layer4(rng, proto, depth):
    """Returns the header and payload of 'proto'."""
    size = rng.choice((0, 0, 1, 2, 3, 7, 18, 60, 100, 500, 1400, 3000, 8000))
    payload = rng.randbytes(size)
    if proto == 6:
        return struct.pack("!HHIIBBHHH", 1, 2, rng.getrandbits(32), 3,
                           rng.choice((0x50, 0x50, 0x80, 0xf0, 0x00)),
                           rng.randrange(256), 5, rng.getrandbits(16), 0
                           ) + payload
    if proto == 17:
        return struct.pack("!HHHH", 1, rng.choice((2, 53, 4789, 6081)),
                           rng.choice((8 + size, 8 + size, 0, 7, 65535)),
                           rng.getrandbits(16)) + payload
    if proto == 47 and depth:
        flags = rng.choice((0, 0, 0, 0x2000, 0x8000, 0x1000, 0xb000, 0x0001,
                            0x4000, rng.getrandbits(16)))
        words = 1 + (flags >> 15) + (flags >> 13 & 1) + (flags >> 12 & 1)
        head = struct.pack("!HH", flags, rng.choice((0x6558, 0x6558, 0x0800,
                                                     0x88be)))
        return (head.ljust(4 * words, b"\7")
                + some_frame(rng, rng.randbytes(12), depth - 1))
    return payload


def ipv4(rng, depth):
    proto = rng.choice((6, 17, 1, 47, 47, 132, 50, 0, 255))
    ihl = rng.choice((5, 5, 5, 5, 5, 6, 15, 0, 4))
    body = layer4(rng, proto, depth)
    fragment = rng.choice((0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0003, 0x1fff))
    total = rng.choice((ihl * 4 + len(body),) * 4 + (0, 20, 65535))
    head = struct.pack("!BBHHHBBH4s4s", rng.choice((4,) * 9 + (6,)) << 4 | ihl,
                       rng.randrange(256), total & 0xffff,
                       rng.getrandbits(16), fragment, rng.randrange(256),
                       proto, 0, rng.choice(ADDRESSES), rng.choice(ADDRESSES))
    head += rng.randbytes(max(0, ihl * 4 - 20))
    return expected.written(head, 10, wire.internet_checksum(head)) + body


def ipv6(rng, depth):
    proto = rng.choice((6, 17, 58, 47, 47, 59, 132))
    body = layer4(rng, proto, depth)
    for _ in range(rng.choice((0, 0, 1, 2, 5, 20))):
        kind = rng.choice((0, 43, 44, 60, 51))
        if kind == 44:
            body = struct.pack("!BBHI", proto, 0,
                               rng.choice((0, 0, 1, 8, 0xfff8)),
                               rng.getrandbits(32)) + body
        else:
            size = rng.choice((0, 0, 1, 3))
            unit = expected.EXTENSIONS[kind]
            said = rng.choice((size,) * 7 + (255,))
            body = (bytes((proto, said)) + rng.randbytes(6 + size * unit)
                    + body)
        proto = kind
    return struct.pack("!IHBB16s16s", 6 << 28 | rng.getrandbits(28),
                       rng.choice((len(body),) * 4 + (0, 65535)) & 0xffff,
                       proto, rng.randrange(256), rng.choice(ADDRESSES6),
                       rng.choice(ADDRESSES6)) + body


def some_frame(rng, addresses, depth=3):
    """Returns a frame, 'addresses' and all that is behind them."""
    data = addresses
    for _ in range(rng.choice((0,) * 9 + (1, 1, 2, 3, 8, 9, 20, 60))):
        data += struct.pack("!HH", rng.choice((0x8100, 0x8100, 0x88a8)),
                            rng.getrandbits(16))
    kind = rng.randrange(12)
    if kind < 4:
        data += b"\x08\x00" + ipv4(rng, depth)
    elif kind < 8:
        data += b"\x86\xdd" + ipv6(rng, depth)
    elif kind == 8:
        # A length instead of a type, with and without LLC and SNAP.
        data += rng.choice((b"\0\x2e", b"\0\0", b"\x05\xdc")) + rng.choice((
            b"", b"\xaa\xaa\x03\0\0\0\x08\0", b"\x42\x42\x03"))
        data += rng.randbytes(rng.randrange(50))
    else:
        data += rng.choice((b"\x08\x06", b"\x88\x47", b"\x89\x4f", b"\x88\x64",
                            b"\x65\x58", b"\x88\xe7", rng.randbytes(2)))
        data += rng.randbytes(rng.choice((0, 1, 4, 28, 46, 1000)))
    if depth == 3 and rng.random() < 0.3:
        data = data[:max(14, rng.randrange(min(len(data), 120) + 1))]
    if depth == 3 and rng.random() < 0.2:
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            if len(damaged) > 14:
                damaged[rng.randrange(14, min(len(damaged), 90))] = \
                    rng.randrange(256)
        data = bytes(damaged)
    return data[:9000]


def tcp_packet(rng, addresses, size):
    """Returns a frame with a TCP packet of 'size' bytes of payload whose
    checksum is left to do, and the offset of its TCP header."""
    tags = b""
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        tags += struct.pack("!HH", 0x8100, rng.getrandbits(12) or 1)
    options = rng.choice((0, 0, 12, 40))
    tcp = struct.pack("!HHIIBBHHH", 1, 2, rng.getrandbits(32), 3,
                      (20 + options) << 2, rng.choice((0x10, 0x18, 0x19, 0x98)),
                      5, 0, 0) + b"\1" * options + rng.randbytes(size)
    if rng.random() < 0.5:
        ihl = rng.choice((5, 5, 5, 7))
        head = struct.pack("!BBHHHBBH4s4s", 4 << 4 | ihl, rng.randrange(256),
                           (ihl * 4 + len(tcp)) & 0xffff, rng.getrandbits(16),
                           rng.choice((0, 0x4000)), 64, 6, 0, b"\x0a\0\0\1",
                           b"\x0a\0\0\2") + b"\1" * (ihl * 4 - 20)
        head = expected.written(head, 10, wire.internet_checksum(head))
        kind, pair = b"\x08\x00", head[12:20]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(tcp) & 0xffff, 6, 64,
                           ADDRESSES6[3], ADDRESSES6[4])
        kind, pair = b"\x86\xdd", head[8:40]
    tcp = expected.written(tcp, 16, expected.pseudo_sum(pair, 6, len(tcp)))
    data = addresses + tags + kind + head
    return data + tcp, len(data)


# Ways into the datapath.  Each has two ports of a kind: the first is mirrored.

Sent = collections.namedtuple("Sent", "frame left header")


class Wires:
    """Packet sockets at the far end of ports.  The headers of long frames may
    lie in pages of their own."""

    def __init__(self, bench, stack):
        plain = lab.Host(bench, "plain", "02:00:00:00:00:08", lab.INNER_MTU)
        plain.up()
        bench.dpctl("add-if", DATAPATH, "plain,port_no=8")

        def close():
            bench.dpctl("del-if", DATAPATH, "plain")
            bench.hosts.remove(plain)
            plain.close()
        stack.callback(close)
        self.ports = 1, 8
        self.sources = bench.client, plain
        self.sockets = []
        for host in self.sources:
            with host.namespace.entered():
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                stack.callback(sock.close)
                sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
                sock.bind(("eth0", 0))
                self.sockets.append(sock)

    def send(self, which, sent, _rng):
        self.sockets[which].send(sent.header + sent.frame)


class Taps:
    """Tap devices, whose frames are in one piece if that is small."""

    flags = 0
    names = (("guest", 7), ("plainguest", 9))

    def __init__(self, bench, stack):
        self.ports = tuple(port for _, port in self.names)
        self.sources = [stack.enter_context(
            virtual.Guest(bench, name, port, self.flags))
            for name, port in self.names]

    def send(self, which, sent, _rng):
        self.sources[which].send(sent.frame, sent.header)


class Pieces(Taps):
    """Tap devices whose frames are in many pages, headers included."""

    flags = virtual.IFF_NAPI | virtual.IFF_NAPI_FRAGS
    names = (("pieces", 10), ("plainpieces", 11))

    def __init__(self, bench, stack):
        super().__init__(bench, stack)
        for name, _ in self.names:
            bench.switch.run("ethtool", "-K", name, "gro", "off")

    def send(self, which, sent, rng):
        sizes = [rng.choice((14, 14, 18, 34, 60))]
        rest = len(sent.frame) - sizes[0]
        while rest > 0 and len(sizes) < 16:
            sizes.append(min(rest, rng.choice((1, 2, 8, 20, 200, 1000, 4000))))
            rest -= sizes[-1]
        if rest > 4000:
            sizes = [14] + [4000] * ((len(sent.frame) - 15) // 4000)
        self.sources[which].send_pieces(sent.frame, sent.header, sizes)


def some_sent(rng, number):
    """Returns what to send as number 'number', with what is left to do."""
    addresses = (wire.mac_bytes(rng.choice((lab.SERVER_MAC, lab.SERVER_MAC,
                                            "ff:ff:ff:ff:ff:ff")))
                 + b"\x06" + number.to_bytes(5, "big"))
    dice = rng.random()
    if dice < 0.7:
        frame = some_frame(rng, addresses)
        return Sent(frame, None, struct.pack(
            "=BBHHHH", 0, 0, rng.choice((0, 14)), 0, 0, 0))
    if dice < 0.8:
        # A checksum of anything behind Ethernet, to be written anywhere.
        frame = some_frame(rng, addresses)
        _, behind = expected.network(frame) or (None, len(frame))
        start = rng.choice((behind, 14)) + rng.randrange(60)
        offset = rng.choice((0, 6, 16, 2))
        fits = len(frame) >= start + offset + 2
        header = struct.pack("=BBHHHH", virtual.NEEDS_CSUM if fits else 0, 0, 0,
                             0, start, offset)
        # Linux forgets a checksum that begins in what it has taken away, to
        # keep the first tag beside the frame.
        taken = 18 if frame[12:14] in (b"\x81\0", b"\x88\xa8") else 0
        return Sent(frame, expected.Unfinished(start, offset)
                    if fits and start >= taken else None, header)
    size = rng.choice((1, 100, 1448, 3000, 9000, 20000))
    frame, start = tcp_packet(rng, addresses, size)
    gso = rng.choice((0, 88, 536, 1400)) if size < 8000 else 1400
    if gso >= size:
        gso = 0
    kind = 0 if not gso else (
        virtual.GSO_TCPV4 if frame[start - 20] >> 4 == 4
        or expected.network(frame)[0] == wire.ETH_P_IP
        else virtual.GSO_TCPV6)
    if kind and frame[start + 13] & 0x80:
        kind |= virtual.GSO_ECN
    header = start + (frame[start + 12] >> 4) * 4
    return Sent(frame, expected.Unfinished(start, 16, gso), struct.pack(
        "=BBHHHH", virtual.NEEDS_CSUM, kind, header, gso, start, 16))


def broken(rng, number):
    """Returns a super-packet that is not what its header says."""
    while True:
        sent = some_sent(rng, number)
        if sent.left and sent.left.size:
            break
    frame = bytearray(sent.frame)
    words = list(struct.unpack("=BBHHHH", sent.header))
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.4:
            frame[rng.randrange(12, min(len(frame), 100))] = rng.randrange(256)
        elif rng.random() < 0.3:
            del frame[rng.choice((14, 18, 33, 54, 60,
                                  max(14, len(frame) // 2))):]
        else:
            which = rng.randrange(6)
            words[which] = rng.choice((
                0, 1, 2, 3, 4, 5, 14, 20, 128, words[which] + 4,
                words[which] ^ 1, len(frame), 65535))
    words = [word & (0xff if i < 2 else 0xffff) for i, word in enumerate(words)]
    return Sent(bytes(frame), sent.left, struct.pack("=BBHHHH", *words))


# What comes of them.

def by_number(found):
    """Returns the frames in 'found' by their number, each list in order."""
    lists = collections.defaultdict(list)
    for frame in found:
        if frame[6] == 6:
            lists[int.from_bytes(frame[7:12], "big")].append(frame)
    return lists


def blanked(frame, places):
    """Returns 'frame' with zeros where anything may be."""
    for begin, end in places:
        frame = (frame[:begin] + bytes(end - begin) + frame[end:])[:len(frame)]
    return frame


class Judge:
    """Sends frames by a way, and judges."""

    def __init__(self, bench):
        self.bench = bench
        self.number = 0
        self.figures = collections.Counter()

    def flows(self, way, target, length):
        """Has what comes by the first port of 'way' mirrored."""
        bench = self.bench
        mirror = bench.mirror_action(target, length)
        bench.dpctl("del-flows", DATAPATH)
        bench.dpctl("add-flows", DATAPATH, "-", stdin="".join(
            "%s %s\n" % (match % port, actions)
            for port, actions in ((way.ports[0], mirror + ",2"),
                                  (way.ports[1], "2"))
            for match in MATCHES))
        with bench.netlink() as netlink:
            netlink.rmirror("FLUSH")

    def counted(self):
        with self.bench.netlink() as netlink:
            found = collections.Counter()
            for session in netlink.sessions():
                found.update({name: session[name] for name in genl.COUNTERS})
            return found

    def both(self, way, rng, make, number):
        """Sends 'number' frames that 'make' makes by both ports.  Returns the
        frames and, by their numbers, what arrived by the second and by the
        first, and the copies."""
        sent = {}
        arrived = []
        for which in 1, 0:
            for _ in range(number if which else 0):
                self.number += 1
                one = make(rng, self.number)
                # A tap device refuses some headers.
                with contextlib.suppress(OSError):
                    way.send(which, one, rng)
                    sent[self.number] = one
            if not which:
                for one in sent.values():
                    way.send(which, one, rng)
            arrived.append(by_number(self.bench.arrive(way.sources[which])))
        copies = by_number([copy.frame
                            for copy in wire.copies(self.bench.seen())])
        return sent, *arrived, copies


def limit(length, target):
    """Returns how many bytes a copy has at most, 0 for all."""
    if length != "mtu":
        return length
    return lab.UPLINK_MTU - (40 if ":" in target else 20) - 4


def batch(judge, way, rng, target, length):
    """Sends frames that the kernel takes for what they are."""
    judge.flows(way, target, length)
    sent, plain, mirrored, copies = judge.both(way, rng, some_sent, 50)
    loops = n_copies = 0
    most = limit(length, target)
    for number, one in sent.items():
        packets = expected.packets(one.frame, one.left)
        what = "frame %s, header %s, len=%s: " % (
            one.frame[:200].hex(), one.header.hex(), length)
        equal(mirrored[number], plain[number], what + "originals")
        judge.figures["frames"] += 1
        if not plain[number]:
            # The kernel would not have it, with or without a mirror.
            judge.figures["refused"] += 1
            continue
        equal(plain[number], packets, what + "packets on the wire")
        if expected.is_loop(one.frame, [target]):
            equal(copies[number], [], what + "copies of a loop")
            # A super-packet is one loop.
            loops += 1
            continue
        wanted = [wire.cut(packet, most) for packet in packets]
        where = [[expected.unknown(one.left, most, len(packet))]
                 for packet in packets]
        equal([blanked(*pair) for pair in zip(copies[number], where)],
              [blanked(*pair) for pair in zip(wanted, where)],
              what + "copies")
        equal(len(copies[number]), len(wanted), what + "number of copies")
        n_copies += len(wanted)
    judge.figures["copies"] += n_copies
    judge.figures["loops"] += loops
    counted = judge.counted()
    equal(counted["copies"] - 1, sum(map(len, copies.values())),
          "copies counted, without that of the marker")
    equal(counted["loop"], loops, "loops counted")


def left_to_do(sent, packet):
    """Returns what may be left to a device of 'packet', which the kernel has
    made of a super-packet that is not what it says: the checksum of TCP, if the
    one that the header speaks of is none."""
    start, offset = struct.unpack("=HH", sent.header[6:])
    tcp = layer4_of(packet)
    return [expected.Unfinished(start, offset)] + ([tcp] if tcp else [])


def broken_batch(judge, way, rng, target, length):
    """Sends super-packets that are not what they say."""
    judge.flows(way, target, length)
    sent, plain, mirrored, copies = judge.both(way, rng, broken, 20)
    most = limit(length, target)
    for number, one in sent.items():
        what = "super-packet %s, header %s, len=%s: " % (
            one.frame[:200].hex(), one.header.hex(), length)
        equal(mirrored[number], plain[number], what + "originals")
        judge.figures["broken super-packets"] += 1
        if not plain[number] or expected.is_loop(one.frame, [target]):
            judge.figures["of these refused"] += 1
            continue
        if len(plain[number]) > expected.MOST_PACKETS:
            equal(copies[number], [], what + "copies of too many packets")
            judge.figures["of too many packets"] += 1
            continue
        where = [[expected.unknown(left, most, len(packet))
                  for left in left_to_do(one, packet)]
                 for packet in plain[number]]
        equal([blanked(*pair) for pair in zip(copies[number], where)],
              [blanked(wire.cut(packet, most), places)
               for packet, places in zip(plain[number], where)],
              what + "copies")
        equal(len(copies[number]), len(plain[number]),
              what + "number of copies")
    equal(judge.counted()["copies"] - 1, sum(map(len, copies.values())),
          "copies counted, without that of the marker")


@contextlib.contextmanager
def judged(bench, ways):
    """Gives a Judge and the 'ways', and says what they come to."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(one_processor())
        made = [way(bench, stack) for way in ways]
        judge = Judge(bench)
        yield judge, made
    figures = judge.figures
    bench.note(", ".join("%d %s" % (number, name)
                         for name, number in figures.items()))


@case("odd frames of every form have the copies that the documentation says, and their originals are untouched", 60)
@tiers(*ENGINE)
def odd(bench):
    with judged(bench, (Wires, Taps, Pieces)) as (judge, ways):
        for rng in inputs.rounds(10):
            batch(judge, rng.choice(ways), rng,
                  rng.choice((SENSOR, SENSOR6)), rng.choice(LENGTHS))
        figures = judge.figures
        check(figures["refused"] < figures["frames"] / 5,
              "the kernel refused %d of %d frames", figures["refused"],
              figures["frames"])


@case("super-packets with broken headers harm nobody, and those that the kernel takes have their copies", 60)
@tiers(*ENGINE)
def broken_super_packets(bench):
    with judged(bench, (Wires, Taps)) as (judge, ways):
        for rng in inputs.rounds(6):
            broken_batch(judge, rng.choice(ways), rng,
                         rng.choice((SENSOR, SENSOR6)), rng.choice(LENGTHS))


# Super-packets that the kernel makes itself, of frames that come one by one.

class Merged(Taps):
    """Tap devices that wait with what they have got for what may follow."""

    flags = virtual.IFF_NAPI
    names = (("merged", 12), ("plainmerged", 13))

    def __init__(self, bench, stack):
        super().__init__(bench, stack)
        for name, _ in self.names:
            bench.switch.run("ethtool", "-K", name, "gro", "on", "rx-gro-list",
                             "on")
            with bench.switch.entered():
                stack.enter_context(sysfs(name, "gro_flush_timeout", 20000000))


@contextlib.contextmanager
def sysfs(device, name, value):
    """Mounts the sysfs of the network namespace, and writes there."""
    path = pathlib.Path("/run/sys-" + device)
    path.mkdir(exist_ok=True)
    lab.run(["mount", "-t", "sysfs", "sysfs", str(path)])
    try:
        (path / "class/net" / device / name).write_text(str(value))
        yield
    finally:
        lab.run(["umount", str(path)])


def train(rng, addresses):
    """Returns frames of a stream, one by one, with their checksums."""
    size = rng.choice((100, 536, 1400))
    number = rng.randrange(2, 12)
    if rng.random() < 0.5:
        frame, start = tcp_packet(rng, addresses, size * number)
        frame = expected.written(frame, start + 13, 0x10, "!B")
        return expected.packets(frame, expected.Unfinished(start, 16, size))
    found = []
    ident = rng.getrandbits(15)
    for i in range(number):
        udp = struct.pack("!HHHH", 1, 2, 8 + size, 0) + rng.randbytes(size)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), ident + i,
                           0x4000, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        head = expected.written(head, 10, wire.internet_checksum(head))
        frame = (addresses + b"\x08\x00" + head + expected.written(
            udp, 6, expected.pseudo_sum(head[12:20], 17, len(udp))))
        found.append(expected.finished(frame, expected.Unfinished(34, 6)))
    return found


@case("frames that the kernel has merged, in page fragments and in lists, have the copies of the wire", 60)
@tiers(*ENGINE)
def merged(bench):
    if os.path.exists("/sys/kernel/debug/kmemleak"):
        # With a mirror or without; what has the last pointer to it is known
        # to kmemleak until copies are made.
        return ("skipped: Linux 6.1 does not free the socket of a tap device "
                "that has merged frames, and kmemleak complains")
    with judged(bench, (Merged,)) as (judge, (way,)):
        for rng in inputs.rounds(6):
            target = rng.choice((SENSOR, SENSOR6))
            length = rng.choice(LENGTHS)
            judge.flows(way, target, length)
            sent = {}
            for _ in range(8):
                judge.number += 1
                sent[judge.number] = train(
                    rng, wire.mac_bytes(lab.SERVER_MAC) + b"\x06"
                    + judge.number.to_bytes(5, "big"))
                for frame in sent[judge.number]:
                    way.sources[0].send(frame)
            found = []

            def arrived():
                found.extend(bench.arrive(way.sources[0]))
                return len(found) >= sum(map(len, sent.values()))
            with contextlib.suppress(lab.Failure):
                until(arrived, "the frames have to arrive", 2)
            equal({number: len(frames) for number, frames
                   in by_number(found).items()},
                  {number: len(frames) for number, frames in sent.items()},
                  "originals by number")
            equal(by_number(found), sent, "originals")
            copies = by_number([copy.frame for copy in bench.collected()])
            most = limit(length, target)
            for number, packets in sent.items():
                wanted = [wire.cut(packet, most) for packet in packets]
                where = [[expected.unknown(layer4_of(packet), most,
                                           len(packet))] for packet in packets]
                equal([blanked(*pair)
                       for pair in zip(copies[number], where)],
                      [blanked(*pair) for pair in zip(wanted, where)],
                      "copies with len=%s" % length)
                equal(len(copies[number]), len(wanted), "number of copies")
                judge.figures["frames"] += len(packets)
            judge.figures["super-packets"] += judge.counted()["expanded"]
        check(judge.figures["super-packets"] > judge.figures["frames"] / 100,
              "the kernel has merged hardly any")
    return None


def layer4_of(packet):
    """Returns where the checksum of 'packet', of TCP or UDP, is; None if it is
    no IP packet."""
    kind, offset = expected.network(packet) or (None, None)
    if (kind not in (wire.ETH_P_IP, wire.ETH_P_IPV6)
            or len(packet) < offset + 40):
        return None
    if kind == wire.ETH_P_IP:
        proto, start = packet[offset + 9], offset + (packet[offset] & 15) * 4
    else:
        proto, start = packet[offset + 6], offset + 40
    return expected.Unfinished(start, 16 if proto == 6 else 6)
