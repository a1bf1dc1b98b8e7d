# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrorctl capture: judged by tshark and capinfos, with real traffic."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile

import frames
from cases.explain import controller
from lab import (TARGET, TARGET6, TARGET_B, check, copies_of, equal, run,
                 until)
from registry import case

RULES = (
    "-A PREROUTING -p udp --dport 4000 -m comment --comment DNS -j RMIRROR"
    " --target %s --len 60 --key 7" % TARGET,
    "-A PREROUTING -p udp --dport 4001 -j RMIRROR --target %s" % TARGET,
    "-A PREROUTING -p udp --dport 4002 -j RMIRROR --target %s --len 1000"
    % TARGET6,
    "-A PREROUTING -p tcp -j ACCEPT",
    "-A FORWARD -p udp --dport 4003 -j RMIRROR --target %s --len 60 --key 7"
    % TARGET,
)


class Capture:
    """A running capture of 'words'; ready when it has been made."""

    def __init__(self, bench, *words, stdout=subprocess.DEVNULL):
        # Its standard error, a file that is gone with it.
        self.errors = tempfile.TemporaryFile("w+")
        with bench.switch.entered():
            self.process = subprocess.Popen(
                [bench.ovs.programs.rmirrorctl(), "capture", *words],
                env=bench.ovs.environment, stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=self.errors)
        until(lambda: "capturing on" in self.said()
              or self.process.poll() is not None, "the capture has to begin")

    def said(self):
        with open("/proc/self/fd/%d" % self.errors.fileno(),
                  encoding="utf-8") as file:
            return file.read()

    def wait(self):
        status = self.process.wait(30)
        equal(status, 0, "status of the capture: %s" % self.said())


@contextlib.contextmanager
def capture(bench, *words, **options):
    running = Capture(bench, *words, **options)
    try:
        check(running.process.poll() is None, "%s", running.said())
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        running.errors.close()


def tshark(path, *columns):
    """Returns the values of 'columns' for each packet in 'path'."""
    words = ["tshark", "-r", path, "-T", "fields", "-E", "separator=|"]
    for column in columns:
        words += ["-e", column]
    return [tuple(line.split("|")) for line in run(words).splitlines()]


def lengths(path):
    return [(int(captured), int(original)) for captured, original in
            tshark(path, "frame.cap_len", "frame.len")]


def bytes_of(path):
    """Returns the captured bytes of each packet in 'path'."""
    text = run(["tshark", "-r", path, "-x", "-o", "ip.defragment:FALSE"])
    found, frame = [], b""
    for line in text.splitlines() + [""]:
        row = re.match(r"[0-9a-f]{4,} {2}((?:[0-9a-f]{2} ?){1,16})", line)
        if row:
            frame += bytes.fromhex(row.group(1))
        elif frame:
            found.append(frame)
            frame = b""
    return found


@case("capture writes what the collector gets, as tshark reads it", timeout=60)
def matches_collector(bench):
    path = os.path.join(bench.directory, "copies.pcapng")
    sent = [frames.udp(100, 4000), frames.udp(1400, 4001), frames.udp(60, 4000),
            frames.udp(3000, 4001), frames.udp(50, 4003),
            frames.tcp(100), frames.udp(1200, 4000)]
    with controller(bench, *RULES):
        with capture(bench, TARGET, "-w", path, "-c", "6") as running:
            copies = bench.mirror(sent)
            running.wait()
        equal(len(copies), 6, "copies at the collector")
        check(any(copy.fragments > 1 for copy in copies), "no fragments")
        copies_of([copy for copy in copies], bytes_of(path), "captured")
        equal(sorted(lengths(path)),
              sorted([(60, 100), (1400, 1400), (60, 60), (3000, 3000),
                      (50, 50), (60, 1200)]), "captured and original lengths")
        rules = tshark(path, "frame.interface_name", "frame.comment",
                       "udp.dstport")
        for name, comment, port in rules:
            keyed = port in ("4000", "4003")
            equal(name, TARGET + (" --key 7" if keyed else ""), "interface")
            wanted = ("br0: PREROUTING:1: " + RULES[0].replace("udp", "udp -m udp")
                      if keyed else "br0: PREROUTING:2: ")
            check(comment.startswith(wanted.split(" -m comment")[0]),
                  "comment: %s, expected %s...", comment, wanted)
            equal("FORWARD:1" in comment, keyed, "the other rule of the session")
        report = run(["capinfos", "-M", path])
        check(re.search(r"File type: +pcapng\n", report), "%s",
              report)
        check("ovs-rmirrorctl" in report, "%s", report)
        check(re.search(r"Strict time order: +True", report), "%s", report)


@case("capture of a rule writes the copies of its session only", timeout=60)
def one_rule(bench):
    path = os.path.join(bench.directory, "rule.pcapng")
    sent = [frames.udp(100, port) for port in (4000, 4001, 4002, 4003)]
    with controller(bench, *RULES):
        for rule, ports, others in (("PREROUTING:2", ["4001"], False),
                                    ("PREROUTING:1", ["4000", "4003"], True)):
            with capture(bench, rule, "-w", path) as running:
                bench.mirror(sent)
                running.process.send_signal(signal.SIGINT)
                running.wait()
                equal("cannot be told apart" in running.said(), others,
                      "warning")
            equal(sorted(row[0] for row in tshark(path, "udp.dstport")), ports,
                  rule)


