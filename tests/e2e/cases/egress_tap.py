# SPDX-License-Identifier: Apache-2.0
"""The egress tap: every packet that leaves by a port is offered to a table of
its own, as it leaves and with the port, once for each port."""

import collections
import contextlib
import re
import time

import frames
import wire
from lab import (CLIENT_MAC, SERVER_MAC, TAP_TABLE, TARGET, TARGET_B,
                 THIRD_MAC, check, copies_of, equal, originals)
from registry import case

EGRESS_TABLE = 253
PIPELINE = "table=0,priority=0,actions=NORMAL"
BROADCAST = "ff:ff:ff:ff:ff:ff"

# A port of the bridge that ends in a device of the switch itself.
Inside = collections.namedtuple("Inside", "mac tap")


def tap(bench, bridge="br0", **tables):
    tables = tables or {"egress": EGRESS_TABLE}
    for name, table in tables.items():
        bench.ovs.vsctl("set", "bridge", bridge,
                        "other_config:rmirror-%s-table=%d" % (name, table))
    bench.ovs.settle()


def leaving(port, key, more=""):
    """Returns the flow of the egress tap that mirrors what leaves by 'port'
    with 'key', if it also matches 'more'."""
    return "table=%d,actset_output=%s%s,actions=rmirror(target=%s,key=%d)" % (
        EGRESS_TABLE, port, more, TARGET, key)


def by_key(copies):
    """Returns the frames of 'copies' for each key."""
    found = collections.defaultdict(list)
    for copy in copies:
        found[copy.key].append(copy.frame)
    return found


def equal_frames(found, wanted, what):
    """Checks that 'found' are the frames 'wanted', in any order."""
    equal(sorted(found), sorted(wanted), what)


@contextlib.contextmanager
def inside(bench, device, mac):
    """The 'device' of the switch, up, as the receiver of frames."""
    bench.switch.ip("link set %s address %s up" % (device, mac))
    with bench.switch.entered():
        end = Inside(mac, wire.Tap(device))
    bench.ovs.settle()
    try:
        yield end
    finally:
        end.tap.close()
        bench.switch.ip("link set %s down" % device)


@case("the egress tap copies what leaves by the ports that its table selects")
def tap_copies(bench):
    bench.ovs.flows(*("table=0,dl_dst=%s,actions=output:%s" % (host.mac,
                                                               host.port)
                      for host in (bench.client, bench.server, bench.third)),
                    leaving("server", 1, ",udp"))
    tap(bench)
    there = [frames.udp(500), frames.tcp(), frames.arp(), frames.udp(9000)]
    found = copies_of(bench.mirror(there), [there[0], there[3]])
    equal({copy.key for copy in found}, {1}, "keys")
    other = [frames.udp(dst=THIRD_MAC)]
    equal(bench.mirror(other, receiver=bench.third), [],
          "copies of what leaves by another port")
    back = [frames.udp(src=SERVER_MAC, dst=CLIENT_MAC)]
    equal(bench.mirror(back, bench.server, bench.client), [],
          "copies of what enters by the port")


@case("the egress tap sees a flooded frame at each port that it leaves by")
def tap_flood(bench):
    bench.ovs.flows(PIPELINE, leaving("client", 1), leaving("server", 2),
                    leaving("third", 3), leaving("LOCAL", 4))
    tap(bench)
    sent = [frames.udp(dst=BROADCAST), frames.udp(1400, dst=BROADCAST)]
    with inside(bench, "br0", "02:00:00:00:00:f0") as local:
        found = bench.mirror(sent)
        originals(bench.arrive(bench.client, bench.third), sent)
        originals(bench.arrive(bench.client, local), sent)
    found = by_key(found)
    equal(sorted(found), [2, 3, 4], "ports")
    for key in 2, 3, 4:
        equal_frames(found[key], sent, "copies at port %d" % key)


@case("a session takes a flooded frame once, at the first port")
def tap_flood_once(bench):
    bench.ovs.flows(PIPELINE, "table=253,actions=rmirror(target=%s)" % TARGET)
    tap(bench)
    sent = [frames.udp(dst=BROADCAST), frames.tcp(dst=BROADCAST)]
    copies_of(bench.mirror(sent), sent)
    originals(bench.arrive(bench.client, bench.third), sent)


