# SPDX-License-Identifier: Apache-2.0
"""What stands in front of the frame in a copy: outer Ethernet, IP and GRE."""

import os
import socket
import struct

import frames
import wire
from lab import (COLLECTOR_MAC, PHY_MAC, TARGET, TARGET6, TUNNEL, TUNNEL6,
                 check, copies_of, equal)
from registry import case


def without_id_and_checksum(header):
    return header[:4] + b"\0\0" + header[6:10] + b"\0\0" + header[12:]


@case("a copy to an IPv4 target has the forerunner's outer header, byte for byte")
def ipv4_header(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=96),NORMAL" % TARGET)
    sent = [frames.udp(60), frames.tcp(1500), frames.arp()]
    found = copies_of(bench.mirror(sent), [frame[:96] for frame in sent])
    for copy in found:
        equal(copy.eth, wire.mac_bytes(COLLECTOR_MAC) + wire.mac_bytes(PHY_MAC)
              + b"\x08\x00", "outer Ethernet header")
        wanted = (struct.pack("!BBHHHBBH", 0x45, 0, 24 + len(copy.frame), 0, 0,
                              255, 47, 0)
                  + socket.inet_aton(TUNNEL) + socket.inet_aton(TARGET))
        equal(without_id_and_checksum(copy.header), wanted,
              "outer IPv4 header but for identification and checksum")
        equal(copy.gre, bytes.fromhex("00006558"), "GRE header")


@case("a copy to an IPv6 target has hop limit 255, traffic class 0 and no flow label")
def ipv6_header(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=96),NORMAL" % TARGET6)
    sent = [frames.udp(60), frames.tcp(1500), frames.arp()]
    found = copies_of(bench.mirror(sent), [frame[:96] for frame in sent])
    for copy in found:
        equal(copy.eth, wire.mac_bytes(COLLECTOR_MAC) + wire.mac_bytes(PHY_MAC)
              + b"\x86\xdd", "outer Ethernet header")
        wanted = (struct.pack("!IHBB", 0x60000000, 4 + len(copy.frame), 47, 255)
                  + socket.inet_pton(socket.AF_INET6, TUNNEL6)
                  + socket.inet_pton(socket.AF_INET6, TARGET6))
        equal(copy.header, wanted, "outer IPv6 header")
        equal(copy.gre, bytes.fromhex("00006558"), "GRE header")


@case("a key makes a GRE key field, 0 and 4294967295 included")
def keys(bench):
    for target in TARGET, TARGET6:
        for key in 0, 7, 0x01020304, 0xffffffff:
            bench.ovs.flows("actions=rmirror(target=%s,key=%d),NORMAL"
                            % (target, key))
            sent = [frames.udp()]
            found = copies_of(bench.mirror(sent), sent)
            equal(found[0].gre, bytes.fromhex("20006558")
                  + struct.pack("!I", key), "GRE header for key %d" % key)


@case("ttl sets the outer TTL or hop limit")
def ttl(bench):
    for target in TARGET, TARGET6:
        for value in 1, 64, 254:
            bench.ovs.flows("actions=rmirror(target=%s,ttl=%d),NORMAL"
                            % (target, value))
            found = bench.mirror([frames.udp(ttl=33)])
            equal([copy.ttl for copy in found], [value], "outer TTL")


@case("tos sets the outer DSCP and ECN byte")
def tos(bench):
    for target in TARGET, TARGET6:
        for value in 1, 0x2e << 2, 255:
            bench.ovs.flows("actions=rmirror(target=%s,tos=%d),NORMAL"
                            % (target, value))
            found = bench.mirror([frames.udp(tos=4)])
            equal([copy.tos for copy in found], [value], "outer TOS")


