# SPDX-License-Identifier: Apache-2.0
"""ovs-rmirrord keeps a switch right against all that happens to it."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time

import frames
import pace
from lab import (BR0_MAC, BR0_PORTS, EGRESS_TABLE, TAP_TABLE, TARGET, check,
                 copies_of, equal, originals, until)
from registry import case

IN = ('-A PREROUTING -p udp --dport 1000 -j RMIRROR --target %s --len 60'
      ' --key 1' % TARGET)
OUT = ('-A POSTROUTING -o server -p udp --dport 2000 -j RMIRROR --target %s'
       ' --len 60 --key 2' % TARGET)
OTHER = ('-A PREROUTING -p udp --dport 3000 -j RMIRROR --target %s --len 60'
         ' --key 3' % TARGET)
KEYS = {"rmirror-ingress-table": str(TAP_TABLE),
        "rmirror-egress-table": str(EGRESS_TABLE)}
NORMAL = "table=0,priority=0,actions=NORMAL"
SLOW = 30.0                     # Seconds; how long a test waits at most.


def write(bench, *rules):
    path = os.path.join(bench.directory, "reconcile.policy")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(("*rmirror", *rules, "COMMIT", "")))
    return path


def tap_flows(bench):
    """Returns the flows of both tap tables, without what changes by itself."""
    return sorted(
        line.strip() for table in (TAP_TABLE, EGRESS_TABLE)
        for line in bench.ovs.ofctl("--no-stats", "dump-flows", "br0",
                                    "table=%d" % table).splitlines()
        if "actions=" in line)


def keys(bench):
    """Returns the keys of other_config that name tap tables."""
    words = bench.ovs.vsctl("get", "bridge", "br0", "other_config")
    found = dict(word.split("=") for word in
                 words.strip("{}\n").replace('"', "").split(", ") if word)
    return {key: value for key, value in found.items() if key in KEYS}


def in_force(bench):
    """Waits until both rules, IN and OUT, mirror."""
    def ready():
        text = "\n".join(tap_flows(bench))
        return "key=0x1" in text and "key=0x2" in text and keys(bench) == KEYS
    until(ready, "both tap tables have to be in force", SLOW)
    # A write to the database returns when ovs-vswitchd has followed all that
    # was written before.
    bench.ovs.vsctl("set", "bridge", "br0", "external_ids:in-force=yes")
    bench.ovs.settle()


@contextlib.contextmanager
def daemon(bench, *options, rules=(IN, OUT)):
    """Runs ovs-rmirrord with 'rules'; yields its process."""
    process = bench.ovs.rmirrord(write(bench, *rules), *options)
    try:
        if rules == (IN, OUT):
            in_force(bench)
        yield process
    finally:
        end(bench, process)


def end(bench, process):
    if process.poll() is None:
        process.terminate()
        process.wait(pace.seconds(5))
    if process in bench.ovs.controllers:
        bench.ovs.controllers.remove(process)


def repaired(bench, what, wanted, found=tap_flows):
    """Waits until found(bench) is 'wanted' after 'what', which has just
    happened, and notes how long it took."""
    began = time.monotonic()
    until(lambda: found(bench) == wanted, "%s has to be put right" % what, SLOW)
    bench.note("%s %.0f ms" % (what, 1000 * (time.monotonic() - began)))


class Log:
    """What ovs-rmirrord writes to its log from now on."""

    def __init__(self, bench):
        self.file = open(os.path.join(bench.ovs.logs, "ovs-rmirrord.log"),
                         "a+", encoding="utf-8")
        self.text = ""

    def __enter__(self):
        self.file.seek(0, os.SEEK_END)
        return self

    def __exit__(self, *_):
        self.file.close()

    def count(self, words):
        self.text += self.file.read()
        return self.text.count(words)


def mirrors(bench):
    """Checks that IN and OUT copy what they say."""
    bench.ovs.settle()
    bench.drain()
    sent = [frames.udp(100, 1000), frames.udp(100, 2000), frames.tcp()]
    found = copies_of(bench.mirror(sent), [frame[:60] for frame in sent[:2]])
    equal([copy.key for copy in found], [1, 2], "keys")


@case("flows of the tap tables that somebody changes are put right", 90)
def flows_changed(bench):
    with daemon(bench):
        wanted = tap_flows(bench)
        for what, command in (
                ("del-flows", ("del-flows", "br0")),
                ("del-flows of a table",
                 ("del-flows", "br0", "table=%d" % EGRESS_TABLE)),
                ("mod-flows", ("mod-flows", "br0",
                               "table=%d,actions=drop" % TAP_TABLE)),
                ("add-flow", ("add-flow", "br0",
                              "table=%d,priority=65535,actions=drop"
                              % TAP_TABLE)),
                ("add-flow at egress",
                 ("add-flow", "br0", "table=%d,priority=65535,actions=drop"
                  % EGRESS_TABLE))):
            bench.ovs.ofctl(*command)
            repaired(bench, what, wanted)
        bench.ovs.ofctl("add-flow", "br0", NORMAL)
        mirrors(bench)


@case("flows of others are left alone in tables that others use, too", 60)
def tables_not_owned(bench):
    foreign = "table=%d,priority=65535,arp actions=drop" % TAP_TABLE
    with daemon(bench, "--no-own-tables"):
        wanted = tap_flows(bench)
        bench.ovs.ofctl("add-flow", "br0", foreign.replace(" ", ","))
        bench.ovs.ofctl("del-flows", "br0", "table=%d,udp" % TAP_TABLE)

        def without_foreign(_):
            return [flow for flow in tap_flows(bench) if "arp" not in flow]
        repaired(bench, "del-flows", wanted, without_foreign)
        equal(len(tap_flows(bench)), len(wanted) + 1, "flows")
        until(lambda: status(bench)["foreign"] == 1,
              "status has to count a flow that is not ours")
        mirrors(bench)


def status(bench):
    return json.loads(bench.ovs.rmirrorctl("status", "--json"))[0]


@case("against somebody who goes on, repairs slow down and the log says it once",
      90)
def fight(bench):
    words = "somebody keeps changing flows"
    with Log(bench) as log, daemon(bench):
        wanted = tap_flows(bench)
        rounds = 0
        while rounds < 3:
            rounds += log.count(words) > 0
            bench.ovs.ofctl("del-flows", "br0", "table=%d" % TAP_TABLE)
            until(lambda: tap_flows(bench) == wanted,
                  "flows have to come back", SLOW)
        equal(log.count(words), 1, "lines of the log")


@case("keys of other_config that somebody changes are put back", 60)
def keys_changed(bench):
    with daemon(bench):
        for what, words in (
                ("removed", ("remove", "bridge", "br0", "other_config",
                             "rmirror-egress-table")),
                ("changed", ("set", "bridge", "br0",
                             "other_config:rmirror-ingress-table=7")),
                ("cleared", ("clear", "bridge", "br0", "other_config"))):
            bench.ovs.vsctl(*words)
            repaired(bench, what, KEYS, keys)
        bench.ovs.vsctl("set", "bridge", "br0",
                        "other-config:hwaddr=" + BR0_MAC)
        mirrors(bench)


@case("a tap for which no rule stands has no key, and clear leaves none", 60)
def taps_in_use(bench):
    ingress = {"rmirror-ingress-table": str(TAP_TABLE)}
    with daemon(bench):
        write(bench, IN)
        bench.ovs.rmirrorctl("reload")
        until(lambda: keys(bench) == ingress, "the egress key has to go", SLOW)
        check(not [flow for flow in tap_flows(bench)
                   if "table=%d" % EGRESS_TABLE in flow],
              "a tap that is not used has flows")
        write(bench, OUT)
        bench.ovs.rmirrorctl("reload")
        until(lambda: list(keys(bench)) == ["rmirror-egress-table"],
              "only the egress key has to stay", SLOW)
        bench.ovs.rmirrorctl("clear")
        until(lambda: not keys(bench) and not tap_flows(bench),
              "clear has to leave nothing", SLOW)
        bench.ovs.vsctl("set", "bridge", "br0",
                        "other_config:rmirror-ingress-table=%d" % TAP_TABLE)
        bench.ovs.vsctl("set", "bridge", "br0", "external_ids:clear=yes")
        equal(keys(bench), ingress, "keys that somebody sets after clear")


@case("a bridge that is deleted and made again mirrors again", 60)
def bridge_made_again(bench):
    again = bench.add_bridge("br0", BR0_MAC, BR0_PORTS)
    with daemon(bench):
        wanted = len(tap_flows(bench))
        for what, steps in (("later", (("del-br", "br0"), again[1:])),
                            ("at once", (("del-br", "br0", *again),))):
            for words in steps:
                bench.ovs.vsctl(*words)
            repaired(bench, what, (wanted, KEYS),
                     lambda _: (len(tap_flows(bench)), keys(bench)))
        bench.ovs.ofctl("add-flow", "br0", NORMAL)
        mirrors(bench)


@case("an ovs-vswitchd that was killed mirrors again", 60)
def switch_killed(bench):
    with daemon(bench):
        wanted = tap_flows(bench)
        bench.ovs.vswitchd.send_signal(signal.SIGKILL)
        bench.ovs.vswitchd.wait(pace.seconds(5))
        os.unlink(os.path.join(bench.directory, "ovs-vswitchd.pid"))
        bench.ovs.start()
        repaired(bench, "after its start", wanted)
        bench.addresses()
        bench.ovs.ofctl("add-flow", "br0", NORMAL)
        bench.know_neighbours()
        mirrors(bench)


@case("somebody who sets a controller wipes the bridge, and the mirror returns",
      60)
def controller_set(bench):
    with daemon(bench):
        wanted = tap_flows(bench)
        bench.ovs.vsctl("set-controller", "br0", "ptcp:6653:127.0.0.1")
        try:
            repaired(bench, "set-controller", wanted)
        finally:
            bench.ovs.vsctl("del-controller", "br0")
        repaired(bench, "del-controller", wanted)
        bench.ovs.ofctl("add-flow", "br0", NORMAL)
        mirrors(bench)


@case("rules follow the ports that come, are renumbered, and go", 60)
def ports(bench):
    def numbers(_):
        return {line.split(",in_port=")[1].split(",")[0].split(" ")[0]
                for line in tap_flows(bench) if ",in_port=" in line}
    rule = ("-A PREROUTING -i %s -j RMIRROR --target " + TARGET)
    with daemon(bench, rules=(rule % "client", rule % "extra")):
        client = bench.ovs.vsctl("get", "interface", "client", "ofport").strip()
        until(lambda: client in numbers(bench), "the daemon has to start", SLOW)
        before = numbers(bench)
        bench.switch.ip("link add extra type veth peer name extra-peer")
        try:
            bench.ovs.vsctl("add-port", "br0", "extra", "--", "set",
                            "interface", "extra", "ofport_request=71")
            repaired(bench, "added", before | {"71"}, numbers)
            bench.ovs.vsctl("set", "interface", "extra", "ofport_request=72")
            repaired(bench, "renumbered", before | {"72"}, numbers)
            bench.ovs.vsctl("del-port", "br0", "extra")
            repaired(bench, "removed", before, numbers)
        finally:
            bench.ovs.vsctl("--if-exists", "del-port", "br0", "extra")
            bench.switch.ip("link del extra")


class Controller:
    """Another OpenFlow 1.3 controller of br0."""

    HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, ROLE_REQUEST = 0, 1, 2, 3, 24
    ROLE_REPLY = 25
    NOCHANGE, EQUAL, MASTER, SLAVE = range(4)

    def __init__(self, bench):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SLOW)
        self.sock.connect(os.path.join(bench.directory, "br0.mgmt"))
        self.send(self.HELLO)
        check(self.receive()[0] == self.HELLO, "the switch has to say hello")

    def close(self):
        self.sock.close()

    def send(self, kind, body=b""):
        self.sock.sendall(struct.pack("!BBHI", 4, kind, 8 + len(body), 1)
                          + body)

    def receive(self):
        """Returns the type and the body of the next message."""
        head = self.sock.recv(8, socket.MSG_WAITALL)
        _, kind, length, _ = struct.unpack("!BBHI", head)
        body = self.sock.recv(length - 8, socket.MSG_WAITALL)
        return kind, body

    def role(self, wanted=NOCHANGE):
        """Asks for the role 'wanted' and returns the one that it has."""
        self.send(self.ROLE_REQUEST, struct.pack("!IIQ", wanted, 0, 0))
        while True:
            kind, body = self.receive()
            check(kind != self.ERROR, "the switch refused: %s", body.hex())
            if kind == self.ROLE_REPLY:
                return struct.unpack("!I", body[:4])[0]


@case("the daemon lives beside a controller that is master, or is told to be",
      60)
def roles(bench):
    with contextlib.closing(Controller(bench)) as other:
        equal(other.role(Controller.MASTER), Controller.MASTER, "role")
        with daemon(bench):
            equal(other.role(), Controller.MASTER, "role beside the daemon")
            mirrors(bench)
        with daemon(bench, "--role=master"):
            until(lambda: other.role() == Controller.SLAVE,
                  "the other one has to become a slave")


@case("each version of OpenFlow has the same flows, and none to change", 90)
def versions(bench):
    rules = (
        IN, OUT,
        "-A INPUT -m mac ! --mac-source 02:00:00:00:00:01 -j RMIRROR"
        " --target %s --ttl 9 --tos inherit" % TARGET,
        "-A FORWARD -i client -o server -p tcp --syn -j DROP",
        "-A FORWARD -m vlan --vlan-id 7 -m mark --mark 1 -j RMIRROR"
        " --target 2001:db8:2::9 --len mtu",
        "-A OUTPUT -p tcp -m multiport --sports 1,2,3,4 -s 10.0.0.1,10.0.0.2"
        " -m multiport --dports 5,6,7,8 -j RMIRROR --target %s --key 4"
        % TARGET)
    found = []
    for version in "OpenFlow13", "OpenFlow14", "OpenFlow15":
        with daemon(bench, "-O", version, rules=rules):
            in_force(bench)
            check(version[-2:] == status(bench)["switch"][-3:].replace(".", ""),
                  "status has to name %s: %s", version,
                  status(bench)["switch"])
            answer = bench.ovs.rmirrorctl("reload")
            check("nothing to change" in answer, "%s: %s", version, answer)
            found.append(tap_flows(bench))
            copies = bench.mirror([frames.udp(100, 2000)])
            equal([copy.key for copy in copies], [2], "keys of the copies")
    equal(found[1], found[0], "flows of OpenFlow 1.4 and 1.3")
    equal(found[2], found[0], "flows of OpenFlow 1.5 and 1.3")


@case("a bridge named by a TCP connection is kept right as well", 60)
def tcp(bench):
    bench.ovs.vsctl("set-controller", "br0", "ptcp:6653:127.0.0.1", "--",
                    "set", "bridge", "br0",
                    *("other_config:%s=%s" % item for item in KEYS.items()))
    try:
        bench.ovs.ofctl("add-flow", "br0", NORMAL)
        process = bench.ovs.daemon("--bridge", "tcp:127.0.0.1:6653",
                                   "--policy", write(bench, IN, OUT))
        try:
            in_force(bench)
            wanted = tap_flows(bench)
            bench.ovs.ofctl("del-flows", "br0", "table=%d" % EGRESS_TABLE)
            repaired(bench, "del-flows", wanted)
            mirrors(bench)
        finally:
            end(bench, process)
    finally:
        bench.ovs.vsctl("del-controller", "br0")


LIMIT = ('-A PREROUTING -p udp --dport 1000 -m limit --limit 1/second'
         ' --limit-burst 4 -j RMIRROR --target %s --len 60 --key 1' % TARGET)


def meters(bench):
    """Returns the meters of br0 and what they say, without their numbers."""
    return sorted(
        line.split(" ", 1)[1] + " " + rest.strip() for line, rest in re.findall(
            r"^(meter=.*)\n(.*)\n",
            bench.ovs.ofctl("dump-meters", "br0") + "\n", re.MULTILINE))


@case("-m limit holds copies back by a meter, which comes and goes with its rule",
      90)
def limit(bench):
    bench.ovs.ofctl("add-meter", "br0",
                    "meter=1,pktps,band=type=drop,rate=7")
    foreign = meters(bench)

    def ours():
        return [meter for meter in meters(bench) if meter not in foreign]

    def limited():
        """Checks that of a burst no more is copied than the limit says, and
        returns how much is."""
        bench.ovs.settle()
        bench.drain()
        sent = [frames.udp(100, 1000) for _ in range(16)]
        began = time.monotonic()
        bench.send(bench.client, sent)
        originals(bench.arrive(bench.client, bench.server), sent)
        most = 4 + 1 + int(time.monotonic() - began)
        copied = len(bench.collected())
        check(copied <= most, "%d copies of a burst of 16, expected at most %d",
              copied, most)
        return copied

    with daemon(bench, rules=(LIMIT, OUT)) as process:
        in_force(bench)
        wanted, flows = ours(), tap_flows(bench)
        equal(len(wanted), 1, "meters")
        check("rate=1 burst_size=4" in wanted[0], "meter: %s", wanted[0])
        copied = limited()
        check(copied >= 4, "only %d copies, a meter begins with a burst of 4",
              copied)
        until(lambda: listed(bench)[0] == copied,
              "list has to count %d copies" % copied, SLOW)

        check("nothing to change" in bench.ovs.rmirrorctl("reload"),
              "a reload changes something")
        number = re.search(r"meter=(\d+)", "".join(flows)).group(1)
        for what, command in (
                ("del-meter", ("del-meter", "br0", "meter=" + number)),
                ("mod-meter", ("mod-meter", "br0", "meter=%s,pktps,burst,band="
                               "type=drop,rate=900,burst_size=900" % number)),
                ("del-flows", ("del-flows", "br0", "table=%d" % TAP_TABLE))):
            bench.ovs.ofctl(*command)
            repaired(bench, what, (wanted, flows),
                     lambda _: (ours(), tap_flows(bench)))
        limited()

        process.kill()
        process.wait(pace.seconds(5))
        bench.ovs.controllers.remove(process)
    with daemon(bench, rules=(IN, OUT)):
        until(lambda: not ours(), "the meter has to go with its rule", SLOW)
        write(bench, LIMIT, OUT)
        bench.ovs.rmirrorctl("reload")
        equal(ours(), wanted, "meters")
        bench.ovs.rmirrorctl("clear")
        until(lambda: meters(bench) == foreign,
              "clear has to leave the meters of others alone", SLOW)


def listed(bench):
    """Returns the packets of each rule that mirrors."""
    rows = [line.split() for line in
            bench.ovs.rmirrorctl("list", "-v", "-n", "-x").splitlines()]
    return [int(row[0]) for row in rows if row[2:3] == ["RMIRROR"]]


class Stream:
    """Sends numbered frames from the client to the server until it is
    stopped, RATE a second unless the machine is slower or said to be, at most
    MOST, and the second half of them ten times slower."""

    RATE, MOST, BATCH = 10000, 100000, 10
    OFFSET = 42                 # Of the number, behind the UDP header.

    def __init__(self, bench):
        self.bench = bench
        self.sent = 0
        self.stopping = threading.Event()
        self.head = frames.udp(100, 1000)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        tap = self.bench.client.tap
        before, behind = self.head[:self.OFFSET], self.head[self.OFFSET + 4:]
        pause = self.BATCH * pace.slower / self.RATE
        began = due = time.monotonic()
        while not self.stopping.is_set() and self.sent < self.MOST:
            for _ in range(self.BATCH):
                tap.send(before + struct.pack("!I", self.sent) + behind)
                self.sent += 1
            due += pause if self.sent < self.MOST // 2 else 10 * pause
            time.sleep(max(0, due - time.monotonic()))
        self.seconds = time.monotonic() - began

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def is_over(self):
        return not self.thread.is_alive()

    def numbers(self, found):
        return sorted(struct.unpack_from("!I", frame, self.OFFSET)[0]
                      for frame in found)


@case("a reload, a reset of the connection and a restart under load lose no copy,"
      " and make none twice", 120)
def no_gap(bench):
    unchanged = "nothing to change"
    path = write(bench, IN, OUT)
    process = bench.ovs.rmirrord(path)
    try:
        in_force(bench)
        bench.drain()
        wanted = tap_flows(bench)
        with Log(bench) as log, Stream(bench) as stream:
            def more(what):
                """Waits for the daemon to look at the switch, and for more
                frames."""
                until(lambda: log.count(unchanged) > seen, what, SLOW)
                sent = stream.sent
                until(lambda: stream.sent > sent + 1000 or stream.is_over(),
                      "frames have to flow", SLOW)

            seen = -1
            more("nothing")
            for _ in range(3):
                seen = log.count(unchanged)
                bench.ovs.rmirrorctl("reload")
                more("the policy has to be loaded again")
            seen = log.count(unchanged)
            bench.ovs.appctl("bridge/reconnect", "br0")
            more("the daemon has to connect again")
            seen = log.count(unchanged)
            process.kill()
            process.wait(pace.seconds(5))
            bench.ovs.controllers.remove(process)
            process = bench.ovs.rmirrord(path)
            more("the daemon has to return")
            check(not stream.is_over(), "the frames ended too early")
        equal(tap_flows(bench), wanted, "flows")
        arrived = stream.numbers(bench.arrive(bench.client, bench.server))
        copied = stream.numbers(copy.frame for copy in bench.collected())
        # What the switch had no time to read from its port was never on it.
        check(len(arrived) > stream.sent // 2, "only %d of %d frames arrived",
              len(arrived), stream.sent)
        equal(len(set(arrived)), len(arrived), "frames that arrived once")
        missing = set(arrived) - set(copied)
        check(copied == arrived, "of %d frames, %d copies are missing and %d"
              " too many; first: %s", len(arrived), len(missing),
              len(copied) + len(missing) - len(arrived),
              min(missing, default="none"))
        bench.note("%d copies, %.0f packets/s"
                   % (len(copied), stream.sent / stream.seconds))
    finally:
        end(bench, process)
