# SPDX-License-Identifier: Apache-2.0
"""The mirror under load: 1,000 rules to 64 targets, and the smallest frames,
which pktgen sends from each of two processors as fast as it can.

    client eth0 --- client  [br0]  server --- eth0 server, where tc counts
           eth1 --- client2   :
                              : copies
                              v
                            wire --- eth0 sensor, where tc counts

Whatever may drop a frame counts it: a device, where the backlog of its peer is
full; the datapath, where there is no room for an upcall; a session; and the
queue of the uplink.  So each frame is accounted for."""

import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import sys
import time

import big_policy
import frames
import genl
import inputs
import lab
import pace
import quiet
import wire
from big_policy import LENGTH, NETWORK, RULES, SOURCES, TARGETS
from datapath import ENGINE, tiers
from lab import check, equal, until
from registry import case

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "bench"))
import pktgen                   # noqa: E402

COLLECTORS = big_policy.targets("198.18.0")
# From which addresses each device of the client sends: those of half the rules,
# the second one also from some behind them that no rule selects.
SENDERS = {"eth0": SOURCES[:RULES // 2],
           "eth1": SOURCES[RULES // 2:] + [str(NETWORK.broadcast_address + more)
                                           for more in range(1, 101)]}
# How many frames each of them sends at least: as many from each address.
ROUND = 6000
# How tc tells apart what arrives at the server.
SELECTED, OTHERS = 1, 2
# Who may drop originals, with a mirror and without.
LOSERS = "sender", "upcall", "receiver"
DROPS = genl.COUNTERS[genl.COUNTERS.index("no_route"):]
# After how many seconds the kernel complains of a processor or a task that does
# not get on; after twice as many, the first of them.
WATCHDOGS = {"/proc/sys/kernel/watchdog_thresh": 5,
             "/proc/sys/kernel/hung_task_timeout_secs": 10,
             "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout": 10}
# By how many MB memory may grow once there are all flows and neighbours.
MOST_GROWTH = {"ovs-vswitchd": 16, "ovs-rmirrord": 16, "slabs": 16, "all": 64}
# Flows of the datapath besides those of the rules.
MOST_OTHER_FLOWS = 50
ANSWER = 5                      # Seconds within which ovs-vswitchd answers.
# An uplink that is too slow for the copies.
SLOW = "rate 400kbit burst 5000 limit 20000"


@contextlib.contextmanager
def watchdogs():
    """Has the kernel complain early of what does not get on."""
    equal(pathlib.Path("/proc/sys/kernel/soft_watchdog").read_text(), "1\n",
          "whether the kernel watches its processors")
    files = {pathlib.Path(name): seconds for name, seconds
             in WATCHDOGS.items()}
    before = {file: file.read_text() for file in files}
    try:
        for file, seconds in files.items():
            file.write_text(str(seconds))
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)


@contextlib.contextmanager
def without_taps(bench):
    """Closes the packet sockets that would get all frames."""
    bench.server.tap.close()
    bench.sensor.tap.close()
    bench.wire.close()
    try:
        yield
    finally:
        for host in bench.server, bench.sensor:
            with host.namespace.entered():
                host.tap = wire.Tap("eth0")
        with bench.switch.entered():
            bench.wire = wire.Tap("wire")


@contextlib.contextmanager
def counting(host, *filters):
    """Has tc count what comes to 'host' by the first of 'filters' that it
    matches, and drop it."""
    host.namespace.run("tc", "qdisc", "add", "dev", "eth0", "ingress")
    try:
        host.namespace.run("tc", "-batch", "-", stdin="".join(
            "filter add dev eth0 ingress protocol ip %s action drop\n" % words
            for words in filters))
        yield
    finally:
        host.namespace.run("tc", "qdisc", "del", "dev", "eth0", "ingress")


