# SPDX-License-Identifier: Apache-2.0
"""A switch, three hosts and the wires between them, for one run of the tests.

Every network namespace is held by nothing but an open file of this process,
and every program started here dies with this process, so that a run leaves
nothing behind however it ends.

    client, server, third          collector           collector2
        eth0                         eth0                 eth0
         |                            |                    |
    client, server, third           uplink              uplink2
     [br0]  --- copies --->  [br-phy] 192.0.2.1   [br-phy2] 198.51.100.1
                                     2001:db8:2::1

Hosts have no addresses on the side of br0: frames come and go through packet
sockets and no kernel answers them.  The collectors' kernels answer ARP and
neighbour solicitations."""

import collections
import contextlib
import ctypes
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pace
import wire

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

INNER_MTU = 9000
UPLINK_MTU = 1500
CLIENT_MAC = "02:00:00:00:00:01"
SERVER_MAC = "02:00:00:00:00:02"
THIRD_MAC = "02:00:00:00:00:03"
COLLECTOR_MAC = "02:00:00:00:00:09"
COLLECTOR2_MAC = "02:00:00:00:00:19"
BR0_MAC = "02:00:00:00:00:f0"
BR0_PORTS = "client", "server", "third"
PHY_MAC = "02:00:00:00:00:0a"
PHY2_MAC = "02:00:00:00:00:1a"
TARGET = "192.0.2.9"
TARGET_B = "192.0.2.10"
TARGET6 = "2001:db8:2::9"
TUNNEL = "192.0.2.1"
TUNNEL2 = "192.0.2.2"
TUNNEL6 = "2001:db8:2::1"
TAP_TABLE = 252
EGRESS_TABLE = 253
# Frames of 9000 bytes that surely fit the switch's packet socket at once.
BURST = 8
MOST_SHOWN = 1000               # Characters of a value that is not as expected.


class Failure(Exception):
    """What a test expected did not happen."""


def check(condition, text, *args):
    if not condition:
        raise Failure(text % args if args else text)


def equal(found, wanted, what):
    if found == wanted:
        return
    if isinstance(found, list) and isinstance(wanted, list):
        same = next((i for i, pair in enumerate(zip(found, wanted))
                     if pair[0] != pair[1]), min(len(found), len(wanted)))
        what = "%s: %d and %d, of which the first %d are equal" % (
            what, len(found), len(wanted), same)
        found, wanted = found[same:], wanted[same:]
    raise Failure("%s: found %.*s, expected %.*s" % (
        what, MOST_SHOWN, repr(found), MOST_SHOWN, repr(wanted)))