@case("the egress tap sees each bucket of a group, with what it changes")
def tap_group_all(bench):
    bench.ovs.ofctl("add-group", "br0", "group_id=1,type=all,"
                    "bucket=output:server,"
                    "bucket=set_field:02:00:00:00:00:99->eth_dst,output:third")
    bench.ovs.flows(PIPELINE, "table=0,udp,actions=group:1",
                    leaving("server", 1), leaving("third", 2))
    tap(bench)
    sent = [frames.udp(), frames.udp(700)]
    changed = [wire.mac_bytes("02:00:00:00:00:99") + frame[6:]
               for frame in sent]
    found = by_key(bench.mirror(sent))
    originals(bench.arrive(bench.client, bench.third), changed)
    equal_frames(found[1], sent, "copies at the server")
    equal_frames(found[2], changed, "copies at the third host")


@case("the egress tap sees the port that a select group has chosen")
def tap_group_select(bench):
    bench.ovs.ofctl("add-group", "br0", "group_id=1,type=select,"
                    "selection_method=hash,fields(udp_dst),"
                    "bucket=weight:1,output:server,"
                    "bucket=weight:1,output:third")
    bench.ovs.flows(PIPELINE, "table=0,udp,actions=group:1",
                    leaving("server", 1), leaving("third", 2))
    tap(bench)
    sent = [frames.udp(dport=dport) for dport in range(5000, 5016)]
    arrived = {1: [], 2: []}
    for first in range(0, len(sent), 8):
        bench.send(bench.client, sent[first:first + 8])
        arrived[1] += bench.arrive(bench.client, bench.server)
        arrived[2] += bench.arrive(bench.client, bench.third)
    equal_frames(arrived[1] + arrived[2], sent, "originals")
    found = by_key(bench.collected())
    for key in 1, 2:
        check(arrived[key], "the group has never chosen port %d", key)
        equal_frames(found[key], arrived[key], "copies at port %d" % key)


@case("the egress tap shows headers as they leave, not as they came")
def tap_rewrites(bench):
    bench.ovs.flows(
        PIPELINE,
        "table=0,ip,actions=set_field:02:00:00:00:00:77->eth_src,dec_ttl,"
        "set_field:10.9.9.9->ip_dst,output:server",
        leaving("server", 1, ",ip,nw_dst=10.9.9.9,nw_ttl=63"))
    tap(bench)
    sent, expect = [frames.udp(), frames.tcp(600)], []
    for frame in sent:
        packet = frames.Ether(frame)
        packet.src = "02:00:00:00:00:77"
        packet[frames.IP].dst = "10.9.9.9"
        packet[frames.IP].ttl = 63
        del packet[frames.IP].chksum
        del packet[frames.IP].payload.chksum
        expect.append(bytes(packet))
    copies_of(bench.mirror(sent, expect=expect), expect)


@case("the egress tap sees frames untagged at access ports, tagged at trunks")
def tap_vlans(bench):
    bench.ovs.vsctl("set", "port", "server", "tag=10")
    bench.ovs.flows(PIPELINE, leaving("server", 1), leaving("third", 2))
    tap(bench)
    plain = [frames.udp(dst=BROADCAST), frames.udp(1400, dst=BROADCAST)]
    tagged = [frames.set_tag(frame, 10) for frame in plain]
    found = by_key(bench.mirror(tagged, expect=plain, sent_vlan=10))
    originals(bench.arrive(bench.client, bench.third, 10), tagged)
    equal_frames(found[1], plain, "copies at the access port")
    equal_frames(found[2], tagged, "copies at the trunk")
    other = [frames.set_tag(frames.udp(dst=BROADCAST), 20)]
    found = by_key(bench.mirror(other, expect=[], sent_vlan=10))
    equal(dict(found), {2: other},
          "copies of another VLAN, which leaves by the trunk alone")


@case("the egress tap sees what leaves by the bridge's own port")
def tap_local(bench):
    mac = "02:00:00:00:00:f0"
    bench.ovs.flows("table=0,actions=LOCAL", leaving("LOCAL", 1))
    tap(bench)
    sent = [frames.udp(dst=mac), frames.tcp(1400, dst=mac), frames.arp()]
    with inside(bench, "br0", mac) as local:
        found = copies_of(bench.mirror(sent, receiver=local), sent)
    equal({copy.key for copy in found}, {1}, "keys")


