# SPDX-License-Identifier: Apache-2.0
"""What may break at any time, and how it is mended."""

import dataclasses
import signal
import socket
import subprocess
from typing import Callable

import lab
import labs
import pace
import policies

TABLES = lab.TAP_TABLE, lab.EGRESS_TABLE
TIERS = "userspace", "native", "vport"
KERNEL = "native", "vport"
INGRESS_KEY = "rmirror-ingress-table"
EGRESS_KEY = "rmirror-egress-table"


def nothing(_world, _rng):
    pass


@dataclasses.dataclass(frozen=True)
class Fault:
    """'do' and 'undo' get a World and a source of random numbers."""
    cause: str
    takes: str                  # What it breaks or needs, in words: two faults
                                # at once have none in common.
    do: Callable
    undo: Callable = nothing
    # Whether copies, or originals as well, may get lost while it is broken.
    loses_copies: bool = False
    loses_originals: bool = False
    # Whether a datapath that forwards alone has its flows until it is mended,
    # and so loses nothing before.
    flows_stay: bool = False
    tiers: tuple = TIERS        # Those that have what it breaks.


def end(process, number):
    process.send_signal(number)
    process.wait(pace.seconds(20))


# The controller and its policy.

def controller_ends(number):
    return lambda world, _: world.end_controller(number)


def controller_returns(world, _):
    world.start_controller()


def controller_hangs(world, _):
    world.responsive = False
    world.controller.send_signal(signal.SIGSTOP)


def controller_goes_on(world, _):
    world.controller.send_signal(signal.SIGCONT)
    world.responsive = True


def policy_changes(world, rng):
    world.load(policies.random_policy(rng))


def policy_same(world, _):
    world.load(world.policy)


def policy_breaks(world, rng):
    """Damages a policy of which not a rule may come into force."""
    lines = str(policies.random_policy(rng)).splitlines()
    lines.insert(rng.randrange(1, len(lines)), rng.choice((
        "-A PREROUTING -j NOWHERE", "-A PREROUTING -p udp --dport 70000 -j"
        " RMIRROR --target 192.0.2.9", "*filter", "\udcff\udcfe")))
    world.write("\n".join(lines) + "\n")
    if world.responsive:
        lab.check(world.ctl("reload").returncode,
                  "a broken policy has to be refused")


def policy_mended(world, _):
    world.load(world.policy)


# Open vSwitch.

def switch_ends(number):
    def ends(world, _):
        world.establish()
        world.switch_lost = True
        end(world.bench.ovs.vswitchd, number)
    return ends


def switch_returns(world, _):
    world.bench.ovs.launch()


def database_ends(number):
    def ends(world, _):
        # Without its connection to the database, ovs-vswitchd serves neither
        # controllers nor the ports that its main loop reads.
        world.switch_deaf = True
        end(world.bench.ovs.database, number)
    return ends


def database_returns(world, _):
    world.bench.ovs.launch_database()


def database_hangs(world, _):
    world.bench.ovs.database.send_signal(signal.SIGSTOP)


def database_goes_on(world, _):
    world.bench.ovs.database.send_signal(signal.SIGCONT)


def bridge_made_again(world, _):
    bench = world.bench
    world.bridge_lost = True
    bench.ovs.vsctl("--", "del-br", "br0", *bench.add_bridge(
        "br0", lab.BR0_MAC, lab.BR0_PORTS), "--", "set", "bridge", "br0",
                    "fail-mode=" + world.fail_mode)


# What others do to the bridge.

def flows_change(world, rng):
    table = rng.choice(TABLES)
    command, flow = rng.choice((
        ("del-flows", "table=%d" % table),
        ("del-flows", "table=%d,udp" % table),
        ("mod-flows", "table=%d,actions=drop" % table),
        ("add-flow", "table=%d,priority=65535,actions=drop" % table),
        ("add-flow", "table=%d,priority=7,udp,actions=rmirror(target=%s)"
         % (table, lab.TARGET))))
    world.bench.ovs.ofctl(command, "br0", flow)


def meters_go(world, _):
    world.bench.ovs.ofctl("del-meters", "br0")


