# SPDX-License-Identifier: Apache-2.0
"""Single super-packets, made by hand and put into a tap device as a virtual
machine would: the copies are what the kernel makes of each for a port without
offloads.  (Linux 6.1 takes no UDP GSO from a tap device.)"""

import random
import struct

import frames
import odp
import wire
from datapath import DATAPATH, ENGINE, SENSOR, tiers
from frames import IP, IPv6, Ether, Raw, TCP, UDP
from lab import check, equal
from registry import case
from scapy.layers.inet import IPOption_NOP
from scapy.layers.inet6 import IPv6ExtHdrHopByHop
from scapy.layers.l2 import Dot1AD, Dot1Q
from virtual import (GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP,
                     NEEDS_CSUM, PORT, Guest, partial)


def filler(size):
    return Raw(random.Random(size).randbytes(size))


def tcp(size, ip=None, options=(), flags="PA", **fields):
    ip = ip or IP(src=frames.CLIENT_IP, dst=frames.SERVER_IP, id=65530,
                  flags="DF")
    words = TCP(sport=1, dport=2, seq=0xfffffff0, ack=7, flags=flags,
                options=list(options), **fields)
    if options:
        words = TCP(bytes(words))
    return frames.ether() / ip / words / filler(size)


def six(*extension):
    packet = IPv6(src=frames.CLIENT_IP6, dst=frames.SERVER_IP6, tc=8, fl=77)
    for header in extension:
        packet /= header
    return packet


def tagged(packet, *tags):
    """Returns 'packet' with VLAN tags."""
    inner = packet.payload
    whole = frames.ether()
    for tag in tags:
        whole /= tag
    return whole / inner


def udp(size, ip=None):
    return frames.ether() / (ip or IP(src=frames.CLIENT_IP, id=3,
                                      dst=frames.SERVER_IP)) \
        / UDP(sport=1, dport=2) / filler(size)


def summing_up_to_zero(packet, size):
    """Returns 'packet', of TCP, with a payload that makes the checksums of all
    the segments of 'size' bytes zero."""
    payload = bytes(packet[Raw])
    parts = [payload[i:i + size] for i in range(0, len(payload), size)]
    whole = b""
    for i, part in enumerate(parts):
        segment = packet.copy()
        segment[TCP].seq = (packet[TCP].seq + i * size) & 0xffffffff
        segment[TCP].flags = packet[TCP].flags if i + 1 == len(parts) else "A"
        segment[Raw].load = b"\0\0" + part[2:]
        whole += struct.pack("!H", Ether(bytes(segment))[TCP].chksum)
        whole += part[2:]
    packet[Raw].load = whole
    return packet


