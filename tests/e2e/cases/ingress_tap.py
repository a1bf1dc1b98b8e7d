# SPDX-License-Identifier: Apache-2.0
"""The ingress tap: every packet that enters is offered to a table of its own."""

import re

import frames
import wire
from lab import (TAP_TABLE, TARGET, TARGET_B, check, copies_of, equal)
from registry import case

PIPELINE = "table=0,priority=0,actions=NORMAL"


def tap(bench, table=TAP_TABLE):
    bench.ovs.vsctl("set", "bridge", "br0",
                    "other_config:rmirror-ingress-table=%d" % table)
    bench.ovs.settle()


def no_tap(bench):
    bench.ovs.vsctl("remove", "bridge", "br0", "other_config",
                    "rmirror-ingress-table")
    bench.ovs.settle()


def tap_counters(bench, match):
    """Returns packets and bytes of the flow with 'match' in the tap table."""
    bench.ovs.settle()
    shown = bench.ovs.ofctl("dump-flows", "br0", "table=252," + match)
    found = re.search(r"n_packets=(\d+), n_bytes=(\d+)", shown)
    check(found, "no counters in: %s", shown)
    return tuple(map(int, found.groups()))


@case("the tap copies what its table selects, and the bridge forwards as before")
def tap_copies(bench):
    bench.ovs.flows(PIPELINE, "table=252,udp,actions=rmirror(target=%s,len=60)"
                    % TARGET)
    tap(bench)
    one, two = frames.udp(500), frames.udp(9000)
    sent = [one, frames.tcp(), frames.arp(), two, frames.udp6()]
    copies_of(bench.mirror(sent), [one[:60], two[:60]])


@case("setting, moving and clearing the tap takes effect at once")
def tap_changes(bench):
    bench.ovs.flows(PIPELINE,
                    "table=252,actions=rmirror(target=%s,key=1)" % TARGET,
                    "table=251,actions=rmirror(target=%s,key=2)" % TARGET)
    sent = [frames.udp(), frames.arp()]
    equal(bench.mirror(sent), [], "copies without a tap")
    for table, key in (252, 1), (251, 2), (252, 1):
        tap(bench, table)
        found = copies_of(bench.mirror(sent), sent)
        equal([copy.key for copy in found], [key] * 2, "keys of table %d"
              % table)
    no_tap(bench)
    equal(bench.mirror(sent), [], "copies after the tap was removed")


@case("an empty tap table changes nothing")
def empty_table(bench):
    bench.ovs.flows(PIPELINE)
    tap(bench)
    equal(bench.mirror(frames.mixture()), [], "copies from an empty table")


@case("what the tap does to a packet is not visible to the bridge")
def tap_hides(bench):
    bench.ovs.flows(
        "table=0,reg0=0,metadata=0,in_port=client,actions=output:server",
        "table=0,priority=0,actions=drop",
        "table=252,ip,actions=set_field:02:00:00:00:00:99->eth_dst,"
        "set_field:1.2.3.4->ip_src,set_field:5->reg0,set_field:6->metadata,"
        "set_field:9->in_port,push_vlan:0x8100,rmirror(target=%s,len=42),"
        "resubmit(,253)" % TARGET,
        "table=252,priority=0,actions=set_field:1->reg0",
        "table=253,ip,actions=rmirror(target=%s,key=1),dec_ttl" % TARGET)
    tap(bench)
    ip = [frames.udp(), frames.tcp()]
    sent = [ip[0], frames.arp(), ip[1], frames.experimental(), frames.udp6()]
    found = bench.mirror(sent)
    equal(len(found), 4, "copies")
    for copy in found:
        equal((copy.frame[:6].hex(":"), wire.ethertype(copy.frame)),
              ("02:00:00:00:00:99", 0x0800), "destination and type of a copy")


@case("the tap sees packets that the bridge drops")
def tap_before_drop(bench):
    bench.ovs.flows("table=0,udp,actions=drop", PIPELINE,
                    "table=252,actions=rmirror(target=%s)" % TARGET)
    tap(bench)
    dropped, passed = frames.udp(), frames.tcp()
    found = bench.mirror([dropped, passed], expect=[passed])
    copies_of(found, [dropped, passed])


