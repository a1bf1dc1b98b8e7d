# SPDX-License-Identifier: Apache-2.0
"""Which packets are copied, in what shape, and what that does to originals."""

import frames
import wire
from lab import (CLIENT_MAC, SERVER_MAC, TARGET, TARGET_B, TARGET6, THIRD_MAC,
                 check, copies_of, equal)
from registry import case


def to(found, target, key=None):
    return [copy for copy in found if (copy.dst, copy.key) == (target, key)]


@case("frames of every protocol are copied and pass unchanged")
def every_protocol(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    sent = frames.mixture()
    copies_of(bench.mirror(sent), sent)


@case("a MAC rule copies the frames of that source and no other")
def mac_rule(bench):
    bench.ovs.flows("priority=5,dl_src=%s,actions=rmirror(target=%s,len=60),"
                    "NORMAL" % (CLIENT_MAC, TARGET), "priority=1,actions=NORMAL")
    chosen = frames.mixture()
    others = [frames.udp(src=mac) for mac in (
        THIRD_MAC, CLIENT_MAC[:-1] + "0", "03" + CLIENT_MAC[2:])
              for _ in range(3)]
    sent = [frame for pair in zip(chosen, others) for frame in pair]
    copies_of(bench.mirror(sent), [frame[:60] for frame in chosen])


@case("five-tuple rules copy what they match and nothing else")
def five_tuple(bench):
    bench.ovs.flows(
        "priority=5,tcp,nw_src=10.0.0.0/24,tp_dst=80,actions=rmirror(target=%s,"
        "len=54),NORMAL" % TARGET,
        "priority=5,udp6,tp_dst=53,actions=rmirror(target=%s,len=54),NORMAL"
        % TARGET, "priority=1,actions=NORMAL")
    one, two = frames.tcp(dport=80), frames.udp6(dport=53)
    sent = [one, frames.tcp(dport=81), frames.udp(dport=80), two,
            frames.tcp(dport=80, ip_src="10.0.1.1"), frames.udp(dport=53),
            frames.arp(), frames.udp6(dport=54)]
    copies_of(bench.mirror(sent), [one[:54], two[:54]])


@case("one packet goes to two targets and a third session, each with its length")
def two_targets(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=60),rmirror(target=%s),"
                    "rmirror(target=%s,len=14),rmirror(target=%s,len=70,key=3),"
                    "NORMAL" % (TARGET, TARGET_B, TARGET6, TARGET))
    sent = frames.mixture() + [frames.udp(9000)]
    found = bench.mirror(sent)
    equal(len(found), 4 * len(sent), "copies")
    copies_of(to(found, TARGET), [frame[:60] for frame in sent], "first")
    copies_of(to(found, TARGET_B), sent, "second")
    copies_of(to(found, TARGET6), [frame[:14] for frame in sent], "third")
    copies_of(to(found, TARGET, 3), [frame[:70] for frame in sent], "fourth")


@case("a packet that meets one session twice is copied once, as at first")
def once_per_session(bench):
    bench.ovs.flows("table=0,actions=rmirror(target=%s,len=60),rmirror(target="
                    "%s),resubmit(,1)" % (TARGET, TARGET),
                    "table=1,actions=rmirror(target=%s,len=90),NORMAL" % TARGET)
    sent = [frames.udp(200), frames.tcp(200)]
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent])


@case("sessions that differ in key, ttl, tos or df are different sessions")
def different_sessions(bench):
    bench.ovs.flows("actions=rmirror(target=%s),rmirror(target=%s,key=1),"
                    "rmirror(target=%s,ttl=7),rmirror(target=%s,tos=4),"
                    "rmirror(target=%s,df=true),NORMAL" % ((TARGET,) * 5))
    sent = [frames.udp()]
    found = bench.mirror(sent)
    copies_of(found, sent * 5)
    equal(sorted((copy.key or 0, copy.ttl, copy.tos, copy.df)
                 for copy in found),
          [(0, 7, 0, False), (0, 255, 0, False), (0, 255, 0, True),
           (0, 255, 4, False), (1, 255, 0, False)], "the five sessions")


@case("a flood to many ports makes one copy")
def flood(bench):
    bench.ovs.flows("actions=rmirror(target=%s),FLOOD" % TARGET)
    sent = [frames.udp(), frames.arp()]
    copies_of(bench.mirror(sent), sent)
    equal([frame for frame in bench.third.tap.drain()
           if not wire.is_marker(frame)], sent, "what the third host got")


@case("a copy is the packet as it stands at that point of the actions")
def as_it_stands(bench):
    bench.ovs.flows(
        "in_port=client,actions=rmirror(target=%s),"
        "set_field:02:00:00:00:00:77->eth_src,rmirror(target=%s,key=1),"
        "push_vlan:0x8100,set_field:%d->vlan_vid,rmirror(target=%s,key=2),"
        "pop_vlan,output:server" % (TARGET, TARGET, 0x1000 | 42, TARGET))
    sent = [frames.udp(), frames.udp6()]
    changed = [frame[:6] + wire.mac_bytes("02:00:00:00:00:77") + frame[12:]
               for frame in sent]
    found = bench.mirror(sent, expect=changed)
    copies_of(to(found, TARGET), sent, "before")
    copies_of(to(found, TARGET, 1), changed, "after a new source")
    copies_of(to(found, TARGET, 2),
              [frames.set_tag(frame, 42) for frame in changed], "tagged")


