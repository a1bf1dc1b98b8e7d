# SPDX-License-Identifier: Apache-2.0
"""The lab of the end-to-end tests with a controller and with traffic that never
ends, and what has to hold there whenever nothing is broken."""

import contextlib
import json
import os
import pathlib
import re
import struct
import subprocess
import threading
import time

import frames
import lab
import pace
import policies
import wire
from lab import check, equal, until

SLOW = 60.0                     # Seconds; how long to wait for repairs.
LATELY = 2
METRICS = 9475
NORMAL = "table=0,priority=0,actions=NORMAL"
# The bridges, the ports that they have, and who is behind the latter.
BRIDGES = {"br0": lab.BR0_PORTS, "br-phy": ("uplink",), "br-phy2": ("uplink2",)}
PROGRAMS = "ovs-vswitchd", "ovsdb-server", "ovs-rmirrord"
NETLINK = "Netlink socket"
SPARE_SOCKETS = 16              # Of Netlink, which ovs-vswitchd keeps for later.
# How much more memory than in its first steps a program may have.
MOST_GROWTH = 24 << 20
FIRST_STEPS = 12


class Stream:
    """Numbered frames from the client to the server, about RATE a second, until
    it is closed."""

    RATE, BATCH = 1000, 5
    OFFSET = 42                 # Of the number, behind the UDP header.

    def __init__(self, bench):
        self.bench = bench
        self.sent = 0
        self.error = None
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.head = frames.udp(100, policies.STREAM_PORT)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self):
        self.closing.set()
        self.thread.join()

    def frame(self, number):
        return (self.head[:self.OFFSET] + struct.pack("!I", number)
                + self.head[self.OFFSET + 4:])

    def number(self, frame):
        """Returns the number of 'frame', or None if it is not of the stream."""
        if len(frame) < self.OFFSET + 4:
            return None
        number = struct.unpack_from("!I", frame, self.OFFSET)[0]
        return number if frame == self.frame(number)[:len(frame)] else None

    def run(self):
        due = time.monotonic()
        try:
            while not self.closing.is_set():
                with self.lock:
                    for _ in range(self.BATCH):
                        self.send(self.frame(self.sent))
                        self.sent += 1
                # Not faster after a pause.
                due = max(due, time.monotonic() - 0.05) \
                    + self.BATCH * pace.slower / self.RATE
                time.sleep(max(0, due - time.monotonic()))
        except OSError as error:
            self.error = error

    def send(self, frame):
        """Sends 'frame', as soon as the socket has room: on a slow machine
        those before may still wait for the switch."""
        while True:
            try:
                self.bench.client.tap.send(frame)
                return
            except (BlockingIOError, TimeoutError):
                time.sleep(0.01)

    def held(self):
        """Stops the stream in a "with"."""
        return self.lock

    def flow(self, count):
        """Waits until 'count' more frames have been sent."""
        wanted = self.sent + count
        until(lambda: self.sent >= wanted or self.error,
              "the stream has to flow")
        check(not self.error, "the stream has ended: %s", self.error)