def until(condition, what, timeout=8.0):
    """Waits until 'condition' returns something true, and returns that, at
    most pace.seconds('timeout').  'what' is what is waited for, or a function
    that says it when it did not come."""
    timeout = pace.seconds(timeout)
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure("waited %g s in vain: %s"
                          % (timeout, what() if callable(what) else what))
        time.sleep(0.01)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace without a name."""

    def __init__(self):
        with open("/proc/self/ns/net", "rb") as before:
            if _libc.unshare(CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            self.fd = os.open("/proc/self/ns/net", os.O_RDONLY)
            _setns(before.fileno())
        self.path = "/proc/%d/fd/%d" % (os.getpid(), self.fd)

    def close(self):
        """Gives up the namespace; with the last process in it, it is gone."""
        os.close(self.fd)

    @contextlib.contextmanager
    def entered(self):
        with open("/proc/self/ns/net", "rb") as before:
            _setns(self.fd)
            try:
                yield
            finally:
                _setns(before.fileno())

    def ip(self, *lines):
        """Gives 'lines' to ip(8), each without the leading "ip"."""
        with self.entered():
            run(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def run(self, *command, **options):
        with self.entered():
            return run(list(command), **options)


def run(command, stdin=None, env=None, expect_failure=False, timeout=20):
    done = subprocess.run(command, input=stdin, env=env, text=True,
                          timeout=pace.seconds(timeout),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if expect_failure:
        check(done.returncode, "%s: succeeded, it has to fail",
              " ".join(command))
        return done.stderr
    check(not done.returncode, "%s: exit status %d: %s", " ".join(command),
          done.returncode, done.stderr.strip())
    return done.stdout


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Host:
    """What is at the far end of a port of the switch."""

    def __init__(self, lab, port, mac, mtu):
        self.namespace = Namespace()
        lab.hosts.append(self)
        self.port = port
        self.mac = mac
        lab.switch.ip("link add %s type veth peer name eth0 netns %s"
                      % (port, self.namespace.path),
                      "link set %s mtu %d up" % (port, mtu))
        self.namespace.ip("link set lo up",
                          "link set eth0 address %s mtu %d" % (mac, mtu))
        if lab.wire_packets:
            for namespace, device in ((lab.switch, port),
                                      (self.namespace, "eth0")):
                namespace.run("ethtool", "-K", device, "tx", "off", "rx", "off",
                              "gso", "off", "gro", "off")

    def close(self):
        self.tap.close()
        self.namespace.close()

    def up(self, *addresses):
        if not addresses:
            self.namespace.run("sysctl", "-qw",
                               "net.ipv6.conf.eth0.disable_ipv6=1")
        self.namespace.ip(*("addr add %s dev eth0%s"
                            % (address, " nodad" if ":" in address else "")
                            for address in addresses),
                          "link set eth0 up")
        with self.namespace.entered():
            self.tap = wire.Tap("eth0")


class Programs:
    """Where the programs under test are."""

    def __init__(self, ovs, controller):
        self.ovs = ovs
        self.controller = controller
        self.ovs_vswitchd = self.find(ovs, "vswitchd/ovs-vswitchd")
        self.ovsdb_server = self.find(ovs, "ovsdb/ovsdb-server")
        self.ovsdb_tool = self.find(ovs, "ovsdb/ovsdb-tool")
        self.schema = self.find(ovs, "vswitchd/vswitch.ovsschema")
        self.vsctl = self.find(ovs, "utilities/ovs-vsctl")
        self.ofctl = self.find(ovs, "utilities/ovs-ofctl")
        self.appctl = self.find(ovs, "utilities/ovs-appctl")

    @staticmethod
    def find(directory, name):
        for candidate in (name, os.path.basename(name)):
            path = os.path.join(directory, candidate)
            if os.path.exists(path):
                return path
        raise FileNotFoundError("no %s in %s; name the build directories with "
                                "--ovs-build and --controller-build"
                                % (name, directory))

    def rmirrord(self):
        return self.find(self.controller, "controller/ovs-rmirrord")

    def rmirrorctl(self):
        return self.find(self.controller, "controller/ovs-rmirrorctl")


class Switch:
    """An Open vSwitch in a namespace, with a run directory of its own."""

    def __init__(self, lab, programs, directory, logs):
        self.lab = lab
        self.programs = programs
        self.directory = directory
        self.logs = logs
        os.makedirs(logs, exist_ok=True)
        self.database = None
        self.vswitchd = None
        self.controllers = []
        self.environment = dict(
            os.environ, OVS_RUNDIR=directory, OVS_LOGDIR=logs,
            OVS_DBDIR=directory, OVS_SYSCONFDIR=directory)
        run([programs.ovsdb_tool, "create", directory + "/conf.db",
              programs.schema])
        self.launch_database()
        until(lambda: os.path.exists(directory + "/db.sock"),
              "ovsdb-server has to make its socket")
        # settle() waits for whole rounds of revalidation; short ones make
        # short tests.
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:max-revalidator=100")
        self.start()

    def _start(self, *command):
        with self.lab.switch.entered(), \
                open(self.logs + "/console.log", "ab") as log:
            return subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=_die_with_parent)

    def launch_database(self):
        self.database = self._start(
            self.programs.ovsdb_server, self.directory + "/conf.db",
            "--pidfile", "--log-file", "-vconsole:off",
            "--remote=punix:%s/db.sock" % self.directory)

    def launch(self):
        """Starts ovs-vswitchd."""
        self.vswitchd = self._start(
            self.programs.ovs_vswitchd, "--pidfile", "--log-file",
            "-vconsole:off", *self.lab.vswitchd_options,
            "unix:%s/db.sock" % self.directory)

    def start(self):
        """Starts ovs-vswitchd and waits until it and its bridges answer."""
        self.launch()
        self.wait()

    def wait(self):
        """Waits until ovs-vswitchd, which has been started, and its bridges
        answer."""
        until(lambda: os.path.exists(self.directory + "/ovs-vswitchd.pid")
              and self._answers(self.programs.appctl, "version"),
              "ovs-vswitchd has to answer")
        for bridge in self.vsctl("list-br").split():
            until(lambda bridge=bridge: self._answers(self.programs.ofctl,
                                                      "show", bridge),
                  "bridge %s has to answer" % bridge)

    def _answers(self, *command):
        return not subprocess.run(
            command, env=self.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=pace.seconds(10)).returncode

    def stop(self):
        """Ends ovs-vswitchd as a service manager would."""
        self.vswitchd.terminate()
        self.vswitchd.wait(pace.seconds(10))

    def end(self):
        for process in (*self.controllers, self.vswitchd, self.database):
            if process and process.poll() is None:
                process.terminate()
        for process in (*self.controllers, self.vswitchd, self.database):
            if process is None:
                continue
            try:
                process.wait(pace.seconds(5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def alive(self):
        check(self.vswitchd.poll() is None,
              "ovs-vswitchd has ended with status %s; see %s/ovs-vswitchd.log",
              self.vswitchd.returncode, self.logs)

    def vsctl(self, *words):
        return run([self.programs.vsctl, "-t", str(pace.seconds(10)), *words],
                    env=self.environment)

    def ofctl(self, *words, stdin=None, expect_failure=False):
        return run([self.programs.ofctl, "-O", "OpenFlow15", *words],
                    stdin, env=self.environment,
                    expect_failure=expect_failure)

    def appctl(self, *words, expect_failure=False):
        return run([self.programs.appctl, *words], env=self.environment,
                    expect_failure=expect_failure)

    def flows(self, *flows, bridge="br0"):
        """Replaces all flows of 'bridge', at once, by 'flows'."""
        self.ofctl("--bundle", "replace-flows", bridge, "-",
                   stdin="\n".join(flows) + "\n")
        self.settle()

    def settle(self):
        """Waits until the datapath flows follow the OpenFlow tables.  The first
        wait may be for a round that had begun before the last change."""
        for _ in range(2):
            self.appctl("revalidator/wait")

    def counter(self, target, name, *options):
        """Returns a counter of the sessions to 'target', which dpctl names
        'name', summed up over those that have all of 'options'."""
        total = 0
        shown = self.appctl("dpctl/rmirror-show")
        for session, counters in re.findall(r"^(\S.*)\n((?:\s+\S.*\n)*)", shown,
                                            re.MULTILINE):
            if {"target=" + target, *options} <= set(session.split(",")):
                found = re.search(r"\b%s:(\d+)" % name, counters)
                check(found, "no counter %s in: %s", name, shown)
                total += int(found.group(1))
        return total

    def save_state(self, name):
        """Adds what the switch says about its mirror to the logs, for the
        failed test 'name'."""
        with open(self.logs + "/failures.log", "a", encoding="utf-8") as log:
            log.write("==== %s\n" % name)
            for command in (("appctl", "dpctl/rmirror-show"),
                            ("appctl", "ovs/route/show"),
                            ("appctl", "tnl/neigh/show"),
                            ("appctl", "dpctl/dump-flows", "-m"),
                            ("appctl", "coverage/show"),
                            ("ofctl", "dump-flows", "br0")):
                log.write("---- %s\n" % " ".join(command))
                try:
                    done = subprocess.run(
                        [getattr(self.programs, command[0]), *command[1:]],
                        env=self.environment, text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        timeout=pace.seconds(10))
                    log.write(done.stdout + "\n")
                except subprocess.TimeoutExpired as error:
                    log.write("%s\n" % error)

    def rmirrorctl(self, *words, expect_failure=False):
        return run([self.programs.rmirrorctl(), *words],
                    env=self.environment, expect_failure=expect_failure)

    def rmirrord(self, policy, *options):
        """Starts the controller for br0 with the file 'policy'."""
        return self.daemon("--bridge", "br0", "--policy", policy, *options)

    def daemon(self, *options, through=()):
        """Starts the controller with 'options', through the command 'through'
        if there is one, which has to execute it."""
        return self.controller(
            *through, self.programs.rmirrord(), "--pidfile", "--log-file",
            "-vconsole:off", *options)

    def controller(self, *command):
        """Starts a controller by 'command'."""
        process = self._start(*command)
        self.controllers.append(process)
        return process


class Lab:
    """The whole topology.  A test gets it as reset() leaves it: br0 switches
    like an ordinary switch, nothing is mirrored, the neighbours of the
    collectors are known."""

    datapath_type = "netdev"
    vswitchd_options = ["--disable-system"]
    # The userspace datapath reads whole wire packets: none may come with its
    # checksum or segmentation left to a device.
    wire_packets = True

    def __init__(self, programs, logs=None):
        self.directory = tempfile.mkdtemp(prefix="rmirror-e2e-")
        self.tokens = 0
        self.notes = []         # What the test wants its line to say as well.
        self.ovs = None
        self.hosts = []
        self.switch = Namespace()
        self.switch.ip("link set lo up")
        self.switch.run("sysctl", "-qw", "net.ipv6.conf.all.accept_ra=0",
                        "net.ipv6.conf.default.disable_ipv6=1")
        self.client = Host(self, "client", CLIENT_MAC, INNER_MTU)
        self.server = Host(self, "server", SERVER_MAC, INNER_MTU)
        self.third = Host(self, "third", THIRD_MAC, INNER_MTU)
        self.collector = Host(self, "uplink", COLLECTOR_MAC, UPLINK_MTU)
        self.collector2 = Host(self, "uplink2", COLLECTOR2_MAC, UPLINK_MTU)
        for host in self.client, self.server, self.third:
            host.up()
        self.collector.up(TARGET + "/24", TARGET_B + "/24", TARGET6 + "/64")
        self.collector2.up("198.51.100.9/24")
        try:
            self.ovs = Switch(self, programs, self.directory,
                              logs or self.directory)
            self.bridges()
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.ovs:
            self.ovs.end()
        for host in self.hosts:
            host.close()
        self.switch.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def bridges(self):
        words = []
        for bridge, mac, ports in (
                ("br0", BR0_MAC, BR0_PORTS),
                ("br-phy", PHY_MAC, ("uplink",)),
                ("br-phy2", PHY2_MAC, ("uplink2",))):
            words += self.add_bridge(bridge, mac, ports)
        self.ovs.vsctl(*words)
        self.addresses()

    def add_bridge(self, bridge, mac, ports):
        """Returns the words for ovs-vsctl that make a bridge."""
        words = ["--", "add-br", bridge, "--", "set", "bridge", bridge,
                 "datapath_type=" + self.datapath_type, "fail-mode=secure",
                 "other-config:hwaddr=" + mac]
        for port in ports:
            words += ["--", "add-port", bridge, port]
        return words

    def addresses(self):
        """Gives the bridges' own ports their addresses.  They are lost with
        ovs-vswitchd."""
        self.switch.run("sysctl", "-qw", "net.ipv6.conf.br-phy.disable_ipv6=0")
        self.switch.ip(
            "link set br-phy mtu %d up" % UPLINK_MTU,
            "addr replace %s/24 dev br-phy" % TUNNEL,
            "addr replace %s/64 dev br-phy nodad" % TUNNEL6,
            "link set br-phy2 mtu %d up" % UPLINK_MTU,
            "addr replace 198.51.100.1/24 dev br-phy2")
        with self.switch.entered():
            self.phy = wire.Tap("br-phy")
            self.phy2 = wire.Tap("br-phy2")
        self.ovs.flows("actions=NORMAL", bridge="br-phy")
        self.ovs.flows("actions=NORMAL", bridge="br-phy2")
        self.wait_route(TARGET, "br-phy")
        self.wait_route(TARGET6, "br-phy")
        self.wait_route("198.51.100.9", "br-phy2")

    def wait_route(self, address, device):
        """Waits until ovs-vswitchd sends what is for 'address' out of
        'device'; None: nowhere."""
        def seen():
            text = self.ovs.appctl("ovs/route/show")
            network = ipaddress.ip_address(address)
            devices = [found.group(2) for found in re.finditer(
                r"^\S+: (\S+/\d+) .*\bdev (\S+)", text, re.MULTILINE)
                if network in ipaddress.ip_network(found.group(1))]
            # The kernel may have an exception to a route, of the same device.
            return set(devices) == ({device} if device else set())
        until(seen, "the route to %s has to lead to %s" % (address, device))
        self.ovs.settle()

    def know_neighbours(self):
        """Tells ovs-vswitchd the MAC addresses of the collectors."""
        for bridge, address, mac in (
                ("br-phy", TARGET, COLLECTOR_MAC),
                ("br-phy", TARGET_B, COLLECTOR_MAC),
                ("br-phy", TARGET6, COLLECTOR_MAC),
                ("br-phy2", "198.51.100.9", COLLECTOR2_MAC)):
            self.ovs.appctl("tnl/neigh/set", bridge, address, mac)
        self.ovs.settle()

    def forget_neighbours(self):
        """Has ovs-vswitchd forget MAC addresses.  Waits for nothing, since it
        may have no database and then settle() is not answered."""
        self.ovs.appctl("tnl/neigh/flush")

    def note(self, text):
        """Adds 'text', such as what was measured, to the line of the test."""
        self.notes.append(text)

    def reset(self):
        self.notes = []
        self.ovs.alive()
        self.ovs.vsctl(
            "clear", "bridge", "br0", "other_config",
            "--", "set", "bridge", "br0",
            "other-config:hwaddr=" + BR0_MAC,
            "--", "clear", "port", "client", "tag",
            "--", "clear", "port", "server", "tag",
            "--", "clear", "port", "third", "tag")
        self.ovs.ofctl("del-groups", "br0")
        self.ovs.ofctl("del-meters", "br0")
        self.ovs.flows("actions=NORMAL")
        self.ovs.appctl("fdb/flush", "br0")
        self.know_neighbours()
        self.drain()

    def not_read(self):
        """Returns how many frames the kernel has not had room for in the sockets
        by which ovs-vswitchd reads the client's port."""
        shown = self.switch.run("ss", "-0", "-H", "-m", "-n")
        return sum(int(drops) for drops in re.findall(
            r":client\b.*\bskmem:\(.*,d(\d+)\)", shown))

    def drain(self):
        for host in (self.client, self.server, self.third, self.collector,
                     self.collector2):
            host.tap.drain()

    def token(self):
        self.tokens += 1
        return "mark%d" % self.tokens

    def send(self, source, frames):
        """Sends 'frames', few enough for the switch's packet socket, from the
        host 'source'."""
        for frame in frames:
            source.tap.send(frame)

    def arrive(self, source, receiver, vlan=None):
        """Returns what 'receiver' has got from 'source' up to now.  The way
        from one to the other has to be open for the marker."""
        return self._marked(source.tap, receiver, vlan)

    def collected(self, collector=None):
        """Returns the copies that have come to 'collector' up to now.  What
        the switch has taken in before this call is waited for."""
        return [copy for copy in wire.copies(self.seen(collector))
                if not wire.is_marker(copy.frame)]

    def seen(self, collector=None):
        """Like collected(), but returns the frames as they are."""
        collector = collector or self.collector
        phy = self.phy if collector is self.collector else self.phy2
        return self._marked(phy, collector)

    def _marked(self, tap, receiver, vlan=None):
        """Returns the frames at 'receiver' up to a marker that is sent into
        'tap'.  In one batch the switch may let a frame that has a datapath
        flow pass one that has none, so the marker that counts is sent when
        another one, and so the batch with all that was before, has left the
        switch."""
        frames = []
        for _ in range(2):
            token = self.token()
            tap.send(wire.marker(receiver.mac, tap.mac, token, vlan))
            frames += receiver.tap.until(token)
        return frames

    def mirror(self, frames, source=None, receiver=None, expect=None,
               sent_vlan=None, collector=None):
        """Sends 'frames' from 'source' to 'receiver' (the client and the
        server) and returns the copies at 'collector'.  Checks that the
        receiver got exactly 'expect', by default just what was sent."""
        source = source or self.client
        receiver = receiver or self.server
        arrived = []
        for first in range(0, len(frames), BURST):
            self.send(source, frames[first:first + BURST])
            arrived += self.arrive(source, receiver, sent_vlan)
        originals(arrived, frames if expect is None else expect)
        return self.collected(collector)