@case("capture sees copies in IPv6, whole and in fragments", timeout=60)
def ipv6(bench):
    path = os.path.join(bench.directory, "v6.pcapng")
    long = [rule.replace("--len 1000", "--len 4000") for rule in RULES]
    for rules, captured in ((RULES, 1000), (long, 2500)):
        with controller(bench, *rules):
            with capture(bench, TARGET6, "-w", path, "-c", "1") as running:
                (copy,) = bench.mirror([frames.udp(2500, 4002)])
                running.wait()
            equal(copy.fragments > 1, captured == 2500, "fragments")
            equal(lengths(path), [(captured, 2500)], "lengths")
            equal(bytes_of(path), [copy.frame], "captured")


@case("capture sees copies with a VLAN tag on their way", timeout=60)
def tagged(bench):
    path = os.path.join(bench.directory, "tagged.pcapng")
    with controller(bench, *RULES):
        bench.ovs.flows("in_port=LOCAL,actions=push_vlan:0x8100,"
                        "set_field:4101->vlan_vid,output:uplink",
                        "actions=NORMAL", bridge="br-phy")
        try:
            for target, port in ((TARGET, 4001), (TARGET6, 4002)):
                with capture(bench, target, "-w", path, "-c", "1") as running:
                    bench.send(bench.client, [frames.udp(200, port)])
                    running.wait()
                equal(lengths(path), [(200, 200)], "lengths")
        finally:
            bench.ovs.flows("actions=NORMAL", bridge="br-phy")


@case("capture is piped into tshark, and ends with its reader or in time",
      timeout=60)
def pipe(bench):
    with controller(bench, *RULES):
        reader = subprocess.Popen(
            ["tshark", "-l", "-r", "-", "-c", "2", "-T", "fields", "-e",
             "udp.dstport"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        with capture(bench, TARGET, stdout=reader.stdin) as running:
            reader.stdin.close()
            bench.mirror([frames.udp(100, 4000), frames.udp(100, 4001)])
            equal(sorted(reader.stdout.read().split()), ["4000", "4001"],
                  "ports")
            reader.wait(10)

            # Only writing tells that nobody reads any more.
            def ended():
                bench.send(bench.client, [frames.udp(100, 4000)])
                return running.process.poll() is not None
            until(ended, "the end of the capture", 20)
            running.wait()
        with capture(bench, TARGET, "--seconds", "0.3") as running:
            running.wait()
            check("0 copies captured" in running.said(), "%s", running.said())


@case("capture changes nothing, even if it is killed", timeout=60)
def no_trace(bench):
    with controller(bench, *RULES):
        def state():
            return (bench.ovs.ofctl("--no-stats", "dump-flows", "br0"),
                    bench.switch.run("ip", "-d", "link", "show", "uplink"))
        before = state()
        sent = [frames.udp(100, 4000) for _ in range(20)]
        with capture(bench, TARGET, "-w",
                     os.path.join(bench.directory, "killed")) as running:
            equal(len(bench.mirror(sent)), 20, "copies with a capture")
            running.process.send_signal(signal.SIGSTOP)
            equal(len(bench.mirror(sent)), 20, "copies while it does nothing")
            equal(state(), before, "flows and device, with a capture")
            running.process.kill()
            running.process.wait()
        equal(len(bench.mirror(sent)), 20, "copies without it")
        equal(state(), before, "flows and device, without it")


@case("capture says what it cannot do, and what would work", timeout=60)
def errors(bench):
    def fails(status, text, *words, through=()):
        with bench.switch.entered():
            done = subprocess.run(
                [*through, bench.ovs.programs.rmirrorctl(), "capture", *words],
                env=bench.ovs.environment, text=True, capture_output=True,
                stdin=subprocess.DEVNULL, timeout=30, check=False)
        equal(done.returncode, status, "status of %s: %s" % (words, done.stderr))
        check(text in done.stderr, "%s: %s", words, done.stderr)

    fails(3, "ovs-rmirrord.pid", TARGET)
    with controller(bench, *RULES):
        fails(1, "no rule mirrors to %s; targets: %s, %s\n"
              % (TARGET_B, TARGET, TARGET6), TARGET_B)
        fails(1, "rules that mirror: PREROUTING:1, PREROUTING:2, PREROUTING:3, "
              "FORWARD:1", "PREROUTING:9")
        fails(1, "rule PREROUTING:4 does not mirror", "PREROUTING:4")
        fails(1, "/no/such/folder/file: No such file", TARGET, "-w",
              "/no/such/folder/file")
        fails(1, "none: there is no such device", TARGET, "-w", "/dev/null",
              "-i", "none")
        fails(1, "no permission to capture", TARGET, "-w", "/dev/null",
              through=("setpriv", "--bounding-set", "-net_raw,-net_admin"))
        fails(1, "/dev/full: No space left", TARGET, "-w", "/dev/full",
              "--seconds", "1")
        fails(2, "WHAT", "-w", "/dev/null")