class Process:
    """What a process uses, from check to check."""

    def __init__(self, name, process):
        self.name = name
        self.process = process
        self.files = None       # Open at the first check.
        self.memory = []        # Resident bytes at each check.

    def look(self):
        folder = pathlib.Path("/proc/%d" % self.process.pid)
        pages = int((folder / "statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        grown = self.memory[-1] - max(self.memory[:FIRST_STEPS])
        check(grown <= MOST_GROWTH, "%s has grown by %d kB, to %d kB", self.name,
              grown >> 10, self.memory[-1] >> 10)
        self.files = self.files or self.open_files(folder)
        until(lambda: self.no_more(self.open_files(folder)),
              lambda: "%s has more files open than at first: %s, then %s"
              % (self.name, self.files, self.open_files(folder)), 20)

    def no_more(self, files):
        """Whether 'files' are no more than at first.  Which of them are open may
        differ, as when a port has come back."""
        netlink = files.count(NETLINK) - self.files.count(NETLINK)
        return (netlink <= SPARE_SOCKETS
                and len(files) - netlink <= len(self.files))

    @staticmethod
    def open_files(folder):
        netlink = {"socket:[%s]" % line.split()[-1] for line in
                   (folder / "net" / "netlink").read_text().splitlines()[1:]}
        names = []
        for link in (folder / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                name = os.readlink(link)
                names.append(NETLINK if name in netlink
                             else re.sub(r"\d+", "", name))
        return sorted(names)


class World:
    """A lab with a controller.  'broken' things are mended before check()."""

    def __init__(self, bench, rng):
        self.bench = bench
        self.path = os.path.join(bench.directory, "chaos.policy")
        self.state = os.path.join(bench.directory, "chaos-state")
        self.options = ["--state-dir=" + self.state, "--lately=%d" % LATELY,
                        "--metrics=%d" % METRICS]
        if rng.random() < 0.5:
            self.options.append("--watch")
        self.fail_mode = rng.choice(("secure", "standalone"))
        bench.ovs.vsctl(*(word for bridge in BRIDGES for word in (
            "--", "set", "bridge", bridge, "fail-mode=" + self.fail_mode)))
        bench.ovs.vsctl("--", "--if-exists", "del-br", "br-judge", "--",
                        "add-br", "br-judge", "--", "set", "bridge",
                        "br-judge", "datapath_type=" + bench.datapath_type,
                        "fail-mode=secure")
        self.policy = policies.random_policy(rng)
        self.write(str(self.policy))
        self.controller = None
        self.responsive = False     # Whether commands get an answer.
        self.switch_lost = False    # Whether ovs-vswitchd has begun anew.
        self.switch_deaf = False    # Whether it does not serve OpenFlow.
        self.bridge_lost = False    # Whether br0 has.
        self.reload_due = False
        self.processes = {}
        self.largest = {}           # Of each program, in kB.
        self.lives = 0
        if self.fail_mode == "secure":
            bench.ovs.flows("actions=NORMAL")
        self.start_controller()
        self.stream = None
        self.arrived = []           # At the server, not yet judged.
        self.copied = []            # At the collector, likewise.
        self.judged = 0             # The first frame that is not.

    # The controller and its policy.

    def start_controller(self):
        self.controller = self.bench.ovs.rmirrord(self.path, *self.options)
        self.responsive = True

    def end_controller(self, signal):
        self.responsive = False
        self.controller.send_signal(signal)
        self.controller.wait(pace.seconds(10))
        self.bench.ovs.controllers.remove(self.controller)

    def ctl(self, *words):
        """Returns the outcome of ovs-rmirrorctl, whatever it is."""
        return subprocess.run(
            [self.bench.ovs.programs.rmirrorctl(), *words], check=False,
            env=self.bench.ovs.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=pace.seconds(60))

    def write(self, text):
        """Puts 'text' in the place of the policy."""
        with open(self.path + ".new", "w", encoding="utf-8",
                  errors="surrogateescape") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def load(self, policy):
        """Makes 'policy' the one that has to be in force."""
        self.policy = policy
        self.write(str(policy))
        self.reload_due = True
        if self.responsive and not self.switch_deaf \
                and not self.ctl("reload").returncode:
            self.reload_due = False

    # Hosts.

    def remove_host(self, name):
        """Deletes the namespace of the host that the lab has as 'name'."""
        host = getattr(self.bench, name)
        self.gather(host, host.tap.drain())
        self.bench.hosts.remove(host)
        host.close()

    def add_host(self, name, mtu, *addresses):
        """Has a host return that remove_host() has deleted."""
        before = getattr(self.bench, name)
        # The kernel takes its time to delete a namespace.
        until(lambda: " %s@" % before.port not in self.bench.switch.run(
            "ip", "-o", "link"), "the device %s has to go" % before.port, SLOW)
        host = lab.Host(self.bench, before.port, before.mac, mtu)
        host.up(*addresses)
        setattr(self.bench, name, host)

    # A datapath that goes on.

    def establish(self):
        """Waits until the stream and its copies need nothing any more that
        takes ovs-vswitchd, if the datapath can do without it."""
        if not self.bench.forwards_alone:
            return
        self.bench.know_neighbours()
        # Without its database, ovs-vswitchd does not answer to that.
        if not self.switch_deaf:
            self.bench.ovs.settle()

        def found():
            before = self.bench.missed()
            self.stream.flow(20)
            return self.bench.missed() == before
        until(found, "all frames have to have flows", SLOW)

    # The way from broken to mended.

    def recover(self):
        """Has the owner of the bridges do what is his, now that nothing is
        broken, and waits until traffic flows."""
        bench = self.bench
        until(self.database_answers, "ovsdb-server has to answer", SLOW)
        if self.switch_lost:
            bench.ovs.wait()
        if self.switch_lost or self.bridge_lost:
            # The controller may have been there before.
            if self.fail_mode == "secure":
                bench.ovs.ofctl("add-flow", "br0", NORMAL)
        if self.switch_lost:
            bench.phy.close()
            bench.phy2.close()
            bench.addresses()
        self.switch_lost = self.switch_deaf = self.bridge_lost = False
        # This returns when ovs-vswitchd has followed all that was written.
        bench.ovs.vsctl("set", "bridge", "br0",
                        "external_ids:mended=%s" % bench.token())
        self.pass_through(bench.client.tap, bench.server)
        if self.reload_due:
            until(lambda: not self.ctl("reload").returncode,
                  lambda: "a reload has to succeed: %s"
                  % self.ctl("reload").stderr, SLOW)
            self.reload_due = False

    def database_answers(self):
        ovs = self.bench.ovs
        return not subprocess.run(
            [ovs.programs.vsctl, "-t", "5", "--no-wait", "list-br"],
            env=ovs.environment, check=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode

    def pass_through(self, tap, host):
        """Waits until frames get from 'tap' to 'host', and gathers what has
        come there before."""
        tokens = []

        def passed():
            tokens.append(self.bench.token())
            tap.send(wire.marker(host.mac, tap.mac, tokens[-1]))
            deadline = time.monotonic() + 0.05
            while (left := deadline - time.monotonic()) > 0:
                frame = host.tap.receive(left)
                if frame is None:
                    continue
                if not wire.is_marker(frame):
                    self.gather(host, [frame])
                elif any(wire.holds_token(frame, token) for token in tokens):
                    return True
            return False
        until(passed, "frames have to get from %s to %s"
              % (tap.device, host.port), SLOW)

    def gather(self, host, found):
        found = [frame for frame in found if not wire.is_marker(frame)
                 and frame not in self.bench.probes]
        if host is self.bench.server:
            self.arrived += found
        elif host is self.bench.collector:
            self.copied += found

    def last_arrived(self):
        """Returns the number of the last frame of the stream that the server
        has got, -1: none."""
        self.gather(self.bench.server, self.bench.server.tap.drain())
        return max((number for number in map(self.stream.number, self.arrived)
                    if number is not None), default=-1)

    # What has to hold.

    def judge_stream(self, down, lost, uncopied):
        """Judges the frames of the stream since the last call, while the stream
        is held.  'down' is the range of numbers that a switch that was down may
        have lost, 'lost' how many the kernel did not give to it.  All others
        have to arrive, and what arrives has to be copied but for numbers from
        'uncopied' on.  Returns the number of frames sent, of those that arrived,
        and of copies."""
        bench = self.bench
        self.pass_through(bench.phy, bench.collector)
        self.gather(bench.server, bench.arrive(bench.client, bench.server))
        self.gather(bench.collector, bench.seen())
        numbers = [self.stream.number(frame) for frame in self.arrived]
        foreign = [frame for number, frame in zip(numbers, self.arrived)
                   if number is None or len(frame) != len(self.stream.head)]
        check(not foreign, "originals: %d are changed or of others: %s",
              len(foreign), lab.shown(foreign))
        arrived = set(numbers)
        equal(len(numbers), len(arrived), "originals that arrived once")
        missing = [number for number in range(self.judged, self.stream.sent)
                   if number not in arrived and number not in down]
        check(len(missing) <= lost, "originals: %d of %d are missing, first %s,"
              " last %s; the switch was down for %s, the kernel lost %d",
              len(missing), self.stream.sent - self.judged, missing[:1],
              missing[-1:], down, lost)
        copies = [copy for copy in wire.copies(self.copied)
                  if (copy.dst, copy.key) == policies.STREAM_RULE.session]
        numbers = [self.stream.number(copy.frame) for copy in copies]
        check(None not in numbers and {len(copy.frame) for copy in copies}
              <= {policies.STREAM_LENGTH}, "copies that are wrong: %s",
              lab.shown([copy.frame for number, copy in zip(numbers, copies)
                         if number is None]))
        copied = set(numbers)
        equal(len(numbers), len(copied), "copies that came once")
        check(copied <= arrived | set(down), "%d copies of what did not arrive",
              len(copied - arrived))
        wanted = {number for number in arrived if number < uncopied}
        check(wanted <= copied, "copies: %d of %d are missing, first %s,"
              " last %s", len(wanted - copied), len(wanted),
              min(wanted - copied, default=None),
              max(wanted - copied, default=None))
        self.arrived.clear()
        self.copied.clear()
        sent, self.judged = self.stream.sent - self.judged, self.stream.sent
        return sent, len(arrived), len(copied)

    def check(self, rng):
        """Checks, while the stream is held or has not begun, that the switch
        mirrors as the policy says, and has nothing left of the past."""
        self.check_good()
        self.check_flows()
        self.check_copies(rng)
        self.check_leaks()

    def check_good(self):
        def good():
            return not self.ctl("status").returncode
        until(good, lambda: "status has to be good: %s"
              % self.ctl("status").stdout, SLOW)

    def check_flows(self):
        """Waits until the tap tables are as "ovs-rmirrorctl compile" says."""
        until(lambda: self.flows("br0") == self.compiled(), lambda:
              "the flows have to be those of the policy: %s"
              % (difference(self.flows("br0"), self.compiled()),), SLOW)

    def compiled(self):
        """Returns what flows() has to be, by way of a bridge for nothing but
        that."""
        ovs = self.bench.ovs
        ports = []
        for port in lab.BR0_PORTS:
            number = ovs.vsctl("get", "interface", port, "ofport").strip()
            ports += ["--port", "%s=%s" % (port, number)]
        compiled = ovs.rmirrorctl("compile", self.path, *ports)
        ovs.ofctl("del-flows", "br-judge")
        ovs.ofctl("del-meters", "br-judge")
        for meter in re.findall("^# (meter=.*)$", compiled, re.MULTILINE):
            ovs.ofctl("add-meter", "br-judge", meter.replace(" ", ","))
        ovs.ofctl("--bundle", "replace-flows", "br-judge", "-", stdin=compiled)
        return self.flows("br-judge")

    def flows(self, bridge):
        """Returns what the tap tables of 'bridge' do: for each table and
        register 0, which tells stages apart, the flows from the highest
        priority on, those of a priority in any order.  Priorities themselves
        depend on what was loaded before, as the numbers of meters do."""
        ovs = self.bench.ovs
        meters = dict(re.findall(r"^meter=(\d+) (.*\n.*)$", ovs.ofctl(
            "dump-meters", bridge), re.MULTILINE))
        found = {}
        for line in ovs.ofctl("--no-stats", "--no-names", "dump-flows",
                              bridge).splitlines():
            parts = re.fullmatch(r" *cookie=(\w+), table=(25[23]),"
                                 r" priority=(\d+),?(\S*) actions=(.*)", line)
            if not parts:
                continue
            cookie, table, priority, match, actions = parts.groups()
            actions = re.sub(r"meter=(\d+)", lambda number:
                             "meter=" + meters[number[1]], actions)
            stage = re.search(r"reg0=\w+", match)
            found.setdefault((table, stage and stage[0]), {}).setdefault(
                int(priority), set()).add((cookie, match, actions))
        return {stage: [flows for _, flows in sorted(levels.items())]
                for stage, levels in found.items()}

    def packets(self, rng):
        """Returns a packet of each way between ports and each destination port,
        and one like the stream's, which every policy mirrors."""
        hosts = self.hosts()
        ways = [(a, b) for a in hosts for b in hosts if a != b]
        made = []
        for entered, leaves, port in [
                (*ways[0], policies.STREAM_PORT),
                *((*way, port) for way in ways for port in policies.PORTS)]:
            source = rng.choice(policies.SOURCES)
            made.append(policies.Packet(entered, leaves, source, port,
                                        frames.udp(
                rng.choice((60, 100, 600, 1480)), port, hosts[entered].mac,
                hosts[leaves].mac, source)))
        return made

    def hosts(self):
        bench = self.bench
        return {host.port: host for host in (bench.client, bench.server,
                                             bench.third)}

    def check_copies(self, rng):
        """Sends packets of all kinds, and compares what arrives with them, and
        the copies with the model."""
        hosts = self.hosts()
        for source in hosts.values():
            for receiver in hosts.values():
                if source is not receiver:
                    self.pass_through(source.tap, receiver)
        packets = self.packets(rng)
        self.find_collectors(packets)
        self.bench.ovs.settle()
        before = self.sessions()
        self.deliver(packets)
        wanted, (found, markers) = self.wanted(packets), self.found()
        missing, extra = lab.difference(found, wanted)
        after = self.sessions()
        grown = {session: figures for session, figures
                 in difference_of(after, before) if any(figures)}
        check(not missing and not extra, "copies: %d of %d are missing: %s;"
              " %d are wrong or too many: %s; copies and drops of sessions: %s",
              len(missing), len(wanted), missing[:1], len(extra), extra[:1],
              grown)
        selected = {}
        for target, key, _ in wanted + markers:
            selected[target, key] = selected.get((target, key), 0) + 1
        equal(grown, {session: (copies, 0)
                      for session, copies in selected.items()},
              "copies and drops that the sessions count")

    def deliver(self, packets):
        """Sends 'packets', and checks that each gets where it has to."""
        hosts = self.hosts()
        ways = {}
        for packet in packets:
            ways.setdefault((packet.entered, packet.leaves), []).append(
                packet.frame)
        for (entered, leaves), some in ways.items():
            arrived = []
            for first in range(0, len(some), lab.BURST):
                self.bench.send(hosts[entered], some[first:first + lab.BURST])
                arrived += self.bench.arrive(hosts[entered], hosts[leaves])
            lab.originals(arrived, some)

    def wanted(self, packets):
        return [(target, key, wire.cut(packet.frame, length))
                for packet in packets
                for (target, key), length in self.policy.copies(packet).items()]

    def found(self):
        """Returns the copies that the collectors have got, and apart from them
        those of markers."""
        found = [(copy.dst, copy.key, copy.frame)
                 for collector in (self.bench.collector, self.bench.collector2)
                 for copy in wire.copies(self.bench.seen(collector))]
        return ([copy for copy in found if not wire.is_marker(copy[2])],
                [copy for copy in found if wire.is_marker(copy[2])])

    def find_collectors(self, packets):
        """Waits until all copies of 'packets' come: the first ones to each
        target are dropped until its MAC address is known."""
        def complete():
            self.deliver(packets)
            return not any(lab.difference(self.found()[0],
                                          self.wanted(packets)))
        self.pass_through(self.bench.phy, self.bench.collector)
        self.pass_through(self.bench.phy2, self.bench.collector2)
        self.bench.drain()
        until(complete, "copies have to come", SLOW)

    def datapath(self):
        shown, = json.loads(self.bench.ovs.appctl("dpctl/rmirror-show",
                                                  "--json"))
        return shown

    def sessions(self):
        """Returns copies and drops of each session of the datapath."""
        return {(session["target"], session["key"]):
                (session["copies"], sum(session["drops"].values()))
                for session in self.datapath()["sessions"]}

    def check_leaks(self):
        ovs = self.bench.ovs
        left = []

        def nothing_left():
            # What hosts ask each other by ARP may just have got a flow.
            ovs.appctl("revalidator/purge")
            ovs.appctl("dpctl/rmirror-flush")
            left[:] = ovs.appctl("dpctl/dump-flows"), self.sessions()
            return not any(left)
        until(nothing_left, lambda: "flows and sessions of the datapath have to"
              " go: %s" % left, SLOW)
        limited = len({line for line in ovs.ofctl(
            "dump-meters", "br-judge").splitlines() if "meter=" in line})
        equal(ovs.ofctl("dump-meters", "br0").count("meter="), limited,
              "meters")
        ports, may = self.bench.devices()
        ports |= {*BRIDGES, "br-judge", *sum(BRIDGES.values(), ())}
        equal(sorted(set(self.datapath_ports()) - may), sorted(ports),
              "ports of the datapath")
        for bridge, ports in BRIDGES.items():
            equal(sorted(ovs.vsctl("list-ports", bridge).split()),
                  sorted(ports), "ports of " + bridge)
        for name, process in zip(PROGRAMS, (ovs.vswitchd, ovs.database,
                                            self.controller)):
            check(process.poll() is None, "%s has ended with status %s", name,
                  process.returncode)
            if name not in self.processes \
                    or self.processes[name].process is not process:
                self.processes[name] = Process(name, process)
            self.processes[name].look()
            self.largest[name] = max(self.largest.get(name, 0),
                                     self.processes[name].memory[-1] >> 10)
        self.bench.check_system()
        self.largest.update(self.bench.usage())

    def datapath_ports(self):
        """Returns the names of the datapath's ports, but for the one that each
        datapath has."""
        shown = self.bench.ovs.appctl("dpctl/show")
        return [name for name in re.findall(r"^ *port \d+: (\S+)", shown,
                                            re.MULTILINE)
                if not name.startswith("ovs-")]


@contextlib.contextmanager
def world(bench, rng):
    """Makes a World of 'bench' in which everything is well, with traffic."""
    made = World(bench, rng)
    made.recover()
    made.check(rng)
    made.stream = Stream(bench)
    try:
        yield made
    finally:
        made.stream.close()


def difference(found, wanted):
    """Returns what differs between two answers of World.flows(), as text."""
    lines = []
    for stage in sorted(found.keys() | wanted.keys(), key=str):
        if found.get(stage) != wanted.get(stage):
            lines.append("%s: found %s, expected %s"
                         % (stage, found.get(stage), wanted.get(stage)))
    return "; ".join(lines)[:2000]


def difference_of(after, before):
    """Yields by how much the counters of each session have grown."""
    for session, (copies, drops) in after.items():
        then = before.get(session, (0, 0))
        yield session, (copies - then[0], drops - then[1])
