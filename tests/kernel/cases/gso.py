# SPDX-License-Identifier: Apache-2.0
"""Streams that travel as GSO super-packets: the collector gets what the wire
would carry, every packet of it.

Both hosts send with all offloads; the ports of the datapath towards them have
none, so that each host's device shows the packets as the wire would. The copies
are captured on gretap devices of the sensor, one for each direction. The host
of the guest compares the captures packet by packet."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time

import lab
import quiet
from datapath import (CLIENT_IP, ENGINE, SENSOR, SENSOR6, SERVER_IP,
                      SERVER_IP6, tiers)
from registry import case

SEND_UDP = str(pathlib.Path(__file__).resolve().parents[1] / "send_udp")
LENGTH = 96
# Of the UDP GSO packets: bytes in each datagram, datagrams in each packet.
SEGMENT, BATCH = 1400, 40


def backlog_drops():
    """Returns how many packets this kernel has dropped between the two ends of
    veths, where a capture at the receiving end misses them."""
    return sum(dropped for _, dropped, _ in quiet.backlogs())


def not_reassembled(host):
    """Returns how often a packet was given up at 'host' for want of one of its
    fragments."""
    text = host.namespace.run("nstat", "-asz", "IpReasmFails", "Ip6ReasmFails")
    return sum(int(line.split()[1]) for line in text.splitlines()
               if "ReasmFails" in line)


def wait_for_the_last():
    """Waits until no packet has moved for longer than TCP takes to send one
    again."""
    last, when = None, 0.0

    def at_rest():
        nonlocal last, when
        now = quiet.backlogs()
        if now != last:
            last, when = now, time.monotonic()
        return time.monotonic() > when + 1.5

    lab.until(at_rest, "the last packets have to arrive")


@contextlib.contextmanager
def captured(bench, name, target, length, snaplen, port):
    """Captures a stream at both hosts and at the sensor, as directions
    NAME.there and NAME.back, and lets the guest's host judge them."""
    bench.addresses()
    # Copies of both directions may reach the sensor on different processors. By
    # default Linux gives up a packet when 64 fragments of others arrive before
    # its last one does.
    bench.sensor.namespace.run("sysctl", "-qw", "net.ipv4.ipfrag_max_dist=0")
    for host in "client", "server":
        bench.switch.run("ethtool", "-K", host, "tso", "off", "gso", "off",
                         "tx", "off", "tx-udp-segmentation", "off")
    bench.gretap("there", target, 1)
    bench.gretap("back", target, 2)
    bench.flows(bench.mirror_action(target, length, 1) + ",2",
                bench.mirror_action(target, length, 2) + ",1")
    try:
        with contextlib.ExitStack() as stack:
            for capture, host, device, receiver in (
                    ("there.wire", bench.server, "eth0", lab.SERVER_MAC),
                    ("back.wire", bench.client, "eth0", lab.CLIENT_MAC),
                    ("there.copies", bench.sensor, "there", lab.SERVER_MAC),
                    ("back.copies", bench.sensor, "back", lab.CLIENT_MAC)):
                stack.enter_context(bench.capture(
                    "%s.%s" % (name, capture), host, device,
                    "ether dst %s and port %d" % (receiver, port),
                    snaplen=snaplen))
            if bench.tier in ENGINE:
                expanded = bench.counter("expanded")
            dropped = backlog_drops()
            torn = not_reassembled(bench.sensor)
            yield
            wait_for_the_last()
        lab.equal(not_reassembled(bench.sensor) - torn, 0,
                  "copies that the sensor could not make of their fragments")
        lab.equal(backlog_drops() - dropped, 0,
                  "packets that the machine dropped before a capture")
        if bench.tier in ENGINE:
            lab.check(bench.counter("expanded") > expanded,
                      "no super-packet was on its way")
    finally:
        bench.sensor.namespace.ip("link del there", "link del back")
        for host in bench.client, bench.server:
            host.namespace.ip("addr flush dev eth0",
                              "link set eth0 mtu %d" % lab.INNER_MTU)
            host.namespace.run("sysctl", "-qw",
                               "net.ipv6.conf.eth0.disable_ipv6=1")


def background(host, *command):
    with host.namespace.entered():
        return subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True)


def iperf3(bench, address, size, *options):
    """Sends at least 'size' bytes by TCP from the client to the server.  iperf3
    does not wait for the last of what it has given to its socket."""
    server = background(bench.server, "iperf3", "-s", "-1", "-B", address)
    try:
        lab.until(lambda: bench.server.namespace.run(
            "ss", "-Hltn", "sport = :5201"), "iperf3 has to listen")
        bench.client.namespace.run("iperf3", "-c", address, "-n",
                                   str(size + (4 << 20)),
                                   "-b", "150M", *options, timeout=40)
    finally:
        server.terminate()
        server.communicate()


