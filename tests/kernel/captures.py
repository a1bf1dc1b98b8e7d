# SPDX-License-Identifier: Apache-2.0
"""What the captures of a stream have to show, see cases/gso.py."""

import collections
import os
import struct
import subprocess

import wire


class Wrong(Exception):
    """A capture is not what it has to be."""


def read(path):
    """Returns the packets in a capture file as pairs: the length that each had
    and what was kept of it."""
    with open(path, "rb") as file:
        data = file.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}[data[:4]]
    packets = []
    offset = 24
    while offset < len(data):
        kept, length = struct.unpack_from(order + "II", data, offset + 8)
        offset += 16
        packets.append((length, data[offset:offset + kept]))
        offset += kept
    return packets


def layers(packet):
    """Returns the protocol of an IP packet, the offset of its header, and the
    length of all that follows the IP header."""
    if wire.ethertype(packet) == wire.ETH_P_IP:
        size = (packet[14] & 0xf) * 4
        total = struct.unpack_from("!H", packet, 16)[0]
        return packet[23], 14 + size, total - size
    return packet[20], 54, struct.unpack_from("!H", packet, 18)[0]


def without_l4_checksum(packet):
    """Returns 'packet' with the checksum of its TCP or UDP header, which a
    truncated copy may leave to be filled in, set to 0."""
    proto, offset, _ = layers(packet)
    offset += 16 if proto == 6 else 6
    return packet[:offset] + b"\0\0" + packet[offset + 2:]


def expected(packets, length):
    """Returns the copies with len='length' of 'packets'."""
    if not length:
        return packets
    return [(min(size, length), without_l4_checksum(kept[:length]))
            for size, kept in packets]


def tcp_bytes(copies):
    """Returns how many bytes of the stream are in 'copies'.  Raises Wrong when
    a part of it is in none."""
    parts = []
    for _, packet in copies:
        _, offset, total = layers(packet)
        sequence = struct.unpack_from("!I", packet, offset + 4)[0]
        header = (packet[offset + 12] >> 4) * 4
        flags = packet[offset + 13]
        # SYN and FIN take a number each.
        size = total - header + (flags & 1) + (flags >> 1 & 1)
        parts.append((packet[offset:offset + 4], sequence, size))
    whole = 0
    for ports in {part[0] for part in parts}:
        stream = [part[1:] for part in parts if part[0] == ports]
        first = stream[0][0]
        end = 0
        for start, size in sorted(((sequence - first) % (1 << 32), size)
                                  for sequence, size in stream):
            if start > end:
                raise Wrong("no copy has bytes %d to %d of the stream"
                            % (end, start))
            end = max(end, start + size)
        whole += end
    return whole


def udp_bytes(copies):
    """Like tcp_bytes(), for numbered datagrams."""
    numbers = set()
    size = 0
    for _, packet in copies:
        _, offset, total = layers(packet)
        number = struct.unpack_from("!Q", packet, offset + 8)[0]
        numbers.add(number)
        size += total - 8
    holes = set(range(len(numbers))) - numbers
    if holes:
        raise Wrong("no copy has datagram %d" % min(holes))
    return size


def bad_checksums(path):
    """Returns the number of packets that tshark finds a bad checksum in.  In
    TCP 0xffff is as good as 0, which it stands for: Linux writes it."""
    output = subprocess.run(
        ["tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE",
         "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
         "-Y", "ip.checksum.status == 0 || udp.checksum.status == 0 || "
         "(tcp.checksum.status == 0 && "
         "!(tcp.checksum == 0xffff && tcp.checksum_calculated == 0))",
         "-T", "fields", "-e", "frame.number"],
        check=True, text=True, capture_output=True).stdout
    return len(output.split())


def stream(directory, name, length, size=None, data=None):
    """Judges the captures of the stream 'name' in 'directory', which was copied
    with len='length'.  If 'size' is given, the copies in the direction 'data',
    "there" or "back", have to hold that many bytes of payload without a hole.
    Returns the figures; raises Wrong."""
    figures = []
    for direction in "there", "back":
        path = os.path.join(directory, "%s.%s." % (name, direction))
        packets = expected(read(path + "wire.pcap"), length)
        copies = expected(read(path + "copies.pcap"), length)
        missing = collections.Counter(packets) - collections.Counter(copies)
        extra = collections.Counter(copies) - collections.Counter(packets)
        if missing or extra:
            some = next(iter(missing or extra))
            raise Wrong(
                "%s: %d copies of %d wire packets, %d missing, %d changed or "
                "too many, such as %d bytes %s"
                % (direction, len(copies), len(packets), missing.total(),
                   extra.total(), some[0], some[1][:80].hex()))
        if not length and bad_checksums(path + "copies.pcap"):
            raise Wrong("%s: tshark finds bad checksums" % direction)
        if direction == data:
            udp = layers(copies[0][1])[0] == 17
            found = (udp_bytes if udp else tcp_bytes)(copies)
            if found < size:
                raise Wrong("the copies have %d bytes of at least %d"
                            % (found, size))
        figures.append("%d copies of %d wire packets %s"
                       % (len(copies), len(packets), direction))
    return ", ".join(figures)


def loss(directory, name):
    """Returns how much of a stream that the composed tier truncates gets
    through.  Raises Wrong when that is all or nothing: then what the
    documentation says of it is not true."""
    path = os.path.join(directory, name + ".there.")
    packets = len(read(path + "wire.pcap"))
    copies = len(read(path + "copies.pcap"))
    if not 0 < copies < packets:
        raise Wrong("%d copies of %d wire packets" % (copies, packets))
    return "%d copies of %d wire packets (%.1f %%)" % (
        copies, packets, 100 * copies / packets)