STAMP = [("NOP", None), ("NOP", None), ("Timestamp", (5, 6))]
PACKETS = {
    "TCP, last segment short": (tcp(10000), GSO_TCPV4, 1448),
    "TCP, segments of equal size": (tcp(2896), GSO_TCPV4, 1448),
    "TCP, odd segments": (tcp(10001), GSO_TCPV4, 333),
    "TCP, tiny segments": (tcp(300), GSO_TCPV4, 8),
    "TCP of one segment": (tcp(100), GSO_TCPV4, 1448),
    "TCP with options": (tcp(9000, options=STAMP), GSO_TCPV4, 1436),
    "TCP with FIN and PSH": (tcp(5000, flags="FPA"), GSO_TCPV4, 1400),
    "TCP with CWR": (tcp(5000, flags="CPA"), GSO_TCPV4 | GSO_ECN, 1400),
    "TCP with ECE, CWR but not for ECN": (tcp(5000, flags="ECA"), GSO_TCPV4,
                                          1400),
    "TCP with IP options": (
        tcp(5000, IP(src=frames.CLIENT_IP, dst=frames.SERVER_IP, id=9,
                     options=[IPOption_NOP()] * 4)), GSO_TCPV4, 1400),
    "TCP without DF": (
        tcp(5000, IP(src=frames.CLIENT_IP, dst=frames.SERVER_IP, id=9)),
        GSO_TCPV4, 1400),
    "TCP of 60 kB": (tcp(60000), GSO_TCPV4, 1448),
    "TCP over IPv6": (tcp(10000, six()), GSO_TCPV6, 1428),
    "TCP over IPv6 with options": (tcp(10000, six(), STAMP), GSO_TCPV6, 1416),
    "TCP over IPv6 with CWR": (tcp(5000, six(), flags="CPA"),
                               GSO_TCPV6 | GSO_ECN, 1400),
    "TCP over IPv6 behind a hop-by-hop header": (
        tcp(5000, six(IPv6ExtHdrHopByHop())), GSO_TCPV6, 1400),
    "TCP with a VLAN tag": (tagged(tcp(5000), Dot1Q(vlan=7, prio=3)),
                            GSO_TCPV4, 1400),
    "TCP with two VLAN tags": (
        tagged(tcp(5000), Dot1AD(vlan=5), Dot1Q(vlan=6)), GSO_TCPV4, 1400),
    "TCP over IPv6 with a VLAN tag": (
        tagged(tcp(5000, six()), Dot1Q(vlan=7)), GSO_TCPV6, 1400),
    "TCP with checksums of zero": (summing_up_to_zero(tcp(2896), 1448),
                                   GSO_TCPV4, 1448),
    "TCP over IPv6 with checksums of zero": (
        summing_up_to_zero(tcp(2856, six()), 1428), GSO_TCPV6, 1428),
    "UDP to be fragmented": (udp(5000), GSO_UDP, 1480),
}
UNCUT = {
    "TCP": tcp(1000), "UDP": udp(1000), "TCP over IPv6": tcp(1000, six()),
    "UDP over IPv6": udp(1001, six()),
    "TCP with a VLAN tag": tagged(tcp(1000), Dot1Q(vlan=7)),
    "UDP with two VLAN tags": tagged(udp(999), Dot1AD(vlan=5), Dot1Q(vlan=6)),
}


@case("whole copies of super-packets of every kind are the packets of the wire, checksums included", 40)
@tiers(*ENGINE)
def whole(bench):
    with Guest(bench) as guest:
        guest.flows(bench.mirror_action(SENSOR) + ",2")
        for name, (packet, kind, size) in PACKETS.items():
            guest.send(*partial(packet, kind, size))
            packets = bench.arrive(guest)
            check(packets, "%s: the kernel let nothing through", name)
            found = [copy.frame for copy in bench.collected()]
            equal([frame.hex() for frame in found],
                  [frame.hex() for frame in packets], "%s: copies" % name)


@case("truncated copies of super-packets have the headers of the wire", 40)
@tiers(*ENGINE)
def truncated(bench):
    with Guest(bench) as guest:
        for length in 14, 34, 54, 60, 96, 1000:
            guest.flows(bench.mirror_action(SENSOR, length) + ",2")
            for name, (packet, kind, size) in PACKETS.items():
                if kind == GSO_UDP:
                    continue
                guest.send(*partial(packet, kind, size))
                packets = bench.arrive(guest)
                found = [copy.frame for copy in bench.collected()]
                equal([masked(frame, frame).hex() for frame in found],
                      [masked(frame, frame[:length]).hex()
                       for frame in packets],
                      "%s: copies of %d bytes" % (name, length))


def masked(whole, kept):
    """Returns 'kept', the beginning of the frame 'whole', with the checksum
    that a truncated copy may leave to be filled in set to 0."""
    offset = 12
    while whole[offset:offset + 2] in (b"\x81\x00", b"\x88\xa8"):
        offset += 4
    kind = whole[offset:offset + 2]
    if len(kept) < offset + 22:
        return kept
    if kind == b"\x08\x00":
        proto, start = whole[offset + 11], offset + 2 + (
            whole[offset + 2] & 15) * 4
    else:
        proto, start = whole[offset + 8], offset + 42
        if proto == 0 and len(whole) > start + 8:
            proto, start = whole[start], start + 8
    start += 16 if proto == 6 else 6
    return (kept[:start] + b"\0\0" + kept[start + 2:])[:len(kept)]


@case("whole copies of packets whose checksum is left to a device have a right one")
@tiers(*ENGINE)
def unfinished(bench):
    with Guest(bench) as guest:
        guest.flows(bench.mirror_action(SENSOR) + ",2")
        for name, packet in UNCUT.items():
            guest.send(*partial(packet, GSO_NONE, 0))
            packets = bench.arrive(guest)
            equal([frame.hex() for frame in packets],
                  [bytes(packet).hex()], "%s: originals" % name)
            equal([copy.frame.hex() for copy in bench.collected()],
                  [frame.hex() for frame in packets], "%s: copies" % name)


