# SPDX-License-Identifier: Apache-2.0
"""Frames as they are on a wire: capture files, raw packet sockets, and the
decoding of mirrored copies (Ethernet in GRE, RFC 2784 and RFC 2890, protocol
0x6558), fragments put together again.

Only the Python standard library is used, so that this decoder shares no code
with the switch, with tshark or with scapy.  Frames are bytes that begin with
the destination MAC address and carry their VLAN tag in band."""

import dataclasses
import ipaddress
import re
import socket
import struct
import subprocess
import time

import pace

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_VLAN = 0x8100
ETH_P_QINQ = 0x88a8
ETH_P_IPV6 = 0x86dd
ETH_P_MARKER = 0x88b5           # IEEE 802 local experimental ethertype 1.
IPPROTO_GRE = 47
IPPROTO_FRAGMENT = 44
GRE_PROTO_TEB = 0x6558
GRE_FLAG_KEY = 0x2000

# linux/if_packet.h
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
SO_RCVBUFFORCE = 33


class Malformed(Exception):
    """A frame at the collector is not what a copy has to look like."""


@dataclasses.dataclass
class Copy:
    """One mirrored frame as the collector sees it."""
    eth: bytes                  # Outer Ethernet header, 14 bytes.
    src: str                    # Outer addresses, in their usual notation.
    dst: str
    ttl: int                    # TTL or hop limit.
    tos: int                    # DSCP and ECN byte, or traffic class.
    df: bool                    # Always False for IPv6.
    header: bytes               # Outer IP header of the first fragment.
    gre: bytes                  # The whole GRE header.
    key: int | None
    frame: bytes                # Inner frame, as long as the outer IP says.
    fragments: int              # 1: it came in one piece.

    @property
    def version(self):
        return self.header[0] >> 4


def ethertype(frame):
    """Returns the ethertype behind all VLAN tags, or None when 'frame' ends
    before it."""
    offset = 12
    while len(frame) >= offset + 2:
        value = struct.unpack_from("!H", frame, offset)[0]
        if value not in (ETH_P_VLAN, ETH_P_QINQ):
            return value
        offset += 4
    return None


def marker(dst, src, token, vlan=None):
    """Returns a frame that nobody answers, to be told apart by 'token'."""
    tag = b"" if vlan is None else struct.pack("!HH", ETH_P_VLAN, vlan)
    frame = (mac_bytes(dst) + mac_bytes(src) + tag
             + struct.pack("!H", ETH_P_MARKER) + token.encode())
    return frame.ljust(60, b"\0")


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def is_marker(frame):
    return ethertype(frame) == ETH_P_MARKER


def holds_token(frame, token):
    return is_marker(frame) and token.encode() + b"\0" in frame


def holds_gre(frame):
    """Tells whether 'frame', without VLAN tags, is GRE."""
    return ((ethertype(frame) == ETH_P_IP and frame[23] == IPPROTO_GRE)
            or (ethertype(frame) == ETH_P_IPV6 and frame[20] == IPPROTO_GRE))


def cut(frame, length):
    """Returns what a copy of 'frame' with len='length' has to hold."""
    return frame[:length] if length else frame