def tcp(name, target, address, size, options=(), length=LENGTH, snaplen=LENGTH,
        where=ENGINE):
    """A test of the tiers 'where' with a TCP stream whose receiver, and so the
    direction of the data, depends on 'options'."""
    def test(bench):
        stream = name.replace(" ", "-")
        with captured(bench, stream, target, length, snaplen, 5201):
            iperf3(bench, address, size, *options)
        return json.dumps({"judge": "stream", "name": stream,
                           "length": length, "size": size,
                           "data": "back" if "-R" in options else "there"})
    return tiers(*where)(test)


# The tiers with the engine differ in how they call it, so the vport tier makes
# do with a stream of each kind.
for _name, _target, _address, _options, _where in (
        ("IPv4 to an IPv4 target", SENSOR, SERVER_IP, (), ENGINE),
        ("IPv4, the other way", SENSOR, SERVER_IP, ("-R",), ("native",)),
        ("IPv6 to an IPv6 target", SENSOR6, SERVER_IP6, (), ("native",)),
        ("IPv6, the other way", SENSOR6, SERVER_IP6, ("-R",), ENGINE)):
    case("50 MB by TCP over %s: every wire packet has its copy" % _name,
         timeout=60)(
        tcp("tcp-" + _name.replace(",", ""), _target, _address, 50 << 20,
            _options, where=_where))
del _name, _target, _address, _options, _where

case("whole copies of a TCP stream have the checksums of the wire", timeout=60)(
    tcp("tcp-whole", SENSOR, SERVER_IP, 2 << 20, length=0, snaplen=0))
case("whole copies of a TCP stream over IPv6 have the checksums of the wire",
     timeout=60)(
    tcp("tcp6-whole", SENSOR6, SERVER_IP6, 2 << 20, length=0, snaplen=0,
        where=("native",)))


def udp(name, target, address, size, length=LENGTH, snaplen=LENGTH,
        where=ENGINE):
    def test(bench):
        with captured(bench, name, target, length, snaplen, 7000):
            receiver = background(bench.server, sys.executable, SEND_UDP,
                                  "--receive", address, "7000",
                                  str(-(-size // (SEGMENT * BATCH)) * BATCH))
            receiver.stdout.readline()
            sent = bench.client.namespace.run(
                sys.executable, SEND_UDP, address, "7000", str(SEGMENT),
                str(BATCH), str(size), timeout=40)
            received = receiver.communicate(timeout=120)[0]
            lab.equal(received, sent, "datagrams received")
        return json.dumps({"judge": "stream", "name": name, "length": length,
                           "size": size, "data": "there"})
    return tiers(*where)(test)


case("50 MB by UDP GSO over IPv4: every wire packet has its copy", timeout=60)(
    udp("udp4", SENSOR, SERVER_IP, 50 << 20))
case("50 MB by UDP GSO over IPv6: every wire packet has its copy", timeout=60)(
    udp("udp6", SENSOR6, SERVER_IP6, 50 << 20, where=("native",)))
case("whole copies of a UDP GSO stream have the checksums of the wire",
     timeout=60)(udp("udp4-whole", SENSOR, SERVER_IP, 1 << 20, 0, 0))


@case("TCP in VXLAN, which the engine does not know, is copied packet by packet as well", timeout=60)
@tiers(*ENGINE)
def vxlan(bench):
    with captured(bench, "vxlan", SENSOR, LENGTH, LENGTH, 4789):
        for host, mine, other in ((bench.client, "10.7.0.1", SERVER_IP),
                                  (bench.server, "10.7.0.2", CLIENT_IP)):
            host.namespace.ip(
                "link add inner type vxlan id 5 remote %s dstport 4789 dev "
                "eth0" % other, "addr add %s/24 dev inner" % mine,
                "link set inner up")
        try:
            iperf3(bench, "10.7.0.2", 5 << 20)
        finally:
            for host in bench.client, bench.server:
                host.namespace.ip("link del inner")
    return json.dumps({"judge": "stream", "name": "vxlan", "length": LENGTH})


@case("the composed tier loses truncated copies of super-packets, as documented", timeout=60)
@tiers("composed")
def composed(bench):
    with captured(bench, "composed", SENSOR, LENGTH, LENGTH, 5201):
        iperf3(bench, SERVER_IP, 50 << 20)
    return json.dumps({"judge": "loss", "name": "composed"})


@case("the composed tier copies every packet of hosts that send without offloads", timeout=60)
@tiers("composed")
def composed_without_offloads(bench):
    for host in bench.client, bench.server:
        host.namespace.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off",
                           "tx", "off")
    try:
        with captured(bench, "no-offloads", SENSOR, LENGTH, LENGTH, 5201):
            iperf3(bench, SERVER_IP, 5 << 20)
    finally:
        for host in bench.client, bench.server:
            host.namespace.run("ethtool", "-K", "eth0", "tso", "on", "gso",
                               "on", "tx", "on")
    return json.dumps({"judge": "stream", "name": "no-offloads",
                       "length": LENGTH, "size": 5 << 20, "data": "there"})