@case("a checksum that is to begin in a header which is taken away is not made")
@tiers("native")
def begins_before(bench):
    inner = bytes(udp(100))
    label = struct.pack("!I", 5 << 12 | 0x140)
    frame = inner[:12] + b"\x88\x47" + label + inner[14:]
    with Guest(bench) as guest:
        bench.flows("2")
        bench.dpctl("add-flow", DATAPATH, "in_port(%d),eth(),eth_type(0x%04x)"
                    % (PORT, wire.ETH_P_MARKER), "2")
        with bench.switch.entered():
            flows = odp.Socket(DATAPATH)
        with flows:
            equal(flows.errors([flows.put(
                PORT, odp.action("POP_MPLS", b"\x08\x00")
                + odp.rmirror(odp.target(SENSOR)), new=True, label=label)]),
                  [0], "errors")
        # In the addresses, in the label, and behind it.
        for start in 0, 3, 12, 14, 17, 18:
            guest.send(frame, struct.pack("=BBHHHH", NEEDS_CSUM, GSO_NONE, 0, 0,
                                          start, 16))
            equal(bench.arrive(guest), [], "originals, which are dropped")
            found = [copy.frame for copy in bench.collected()]
            equal([len(copy) for copy in found], [len(inner)],
                  "lengths of copies with a checksum from %d" % start)
            where = max(0, start - 4) + 16
            equal(found[0][:where] + found[0][where + 2:],
                  inner[:where] + inner[where + 2:],
                  "copy with a checksum from %d" % start)


@case("a checksum that is to begin in the Ethernet header costs no copy")
@tiers(*ENGINE)
def begins_early(bench):
    frame = bytes(udp(100))
    with Guest(bench) as guest:
        for tag, size in ("", 0), ("push_vlan(vid=5,pcp=1),", 4):
            guest.flows("%s%s,2" % (tag, bench.mirror_action(SENSOR)))
            for start in 0, 3, 11, 12, 13, 14, 34:
                guest.send(frame, struct.pack("=BBHHHH", NEEDS_CSUM, GSO_NONE,
                                              0, 0, start, 16))
                packets = bench.arrive(guest)
                equal([len(packet) for packet in packets], [len(frame) + size],
                      "lengths of originals")
                found = [copy.frame for copy in bench.collected()]
                where = start + size + 16
                if start < 14:
                    found, packets = ([bytes(one[:where] + one[where + 2:])
                                       for one in both]
                                      for both in (found, packets))
                equal([one.hex() for one in found],
                      [one.hex() for one in packets],
                      "copies with a checksum from %d" % start)


@case("super-packets that are not what they claim do no harm", 40)
@tiers(*ENGINE)
def malformed(bench):
    dice = random.Random(1)
    with Guest(bench) as guest:
        for length in 0, 60, 96:
            guest.flows(bench.mirror_action(SENSOR, length) + ",2")
            for packet, kind, size in PACKETS.values():
                data, header = partial(packet, kind, size)
                for _ in range(8):
                    broken = bytearray(data)
                    for _ in range(dice.randrange(4)):
                        broken[dice.randrange(60)] = dice.randrange(256)
                    cut = bytes(broken[:dice.choice((len(data), 60, 54, 40, 18,
                                                     len(data) // 2))])
                    words = list(struct.unpack("=BBHHHH", header))
                    which = dice.randrange(2, 6)
                    words[which] = dice.choice((
                        0, 1, 14, 20, words[which] + 4, len(cut), 65535))
                    try:
                        guest.send(cut, struct.pack("=BBHHHH", *words))
                    except OSError:
                        # tun has seen it.
                        pass
        guest.flows(bench.mirror_action(SENSOR, 60) + ",2")
        bench.server.tap.drain()
        bench.sensor.tap.drain()
        sent = frames.udp()
        guest.send(sent)
        equal(bench.arrive(guest), [sent], "originals afterwards")
        equal([copy.frame for copy in bench.collected()], [sent[:60]],
              "copies afterwards")
