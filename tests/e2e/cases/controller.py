# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrord and ovs-rmirrorctl: from a policy file to copies."""

import contextlib
import os
import signal
import subprocess
import time

import frames
import pace
import wire
from lab import (CLIENT_MAC, SERVER_MAC, TARGET, TARGET_B, TARGET6, THIRD_MAC,
                 UPLINK_MTU, check, copies_of, equal, originals, until)
from registry import case

ONE = ('-A PREROUTING -p udp --dport 1000 -m comment --comment one'
       ' -j RMIRROR --target %s --len 60 --key 1' % TARGET)
TWO = ('-A PREROUTING -p udp --dport 2000 -m comment --comment two'
       ' -j RMIRROR --target %s --len 60 --key 2' % TARGET)
TWO_CHANGED = ('-A PREROUTING -p udp --dport 2000 -m comment --comment two'
               ' -j RMIRROR --target %s --len 80 --key 3' % TARGET)


def write(bench, *rules):
    path = os.path.join(bench.directory, "test.policy")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(("*rmirror", *rules, "COMMIT", "")))
    return path


def tap_flows(bench):
    """Returns the flows of the tap table as text, without what changes by
    itself."""
    return sorted(
        line for line in bench.ovs.ofctl(
            "--no-stats", "dump-flows", "br0", "table=252").splitlines()
        if "actions=" in line)


def in_force(bench, *words):
    """Waits until the tap table holds flows with each of 'words' and the
    datapath follows them."""
    until(lambda: all(word in "\n".join(tap_flows(bench)) for word in words)
          and "rmirror-ingress-table" in bench.ovs.vsctl(
              "get", "bridge", "br0", "other_config"),
          "the controller has to install its flows, among them %s"
          % ", ".join(words))
    # A write to the database returns when ovs-vswitchd has followed all that
    # was written before.
    bench.ovs.vsctl("set", "bridge", "br0", "external_ids:in-force=yes")
    bench.ovs.settle()


def listed(bench):
    """Returns packets and bytes of each rule as ovs-rmirrorctl shows them."""
    lines = bench.ovs.rmirrorctl("list", "-v", "-n", "-x").splitlines()
    rows = [line.split() for line in lines]
    return [row[:2] for row in rows if row[2:3] == ["RMIRROR"]]


@contextlib.contextmanager
def controller(bench, *rules):
    """Runs ovs-rmirrord with 'rules'; yields the process and the policy's
    path.  Ends with a bridge that mirrors nothing."""
    path = write(bench, *rules)
    process = bench.ovs.rmirrord(path)
    try:
        in_force(bench, "rmirror(")
        yield process, path
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(pace.seconds(5))
        bench.ovs.controllers.remove(process)