def internet_checksum(data):
    """Returns the RFC 1071 sum of 'data': 0 when 'data' holds a right one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


@dataclasses.dataclass
class _Datagram:
    """An IP packet or one of its fragments."""
    version: int
    ident: int
    offset: int                 # Bytes.
    more: bool
    proto: int
    header: bytes
    payload: bytes
    src: str
    dst: str


def _parse_ip(frame):
    kind = struct.unpack_from("!H", frame, 12)[0]
    ip = frame[14:]
    if kind == ETH_P_IP:
        size = (ip[0] & 0xf) * 4
        total, ident, frag = struct.unpack_from("!HHH", ip, 2)
        if size < 20 or total < size or total > len(ip):
            raise Malformed("IPv4 total length %d in a frame with %d bytes "
                            "behind Ethernet" % (total, len(ip)))
        if internet_checksum(ip[:size]):
            raise Malformed("wrong checksum in the IPv4 header %s"
                            % ip[:size].hex())
        return _Datagram(4, ident, (frag & 0x1fff) * 8, bool(frag & 0x2000),
                         ip[9], ip[:size], ip[size:total],
                         str(ipaddress.ip_address(ip[12:16])),
                         str(ipaddress.ip_address(ip[16:20])))
    if kind == ETH_P_IPV6:
        total = struct.unpack_from("!H", ip, 4)[0]
        if len(ip) < 40 or 40 + total > len(ip):
            raise Malformed("IPv6 payload length %d in a frame with %d bytes "
                            "behind Ethernet" % (total, len(ip)))
        proto, ident, offset, more = ip[6], 0, 0, False
        payload = ip[40:40 + total]
        if proto == IPPROTO_FRAGMENT:
            proto, _, offset, ident = struct.unpack_from("!BBHI", payload)
            more = bool(offset & 1)
            offset &= 0xfff8
            payload = payload[8:]
        return _Datagram(6, ident, offset, more, proto, ip[:40], payload,
                         str(ipaddress.ip_address(ip[8:24])),
                         str(ipaddress.ip_address(ip[24:40])))
    return None


def _parse_copy(eth, first, payload, fragments):
    flags, proto = struct.unpack_from("!HH", payload)
    if flags & ~GRE_FLAG_KEY or proto != GRE_PROTO_TEB:
        raise Malformed("GRE flags %04x protocol %04x, expected %04x or %04x "
                        "and %04x" % (flags, proto, 0, GRE_FLAG_KEY,
                                      GRE_PROTO_TEB))
    size, key = 4, None
    if flags & GRE_FLAG_KEY:
        key = struct.unpack_from("!I", payload, 4)[0]
        size = 8
    header = first.header
    if first.version == 4:
        tos, ttl, df = header[1], header[8], bool(header[6] & 0x40)
    else:
        tos = struct.unpack_from("!H", header)[0] >> 4 & 0xff
        ttl, df = header[7], False
    return Copy(eth, first.src, first.dst, ttl, tos, df, header,
                payload[:size], key, payload[size:], fragments)


def copies(frames):
    """Returns the GRE packets in 'frames' as a list of Copy, in the order in
    which they were complete; whatever is not GRE is passed over.  Raises
    Malformed for a GRE packet that no copy may look like, and for fragments
    that do not make a whole packet."""
    found = []
    partial = {}
    for frame in frames:
        if len(frame) < 34:
            continue
        part = _parse_ip(frame)
        if part is None or part.proto != IPPROTO_GRE:
            continue
        if not part.offset and not part.more:
            found.append(_parse_copy(frame[:14], part, part.payload, 1))
            continue
        name = (part.version, part.src, part.dst, part.ident)
        pieces = partial.setdefault(name, [])
        pieces.append((part, frame[:14]))
        pieces.sort(key=lambda piece: piece[0].offset)
        payload = b""
        for piece, _ in pieces:
            if piece.offset != len(payload):
                break
            payload += piece.payload
        else:
            if not pieces[-1][0].more:
                first, eth = pieces[0]
                found.append(_parse_copy(eth, first, payload, len(pieces)))
                del partial[name]
    if partial:
        raise Malformed("fragments without the rest of their packet: %s"
                        % list(partial))
    return found


# Capture files.

def read_pcap(path):
    """Returns the complete frames in the capture file 'path', which tcpdump
    may still be writing.  Raises Malformed for frames cut short."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        return []
    magic = data[:4]
    if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        order = "<"
    elif magic in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        order = ">"
    else:
        raise Malformed("%s: not a pcap file" % path)
    frames = []
    offset = 24
    while offset + 16 <= len(data):
        kept, length = struct.unpack_from(order + "II", data, offset + 8)
        offset += 16
        if offset + kept > len(data):
            break
        if kept != length:
            raise Malformed("%s: frame of %d bytes captured as %d"
                            % (path, length, kept))
        frames.append(data[offset:offset + kept])
        offset += kept
    return frames


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IIII", number // 1000000,
                                   number % 1000000, len(frame), len(frame)))
            file.write(frame)


def tshark(path, fields, options=()):
    """Returns what tshark reads in the capture file 'path': for each frame a
    list with, for each of 'fields', the list of its occurrences (outermost
    first)."""
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|",
               "-E", "aggregator=,", *options]
    for field in fields:
        command += ["-e", field]
    output = subprocess.run(command, check=True, text=True,
                            capture_output=True).stdout
    return [[re.split(",", column) if column else []
             for column in line.split("|")] for line in output.splitlines()]


# Packet sockets.

class Tap:
    """One network device, seen through a packet socket: sends frames into it
    and records the frames that the other side sends to it.  The caller is in
    the network namespace of the device when it makes the Tap."""

    def __init__(self, device, outgoing=False):
        self.device = device
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if not outgoing:
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.bind((device, ETH_P_ALL))
        self.mac = self.sock.getsockname()[4].hex(":")

    def close(self):
        self.sock.close()

    def send(self, frame):
        self.sock.send(frame)

    def receive(self, timeout=0.0):
        """Returns the next frame, or None when none comes in 'timeout'
        seconds.  Raises OverflowError when the socket has lost frames."""
        self.sock.settimeout(timeout)
        try:
            frame, control, flags, _ = self.sock.recvmsg(65600, 256)
        except (BlockingIOError, TimeoutError):
            return None
        for level, kind, data in control:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, length, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data)
            if status & TP_STATUS_VLAN_VALID:
                if not status & TP_STATUS_VLAN_TPID_VALID:
                    tpid = ETH_P_VLAN
                frame = (frame[:12] + struct.pack("!HH", tpid, tci)
                         + frame[12:])
        return frame

    def lost(self):
        """Returns the number of frames that found this socket full since the
        last call."""
        data = self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return struct.unpack("II", data)[1]

    def drain(self):
        """Returns the frames that are here now."""
        frames = []
        while (frame := self.receive()) is not None:
            frames.append(frame)
        if self.lost():
            raise OverflowError("%s: frames lost by the capture" % self.device)
        return frames

    def until(self, token, timeout=5.0):
        """Returns the frames, without markers, that come before the marker
        with 'token'.  Raises TimeoutError when it does not come in
        pace.seconds('timeout')."""
        frames = []
        timeout = pace.seconds(timeout)
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(max(0.001, deadline - time.monotonic()))
            if frame is None and time.monotonic() >= deadline:
                raise TimeoutError("%s: marker %s did not come in %g s"
                                   % (self.device, token, timeout))
            if frame is None:
                continue
            if holds_token(frame, token):
                break
            if not is_marker(frame):
                frames.append(frame)
        if self.lost():
            raise OverflowError("%s: frames lost by the capture" % self.device)
        return frames