@case("the egress tap sees what leaves by an internal port")
def tap_internal(bench):
    bench.ovs.vsctl("add-port", "br0", "int0", "--", "set", "interface",
                    "int0", "type=internal")
    try:
        bench.ovs.flows("table=0,actions=output:int0", leaving("int0", 1),
                        leaving("server", 2))
        tap(bench)
        sent = [frames.udp(), frames.udp6(1400)]
        with inside(bench, "int0", "02:00:00:00:00:e0") as internal:
            found = copies_of(bench.mirror(sent, receiver=internal), sent)
        equal({copy.key for copy in found}, {1}, "keys")
    finally:
        bench.ovs.vsctl("del-port", "br0", "int0")


@case("the egress taps of two bridges see what a patch port carries")
def tap_patch(bench):
    bench.ovs.vsctl(
        "del-port", "br0", "third",
        "--", "add-br", "br1", "--", "set", "bridge", "br1", "fail-mode=secure",
        "datapath_type=" + bench.datapath_type,
        "--", "add-port", "br1", "third",
        "--", "add-port", "br0", "to-br1", "--", "set", "interface", "to-br1",
        "type=patch", "options:peer=to-br0",
        "--", "add-port", "br1", "to-br0", "--", "set", "interface", "to-br0",
        "type=patch", "options:peer=to-br1")
    try:
        bench.ovs.flows("table=0,actions=output:to-br1", leaving("to-br1", 1))
        bench.ovs.flows(
            "table=0,priority=1,udp,actions=dec_ttl,output:third",
            "table=0,priority=0,actions=output:third",
            "table=253,actset_output=third,actions=rmirror(target=%s,key=1),"
            "rmirror(target=%s,key=2)" % (TARGET, TARGET), bridge="br1")
        tap(bench)
        tap(bench, "br1")
        sent, changed = [frames.udp(), frames.udp(1400)], []
        for frame in sent:
            packet = frames.Ether(frame)
            packet[frames.IP].ttl -= 1
            del packet[frames.IP].chksum
            changed.append(bytes(packet))
        found = by_key(bench.mirror(sent, receiver=bench.third,
                                    expect=changed))
        equal_frames(found[1], sent, "copies at the patch port")
        equal_frames(found[2], changed, "copies at the port behind it")
    finally:
        bench.ovs.vsctl("del-port", "br0", "to-br1", "--", "del-br", "br1",
                        "--", "add-port", "br0", "third")


@case("the egress tap sees what leaves by a tunnel, without the tunnel")
def tap_tunnel(bench):
    bench.ovs.vsctl("add-port", "br0", "tun", "--", "set", "interface", "tun",
                    "type=gre", "options:remote_ip=198.51.100.9",
                    "options:key=5")
    try:
        bench.ovs.flows(PIPELINE,
                        "table=0,udp,actions=output:tun,output:server",
                        leaving("tun", 1), leaving("server", 2))
        tap(bench)
        sent = [frames.udp(), frames.udp(1400)]
        found = by_key(bench.mirror(sent))
        carried = bench.collected(bench.collector2)
        equal({copy.key for copy in carried}, {5}, "keys of the tunnel")
        equal_frames([copy.frame for copy in carried], sent,
                     "what the tunnel carries")
        equal_frames(found[1], sent, "copies at the tunnel")
        equal_frames(found[2], sent, "copies at the server")
    finally:
        bench.ovs.vsctl("del-port", "br0", "tun")


@case("a session that both taps meet takes a packet once, as it came")
def tap_both(bench):
    bench.ovs.flows(
        PIPELINE, "table=0,udp,actions=dec_ttl,output:server",
        "table=252,udp,actions=rmirror(target=%s)" % TARGET,
        "table=253,udp,actions=rmirror(target=%s),rmirror(target=%s)"
        % (TARGET, TARGET_B))
    tap(bench, ingress=TAP_TABLE, egress=EGRESS_TABLE)
    sent, changed = [frames.udp(), frames.udp(1400)], []
    for frame in sent:
        packet = frames.Ether(frame)
        packet[frames.IP].ttl -= 1
        del packet[frames.IP].chksum
        changed.append(bytes(packet))
    found = bench.mirror(sent, expect=changed)
    copies_of([copy for copy in found if copy.dst == TARGET], sent,
              "to the session that both taps meet")
    copies_of([copy for copy in found if copy.dst == TARGET_B], changed,
              "to the session of the egress tap")


