# SPDX-License-Identifier: Apache-2.0
"""What ovs-rmirrorctl says about policies, packets and the daemon."""

import contextlib
import csv
import io
import json
import os
import struct

import frames
import pace
from lab import Failure, TARGET, TARGET6, TARGET_B, check, equal, until
from registry import case

RULES = (
    ":WEB - [0:0]",
    ":LATE - [0:0]",
    "-A PREROUTING -s 10.66.0.0/16 -j RETURN",
    "-A PREROUTING -i client -p tcp -m multiport --dports 80,443 -j WEB",
    "-A PREROUTING -p udp --dport 1000:1999 -j RMIRROR --target %s --len 60"
    " --key 5" % TARGET,
    "-A PREROUTING ! -d 10.0.0.0/8 -p tcp -j RMIRROR --target %s" % TARGET6,
    "-A PREROUTING -p udp -g LATE",
    "-A PREROUTING -j RMIRROR --target %s --len 14 --key 6" % TARGET,
    "-A OUTPUT -p icmp -j RMIRROR --target %s --ttl 9" % TARGET_B,
    "-A INPUT -p udp -j ACCEPT",
    "-A INPUT -j RMIRROR --target %s --tos inherit" % TARGET_B,
    "-A FORWARD -o third -p udp -j DROP",
    "-A FORWARD -i client -o server -j RMIRROR --target %s --len 96 --key 7"
    % TARGET,
    "-A POSTROUTING -j RMIRROR --target %s --len 60 --key 5" % TARGET,
    "-A WEB ! -s 10.0.0.1 -j RETURN",
    "-A WEB -p tcp --syn -j RMIRROR --target %s --len 128 --key 7" % TARGET,
    "-A WEB -j RMIRROR --target %s --len 96" % TARGET_B,
    "-A WEB -j DROP",
    "-A LATE -m mac --mac-source 02:00:00:00:00:07 -j RMIRROR --target %s --df"
    % TARGET6,
)

# By which ports packets leave that came in by one.
OUTPUTS = {"client": ("server", "third"), "server": ("client", "LOCAL"),
           "third": ("LOCAL",), "LOCAL": ("client",)}

PACKETS = (
    "tcp,ip_src=10.0.0.1,ip_dst=10.0.0.2,tp_dst=443,tcp_flags=syn",
    "tcp,ip_src=10.0.0.1,ip_dst=10.0.0.2,tp_dst=80,tcp_flags=ack",
    "tcp,ip_src=10.0.0.3,ip_dst=10.0.0.2,tp_dst=80,tcp_flags=ack",
    "tcp,ip_src=10.66.0.3,ip_dst=10.0.0.2,tp_dst=80",
    "tcp,ip_src=10.0.0.1,ip_dst=172.16.0.1,tp_dst=22",
    "udp,ip_src=10.0.0.1,ip_dst=10.0.0.2,tp_dst=1000",
    "udp,ip_src=10.0.0.1,ip_dst=10.0.0.2,tp_dst=2000",
    "udp,dl_src=02:00:00:00:00:07,ip_src=10.0.0.1,tp_dst=1999",
    "udp6,ipv6_src=2001:db8:1::1,ipv6_dst=2001:db8:1::2,tp_dst=53",
    "icmp,ip_src=10.0.0.1,ip_dst=10.0.0.2,icmp_type=8",
    "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1",
    "dl_type=0x88cc",
    "ip,nw_proto=47,ip_src=10.0.0.1,ip_dst=%s" % TARGET,
)


def write(bench, name, *rules):
    path = os.path.join(bench.directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(("*rmirror", *rules, "COMMIT", "")))
    return path


@contextlib.contextmanager
def controller(bench, *rules):
    """Runs ovs-rmirrord with 'rules', in force; yields the policy's file."""
    path = write(bench, "explain.policy", *rules)
    process = bench.ovs.rmirrord(path)

    def ready():
        try:
            bench.ovs.rmirrorctl("status")
        except Failure:
            return False
        return True

    try:
        until(ready, "the daemon has to be well", 30)
        bench.ovs.vsctl("set", "bridge", "br0", "external_ids:in-force=yes")
        bench.ovs.settle()
        yield path
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(pace.seconds(5))
        bench.ovs.controllers.remove(process)


def traced(bench, packet):
    """Returns the rmirror actions by which ofproto/trace makes copies of
    'packet', in order."""
    if "udp" in packet:
        packet = packet.replace("tp_dst", "udp_dst")
    lines = [line.strip() for line in
             bench.ovs.appctl("ofproto/trace", "br0", packet).splitlines()]
    copies = []
    for line, following in zip(lines, lines[1:]):
        if line.startswith("rmirror(") and "has taken" not in following:
            copies.append(line)
    return copies


