# SPDX-License-Identifier: Apache-2.0
"""Memory that cannot be allocated.  Debian's kernel has no fault injection;
the debug flavour of scripts/uml has."""

import collections
import contextlib
import os
import select
import socket
import struct

import genl
import inputs
import odp
import wire
from datapath import DATAPATH, ENGINE, SENSOR, SENSOR6, SERVER_IP, tiers
from lab import Failure, check, equal, until
from registry import case

FAULTS = "/sys/kernel/debug"
# What has allocations of a kind fail: those that cannot wait, of any size.
KINDS = {"failslab": {"cache_filter": "N"},
         "fail_page_alloc": {"min_order": 0, "ignore_gfp_highmem": "N"}}
DROPS = genl.COUNTERS[genl.COUNTERS.index("no_route"):]


def faults(kind="failslab", **settings):
    for name, value in settings.items():
        with open(os.path.join(FAULTS, kind, name.replace("_", "-")), "w",
                  encoding="ascii") as file:
            file.write(str(value))


@contextlib.contextmanager
def failing(kind, percent):
    """Makes that share of the allocations fail that cannot wait."""
    faults(kind, ignore_gfp_wait="Y", task_filter="N", verbose=0, space=0,
           interval=1, times=-1, probability=percent, **KINDS[kind])
    try:
        yield
    finally:
        faults(kind, probability=0)


@case("while allocations fail no original is lost, and each copy that the engine cannot make is counted", 60)
@tiers(*ENGINE)
def datagrams(bench):
    if not os.path.exists(FAULTS + "/failslab"):
        return "skipped: this kernel has no fault injection"
    bench.addresses()
    # Nobody is to send anything else: MLD, for example.
    for host in bench.client, bench.server:
        host.namespace.run("sysctl", "-qw",
                           "net.ipv6.conf.eth0.disable_ipv6=1")
    total = collections.Counter()
    try:
        for kind in KINDS:
            for _ in inputs.rounds(1):
                for target, length, size in ((SENSOR, 60, 1000),
                                             (SENSOR, 0, 1000),
                                             # In two fragments each.
                                             (SENSOR, 0, 1472),
                                             (SENSOR6, 0, 1472)):
                    total.update(one_kind(bench, kind, target, length, size))
    finally:
        for host in bench.client, bench.server:
            host.namespace.ip("addr flush dev eth0", "link set eth0 mtu 9000")
    bench.note("%d datagrams, %s" % (
        sum(total.values()), ", ".join("%d %s" % (number, name)
                                       for name, number in total.items())))
    return None


def one_kind(bench, kind, target, length, size):
    """Sends datagrams of 'size' bytes while allocations of 'kind' fail, and
    returns what became of their copies with len='length' to 'target'."""
    # No packet socket may hold a copy of an original: its clone would have to
    # be allocated, and the original with it.
    for host in bench.client, bench.server:
        host.tap.close()
    number = 1000
    bench.flows(bench.mirror_action(target, length, key=3) + ",2")
    with bench.server.namespace.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        receiver.bind((SERVER_IP, 7000))
        receiver.setblocking(False)
    with bench.client.namespace.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect((SERVER_IP, 7000))
    # Routes are cached when the first has arrived.
    sender.send(b"first")
    until(lambda: select.select([receiver], [], [], 0)[0],
          "the first datagram has to arrive")
    receiver.recv(2000)
    until(lambda: bench.counter("copies", key=3), "its copy has to be sent")
    before = {name: bench.counter(name, key=3)
              for name in ("copies", *DROPS)}
    with failing(kind, 30):
        for index in range(number):
            sender.send(index.to_bytes(4, "big") + bytes(size - 4))
    got = []

    def arrived():
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(int.from_bytes(receiver.recv(2000)[:4], "big"))
        return len(got) >= number
    with contextlib.suppress(Failure):
        until(arrived, "the datagrams have to arrive", 0.5)
    equal(got, list(range(number)), "datagrams that arrived")
    counted = {name: bench.counter(name, key=3) - value
               for name, value in before.items()}
    if kind == "failslab":
        check(counted["no_memory"] > number // 100,
              "only %d copies failed for want of memory",
              counted["no_memory"])
    if bench.tier == "native":
        equal(sum(counted.values()), number, "copies sent and lost")
    else:
        # What openvswitch.ko cannot clone does not come to the engine.
        check(sum(counted.values()) <= number,
              "%d copies sent and lost of %d", sum(counted.values()), number)
    sender.close()
    receiver.close()
    for host in bench.client, bench.server:
        with host.namespace.entered():
            host.tap = wire.Tap("eth0")
    # What the sensor lost is no matter.
    with contextlib.suppress(OverflowError):
        bench.sensor.tap.drain()
    return {name: value for name, value in counted.items() if value}


@case("an action whose allocations fail, one after the other, is refused whole and leaves nothing behind", 60)
@tiers("native")
def flow_setup(bench):
    if not os.path.exists(FAULTS + "/failslab"):
        return "skipped: this kernel has no fault injection"
    bench.flows("2")
    faults(ignore_gfp_wait="N", cache_filter="N", task_filter="N", verbose=0,
           probability=0)
    refused = reached = number = 0
    with bench.switch.entered():
        flows = odp.Socket(DATAPATH)
    with flows, bench.netlink() as netlink, \
            open("/proc/self/fail-nth", "r+b", buffering=0) as nth:
        while not reached:
            number += 1
            check(number < 200, "the request never gets enough memory")
            request = flows.put(1, odp.rmirror(
                odp.target(SENSOR), odp.field("KEY", struct.pack("!I", number)))
                + odp.rmirror(odp.target(SENSOR6)) + odp.output(2))
            # Only the allocation with that number fails, in this process.
            nth.write(b"%d" % number)
            try:
                flows.sock.send(request)
            except OSError:
                refused += 1
            reached = int(os.pread(nth.fileno(), 20, 0) or b"0")
            nth.write(b"0")
            while select.select([flows.sock], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    answer = flows.sock.recv(1 << 16)
                    refused += bool(struct.unpack_from("=i", answer, 16)[0])
        check(refused > 2, "only %d of %d requests failed", refused, number)
        equal(sum(session["flows"] for session in netlink.sessions()), 2,
              "actions that hold a session after the last request")
        bench.flows("2")
        equal(sum(session["flows"] for session in netlink.sessions()), 0,
              "sessions held by flows that are gone")
        netlink.rmirror("FLUSH")
    return None