def counted(host):
    """Returns how many packets each filter of 'host' has matched, by its "pref"
    and its "dst_ip"."""
    found = json.loads(host.namespace.run(
        "tc", "-s", "-j", "filter", "show", "dev", "eth0", "ingress"))
    return {(one["pref"], one["options"].get("keys", {}).get("dst_ip")):
            one["options"]["actions"][0]["stats"]["packets"]
            for one in found if "actions" in one.get("options", {})}


@contextlib.contextmanager
def second_sender(bench):
    """Gives the client another device, and the switch a port for it."""
    bench.switch.ip("link add client2 type veth peer name eth1 netns "
                    + bench.client.namespace.path, "link set client2 up")
    try:
        bench.client.namespace.run("sysctl", "-qw",
                                   "net.ipv6.conf.eth1.disable_ipv6=1")
        bench.client.namespace.ip("link set eth1 up")
        bench.ovs.vsctl("add-port", "br0", "client2")
        yield
    finally:
        bench.ovs.vsctl("--if-exists", "del-port", "br0", "client2")
        bench.switch.ip("link del client2")


@contextlib.contextmanager
def prepared(bench):
    """Everything that the load takes but the policy.  Flows stay while nothing
    is sent, so that the next frames take no upcalls.  Neighbours are known:
    ARP would wait behind the load."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(watchdogs())
        stack.enter_context(second_sender(bench))
        stack.enter_context(counting(
            bench.server, "pref %d flower src_ip %s" % (SELECTED, NETWORK),
            "pref %d matchall" % OTHERS))
        stack.enter_context(counting(bench.sensor, *(
            "pref 1 flower ip_proto 2f dst_ip " + target
            for target in COLLECTORS)))
        bench.switch.ip(*("neigh replace %s lladdr %s dev wire nud permanent"
                          % (target, bench.sensor.mac)
                          for target in COLLECTORS))
        bench.ovs.vsctl("set", "Open_vSwitch", ".",
                        "other_config:max-idle=600000")
        bench.ovs.appctl("fdb/add", "br0", "server", "0", lab.SERVER_MAC)
        try:
            yield
        finally:
            bench.ovs.appctl("fdb/del", "br0", "0", lab.SERVER_MAC)
            bench.ovs.vsctl("remove", "Open_vSwitch", ".", "other_config",
                            "max-idle")
            bench.forget_neighbours()
            bench.know_neighbours()


@contextlib.contextmanager
def slow_uplink(bench):
    """Lets the uplink take less than there are copies."""
    bench.switch.run("tc", "qdisc", "add", "dev", "wire", "root", "tbf",
                     *SLOW.split())
    try:
        yield
    finally:
        bench.switch.run("tc", "qdisc", "del", "dev", "wire", "root")


def queue(bench):
    """Returns how many packets the queue of the uplink has dropped, and how
    many wait in it."""
    found, = json.loads(bench.switch.run("tc", "-s", "-j", "qdisc", "show",
                                         "dev", "wire"))
    return found["drops"], found["qlen"]


def dropped(namespace, *devices):
    """Returns how many of the frames that they were to send 'devices' have
    dropped."""
    with namespace.entered():
        text = pathlib.Path("/proc/net/dev").read_text()
    return sum(int(re.search(r"\b%s:(.*)" % device, text)[1].split()[11])
               for device in devices)


def figure(text, name):
    return int(re.search(r"\b%s:\s*(\d+)" % name, text)[1])


def sessions(bench):
    with bench.switch.entered(), genl.Socket() as netlink:
        return [session for session in netlink.sessions()
                if session["target"] in COLLECTORS]


def counters(bench):
    """Returns all counters by their names, those of a target as (name,
    target)."""
    arrived = counted(bench.server)
    found = collections.Counter({
        "selected": arrived[SELECTED, None], "others": arrived[OTHERS, None],
        "sender": dropped(bench.client.namespace, *SENDERS),
        "upcall": figure(bench.ovs.appctl("dpctl/show"), "lost"),
        "receiver": dropped(bench.switch, "server"),
        "uplink": dropped(bench.switch, "wire")})
    for session in sessions(bench):
        target = session["target"]
        found["copies", target] += session["copies"]
        found["drops", target] += sum(session[name] for name in DROPS)
        found["xmit"] += session["xmit"]
    for (_, target), packets in counted(bench.sensor).items():
        found["came", target] = packets
    return found


def send(bench, seconds, writer):
    """Sends for 'seconds' or somewhat longer.  Writes how many frames each
    sender has sent, and how many they sent a second."""
    with bench.client.namespace.entered():
        for processor, (device, sources) in enumerate(SENDERS.items()):
            pktgen.give(device, processor)
            pktgen.tell(device, "src_min " + sources[0],
                        "src_max " + sources[-1])
        number, took = ROUND * max(1, int(seconds / 60)), []
        deadline = time.monotonic() + seconds
        while not took or time.monotonic() < deadline:
            took.append(pktgen.send(
                SENDERS, number, "pkt_size 60", "dst_mac " + lab.SERVER_MAC,
                "dst_min 10.2.0.1", "dst_max 10.2.0.1"))
    writer.send((len(took) * number, 10 ** 9 * len(took) / sum(took)))


class Load:
    """Loads the switch for 'seconds', and has what came of it."""

    def __init__(self, bench, seconds):
        self.slowest = 0.0      # Of the answers of ovs-vswitchd, in seconds.
        self.waiting = 0        # Packets at once in the backlogs, at most.
        before = counters(bench)
        with without_taps(bench):
            each, self.rate = self.send(bench, seconds)
            until(quiet.Watch(bench.ovs.vswitchd.pid).quiet,
                  "packets have to come to an end", big_policy.SLOW)
            until(lambda: not queue(bench)[1], "the uplink has to send all")
        check(self.slowest <= pace.seconds(ANSWER),
              "ovs-vswitchd has taken %.1f s to answer", self.slowest)
        self.counts = counters(bench)
        self.counts.subtract(before)
        self.sent = each * len(SENDERS)
        self.due = collections.Counter()
        target = {source: COLLECTORS[number % TARGETS]
                  for number, source in enumerate(SOURCES)}
        for sources in SENDERS.values():
            for source in filter(target.get, sources):
                self.due[target[source]] += each // len(sources)

    def send(self, bench, seconds):
        """Returns what send() writes, which another process runs while
        ovs-vswitchd is asked to answer."""
        reader, writer = multiprocessing.Pipe(duplex=False)
        sender = multiprocessing.get_context("fork").Process(
            target=send, args=(bench, seconds, writer))
        sender.start()
        writer.close()
        try:
            while not reader.poll(0.5):
                began = time.monotonic()
                bench.ovs.appctl("dpctl/show")
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.waiting = max(self.waiting, sum(
                    waiting for _, _, waiting in quiet.backlogs()))
            return reader.recv()
        except EOFError:
            raise lab.Failure("pktgen did not send all") from None
        finally:
            sender.kill()
            sender.join()

    def total(self, name):
        return sum(self.counts[name, target] for target in COLLECTORS)

    def missing(self):
        return self.sent - self.counts["selected"] - self.counts["others"]

    def check_originals(self):
        """Checks that every original arrived but for those dropped where there
        is no room without a mirror either."""
        equal(sum(self.counts[name] for name in LOSERS), self.missing(),
              "originals dropped, of %d that are missing" % self.missing())

    def check_copies(self):
        """Checks that every selected original was copied, which the session
        counts as a copy or a drop, and that every copy arrived."""
        counts = self.counts
        late = self.total("copies") + self.total("drops") - counts["selected"]
        check(0 <= late <= counts["receiver"], "%d copies and drops more than"
              " originals, of which %d were dropped after that", late,
              counts["receiver"])
        equal(self.total("came") + counts["uplink"], self.total("copies"),
              "copies that came or that the uplink dropped")
        for target in COLLECTORS:
            copies, came = counts["copies", target], counts["came", target]
            made = copies + counts["drops", target]
            check(0 <= self.due[target] - made <= self.missing(),
                  "%s: %d copies and drops of %d originals", target, made,
                  self.due[target])
            check(0 <= copies - came <= counts["uplink"],
                  "%s: %d of %d copies came", target, came, copies)


def memory(bench, controller):
    """Returns how many MB of memory each of MOST_GROWTH takes."""
    found = {}
    for name, process in (("ovs-vswitchd", bench.ovs.vswitchd),
                          ("ovs-rmirrord", controller)):
        found[name] = figure(pathlib.Path(
            "/proc/%d/status" % process.pid).read_text(), "VmRSS")
    text = pathlib.Path("/proc/meminfo").read_text()
    found["slabs"] = figure(text, "SUnreclaim")
    found["all"] = figure(text, "MemTotal") - figure(text, "MemAvailable")
    return {name: kilobytes / 1024 for name, kilobytes in found.items()}


def growth(before, after):
    """Checks that memory has not grown by more than MOST_GROWTH.  Returns the
    words about it."""
    for name, most in MOST_GROWTH.items():
        check(after[name] - before[name] <= most, "%s: %.1f MB of memory, and"
              " %.1f MB in the end", name, before[name], after[name])
    return ", ".join("%s %.1f%+.1f" % (name, before[name],
                                       after[name] - before[name])
                     for name in MOST_GROWTH)


def check_mirror(bench, controller, seconds):
    """Loads the switch while it mirrors.  Returns this Load, and that with a
    slow uplink."""
    Load(bench, 1)
    before = memory(bench, controller)
    full = Load(bench, seconds)
    full.check_originals()
    full.check_copies()
    equal(full.total("drops"), 0, "copies dropped")
    bench.ovs.rmirrorctl("status")
    with slow_uplink(bench):
        slow = Load(bench, seconds / 4)
        slow.check_originals()
        slow.check_copies()
        check(slow.counts["xmit"] > 0, "the uplink has to be too slow")
        equal(slow.total("drops"), slow.counts["xmit"], "copies dropped")
        equal(queue(bench)[0], slow.counts["xmit"],
              "copies that the queue of the uplink dropped")
    grown = growth(before, memory(bench, controller))
    flows = figure(bench.ovs.appctl("dpctl/show"), "flows")
    check(flows <= RULES + MOST_OTHER_FLOWS, "%d datapath flows", flows)
    equal(sorted(session["target"] for session in sessions(bench)),
          sorted(COLLECTORS), "targets of the sessions")
    sent = [frames.udp(100, 4000, ip_src=source)
            for source in SOURCES[:TARGETS]]
    lab.copies_of(bench.mirror(sent, collector=bench.sensor),
                  [frame[:LENGTH] for frame in sent])
    bench.note("%d datapath flows" % flows)
    bench.note("MB of memory: " + grown)
    return full, slow


@case("1,000 rules to 64 targets under load lose no original, nor a copy while the uplink takes them", 90)
@tiers(*ENGINE)
def load(bench):
    if os.cpu_count() < len(SENDERS):
        return "skipped: a sender takes a processor"
    lab.run(["modprobe", "pktgen"])
    seconds = inputs.seconds
    with prepared(bench):
        first = Load(bench, seconds / 8)
        with big_policy.mirror(bench, COLLECTORS) as controller:
            full, slow = check_mirror(bench, controller, seconds)
        last = Load(bench, seconds / 8)
        for plain in first, last:
            plain.check_originals()
        bench.ovs.appctl("dpctl/rmirror-flush")
        equal(sessions(bench), [], "sessions that flows hold without a policy")
    for name, one in (("without a mirror", first), ("with it", full),
                      ("with a slow uplink", slow),
                      ("without a mirror", last)):
        bench.note("%s: %d originals, %.0f/s, dropped by %s; %d copies came, %d"
                   " dropped; at most %d waiting, answers within %.1f s"
                   % (name, one.sent, one.rate, " ".join(
                       "%s %d" % (loser, one.counts[loser])
                       for loser in LOSERS), one.total("came"),
                      one.total("drops"), one.waiting, one.slowest))
    return None