@case("the tap sees each packet once, before conntrack and recirculation")
def tap_and_conntrack(bench):
    bench.ovs.flows(
        "table=0,priority=5,ip,actions=ct(table=1)",
        "table=0,priority=1,actions=NORMAL",
        "table=1,ip,ct_state=+trk+new,actions=ct(commit,table=2)",
        "table=1,ip,ct_state=+trk+est,actions=ct(table=2)",
        "table=1,priority=0,actions=drop",
        "table=2,ip,actions=set_field:77->nw_ttl,NORMAL",
        "table=252,ip,actions=rmirror(target=%s)" % TARGET)
    tap(bench)
    sent = [frames.udp(120, dport) for dport in (4000, 4001)] * 3
    expect = []
    for frame in sent:
        packet = frames.Ether(frame)
        packet[frames.IP].ttl = 77
        del packet[frames.IP].chksum
        expect.append(bytes(packet))
    copies_of(bench.mirror(sent, expect=expect), sent)
    equal(tap_counters(bench, "ip"), (len(sent), 120 * len(sent)),
          "packets and bytes of the tap flow")


@case("a session met in the tap and in the pipeline takes a packet once")
def tap_and_pipeline(bench):
    bench.ovs.flows("table=0,actions=rmirror(target=%s,len=90),"
                    "rmirror(target=%s),NORMAL" % (TARGET, TARGET_B),
                    "table=252,actions=rmirror(target=%s,len=60)" % TARGET)
    tap(bench)
    sent = [frames.udp(), frames.tcp()]
    found = bench.mirror(sent)
    copies_of([copy for copy in found if copy.dst == TARGET],
              [frame[:60] for frame in sent], "to the session met twice")
    copies_of([copy for copy in found if copy.dst == TARGET_B], sent,
              "to the other session")


@case("the tap knows the port by which a packet enters")
def tap_in_port(bench):
    bench.ovs.flows(PIPELINE,
                    "table=252,in_port=client,actions=rmirror(target=%s,key=1)"
                    % TARGET,
                    "table=252,in_port=server,actions=rmirror(target=%s,key=2)"
                    % TARGET)
    tap(bench)
    there, back = [frames.udp()], [frames.udp(src=bench.server.mac,
                                              dst=bench.client.mac)]
    found = copies_of(bench.mirror(there), there)
    equal(found[0].key, 1, "key")
    found = bench.mirror(back, bench.server, bench.client)
    copies_of(found, back)
    equal(found[0].key, 2, "key")


@case("the tap sees frames of access ports untagged and of trunks tagged")
def tap_and_vlans(bench):
    bench.ovs.vsctl("set", "port", "server", "tag=10")
    bench.ovs.flows(PIPELINE, "table=252,actions=rmirror(target=%s)" % TARGET)
    tap(bench)
    plain = [frames.udp(), frames.udp(8996)]
    tagged = [frames.set_tag(frame, 10) for frame in plain]
    copies_of(bench.mirror(tagged, expect=plain, sent_vlan=10), tagged)


@case("the flows of the tap table count each packet once")
def tap_statistics(bench):
    bench.ovs.flows(PIPELINE, "table=252,udp,actions=rmirror(target=%s)"
                    % TARGET)
    tap(bench)
    sent = [frames.udp(200) for _ in range(30)]
    copies_of(bench.mirror(sent), sent)
    equal(tap_counters(bench, "udp"), (30, 6000),
          "packets and bytes of the tap flow")


@case("a changed flow in the tap table applies to the very next packet")
def tap_flow_changes(bench):
    tap(bench)
    for key in 1, 2, 3:
        bench.ovs.flows(PIPELINE, "table=252,actions=rmirror(target=%s,key=%d)"
                        % (TARGET, key))
        sent = [frames.udp(), frames.tcp()]
        found = copies_of(bench.mirror(sent), sent)
        equal([copy.key for copy in found], [key] * 2, "keys")


@case("the tap stays when ovs-vswitchd starts again", timeout=40)
def tap_and_restart(bench):
    tap(bench)
    bench.ovs.stop()
    bench.ovs.start()
    bench.addresses()
    bench.know_neighbours()
    bench.ovs.flows(PIPELINE, "table=252,actions=rmirror(target=%s)" % TARGET)
    bench.drain()
    sent = frames.mixture()
    copies_of(bench.mirror(sent), sent)
