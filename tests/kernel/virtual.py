# SPDX-License-Identifier: Apache-2.0
"""A virtual machine, as far as the kernel can tell: a tap device to which
somebody writes super-packets, or frames in pieces."""

import fcntl
import os
import struct

import expected
import frames
from datapath import DATAPATH, one_processor
from frames import IP, IPv6, TCP, UDP
from lab import run

# linux/if_tun.h
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
IFF_NAPI, IFF_NAPI_FRAGS = 0x0010, 0x0020
# linux/virtio_net.h
NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6 = 0, 1, 3, 4
GSO_ECN = 0x80

PORT = 7


class Guest:
    """A tap device, called 'name', port number 'port' of the datapath, and who
    writes to it.  'flags' are more of the IFF_* of tap devices."""

    mac = frames.CLIENT_MAC

    def __init__(self, bench, name="guest", port=PORT, flags=0):
        self.bench = bench
        self.name = name
        self.port = port
        # Makes /dev/net/tun.
        run(["modprobe", "tun"])
        with bench.switch.entered():
            self.file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.file, TUNSETIFF, struct.pack(
                "16sH22x", name.encode(),
                IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags))
        bench.switch.run("sysctl", "-qw",
                         "net.ipv6.conf.%s.disable_ipv6=1" % name)
        bench.switch.ip("link set %s mtu 9000 up" % name)
        bench.dpctl("add-if", DATAPATH, "%s,port_no=%d" % (name, port))
        for device in "client", "server":
            bench.switch.run("ethtool", "-K", device, "tso", "off", "gso",
                             "off", "tx", "off")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bench.dpctl("del-if", DATAPATH, self.name)
        os.close(self.file)

    def send(self, frame, header=bytes(10)):
        with one_processor():
            os.write(self.file, header + frame)

    def send_pieces(self, frame, header, sizes):
        """Sends 'frame' in pieces, each in a page of its own, where the device
        has IFF_NAPI_FRAGS: 'sizes' are those of all but the last."""
        pieces, begin = [], 0
        for size in sizes:
            pieces.append(frame[begin:begin + size])
            begin += size
        pieces.append(frame[begin:])
        with one_processor():
            os.writev(self.file, [header + pieces[0],
                                  *(piece for piece in pieces[1:] if piece)])

    def flows(self, actions):
        self.bench.flows(actions)
        self.bench.dpctl("add-flows", DATAPATH, "-", stdin="".join(
            "%s %s\n" % (match % self.port, actions)
            for match in self.bench.matches))


def partial(packet, kind, size):
    """Returns 'packet' with its checksum left to do, and the header that says
    so and that it is to be cut into payloads of 'size' bytes."""
    layer = TCP if TCP in packet else UDP
    data = bytearray(bytes(packet))
    rest = len(bytes(packet[layer]))
    start = len(data) - rest
    offset = 16 if layer is TCP else 6
    ip = packet[IP] if IP in packet else packet[IPv6]
    raw = bytes(ip)
    struct.pack_into("!H", data, start + offset, expected.pseudo_sum(
        raw[12:20] if IP in packet else raw[8:40],
        6 if layer is TCP else 17, rest))
    head = start + ((packet[TCP].dataofs or 5) * 4 if layer is TCP else 8)
    return bytes(data), struct.pack("=BBHHHH", NEEDS_CSUM, kind, head, size,
                                    start, offset)
