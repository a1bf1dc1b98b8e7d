# SPDX-License-Identifier: Apache-2.0
"""Frames to send, made by scapy."""

import itertools
import logging

logging.getLogger("scapy").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position
from scapy.layers.inet import ICMP, IP, TCP, UDP            # noqa: E402
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6      # noqa: E402
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw                                # noqa: E402

from lab import CLIENT_MAC, SERVER_MAC                      # noqa: E402

CLIENT_IP = "10.0.0.1"
SERVER_IP = "10.0.0.2"
CLIENT_IP6 = "fd00::1"
SERVER_IP6 = "fd00::2"

_numbers = itertools.count()


def filler(size):
    """Returns 'size' bytes that no other frame holds."""
    seed = b"%08x." % next(_numbers)
    return (seed * (size // len(seed) + 1))[:size]


def ether(src=CLIENT_MAC, dst=SERVER_MAC, **fields):
    return Ether(src=src, dst=dst, **fields)


def sized(size, head):
    """Returns 'head', a scapy packet, filled up to 'size' bytes."""
    return bytes(head / Raw(filler(size - len(head))))


def udp(size=100, dport=4000, src=CLIENT_MAC, dst=SERVER_MAC, ip_src=CLIENT_IP,
        ip_dst=SERVER_IP, **fields):
    return sized(size, ether(src, dst) / IP(src=ip_src, dst=ip_dst, **fields)
                 / UDP(sport=1024, dport=dport))


def tcp(size=100, dport=80, sport=1024, src=CLIENT_MAC, dst=SERVER_MAC,
        ip_src=CLIENT_IP, ip_dst=SERVER_IP, **fields):
    return sized(size, ether(src, dst) / IP(src=ip_src, dst=ip_dst, **fields)
                 / TCP(sport=sport, dport=dport, flags="A"))


def udp6(size=100, dport=4000, **fields):
    return sized(size, ether() / IPv6(src=CLIENT_IP6, dst=SERVER_IP6, **fields)
                 / UDP(sport=1024, dport=dport))


def icmp(size=100):
    return sized(size, ether() / IP(src=CLIENT_IP, dst=SERVER_IP) / ICMP())


def icmp6(size=100):
    return sized(size, ether() / IPv6(src=CLIENT_IP6, dst=SERVER_IP6)
                 / ICMPv6EchoRequest())


def arp(size=60):
    return sized(size, ether() / ARP(op="who-has", hwsrc=CLIENT_MAC,
                                     psrc=CLIENT_IP, pdst=SERVER_IP))


def vlan(vid, size=100, pcp=0):
    return sized(size, ether() / Dot1Q(vlan=vid, prio=pcp)
                 / IP(src=CLIENT_IP, dst=SERVER_IP)
                 / UDP(sport=1024, dport=4000))


def double_vlan(outer, inner, size=100):
    return sized(size, ether() / Dot1AD(vlan=outer) / Dot1Q(vlan=inner)
                 / IP(src=CLIENT_IP, dst=SERVER_IP)
                 / UDP(sport=1024, dport=4000))


def experimental(size=60):
    """Returns a frame of a protocol that nobody knows."""
    return sized(size, ether(type=0x88b6))


def gre(src, dst, inner, key=None, proto=0x6558):
    """Returns a GRE packet that holds 'inner' from 'src' to 'dst'."""
    head = GRE(proto=proto) if key is None \
        else GRE(proto=proto, key_present=1, key=key)
    return bytes(ether() / IP(src=src, dst=dst, proto=47) / head / Raw(inner))


def mixture():
    """Returns a frame of each kind."""
    return [udp(), tcp(), icmp(), udp6(), icmp6(), arp(), vlan(7),
            double_vlan(5, 6), experimental()]


def set_tag(frame, vid):
    """Returns 'frame' with a VLAN tag in front."""
    return frame[:12] + b"\x81\x00" + vid.to_bytes(2, "big") + frame[12:]
