# SPDX-License-Identifier: Apache-2.0
"""A kernel datapath without ovs-vswitchd: two hosts, and a sensor that gets
the copies, at the far end of a device that is no port.

    client  eth0 --- client [datapath rm0] server --- eth0  server
                               :
                               : copies, as GRE/TEB
                               v
    wire 198.18.0.1, 2001:db8:18::1 --- eth0  sensor 198.18.0.9, .10, ...::9

The datapath has one flow for each port, which all frames match, so that no
frame waits for anybody and what has been sent has arrived."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

import frames
import genl
import lab
import quiet
import wire

SENSOR_MAC = "02:00:00:00:00:18"
WIRE_MAC = "02:00:00:00:00:11"
SENSOR = "198.18.0.9"
SENSOR_B = "198.18.0.10"
SENSOR6 = "2001:db8:18::9"
WIRE = "198.18.0.1"
WIRE6 = "2001:db8:18::1"
CLIENT_IP, SERVER_IP = "10.0.0.1", "10.0.0.2"
CLIENT_IP6, SERVER_IP6 = "fd00::1", "fd00::2"
DATAPATH = "rm0"

# Together they match every frame in the tests.  A flow knows how many tags
# its frames have.
_TAG = "vlan(vid=0/0,pcp=0/0)"
MATCHES = (
    "in_port(%d),eth()",
    "in_port(%d),eth(),eth_type(0x8100)," + _TAG
    + ",encap(eth_type(0x0800),ipv4())",
    "in_port(%d),eth(),eth_type(0x8100)," + _TAG
    + ",encap(eth_type(0x86dd),ipv6())",
    "in_port(%d),eth(),eth_type(0x88a8)," + _TAG
    + ",encap(eth_type(0x0800),ipv4())",
    "in_port(%d),eth(),eth_type(0x88a8)," + _TAG
    + ",encap(eth_type(0x8100)," + _TAG + ",encap(eth_type(0x0800),ipv4()))",
    "in_port(%d),eth(),eth_type(0x8100)," + _TAG
    + ",encap(eth_type(0x8100)," + _TAG + ",encap(eth_type(0x0800),ipv4()))")

TIERS = "native", "vport", "composed"
ENGINE = "native", "vport"      # The tiers of the kernel module.
# The devices that take the copies from the datapath, and their kinds.  They
# are its ports from number 3 on.
DEVICES = {"native": (),
           "vport": (("rmirror_sys", "rmirror"),),
           "composed": (("gre_sys", "gretap external"),
                        ("ip6gre_sys", "ip6gretap external"))}


def one_processor():
    """Keeps this thread on one processor, always the same: what is sent on
    another one may overtake what waits in the backlog of the first."""
    return quiet.processor(min(os.sched_getaffinity(0)))


def tiers(*names):
    """Makes a test one for the tiers 'names' only."""
    def mark(function):
        function.tiers = names
        return function
    return mark


class Datapath:
    """See above.  'tier' is one of TIERS."""

    wire_packets = False
    matches = MATCHES

    def __init__(self, programs, tier, out):
        self.programs = programs
        self.tier = tier
        self.out = out
        self.hosts = []
        self.tokens = 0
        self.notes = []
        self.directory = tempfile.mkdtemp(prefix="rmirror-kernel-")
        self.environment = dict(os.environ, OVS_RUNDIR=self.directory,
                                OVS_LOGDIR=self.directory)
        self.dpctl_path = programs.find(programs.ovs, "utilities/ovs-dpctl")
        self.switch = lab.Namespace()
        self.switch.ip("link set lo up")
        self.switch.run("sysctl", "-qw", "net.ipv6.conf.all.accept_ra=0",
                        "net.ipv6.conf.default.disable_ipv6=1")
        try:
            self.client = lab.Host(self, "client", lab.CLIENT_MAC,
                                   lab.INNER_MTU)
            self.server = lab.Host(self, "server", lab.SERVER_MAC,
                                   lab.INNER_MTU)
            self.sensor = lab.Host(self, "wire", SENSOR_MAC, lab.UPLINK_MTU)
            self.client.up()
            self.server.up()
            self.sensor.up(SENSOR + "/24", SENSOR_B + "/24", SENSOR6 + "/64")
            self.uplink()
            self.make_devices()
            self.ports()
            self.reset()
        except BaseException:
            self.close()
            raise

    def ports(self):
        """Makes the datapath and its ports."""
        self.dpctl("add-dp", DATAPATH)
        self.dpctl("add-if", DATAPATH, "client,port_no=1",
                   "server,port_no=2")
        self.add_devices()

    def make_devices(self):
        """Makes what takes the copies from the datapath."""
        for device, kind in DEVICES[self.tier]:
            self.switch.ip("link add %s type %s" % (device, kind),
                           "link set %s mtu 65000 up" % device)

    def add_devices(self):
        """Makes them its ports."""
        for number, (device, _) in enumerate(DEVICES[self.tier], 3):
            self.dpctl("add-if", DATAPATH, "%s,port_no=%d" % (device, number))

    def uplink(self):
        """Gives the uplink its addresses and its neighbours."""
        self.switch.run("sysctl", "-qw", "net.ipv6.conf.wire.disable_ipv6=0")
        self.switch.ip("link set wire address %s mtu %d up"
                       % (WIRE_MAC, lab.UPLINK_MTU),
                       "addr replace %s/24 dev wire" % WIRE,
                       "addr replace %s/64 dev wire nodad" % WIRE6,
                       *("neigh replace %s lladdr %s dev wire nud permanent"
                         % (address, SENSOR_MAC)
                         for address in (SENSOR, SENSOR_B, SENSOR6)))
        with self.switch.entered():
            self.wire = wire.Tap("wire")

    def close(self):
        with contextlib.suppress(lab.Failure):
            self.dpctl("del-dp", DATAPATH)
        for host in self.hosts:
            host.close()
        self.switch.close()

    def note(self, text):
        """Adds 'text', such as what was measured, to the line of the test."""
        self.notes.append(text)

    def alive(self):
        """Nothing but the kernel can die here."""

    def save_state(self, name):
        with open(self.out + "/failures.log", "a", encoding="utf-8") as log:
            log.write("==== %s\n" % name)
            for words in (["dump-flows", DATAPATH], ["show", "-s"]):
                with contextlib.suppress(lab.Failure):
                    log.write(self.dpctl(*words))

    def dpctl(self, *words, **options):
        with self.switch.entered():
            return lab.run([self.dpctl_path, *words], env=self.environment,
                           **options)

    def mirror_action(self, target, length=0, key=None, ttl=255, tos=0,
                      df=False):
        """Returns the datapath actions that mirror to 'target'; 'length' may be
        "mtu" and 'tos' "inherit"."""
        if self.tier == "native":
            words = ["target=" + target]
            if length:
                words.append("len=%s" % length)
            if key is not None:
                words.append("key=%d" % key)
            if ttl != 255:
                words.append("ttl=%d" % ttl)
            if tos:
                words.append("tos=%s" % tos)
            if df:
                words.append("df=true")
            return "rmirror(%s)" % ",".join(words)
        words = [] if key is None else ["tun_id=%d" % key]
        words += ["ipv6_dst=" + target if ":" in target else "dst=" + target,
                  "ttl=%d" % ttl]
        if tos and tos != "inherit":
            words.append("tos=%d" % tos)
        port = 3
        trunc = ""
        if self.tier == "vport":
            if tos == "inherit":
                words.append("tp_src=1")
            words.append("tp_dst=%d" % (1 if length == "mtu" else length))
        else:
            port = 4 if ":" in target else 3
            if length:
                trunc = "trunc(%d)," % length
        flags = (["df"] if df else []) + (["key"] if key is not None else [])
        words.append("flags(%s)" % "|".join(flags))
        return "clone(%sset(tunnel(%s)),%d)" % (trunc, ",".join(words), port)

    def flows(self, there, back="1"):
        """Replaces the flows: 'there' are the actions for what the client
        sends, 'back' for what the server sends."""
        self.dpctl("del-flows", DATAPATH)
        self.dpctl("add-flows", DATAPATH, "-", stdin="".join(
            "%s %s\n" % (match % port, actions)
            for port, actions in ((1, there), (2, back))
            for match in self.matches))

    def reset(self):
        self.notes = []
        self.flows("2")
        for host in self.hosts:
            host.tap.drain()

    def without_filters(self):
        """Removes the tables that iptables left behind: an empty one is asked
        about each packet, too."""
        self.switch.run("modprobe", "-r", "iptable_filter", "ip6table_filter")

    def arrive(self, source=None, receiver=None):
        """Returns what 'receiver' has got from 'source' up to now."""
        return self._marked(getattr(source or self.client, "tap", source),
                            receiver or self.server)

    def seen(self):
        """Returns what has come to the sensor up to now, as it is."""
        return self._marked(self.wire, self.sensor)

    def collected(self):
        """Returns the copies that have come to the sensor up to now."""
        return [copy for copy in wire.copies(self.seen())
                if not wire.is_marker(copy.frame)]

    def _marked(self, tap, receiver):
        self.tokens += 1
        token = "mark%d" % self.tokens
        # Nothing that the marker could overtake is on its way then.
        quiet.settle()
        tap.send(wire.marker(receiver.mac, tap.mac, token))
        return receiver.tap.until(token)

    def send(self, frames, source=None):
        with one_processor():
            for frame in frames:
                (source or self.client).tap.send(frame)

    def mirror(self, frames, expect=None):
        """Sends 'frames' from the client to the server and returns the copies.
        Checks that the server gets exactly 'expect', by default what was
        sent."""
        self.send(frames)
        lab.originals(self.arrive(), frames if expect is None else expect)
        return self.collected()

    @contextlib.contextmanager
    def traffic(self):
        """Has a process send frames from the client as fast as it can."""
        with self.client.namespace.entered():
            process = subprocess.Popen(
                ["/usr/bin/python3", "-c",
                 "import socket\n"
                 "sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
                 "sock.bind(('eth0', 0))\n"
                 "frame = bytes.fromhex('%s')\n"
                 "print(flush=True)\n"
                 "while True: sock.send(frame)" % frames.udp(600).hex()],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
            process.communicate()
            for host in self.server, self.sensor:
                with contextlib.suppress(OverflowError, OSError):
                    host.tap.drain()

    def addresses(self):
        """Gives the hosts addresses, for traffic of their own."""
        for host, mine, mine6, other, other6, mac in (
                (self.client, CLIENT_IP, CLIENT_IP6, SERVER_IP, SERVER_IP6,
                 lab.SERVER_MAC),
                (self.server, SERVER_IP, SERVER_IP6, CLIENT_IP, CLIENT_IP6,
                 lab.CLIENT_MAC)):
            host.namespace.run("sysctl", "-qw",
                               "net.ipv6.conf.eth0.disable_ipv6=0")
            host.namespace.ip(
                "addr replace %s/24 dev eth0" % mine,
                "addr replace %s/64 dev eth0 nodad" % mine6,
                "link set eth0 mtu 1500",
                "neigh replace %s lladdr %s dev eth0 nud permanent"
                % (other, mac),
                "neigh replace %s lladdr %s dev eth0 nud permanent"
                % (other6, mac))

    def gretap(self, name, target, key=None):
        """Makes the device 'name' at the sensor, on which the kernel there
        gives out what it gets for 'target' and 'key'."""
        kind, remote = (("ip6gretap", WIRE6) if ":" in target
                        else ("gretap", WIRE))
        self.sensor.namespace.ip(
            "link add %s type %s local %s remote %s%s"
            % (name, kind, target, remote,
               "" if key is None else " key %d" % key))
        self.sensor.namespace.run("sysctl", "-qw",
                                  "net.ipv6.conf.%s.disable_ipv6=1" % name)
        # Copies are to be seen one by one.
        self.sensor.namespace.run("ethtool", "-K", name, "gro", "off")
        self.sensor.namespace.ip("link set %s up" % name)

    @contextlib.contextmanager
    def capture(self, name, host, device, *words, snaplen=0):
        """Captures on 'device' of 'host' into the file 'name'.pcap of the
        results, whole when the context ends."""
        path = os.path.join(self.out, name + ".pcap")
        with host.namespace.entered():
            process = subprocess.Popen(
                ["tcpdump", "-i", device, "-n", "-B", "65536", "-Z", "root",
                 "-s", str(snaplen), "-w", path, *words],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = ""
        while "listening" not in line:
            line = process.stderr.readline()
            lab.check(line, "tcpdump did not start on %s", device)

        read, when = None, 0.0

        def has_all():
            """Whether tcpdump has written what the kernel has for it, which it
            does not when it ends.  Either the kernel has no more, or, where it
            counted packets that came before the filter, for a while no more
            was written."""
            nonlocal read, when
            process.send_signal(signal.SIGUSR1)
            counts = [int(count) for count
                      in re.findall(r"(\d+) packet", process.stderr.readline())]
            lab.check(len(counts) >= 3, "tcpdump on %s has ended", device)
            lab.equal(counts[2], 0, "packets that tcpdump on %s lost" % device)
            if counts[0] != read:
                read, when = counts[0], time.monotonic()
            return counts[0] == counts[1] or time.monotonic() > when + 5

        try:
            yield
            lab.until(has_all, "tcpdump has to read all", timeout=10)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)

    def netlink(self):
        """Returns a genl.Socket in the namespace of the datapath."""
        with self.switch.entered():
            return genl.Socket()

    def counter(self, name, **fields):
        """Returns a counter of the sessions of the engine, summed up over
        those whose 'fields', as genl.Socket.sessions() has them, fit."""
        with self.netlink() as netlink:
            return sum(session[name] for session in netlink.sessions()
                       if fields.items() <= session.items())