def originals(found, wanted):
    """Checks that the frames 'found' at a receiver are 'wanted', byte for
    byte.  Their order is the switch's: it keeps that of each flow, not that
    of different flows in one burst."""
    missing, extra = difference(found, wanted)
    check(not missing and not extra,
          "originals: %d of %d are missing: %s; %d are changed or too many: %s",
          len(missing), len(wanted), shown(missing), len(extra), shown(extra))


def copies_of(copies, wanted, what="copies"):
    """Checks that the inner frames of 'copies' are 'wanted', and returns
    'copies' in the order of 'wanted'."""
    missing, extra = difference([copy.frame for copy in copies], wanted)
    check(not missing and not extra,
          "%s: %d of %d are missing: %s; %d are changed or too many: %s",
          what, len(missing), len(wanted), shown(missing), len(extra),
          shown(extra))
    left = list(copies)
    return [left.pop([copy.frame for copy in left].index(frame))
            for frame in wanted]


def difference(found, wanted):
    """Returns what is only in 'wanted' and what is only in 'found', both
    counted as often as they occur."""
    found = collections.Counter(found)
    wanted = collections.Counter(wanted)
    return list((wanted - found).elements()), list((found - wanted).elements())


def shown(frames):
    """Returns the first of 'frames' for an error message."""
    if not frames:
        return "none"
    return "%d bytes %s%s" % (len(frames[0]), frames[0][:60].hex(),
                              "..." if len(frames[0]) > 60 else "")
