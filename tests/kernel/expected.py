# SPDX-License-Identifier: Apache-2.0
"""What the copies of a frame have to be, as docs/architecture.md and
ovs-actions(7) say it.  A model: it shares nothing with the code of the kernel
modules, reads headers in its own way, and knows one frame at a time.

A frame is bytes as on the wire, with its VLAN tags in band, before what was left
to a device is done: 'Unfinished' says what that is."""

import dataclasses
import ipaddress
import struct

import wire

TAGS = wire.ETH_P_VLAN, wire.ETH_P_QINQ
# How deep GRE in GRE, and a stack of tags, is looked into.
MOST_FRAMES, MOST_TAGS = 8, 8
# As how many packets a super-packet is copied.
MOST_PACKETS = 2048
GRE = 47
# IPv6 headers, and the unit of what their second byte says they have behind their
# first 8 bytes: Hop-by-Hop, Routing, Destination, Authentication.
EXTENSIONS = {0: 8, 43: 8, 60: 8, 51: 4}


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """What a sender leaves to a device: a checksum over all from 'start' on, to
    be written to 'start' + 'offset'; and to make TCP packets with 'size' bytes
    of payload each, if that is not 0, with the checksum of each."""
    start: int
    offset: int
    size: int = 0


def ones_sum(data):
    return ~wire.internet_checksum(data) & 0xffff


def pseudo_sum(addresses, proto, size):
    """Returns what stands in a checksum field whose sum over 'size' bytes is left
    to do.  'addresses' are source and destination, of either IP."""
    return ones_sum(addresses + struct.pack("!II", size, proto))


def written(frame, where, value, size="!H"):
    """Returns 'frame' with the number 'value' at 'where'."""
    data = struct.pack(size, value)
    return frame[:where] + data + frame[where + len(data):]


def finished(frame, left):
    """Returns 'frame' with the checksum that was left to a device.  0 would say
    in UDP that there is none."""
    value = ~ones_sum(frame[left.start:]) & 0xffff
    return written(frame, left.start + left.offset, value or 0xffff)


def network(frame, most_tags=MOST_TAGS):
    """Returns the Ethertype behind the tags of 'frame' and the offset of what
    is behind that; None if 'frame' ends before, or has too many tags."""
    offset = 12
    for _ in range(most_tags + 1):
        if len(frame) < offset + 2:
            return None
        kind = struct.unpack_from("!H", frame, offset)[0]
        if kind not in TAGS:
            return kind, offset + 2
        offset += 4
    return None


def packets(frame, left):
    """Returns the packets that the wire carries for 'frame'."""
    if left is None:
        return [frame]
    if not left.size:
        return [finished(frame, left)]
    kind, l3 = network(frame)
    l4 = left.start
    head = l4 + (frame[l4 + 12] >> 4) * 4
    payload = frame[head:]
    parts = [payload[i:i + left.size]
             for i in range(0, len(payload), left.size)]
    found = []
    for number, part in enumerate(parts):
        packet = frame[:head] + part
        last = number + 1 == len(parts)
        if kind == wire.ETH_P_IP:
            packet = written(packet, l3 + 2, len(packet) - l3)
            ident = struct.unpack_from("!H", frame, l3 + 4)[0]
            packet = written(packet, l3 + 4, (ident + number) & 0xffff)
            packet = written(packet, l3 + 10, 0)
            packet = written(packet, l3 + 10,
                             wire.internet_checksum(packet[l3:l3 + 4 * (
                                 packet[l3] & 15)]))
        else:
            packet = written(packet, l3 + 4, len(packet) - l3 - 40)
        sequence = struct.unpack_from("!I", frame, l4 + 4)[0]
        packet = written(packet, l4 + 4,
                         (sequence + number * left.size) & 0xffffffff, "!I")
        flags = packet[l4 + 13]
        if number:
            flags &= ~0x80                              # CWR: the first only.
        if not last:
            flags &= ~0x09                              # PSH, FIN: the last.
        packet = written(packet, l4 + 13, flags, "!B")
        # The pseudo header is in the checksum field, with the length of the
        # whole.
        field = struct.unpack_from("!H", frame, l4 + 16)[0]
        pseudo = ones_sum(struct.pack("!HHH", field, len(packet) - l4,
                                      ~(len(frame) - l4) & 0xffff))
        packet = written(packet, l4 + 16, pseudo)
        packet = written(packet, l4 + 16, ~ones_sum(packet[l4:]) & 0xffff)
        found.append(packet)
    return found


def unknown(left, length, size):
    """Returns the range of bytes that may be anything in a copy of 'length'
    bytes of a packet of 'size' bytes: a checksum left to a device, which a copy
    that is cut need not have."""
    if left is None or not length or length >= size:
        return 0, 0
    return left.start + left.offset, left.start + left.offset + 2


def _ip(frame, offset, version):
    """Returns the source and destination of the IP packet at 'offset', whether
    it is GRE, whether it is a fragment but the first, and the offset of what is
    behind the IP header; None if the headers are incomplete."""
    if version == 4:
        if len(frame) < offset + 20 or frame[offset] & 15 < 5:
            return None
        fragment = struct.unpack_from("!H", frame, offset + 6)[0] & 0x1fff
        return (frame[offset + 12:offset + 16], frame[offset + 16:offset + 20],
                frame[offset + 9] == GRE, bool(fragment),
                offset + (frame[offset] & 15) * 4)
    if len(frame) < offset + 40:
        return None
    addresses = frame[offset + 8:offset + 24], frame[offset + 24:offset + 40]
    kind = frame[offset + 6]
    offset += 40
    while kind in EXTENSIONS or kind == wire.IPPROTO_FRAGMENT:
        if len(frame) < offset + 2:
            return None
        if kind == wire.IPPROTO_FRAGMENT:
            if len(frame) < offset + 8:
                return None
            later = struct.unpack_from("!H", frame, offset + 2)[0] & 0xfff8
            size = 8
        else:
            later = 0
            size = 8 + frame[offset + 1] * EXTENSIONS[kind]
        kind = frame[offset]
        if later:
            return (*addresses, kind == GRE, True, offset)
        offset += size
    return (*addresses, kind == GRE, False, offset)


def is_loop(frame, targets):
    """Tells whether 'frame' is GRE/TEB to or from one of 'targets', at any
    depth, so that there must be no copy of it."""
    addresses = {ipaddress.ip_address(target).packed for target in targets}
    for depth in range(MOST_FRAMES):
        # The kernel keeps the first tag beside the frame.
        found = network(frame, MOST_TAGS + (depth == 0))
        if found is None:
            return False
        kind, offset = found
        version = {wire.ETH_P_IP: 4, wire.ETH_P_IPV6: 6}.get(kind)
        found = _ip(frame, offset, version) if version else None
        if found is None or not found[2]:
            return False
        source, destination, _, later, offset = found
        ours = source in addresses or destination in addresses
        if later:
            return ours
        if len(frame) < offset + 4:
            return False
        flags, protocol = struct.unpack_from("!HH", frame, offset)
        if flags & 7 or protocol != wire.GRE_PROTO_TEB:
            return False
        if ours:
            return True
        frame = frame[offset + 4 + 4 * ((flags >> 15 & 1) + (flags >> 13 & 1)
                                        + (flags >> 12 & 1)):]
    return False