@case("tos=inherit takes the byte of the inner packet, tagged or not, and 0 for non-IP")
def tos_inherit(bench):
    for target in TARGET, TARGET6:
        bench.ovs.flows("actions=rmirror(target=%s,tos=inherit),NORMAL"
                        % target)
        tagged = frames.set_tag(frames.udp(tos=0x68), 9)
        sent = [frames.udp(tos=0xb8), frames.udp6(tc=0xb9), tagged,
                frames.arp(), frames.udp(tos=3), frames.udp(tos=0)]
        found = copies_of(bench.mirror(sent), sent)
        equal([copy.tos for copy in found], [0xb8, 0xb9, 0x68, 0, 3, 0],
              "outer TOS of copies to " + target)


@case("df=true sets DF, and without it DF is clear even when the inner packet has it")
def dont_fragment(bench):
    for options, wanted in ("", False), (",df=true", True):
        bench.ovs.flows("actions=rmirror(target=%s%s),NORMAL"
                        % (TARGET, options))
        found = bench.mirror([frames.udp(flags="DF"), frames.udp()])
        equal([copy.df for copy in found], [wanted] * 2, "outer DF")


@case("copies that may be fragmented on their way have different identifications")
def identification(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=64),NORMAL" % TARGET)
    found = bench.mirror([frames.udp() for _ in range(50)])
    equal(len({copy.header[4:6] for copy in found}), 50,
          "different outer identifications of 50 copies")


@case("all fields together make one outer header")
def together(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=60,key=5,ttl=9,tos=4,"
                    "df=true),NORMAL" % TARGET)
    sent = [frames.udp(500)]
    found = copies_of(bench.mirror(sent), [sent[0][:60]])
    copy = found[0]
    equal((copy.key, copy.ttl, copy.tos, copy.df), (5, 9, 4, True),
          "key, TTL, TOS and DF")


@case("tshark reads every copy as Ethernet in GRE in IP with a right checksum")
def decoded_by_tshark(bench):
    bench.ovs.flows("actions=rmirror(target=%s,key=99,tos=8),"
                    "rmirror(target=%s),NORMAL" % (TARGET, TARGET6))
    sent = [frames.udp(200), frames.tcp(60), frames.vlan(7, 300)]
    bench.send(bench.client, sent)
    bench.arrive(bench.client, bench.server)
    seen = [frame for frame in bench.seen()
            if frame[12:14] in (b"\x08\x00", b"\x86\xdd")]
    path = os.path.join(bench.directory, "tshark.pcap")
    wire.write_pcap(path, seen)
    rows = wire.tshark(
        path, ["ip.proto", "ip.checksum.status", "ip.ttl", "ip.dsfield",
               "ipv6.nxt", "gre.proto", "gre.key", "eth.src", "frame.len",
               "vlan.id"],
        ["-o", "ip.check_checksum:TRUE", "-Y",
         "gre.proto == 0x6558 and not eth.type == 0x88b5"])
    four = [row for row in rows if row[2][:1] == ["255"] and row[6]]
    six = [row for row in rows if row[4][:1] == ["47"]]
    equal((len(rows), len(four), len(six)), (6, 3, 3),
          "GRE packets, to the IPv4 target, to the IPv6 target")
    for row in four:
        equal((row[0][0], row[1][0], row[3][0], row[5], row[6]),
              ("47", "1", "0x08", ["0x6558"], ["0x00000063"]),
              "protocol, checksum status, DS field, GRE protocol, key")
    for row in six:
        equal((row[5], row[6]), (["0x6558"], []), "GRE protocol, key")
    for rows_of_target, more in (four, 14 + 20 + 8), (six, 14 + 40 + 4):
        equal(sorted(int(row[8][0]) for row in rows_of_target),
              sorted(len(frame) + more for frame in sent), "lengths")
    check(all(row[7] == [PHY_MAC, bench.client.mac] for row in rows),
          "outer and inner source MAC addresses: %s", [row[7] for row in rows])
    equal(sorted(row[9] for row in four), [[], [], ["7"]],
          "VLAN of the frames")