def streaming(bench, command, kinds, expect_failure=False):
    """Runs 'command' while frames of all 'kinds' (functions) flow, and for a
    moment after it.  Returns the frames sent, a list for each kind, the copies
    that came, and what the command wrote on standard error."""
    sent = [[] for _ in kinds]

    def send():
        for frame, number in zip(kinds, range(len(kinds))):
            sent[number].append(frame())
            bench.client.tap.send(sent[number][-1])
        time.sleep(0.002)

    for _ in range(20):
        send()
    process = subprocess.Popen(command, env=bench.ovs.environment, text=True,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    deadline = time.monotonic() + pace.seconds(10)
    while process.poll() is None and time.monotonic() < deadline:
        send()
    process.kill()
    errors = process.communicate()[1]
    check(bool(process.returncode) == expect_failure,
          "%s: exit status %s: %s", " ".join(command), process.returncode,
          errors)
    for _ in range(20):
        send()
    originals(bench.arrive(bench.client, bench.server),
              [frame for kind in sent for frame in kind])
    return sent, bench.collected(), errors


def reload_command(bench):
    return [bench.ovs.programs.rmirrorctl(), "reload"]


@case("a policy copies what its rules select and nothing else")
def policy(bench):
    rules = (
        '-A PREROUTING -s 10.0.0.77 -j RETURN',
        '-A PREROUTING -i client -p tcp --dport 80 -j RMIRROR --target %s'
        ' --len 96 --key 7' % TARGET,
        '-A PREROUTING ! -d 10.0.0.2 -p udp -j RMIRROR --target %s --ttl 9'
        ' --tos 4' % TARGET_B,
        '-A PREROUTING -p udp --sport 1024 --dport 5000:5003 -j RMIRROR'
        ' --target %s --len mtu' % TARGET6)
    with controller(bench, *rules):
        web, elsewhere = frames.tcp(500), frames.udp(ip_dst="10.9.9.9")
        ranged = [frames.udp(2000, dport) for dport in (5000, 5003)]
        sent = [web, elsewhere, *ranged, frames.udp(dport=5004),
                frames.udp(dport=4999), frames.tcp(dport=81), frames.arp(),
                frames.tcp(ip_src="10.0.0.77"),
                frames.udp(ip_src="10.0.0.77", ip_dst="10.9.9.9")]
        found = bench.mirror(sent)
    copies_of([copy for copy in found if copy.dst == TARGET], [web[:96]],
              "web")
    other = copies_of([copy for copy in found if copy.dst == TARGET_B],
                      [elsewhere], "elsewhere")
    equal((other[0].ttl, other[0].tos), (9, 4), "TTL and TOS")
    copies_of([copy for copy in found if copy.dst == TARGET6],
              [frame[:UPLINK_MTU - 44] for frame in ranged], "ranged")


@case("a rule on a source MAC address copies every frame of that host")
def mac_policy(bench):
    with controller(bench, "-A PREROUTING -m mac --mac-source %s -j RMIRROR"
                    " --target %s --len 64" % (CLIENT_MAC, TARGET)):
        chosen = frames.mixture()
        copies_of(bench.mirror(chosen + [frames.udp(src=THIRD_MAC)]),
                  [frame[:64] for frame in chosen])


@case("chain OUTPUT is for what the host itself sends, PREROUTING for the rest")
def chains(bench):
    with controller(
            bench,
            "-A PREROUTING -p udp -j RMIRROR --target %s --key 1" % TARGET,
            "-A OUTPUT -p udp -j RMIRROR --target %s --key 2" % TARGET):
        guest, own = frames.udp(), frames.udp(src="02:00:00:00:00:f0")
        bench.switch.ip("link set br0 up")
        with bench.switch.entered():
            local = wire.Tap("br0")
        try:
            token = bench.token()
            bench.client.tap.send(guest)
            local.send(own)
            for tap in bench.client.tap, local:
                tap.send(wire.marker(SERVER_MAC, tap.mac, token))
            originals(bench.server.tap.until(token)
                      + bench.server.tap.until(token), [guest, own])
        finally:
            local.close()
        found = bench.collected()
    equal({copy.key: copy.frame for copy in found}, {1: guest, 2: own},
          "copies by key")
    equal(len(found), 2, "copies")


@case("ovs-rmirrorctl list -v counts what each rule copied")
def counters(bench):
    with controller(bench, ONE, TWO):
        sent = ([frames.udp(100, 1000) for _ in range(7)]
                + [frames.udp(200, 2000) for _ in range(3)])
        copies_of(bench.mirror(sent), [frame[:60] for frame in sent])

        until(lambda: listed(bench) == [["7", "700"], ["3", "600"]],
              "list -v -x has to show 7 packets, 700 bytes and 3 packets,"
              " 600 bytes")


@case("counters of unchanged rules go on over a reload")
def counters_go_on(bench):
    with controller(bench, ONE) as (_, path):
        sent = [frames.udp(100, 1000) for _ in range(4)]
        copies_of(bench.mirror(sent), [frame[:60] for frame in sent])
        equal(write(bench, TWO, ONE), path, "path")
        bench.ovs.rmirrorctl("reload")
        in_force(bench, "key=0x1", "key=0x2")
        sent = [frames.udp(100, 1000) for _ in range(3)] \
            + [frames.udp(100, 2000)]
        copies_of(bench.mirror(sent), [frame[:60] for frame in sent])
        until(lambda: listed(bench) == [["1", "100"], ["7", "700"]],
              "list -v -x has to show 1 packet, 100 bytes and 7 packets,"
              " 700 bytes")


@case("chains of the user, negations and conjunctions copy and count what they"
      " say")
def language(bench):
    sources = ",".join("10.0.%d.1" % i for i in range(0, 40, 2))
    ports = ",".join(str(1000 + 2 * i) for i in range(15))
    with controller(
            bench,
            ":WEB - [0:0]",
            ":DEEP - [0:0]",
            "-A PREROUTING -p udp -s %s -m multiport --dports %s -j WEB"
            % (sources, ports),
            "-A PREROUTING ! -p udp -j RMIRROR --target %s --key 1" % TARGET,
            "-A PREROUTING -p udp --dport 1004 -j RMIRROR --target %s --key 2"
            % TARGET,
            "-A WEB -p udp --dport 1000 -j RETURN",
            "-A WEB -g DEEP",
            "-A WEB -j DROP",
            "-A DEEP ! -s 10.0.0.9 -j RMIRROR --target %s --key 3"
            % TARGET):
        sent = [frames.udp(100, 1000), frames.udp(100, 1002),
                frames.udp(100, 1004), frames.udp(100, 1001), frames.tcp()]
        equal(sorted((copy.key, copy.frame) for copy in bench.mirror(sent)),
              sorted([(1, sent[4]), (2, sent[2]), (3, sent[1]), (3, sent[2])]),
              "copies by key")
        until(lambda: [row[0] for row in listed(bench)] == ["1", "1", "2"],
              "list has to count 1 packet that is not UDP, 1 to port 1004 and"
              " 2 in chain DEEP")
        bench.ovs.rmirrorctl("zero")
        equal([row[0] for row in listed(bench)], ["0", "0", "0"],
              "packets after zero")


@case("the flows that compile prints mirror as the controller does")
def compiled(bench):
    path = write(bench, ONE, TWO)
    bench.ovs.flows("table=0,priority=0,actions=NORMAL",
                    *bench.ovs.rmirrorctl("compile", path).splitlines())
    bench.ovs.vsctl("set", "bridge", "br0",
                    "other_config:rmirror-ingress-table=252")
    bench.ovs.settle()
    sent = [frames.udp(100, 1000), frames.udp(100, 2000), frames.tcp()]
    found = copies_of(bench.mirror(sent), [frame[:60] for frame in sent[:2]])
    equal([copy.key for copy in found], [1, 2], "keys")


@case("a reload under traffic loses no copy, of changed and unchanged rules", 40)
def reload_under_traffic(bench):
    with controller(bench, ONE, TWO) as (_, path):
        for rules in (ONE, TWO_CHANGED), (ONE, TWO), (ONE, TWO_CHANGED):
            before = tap_flows(bench)
            equal(write(bench, *rules), path, "path")
            (one, two), found, _ = streaming(
                bench, reload_command(bench),
                (lambda: frames.udp(100, 1000), lambda: frames.udp(100, 2000)))
            copies_of([copy for copy in found if copy.key == 1],
                      [frame[:60] for frame in one], "unchanged rule")
            rest = [copy for copy in found if copy.key in (2, 3)]
            check(all(len(copy.frame) == (60 if copy.key == 2 else 80)
                      for copy in rest), "a copy has a mixture of two rules")
            copies_of([copy for copy in rest if copy.key == 2],
                      [frame[:60] for frame in two
                       if any(copy.key == 2 and copy.frame == frame[:60]
                              for copy in rest)], "changed rule, one session")
            equal(sorted(copy.frame[:60] for copy in rest),
                  sorted(frame[:60] for frame in two), "changed rule")
            check(tap_flows(bench) != before, "the reload changed no flow")


@case("SIGHUP makes the controller read its policy again")
def hangup(bench):
    with controller(bench, ONE) as (process, _):
        write(bench, TWO)
        process.send_signal(signal.SIGHUP)
        in_force(bench, "key=0x2")
        sent = [frames.udp(100, 2000), frames.udp(100, 1000)]
        copies_of(bench.mirror(sent), [sent[0][:60]])


@case("a policy with an error is refused under traffic, and nothing changes")
def bad_policy(bench):
    with controller(bench, ONE) as (process, path):
        before = tap_flows(bench)
        for bad, words in (
                ("-A PREROUTING -p udp -j RMIRROR --target nowhere", "nowhere"),
                ("-A PREROUTING --frobnicate 1 -j RMIRROR --target 1.2.3.4",
                 "--frobnicate"),
                ("-A PREROUTING -p udp -j RMIRROR", "target")):
            write(bench, TWO, bad)
            (one,), found, errors = streaming(
                bench, reload_command(bench), (lambda: frames.udp(100, 1000),),
                expect_failure=True)
            copies_of(found, [frame[:60] for frame in one])
            check("%s:3:" % path in errors and words in errors,
                  "the error has to name %s, line 3 and %s: %s", path, words,
                  errors)
            equal(tap_flows(bench), before, "flows")
        check(process.poll() is None, "the controller has ended")


@case("ovs-rmirrorctl check says where a policy is wrong and accepts a right one")
def check_policy(bench):
    path = write(bench, ONE, TWO)
    bench.ovs.rmirrorctl("check", path)
    write(bench, ONE, "-A PREROUTING -s 10.0.0.300 -j ACCEPT")
    errors = bench.ovs.rmirrorctl("check", path, expect_failure=True)
    check("%s:3:18:" % path in errors and "10.0.0.300" in errors,
          "the error has to name line 3 and column 18: %s", errors)


@case("the mirror goes on without the controller, and its return loses no copy", 40)
def controller_dies(bench):
    with controller(bench, ONE) as (process, path):
        process.kill()
        process.wait(pace.seconds(5))
        sent = [frames.udp(100, 1000) for _ in range(5)]
        copies_of(bench.mirror(sent), [frame[:60] for frame in sent])
        again = bench.ovs.rmirrord(path)
        try:
            (one,), found, _ = streaming(
                bench, ["sleep", "1"], (lambda: frames.udp(100, 1000),))
            copies_of(found, [frame[:60] for frame in one])
            bench.ovs.rmirrorctl("list", "-v")
        finally:
            again.terminate()
            again.wait(pace.seconds(5))
            bench.ovs.controllers.remove(again)


@case("when ovs-vswitchd starts again the controller brings the mirror back", 40)
def switch_restarts(bench):
    with controller(bench, ONE, TWO):
        before = tap_flows(bench)
        bench.ovs.stop()
        bench.ovs.start()
        bench.addresses()
        bench.ovs.ofctl("add-flow", "br0", "table=0,priority=0,actions=NORMAL")
        bench.know_neighbours()
        in_force(bench, "key=0x1", "key=0x2")
        equal(tap_flows(bench), before, "flows after the restart")
        bench.drain()
        sent = [frames.udp(100, 1000), frames.udp(100, 2000), frames.tcp()]
        copies_of(bench.mirror(sent), [frame[:60] for frame in sent[:2]])


@case("ovs-rmirrorctl clear ends the mirror and leaves the bridge's own flows")
def clear(bench):
    bench.ovs.flows("table=0,priority=7,arp,actions=NORMAL",
                    "table=0,priority=0,actions=NORMAL")
    own = bench.ovs.ofctl("--no-stats", "dump-flows", "br0", "table=0")
    with controller(bench, ONE):
        bench.ovs.rmirrorctl("clear")
        until(lambda: not tap_flows(bench), "clear has to remove the flows")
        bench.ovs.settle()
        sent = [frames.udp(100, 1000), frames.arp()]
        equal(bench.mirror(sent), [], "copies after clear")
        equal(bench.ovs.ofctl("--no-stats", "dump-flows", "br0", "table=0"),
              own, "the bridge's own flows")
