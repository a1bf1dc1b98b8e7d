# SPDX-License-Identifier: Apache-2.0
"""What ends takes along what belongs to it; and what the kernel tells about
copies while they are made."""

import socket
import time

import frames
import tracing
from datapath import Datapath, ENGINE, SENSOR, SENSOR6, tiers
from lab import check, copies_of, equal
from registry import case


def there(host):
    """Tells whether the link to the switch is there."""
    with host.namespace.entered(), \
            open("/proc/thread-self/net/dev", encoding="utf-8") as devices:
        return "eth0:" in devices.read()


@case("a network namespace that ends under traffic takes its datapath, device and sessions along")
@tiers(*ENGINE)
def namespace_ends(bench):
    other = Datapath(bench.programs, bench.tier, bench.out)
    try:
        other.flows("%s,%s,2" % (other.mirror_action(SENSOR, 60),
                                 other.mirror_action(SENSOR6)))
        with other.traffic():
            other.wire.close()
            other.switch.close()
            deadline = time.monotonic() + 60
            while there(other.server):
                check(time.monotonic() < deadline,
                      "the namespace is still there after a minute")
                time.sleep(0.1)
    finally:
        for host in other.hosts:
            host.close()

    bench.flows(bench.mirror_action(SENSOR, 60) + ",2")
    sent = frames.mixture()
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent])


@case("the tracepoints tell each copy and each one that is not sent")
@tiers(*ENGINE)
def tracepoints(bench):
    bench.flows("%s,%s,%s,2" % (bench.mirror_action(SENSOR, 60, key=7),
                                bench.mirror_action(SENSOR6, 0),
                                bench.mirror_action("203.0.113.9", 60)))
    sent = frames.udp(600)
    with tracing.recorded() as events:
        bench.send([sent])
        bench.collected()
        found = [{name: value for name, value in event.items()
                  if name != "line"} for event in events()]
    with bench.switch.entered():
        wire = socket.if_nametoindex("wire")
    equal(found, [
        {"event": "rmirror_send", "target": SENSOR, "key": 7, "ifindex": wire,
         "kept": 60, "wire_len": len(sent)},
        {"event": "rmirror_send", "target": SENSOR6, "key": 0, "ifindex": wire,
         "kept": len(sent), "wire_len": len(sent)},
        {"event": "rmirror_drop", "target": "203.0.113.9", "key": 0,
         "reason": "no_route", "n": 1}], "what the tracepoints tell")
