# SPDX-License-Identifier: Apache-2.0
"""What a broken or malicious collector can send back to the host that its copies
come from: errors about the copies, and GRE of every form."""

import struct

import wire

ICMP, GRE, ICMP6 = 1, 47, 58


def _written(data, offset, value):
    return data[:offset] + struct.pack("!H", value) + data[offset + 2:]


def _ipv4(src, dst, proto, payload, fragment=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1,
                       fragment, 64, proto, 0, src, dst)
    return _written(head, 10, wire.internet_checksum(head)) + payload


def _ipv6(src, dst, proto, payload):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), proto, 64, src,
                       dst) + payload


def _errors(kinds, copy, pseudo):
    """Returns ICMP messages of 'kinds', triples of a type, a code and the word
    behind the checksum, that quote a part of 'copy', an IP packet.  'pseudo' are
    the addresses, which ICMPv6 includes in its checksum."""
    found = []
    for kind, code, word in kinds:
        for quoted in (copy[:28], copy[:48], copy[:548], copy[:9], b""):
            message = struct.pack("!BBHI", kind, code, 0, word) + quoted
            header = (pseudo + struct.pack("!II", len(message), ICMP6)
                      if pseudo else b"")
            found.append(_written(message, 2,
                                  wire.internet_checksum(header + message)))
    return found


def _gre(inner):
    """Returns GRE packets of every form around the frame 'inner'."""
    teb = struct.pack("!HH", 0, 0x6558)
    found = [teb + inner, teb + inner[:14], teb + inner[:7], teb, teb[:3],
             b"", struct.pack("!HHI", 0x2000, 0x6558, 7) + inner,
             struct.pack("!HH", 0x2000, 0x6558),
             struct.pack("!HHI", 0x8000, 0x6558, 0xdead0000) + inner,
             struct.pack("!HHII", 0x9000, 0x6558, 0, 1) + inner,
             struct.pack("!HH", 0x4000, 0x6558) + inner,
             struct.pack("!HH", 0x0700, 0x6558) + inner,
             struct.pack("!HH", 0xffff, 0xffff) + inner,
             # Point-to-Point Tunnelling, ERSPAN.
             struct.pack("!HHHH", 0x3001, 0x880b, len(inner), 1) + inner,
             struct.pack("!HHI", 0x1000, 0x88be, 1) + bytes(8) + inner,
             # Whatever the frame has behind Ethernet.
             struct.pack("!HH", 0, 0x0800) + inner[14:],
             struct.pack("!HH", 0, 0x86dd) + inner[14:]]
    deep = inner
    for _ in range(10):
        deep = teb + deep
    return found + [deep]


def frames(copy, inner):
    """Returns frames that the receiver of 'copy', a frame with an outer IP
    header, sends to the host that sent it.  'inner' is a frame that a host behind
    the switch would take."""
    eth = copy[6:12] + copy[:6] + copy[12:14]
    ip = copy[14:]
    if wire.ethertype(copy) == wire.ETH_P_IP:
        src, dst = ip[16:20], ip[12:16]
        kinds = [(3, code, mtu) for code in range(16)
                 for mtu in ((0, 68, 552, 1400) if code == 4 else (0,))]
        kinds += [(4, 0, 0), (5, 1, 0x01020304), (11, 0, 0), (11, 1, 0),
                  (12, 0, 0)]
        found = [_ipv4(src, dst, ICMP, message)
                 for message in _errors(kinds, ip, b"")]
        found += [_ipv4(src, dst, GRE, packet) for packet in _gre(inner)]
        found += [_ipv4(src, dst, GRE, packet[:1000], fragment)
                  for packet in _gre(inner)
                  for fragment in (0x2000, 0x2003, 0x0003, 0x3fff)]
    else:
        src, dst = ip[24:40], ip[8:24]
        kinds = [(1, code, 0) for code in range(7)]
        kinds += [(2, 0, mtu) for mtu in (0, 68, 1279, 1280, 0xffffffff)]
        kinds += [(3, 0, 0), (4, 0, 6), (4, 1, 0xffffffff), (137, 0, 0)]
        found = [_ipv6(src, dst, ICMP6, message)
                 for message in _errors(kinds, ip, src + dst)]
        found += [_ipv6(src, dst, GRE, packet) for packet in _gre(inner)]
    return [eth + packet for packet in found]