@case("rmirror works in a clone, a group, and a resubmitted table")
def nested(bench):
    bench.ovs.ofctl("add-group", "br0", "group_id=1,type=all,"
                    "bucket=actions=rmirror(target=%s,key=2,len=60),"
                    "bucket=actions=output:server" % TARGET)
    bench.ovs.flows(
        "table=0,actions=clone(set_field:02:00:00:00:00:66->eth_dst,"
        "rmirror(target=%s,key=1)),resubmit(,5),group:1" % TARGET,
        "table=5,actions=rmirror(target=%s,key=3)" % TARGET)
    sent = [frames.udp(), frames.tcp()]
    found = bench.mirror(sent)
    copies_of(to(found, TARGET, 1),
              [wire.mac_bytes("02:00:00:00:00:66") + frame[6:]
               for frame in sent], "in the clone")
    copies_of(to(found, TARGET, 2), [frame[:60] for frame in sent],
              "in the group")
    copies_of(to(found, TARGET, 3), sent, "in the table")


@case("a dropped packet is copied nevertheless")
def dropped(bench):
    bench.ovs.flows("udp,actions=rmirror(target=%s)" % TARGET,
                    "priority=0,actions=NORMAL")
    sent = [frames.udp(), frames.udp(9000)]
    copies_of(bench.mirror(sent, expect=[]), sent)


@case("frames that enter by an access port are copied untagged, as they came")
def access_port(bench):
    bench.ovs.vsctl("set", "port", "client", "tag=10")
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    sent = [frames.udp(), frames.arp(), frames.udp(9000)]
    # The server is on a trunk: there the frames have a tag.
    found = bench.mirror(sent, expect=[frames.set_tag(frame, 10)
                                       for frame in sent])
    copies_of(found, sent)


@case("frames that enter by a trunk port are copied with their tag")
def trunk_port(bench):
    bench.ovs.vsctl("set", "port", "server", "tag=10")
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % TARGET)
    plain = [frames.udp(), frames.arp(), frames.udp(8996)]
    sent = [frames.set_tag(frame, 10) for frame in plain]
    found = bench.mirror(sent, expect=plain, sent_vlan=10)
    copies_of(found, sent)


@case("tagged and doubly tagged frames pass a trunk unchanged and are copied so")
def tags_kept(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=64),NORMAL" % TARGET)
    sent = [frames.vlan(1), frames.vlan(4094, pcp=7),
            frames.double_vlan(100, 200), frames.vlan(8, 60)]
    copies_of(bench.mirror(sent), [frame[:64] for frame in sent])


@case("a rule on a VLAN copies the frames of that VLAN")
def vlan_rule(bench):
    bench.ovs.flows("priority=5,dl_vlan=8,actions=rmirror(target=%s),NORMAL"
                    % TARGET, "priority=1,actions=NORMAL")
    sent = [frames.vlan(8), frames.vlan(9), frames.udp(), frames.vlan(8)]
    copies_of(bench.mirror(sent), [sent[0], sent[3]])


@case("packet-out with rmirror makes a copy")
def packet_out(bench):
    frame = frames.udp(300)
    bench.ovs.ofctl("packet-out", "br0", "in_port=client packet=%s actions="
                    "rmirror(target=%s,len=128,key=4),output:server"
                    % (frame.hex(), TARGET))
    equal(bench.arrive(bench.client, bench.server), [frame], "originals")
    found = bench.collected()
    copies_of(found, [frame[:128]])
    equal(found[0].key, 4, "key")


@case("both directions of a conversation are copied")
def both_directions(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=80),NORMAL" % TARGET)
    there = [frames.tcp() for _ in range(3)]
    back = [frames.tcp(src=SERVER_MAC, dst=CLIENT_MAC, ip_src="10.0.0.2",
                       ip_dst="10.0.0.1", sport=80, dport=1024)
            for _ in range(3)]
    copies_of(bench.mirror(there), [frame[:80] for frame in there])
    copies_of(bench.mirror(back, bench.server, bench.client),
              [frame[:80] for frame in back])


@case("two thousand frames of mixed sizes lose neither copy nor original",
      timeout=40)
def many(bench):
    bench.ovs.flows("actions=rmirror(target=%s,len=100),NORMAL" % TARGET)
    sent = [frames.udp(60 + number * 131 % 1400) for number in range(2000)]
    copies_of(bench.mirror(sent), [frame[:100] for frame in sent])


@case("the flow counts each packet once")
def flow_statistics(bench):
    bench.ovs.flows("priority=5,udp,actions=rmirror(target=%s),NORMAL" % TARGET,
                    "priority=1,actions=NORMAL")
    sent = [frames.udp(100) for _ in range(20)]
    copies_of(bench.mirror(sent), sent)
    bench.ovs.settle()
    shown = bench.ovs.ofctl("dump-flows", "br0", "udp")
    check("n_packets=20, n_bytes=2000," in shown,
          "expected 20 packets and 2000 bytes in: %s", shown)


@case("dpctl/rmirror-show counts the copies and the bytes of a session")
def session_statistics(bench):
    bench.ovs.flows("priority=5,udp,actions=rmirror(target=%s,len=64,key=77),"
                    "NORMAL" % TARGET, "priority=1,actions=NORMAL")
    sent = [frames.udp(100) for _ in range(9)] + [frames.udp(60)]
    copies_of(bench.mirror(sent), [frame[:64] for frame in sent])
    equal(bench.ovs.counter(TARGET, "copies", "key=0x4d"), 10, "copies")
    equal(bench.ovs.counter(TARGET, "bytes", "key=0x4d"), 9 * 64 + 60, "bytes")
