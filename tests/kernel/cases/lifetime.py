# SPDX-License-Identifier: Apache-2.0
"""What ends takes along what belongs to it; and what the kernel tells about
copies while they are made."""

import contextlib
import time

import frames
from datapath import Datapath, ENGINE, SENSOR, SENSOR6, tiers
from lab import check, copies_of, equal
from registry import case

TRACING = "/sys/kernel/tracing/"


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


@contextlib.contextmanager
def traced():
    """Has the kernel record what the engine says."""
    def switch(value):
        with open(TRACING + "events/rmirror/enable", "w",
                  encoding="utf-8") as file:
            file.write(value)

    with open(TRACING + "trace", "w", encoding="utf-8"):
        pass
    switch("1")
    try:
        yield
    finally:
        switch("0")


@case("the tracepoints tell each copy and each one that is not sent")
@tiers(*ENGINE)
def tracepoints(bench):
    bench.flows("%s,%s,2" % (bench.mirror_action(SENSOR, 60, key=7),
                             bench.mirror_action("203.0.113.9", 60)))
    sent = frames.udp(600)
    with traced():
        bench.send([sent])
    bench.collected()
    with open(TRACING + "trace", encoding="utf-8") as file:
        said = [line.split(": ", 1)[1].strip() for line in file
                if "rmirror_" in line]
    equal(len(said), 2, "lines of the trace, %s," % said)
    check(said[0].startswith("rmirror_send: ")
          and "target=::ffff:%s key=7 " % SENSOR in said[0]
          and said[0].endswith("kept=60 wire_len=%d" % len(sent)),
          "of the copy: %s", said[0])
    check(said[1].startswith("rmirror_drop: ")
          and said[1].endswith("target=::ffff:203.0.113.9 key=0 "
                               "reason=no_route n=1"),
          "of the copy without a route: %s", said[1])