@case("the egress tap sees a packet once, behind conntrack and recirculation")
def tap_conntrack(bench):
    bench.ovs.flows(
        "table=0,priority=5,ip,actions=ct(table=1)",
        "table=0,priority=1,actions=NORMAL",
        "table=1,ip,ct_state=+trk+new,actions=ct(commit,table=2)",
        "table=1,ip,ct_state=+trk+est,actions=ct(table=2)",
        "table=1,priority=0,actions=drop",
        "table=2,ip,actions=set_field:77->nw_ttl,NORMAL",
        leaving("server", 1, ",ip"))
    tap(bench)
    sent = [frames.udp(120, dport) for dport in (4000, 4001)] * 3
    expect = []
    for frame in sent:
        packet = frames.Ether(frame)
        packet[frames.IP].ttl = 77
        del packet[frames.IP].chksum
        expect.append(bytes(packet))
    copies_of(bench.mirror(sent, expect=expect), expect)


@case("the egress tap has registers of its own, and fragments their ports")
def tap_registers(bench):
    bench.ovs.flows(
        "table=0,actions=set_field:5->reg0,set_field:6->reg15,NORMAL",
        "table=253,udp,udp_dst=4000,reg0=0,reg15=0,actions=rmirror(target=%s)"
        % TARGET)
    tap(bench)
    first = frames.udp(142, flags="MF")
    later = frames.udp(142, frag=16)
    sent = [frames.udp(dport=4001), first, frames.udp(), later]
    copies_of(bench.mirror(sent), [first, sent[2]])


@case("the egress tap does not see what is dropped, and counts what it sees")
def tap_counts(bench):
    bench.ovs.flows("table=0,priority=9,tcp,actions=drop", PIPELINE,
                    leaving("server", 1, ",udp"),
                    leaving("server", 2, ",tcp"))
    tap(bench)
    passed = [frames.udp(200) for _ in range(20)]
    dropped = [frames.tcp() for _ in range(4)]
    copies_of(bench.mirror(passed + dropped, expect=passed), passed)
    bench.ovs.settle()
    shown = bench.ovs.ofctl("dump-flows", "br0", "table=253")
    equal([found[1:] for found in sorted(re.findall(
        r"n_packets=(\d+), n_bytes=(\d+).*key=0x(\d)", shown),
        key=lambda found: found[2]) for found in [(found[2],) + found]],
        [("20", "4000", "1"), ("0", "0", "2")],
        "packets and bytes of the flows of the tap")


@case("a meter limits the copies, and the originals all arrive", timeout=60)
def meter(bench):
    burst = 5
    bench.ovs.ofctl("add-meter", "br0", "meter=7,pktps,burst,stats,"
                    "band=type=drop,rate=1,burst_size=%d" % burst)
    bench.ovs.flows(PIPELINE, "table=253,udp,actions="
                    "rmirror(target=%s,meter=7),rmirror(target=%s)"
                    % (TARGET, TARGET_B))
    tap(bench)
    began = time.monotonic()
    sent = [frames.udp() for _ in range(60)]
    found = bench.mirror(sent)
    passed = time.monotonic() - began
    copies_of([copy for copy in found if copy.dst == TARGET_B], sent,
              "copies without meter")
    limited = [copy.frame for copy in found if copy.dst == TARGET]
    check(burst <= len(limited) <= burst + passed + 1,
          "%d copies in %.1f s, expected %d and one more for each second",
          len(limited), passed, burst)
    check(set(limited) <= set(sent), "copies are not what was sent")
    shown = bench.ovs.ofctl("meter-stats", "br0", "meter=7")
    stats = re.search(r"packet_in_count:(\d+) .*\n0: packet_count:(\d+)", shown)
    check(stats, "no counters in: %s", shown)
    equal(tuple(map(int, stats.groups())),
          (len(sent), len(sent) - len(limited)),
          "packets that the meter has seen, and refused")


@case("a probability of one half copies about half of the packets, once each",
      timeout=60)
def probability(bench):
    bench.ovs.flows(PIPELINE, "table=253,udp,actions="
                    "rmirror(target=%s,probability=0.5),rmirror(target=%s)"
                    % (TARGET, TARGET_B))
    tap(bench)
    sent = [frames.udp() for _ in range(200)]
    found = bench.mirror(sent)
    copies_of([copy for copy in found if copy.dst == TARGET_B], sent,
              "copies without probability")
    some = [copy.frame for copy in found if copy.dst == TARGET]
    # Six standard deviations from the mean.
    check(58 <= len(some) <= 142, "%d copies of %d packets", len(some),
          len(sent))
    check(set(some) <= set(sent) and len(set(some)) == len(some),
          "copies are not what was sent, once each")