def explained(bench, *words):
    """Returns the rmirror actions by which explain says that copies are made,
    in order.  The datapath finds out what is a copy itself, not the trace."""
    (packet,) = json.loads(bench.ovs.rmirrorctl("explain", "--json", *words))
    copies = [rule["copy"] for chain in packet["chains"]
              for rule in chain["rules"] if rule["effect"] == "copy"]
    for copy in copies:
        equal(copy["loop"], "nw_proto=47" in words[0], words[0] + ": loop")
    return [copy["action"] for copy in copies]


@case("explain agrees with ofproto/trace")
def explain(bench):
    bench.ovs.flows(*("in_port=%s,actions=%s" % (port, ",".join(
        "output:" + output for output in outputs))
        for port, outputs in OUTPUTS.items()))
    copies = 0
    # On a slow machine packets and ports take turns.
    pairs = [(port, packet) for port in OUTPUTS for packet in PACKETS]
    if pace.slower > 1:
        pairs = pairs[::len(OUTPUTS) - 1]
    with controller(bench, *RULES) as path:
        for in_port, fields in pairs:
            packet = "in_port=%s,%s" % (in_port, fields)
            words = [packet]
            for output in OUTPUTS[in_port]:
                words += ["--output", output]
            offline = explained(bench, *words, "--policy", path)
            equal(explained(bench, *words), offline,
                  packet + ": by the daemon's policy and by the file's")
            equal(offline, traced(bench, packet), packet)
            copies += len(offline)
    check(copies >= len(pairs), "only %d copies: the packets say nothing",
          copies)


@case("explain reads captured packets as it reads their text")
def captured(bench):
    path = write(bench, "captured.policy", *RULES)
    file = os.path.join(bench.directory, "captured.pcap")
    sent = [frames.udp(100, 1000), frames.udp(100, 2000)]
    with open(file, "wb") as pcap:
        pcap.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in sent:
            pcap.write(struct.pack("=IIII", 1, 0, len(frame), len(frame)))
            pcap.write(frame)
    packets = json.loads(bench.ovs.rmirrorctl(
        "explain", file, "--in-port", "client", "--policy", path, "--json"))
    equal([packet["length"] for packet in packets],
          [len(frame) for frame in sent], "lengths")
    copies = [[rule["copy"]["bytes"] for chain in packet["chains"]
               for rule in chain["rules"] if "copy" in rule]
              for packet in packets]
    equal(copies, [[60], []], "bytes copied")
    bench.ovs.rmirrorctl("explain", path, "--in-port", "client", "--policy",
                         path, expect_failure=True)


@case("every command of ovs-rmirrorctl that prints has JSON")
def as_json(bench):
    path = write(bench, "json.policy", ":LATE - [0:0]", RULES[-1])
    saved = os.path.join(bench.directory, "host.save")
    with open(saved, "w", encoding="utf-8") as file:
        file.write("*filter\n-A INPUT -p tcp -j RMIRROR --target %s\nCOMMIT\n"
                   % TARGET)

    def parsed(*words, expect_failure=False):
        return json.loads(bench.ovs.rmirrorctl(
            *words, "--json", expect_failure=expect_failure))

    good = parsed("check", path)
    equal((good["good"], good["rules"], good["diagnostics"]), (True, 1, []),
          "check")
    for stage in "tokens", "rules", "stages", "flows":
        check(stage in parsed("compile", path, "--stage", stage), "no %s",
              stage)
    equal(parsed("compile", path, "--stats")["statistics"]["rules"][0]["rule"],
          RULES[-1], "rule of --stats")
    imported = parsed("import", saved)
    check("-A INPUT -4 -p tcp -j RMIRROR --target %s\n" % TARGET
          in imported["policy"], "import: %s", imported)

    with controller(bench, *RULES):
        equal(parsed("status")[0]["good"], True, "status")
        listed = parsed("list")
        listed = listed[0] if isinstance(listed, list) else listed
        equal(sum(len(chain["rules"]) for chain in listed["chains"]),
              len([rule for rule in RULES if rule.startswith("-A")]),
              "rules of list")
        check(RULES[-1] in parsed("save")[0]["policy"], "save")
        for command in "zero", "reload":
            equal(parsed(command)["good"], True, command)
        rows = list(csv.DictReader(io.StringIO(
            bench.ovs.rmirrorctl("list", "--format=csv"))))
        equal([row["rule"] for row in rows if row["chain"] == "LATE"],
              [RULES[-1]], "rules of LATE")
        table = json.loads(bench.ovs.rmirrorctl("list", "--format=json"))
        equal(table["headings"], ["bridge", "chain", "num", "packets", "bytes",
                                  "dormant", "target", "rule"], "headings")
        equal(parsed("clear")["good"], True, "clear")
