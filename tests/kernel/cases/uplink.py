# SPDX-License-Identifier: Apache-2.0
"""The way to the device: copies skip the stack's own way to it where that would
do nothing with them, and only there.  Which way they go is seen from the
tracepoint net:net_dev_start_xmit, which is on the stack's."""

import contextlib
import pathlib

import frames
import wire
from datapath import ENGINE, SENSOR, SENSOR6, SENSOR_MAC, tiers
from frames import IP, Raw, TCP
from lab import check, copies_of, equal
from registry import case
from virtual import GSO_TCPV4, Guest, partial

TRACING = pathlib.Path("/sys/kernel/tracing")
EVENT = TRACING / "events" / "net" / "net_dev_start_xmit"
LENGTH = 96
SEGMENTS, SIZE = 7, 1448
MARKERS = 2                     # Frames that say that others have arrived.


@contextlib.contextmanager
def watched():
    """Has the kernel note what IPv4 takes the stack's way to the uplink.  Gives
    a function that returns how many packets have."""
    (TRACING / "trace").write_text("", encoding="ascii")
    (EVENT / "filter").write_text('name == "wire" && protocol == 0x800',
                                  encoding="ascii")
    (EVENT / "enable").write_text("1", encoding="ascii")
    try:
        yield lambda: (TRACING / "trace").read_text(
            encoding="ascii").count(" net_dev_start_xmit: dev=wire ")
    finally:
        (EVENT / "enable").write_text("0", encoding="ascii")
        (EVENT / "filter").write_text("0", encoding="ascii")
        (TRACING / "trace").write_text("", encoding="ascii")


def super_packet():
    packet = (frames.ether() / IP(src=frames.CLIENT_IP, dst=frames.SERVER_IP)
              / TCP(sport=1, dport=2, flags="A") / Raw(bytes(SEGMENTS * SIZE)))
    return partial(packet, GSO_TCPV4, SIZE)


def mirrored(bench, target=SENSOR):
    """Sends frames and a super-packet while no packet socket is at the uplink.
    Returns the copies that come to the sensor, how many there have to be, and
    how many packets took the stack's way."""
    sent = frames.mixture()
    with Guest(bench) as guest:
        guest.flows(bench.mirror_action(target, LENGTH) + ",2")
        bench.sensor.tap.drain()
        bench.wire.close()
        try:
            with watched() as slow:
                bench.send(sent)
                equal(bench.arrive(), sent, "originals")
                guest.send(*super_packet())
                equal(len(bench.arrive(guest)), SEGMENTS,
                      "originals of a super-packet")
                took = slow()
        finally:
            with bench.switch.entered():
                bench.wire = wire.Tap("wire")
        found = bench.collected()
    copies_of(found[:len(sent)], [wire.cut(frame, LENGTH) for frame in sent],
              "copies of frames")
    return found, len(sent) + SEGMENTS, took


def check_all(bench, direct, target=SENSOR):
    """Checks that all copies come, and on which way."""
    before = bench.counter("copies")
    found, wanted, slow = mirrored(bench, target)
    equal(len(found), wanted, "copies")
    wanted += MARKERS
    equal(bench.counter("copies") - before, wanted, "copies counted")
    equal(slow, 0 if direct else wanted, "packets on the stack's way")


@case("copies go straight to a device that has nothing but a driver")
@tiers(*ENGINE)
def direct(bench):
    bench.without_filters()
    for target in SENSOR, SENSOR6:
        check_all(bench, True, target)


@case("a queueing discipline on the uplink sees every copy")
@tiers(*ENGINE)
def queueing(bench):
    bench.switch.run("tc", "qdisc", "add", "dev", "wire", "root", "handle",
                     "1:", "pfifo", "limit", "1000")
    try:
        check_all(bench, False)
        said = bench.switch.run("tc", "-s", "qdisc", "show", "dev", "wire")
        wanted = len(frames.mixture()) + SEGMENTS + MARKERS
        found = int(said.split(" pkt ")[0].split()[-1])
        check(found >= wanted, "the queueing discipline saw %d of %d copies",
              found, wanted)
    finally:
        bench.switch.run("tc", "qdisc", "del", "dev", "wire", "root")


@case("a filter for what the uplink sends sees every copy, and may drop them")
@tiers(*ENGINE)
def filtered(bench):
    bench.switch.run("tc", "qdisc", "add", "dev", "wire", "clsact")
    try:
        words = "dev", "wire", "egress", "pref", "1", "protocol", "ip"
        bench.switch.run("tc", "filter", "add", *words, "matchall", "action",
                         "pass")
        check_all(bench, False)
        bench.switch.run("tc", "filter", "del", *words)
        bench.switch.run("tc", "filter", "add", *words, "matchall", "action",
                         "drop")
        before = bench.counter("xmit")
        bench.flows(bench.mirror_action(SENSOR, LENGTH) + ",2")
        sent = frames.mixture()
        equal(len(bench.mirror(sent)), 0, "copies behind a filter that drops")
        equal(bench.counter("xmit") - before, len(sent) + 1,
              "copies dropped, with that of a marker")
    finally:
        bench.switch.run("tc", "qdisc", "del", "dev", "wire", "clsact")


@case("a next hop that gets another address gets the copies there")
@tiers(*ENGINE)
def moved(bench):
    other = "02:00:00:00:00:77"
    bench.flows(bench.mirror_action(SENSOR, LENGTH) + ",2")
    change = "neigh replace %s lladdr %%s dev wire nud permanent" % SENSOR
    try:
        for address in SENSOR_MAC, other, SENSOR_MAC:
            bench.switch.ip(change % address)
            bench.sensor.tap.drain()
            bench.wire.close()
            try:
                bench.send([frames.udp()])
                bench.arrive()
            finally:
                with bench.switch.entered():
                    bench.wire = wire.Tap("wire")
            found = [frame[:6].hex(":") for frame in bench.seen()
                     if frame[12:14] == b"\x08\x00"]
            equal(found, [address] * 2, "where copies went, one of a marker")
    finally:
        bench.switch.ip(change % SENSOR_MAC)