def taps_change(world, rng):
    world.bench.ovs.vsctl("--no-wait", *rng.choice((
        ("clear", "bridge", "br0", "other_config"),
        ("remove", "bridge", "br0", "other_config", INGRESS_KEY),
        ("set", "bridge", "br0", "other_config:%s=7" % INGRESS_KEY),
        ("set", "bridge", "br0", "other_config:%s=9" % EGRESS_KEY))))


# The kernel's modules, and what it has for the switch.

def unload(name):
    """Returns why the module 'name' cannot be unloaded, nothing if it is."""
    return subprocess.run(["rmmod", name], check=False, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def modules_go(world, rng):
    """Does what "ovs-ctl force-reload-kmod" does, or an operator in a hurry."""
    switch_ends(rng.choice((signal.SIGTERM, signal.SIGKILL)))(world, rng)
    world.bench.dpctl("del-dp", labs.DATAPATH)
    for name in labs.MODULES:
        lab.equal(unload(name), "", "rmmod " + name)


def modules_return(world, rng):
    """Has ovs-vswitchd start, which has the kernel load what it asks for, if
    nobody else has."""
    if rng.random() < 0.5:
        lab.run(["modprobe", "openvswitch"])
    switch_returns(world, rng)


def modules_stay(world, _):
    """Tries to unload what is in use."""
    used = labs.MODULES if world.bench.tier == "native" else labs.MODULES[:1]
    for name in used:
        lab.check("is in use" in unload(name), "%s was unloaded", name)


def engine_goes(_world, _):
    lab.equal(unload("rmirror"), "", "rmmod rmirror")


def engine_returns(_world, _):
    lab.run(["modprobe", "rmirror"])


def device_goes(world, _):
    world.bench.switch.ip("link del rmirror_sys")


def uplink_forgotten(world, _):
    world.bench.dpctl("del-if", labs.DATAPATH, "uplink")


# A host of the bridge.

def host_goes(world, _):
    world.remove_host("third")


def host_returns(world, _):
    """Has the host return, and whoever manages it remove its port and add it
    again: in the userspace datapath, an Open vSwitch that has had the device
    open does not take another one of the same name."""
    world.add_host("third", lab.INNER_MTU)
    if world.bench.tier == "userspace" and not world.switch_lost:
        world.bench.ovs.vsctl("del-port", "br0", "third")
        world.bench.ovs.vsctl("--no-wait", "add-port", "br0", "third")


def host_port_goes(world, _):
    world.bench.ovs.vsctl("--no-wait", "del-port", "br0", "third")


def host_port_returns(world, _):
    world.bench.ovs.vsctl("--no-wait", "add-port", "br0", "third")


# The way to the collector.

def down(namespace, tap):
    """Sets the device of 'tap' down."""
    namespace.ip("link set %s down" % tap.device)
    # The socket, too, says once that its device is down.
    tap.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def collector_goes(world, _):
    collector = world.bench.collector
    down(collector.namespace, collector.tap)


def collector_returns(world, _):
    world.bench.collector.namespace.ip(
        "link set eth0 up",
        *("addr replace %s dev eth0" % address for address in (
            lab.TARGET + "/24", lab.TARGET_B + "/24",
            lab.TARGET6 + "/64 nodad")))


def collector_deleted(world, _):
    world.remove_host("collector")


def collector_made_again(world, _):
    world.add_host("collector", lab.UPLINK_MTU, lab.TARGET + "/24",
                   lab.TARGET_B + "/24", lab.TARGET6 + "/64")


def uplink_moves(world, _):
    bench = world.bench
    bench.switch.ip("link set uplink netns " + bench.collector.namespace.path)


def uplink_moves_back(world, _):
    bench = world.bench
    bench.collector.namespace.ip("link set uplink netns " + bench.switch.path)
    bench.switch.ip("link set uplink up")


def mtu_shrinks(world, _):
    world.bench.switch.ip("link set uplink mtu 1400")


def mtu_grows(world, _):
    world.bench.switch.ip("link set uplink mtu %d" % lab.UPLINK_MTU)


def link_down(world, _):
    world.bench.switch.ip("link set uplink down")


def link_up(world, _):
    world.bench.switch.ip("link set uplink up")


def uplink_goes(world, _):
    world.bench.ovs.vsctl("--no-wait", "del-port", "br-phy", "uplink")


def uplink_returns(world, _):
    world.bench.ovs.vsctl("--no-wait", "add-port", "br-phy", "uplink")


def route_goes(world, _):
    world.bench.switch.ip("addr flush dev br-phy")


def route_returns(world, _):
    world.bench.switch.ip(
        "addr replace %s/24 dev br-phy" % lab.TUNNEL,
        "addr replace %s/64 dev br-phy nodad" % lab.TUNNEL6)


def device_down(world, _):
    down(world.bench.switch, world.bench.phy)


def device_up(world, rng):
    world.bench.switch.ip("link set br-phy up")
    route_returns(world, rng)


def neighbours_go(world, _):
    world.bench.forget_neighbours()


FAULTS = (
    Fault("controller killed", "controller",
          controller_ends(signal.SIGKILL), controller_returns),
    Fault("controller ended", "controller",
          controller_ends(signal.SIGTERM), controller_returns),
    Fault("controller stopped", "controller",
          controller_hangs, controller_goes_on),
    Fault("policy changed", "policy", policy_changes),
    Fault("policy loaded again", "policy", policy_same),
    Fault("policy broken", "policy", policy_breaks, policy_mended),
    Fault("ovs-vswitchd killed", "switch",
          switch_ends(signal.SIGKILL), switch_returns,
          loses_copies=True, loses_originals=True, flows_stay=True),
    Fault("ovs-vswitchd ended", "switch",
          switch_ends(signal.SIGTERM), switch_returns,
          loses_copies=True, loses_originals=True, flows_stay=True),
    Fault("modules loaded again", "switch modules datapath", modules_go,
          modules_return, loses_copies=True, loses_originals=True,
          tiers=KERNEL),
    Fault("unloading tried", "modules", modules_stay, tiers=KERNEL),
    Fault("engine unloaded", "modules", engine_goes, engine_returns,
          loses_copies=True, tiers=("vport",)),
    Fault("rmirror_sys deleted", "modules", device_goes, loses_copies=True,
          tiers=("vport",)),
    Fault("ovsdb-server killed", "database",
          database_ends(signal.SIGKILL), database_returns),
    Fault("ovsdb-server ended", "database",
          database_ends(signal.SIGTERM), database_returns),
    Fault("ovsdb-server stopped", "database",
          database_hangs, database_goes_on),
    Fault("bridge made again", "switch database flows taps third",
          bridge_made_again, loses_copies=True, loses_originals=True),
    Fault("flows changed", "flows switch database", flows_change,
          loses_copies=True),
    Fault("meters deleted", "flows switch database", meters_go,
          loses_copies=True),
    Fault("taps changed", "taps database", taps_change, loses_copies=True),
    Fault("host deleted", "third database", host_goes, host_returns),
    Fault("host's port removed", "third database",
          host_port_goes, host_port_returns),
    Fault("collector away", "collector", collector_goes, collector_returns,
          loses_copies=True),
    Fault("collector deleted", "collector uplink", collector_deleted,
          collector_made_again, loses_copies=True, tiers=KERNEL),
    Fault("uplink moved", "collector uplink", uplink_moves, uplink_moves_back,
          loses_copies=True, tiers=KERNEL),
    Fault("uplink forgotten", "uplink datapath", uplink_forgotten,
          loses_copies=True, tiers=KERNEL),
    Fault("MTU changed", "uplink", mtu_shrinks, mtu_grows, tiers=KERNEL),
    Fault("uplink down", "uplink", link_down, link_up, loses_copies=True),
    Fault("uplink removed", "uplink database", uplink_goes, uplink_returns,
          loses_copies=True),
    Fault("route away", "route switch", route_goes, route_returns,
          loses_copies=True),
    Fault("device of the route down", "route neighbours switch", device_down,
          device_up, loses_copies=True, tiers=KERNEL),
    Fault("neighbours forgotten", "neighbours switch", neighbours_go,
          loses_copies=True),
)


def choose(rng, faults):
    """Returns one, two or three of 'faults' that may be at once, in a random
    order."""
    chosen, taken = [], set()
    count = rng.choices((1, 2, 3), (5, 4, 2))[0]
    for fault in rng.sample(faults, len(faults)):
        takes = set(fault.takes.split())
        if len(chosen) < count and not takes & taken:
            chosen.append(fault)
            taken |= takes
    return chosen
