# SPDX-License-Identifier: Apache-2.0
"""How many datapath flows 1,000 connections take, with a policy and without.

Real packets go through a switch in the userspace datapath: the first packet of
each connection and its reply.  The switch by itself needs one datapath flow
for each direction, because it only looks at Ethernet addresses; what a policy
matches makes the flows narrower, and so more."""

import ipaddress
import pathlib
import random
import re

import control
import frames
import lab
import policies
from results import row

RULES = [100, 1000, 10000]
CONNECTIONS = 1000

# The services of a data centre, and how often they are asked.
SERVICES = {("tcp", 443): 50, ("tcp", 80): 20, ("udp", 53): 20, ("tcp", 22): 5,
            ("tcp", 5432): 5}
SERVERS = ["10.77.0.%d" % n for n in range(1, 21)]


def client(number):
    """Returns an address; a thousand clients are in four networks."""
    return "10.66.%d.%d" % (number % 1000 // 250, number % 250 + 1)


def connections(count):
    """Returns tuples of a client, its port, a server, protocol and port:
    always the same ones."""
    chance = random.Random(1)
    return [(client(chance.randrange(1000)), chance.randrange(32768, 61000),
             chance.choice(SERVERS),
             *chance.choices(list(SERVICES), list(SERVICES.values()))[0])
            for _ in range(count)]


def mirror(match, number):
    collector = policies.COLLECTORS[number % len(policies.COLLECTORS)]
    return ("-A PREROUTING %s -j RMIRROR --target %s --len %d"
            % (match, collector, policies.LEN))


def networks(_):
    """All traffic of one of the clients' networks, to one collector."""
    return ["-A PREROUTING -%s 10.66.1.0/24 -j RMIRROR --target %s --len %d"
            % (side, policies.COLLECTORS[0], policies.LEN) for side in "sd"]


def hosts(count):
    """A list of clients to be watched, most of which say nothing."""
    return [mirror("-%s 10.%d.%d.%d" % ("sd"[n % 2], 66 + n // 4000,
                                        n // 2 % 8, n // 16 % 250 + 1), n)
            for n in range(count)]


def services(count):
    """What some servers serve: requests and replies by their ports."""
    forms = ("-d %s -p %s --dport %d", "-s %s -p %s --sport %d")
    return [mirror(forms[n % 2] % (SERVERS[n // 2 % 20],
                                   ("tcp", "udp")[n // 40 % 2],
                                   (443, 80, 53, 22, 5432, 8080)[n // 80]
                                   if n < 480 else 10000 + n // 80), n)
            for n in range(count)]


def mixed(count):
    """An exclusion, watched hosts, and what servers serve."""
    return ["-A PREROUTING -s 10.66.3.0/24 -j RETURN",
            *hosts(count // 2), *services(count - count // 2 - 1)]


def to_ipv6(address):
    """Returns an IPv6 address with the bits of an IPv4 address at its end."""
    return str(ipaddress.IPv6Address(0xfd00 << 112
                                     | int(ipaddress.IPv4Address(address))))


def hosts6(count):
    """hosts() in IPv6."""
    return [re.sub(r"(?<=-[sd] )\S+", lambda found: to_ipv6(found.group()), rule)
            for rule in hosts(count)]


# By name: the rules, the IP version of the packets, and how many rules.
CASES = {
    "a network": (networks, 4, [2]),
    "watched hosts": (hosts, 4, None),
    "watched services": (services, 4, None),
    "hosts and services": (mixed, 4, None),
    "watched IPv6 hosts": (hosts6, 6, None),
}
# The same after the switch was told to keep its prefix trees for IPv6.
CASES6 = {"watched IPv6 hosts, prefixes=ipv6_src,ipv6_dst": (hosts6, 6, None)}


def frame(protocol, macs, addresses, ports):
    """Returns a frame; each of the last three is source and destination."""
    network = frames.IPv6 if ":" in addresses[0] else frames.IP
    transport = {"tcp": frames.TCP, "udp": frames.UDP}[protocol]
    return frames.sized(100, frames.ether(*macs)
                        / network(src=addresses[0], dst=addresses[1])
                        / transport(sport=ports[0], dport=ports[1]))


def packets(count, version):
    """Returns the frames of both directions."""
    requests, replies = [], []
    macs = lab.CLIENT_MAC, lab.SERVER_MAC
    for address, port, server, protocol, service in connections(count):
        addresses, ports = (address, server), (port, service)
        if version == 6:
            addresses = tuple(map(to_ipv6, addresses))
        requests.append(frame(protocol, macs, addresses, ports))
        replies.append(frame(protocol, macs[::-1], addresses[::-1],
                             ports[::-1]))
    return requests, replies


def masks(flow):
    """Returns what a datapath flow looks at, without the values."""
    return re.sub(r"=[^/,()]+", "=", flow.split(", packets:")[0])


def count(bench, requests, replies):
    """Returns the number of datapath flows that the frames take, and that of
    their masks."""
    bench.ovs.appctl("revalidator/purge")
    # A slow machine, where the switch finds that it has too many flows, must
    # not lose some while others are made.
    bench.ovs.appctl("revalidator/pause")
    for sender, receiver, sent in ((bench.client, bench.server, requests),
                                   (bench.server, bench.client, replies)):
        arrived = []
        for first in range(0, len(sent), lab.BURST):
            bench.send(sender, sent[first:first + lab.BURST])
            arrived += bench.arrive(sender, receiver)
        lab.originals(arrived, sent)
        bench.drain()
    flows = [line for line in bench.ovs.appctl(
        "dpctl/dump-flows", "--names").splitlines()
        if re.search(r"in_port\((client|server)\).*,ipv[46]\(", line)]
    bench.ovs.appctl("revalidator/resume")
    return len(flows), len(set(map(masks, flows)))


def measure(bench, policy, sent, plain, cases, sizes):
    """Yields the rows of 'cases' with policies of 'sizes'."""
    for case, (rules, version, own_sizes) in cases.items():
        for size in own_sizes or sizes:
            policy.write_text("\n".join(("*rmirror", *rules(size), "COMMIT",
                                         "")), encoding="utf-8")
            bench.ovs.rmirrorctl("reload")
            bench.ovs.settle()
            found = count(bench, *sent[version])
            for what, value, reference in zip(("datapath flows", "masks"),
                                              found, plain[version]):
                yield row("megaflows", "%s: %s" % (case, what),
                          "per %d connections" % len(sent[version][0]),
                          [value], "no policy", [reference], rules=size,
                          len=policies.LEN, targets=len(policies.COLLECTORS))


def run(options, directory):
    size = 20 if options.smoke else CONNECTIONS
    sent = {version: packets(size, version) for version in (4, 6)}
    bench = lab.Lab(options.programs)
    try:
        bench.reset()
        policy = pathlib.Path(directory) / "policy"
        policy.write_text("*rmirror\nCOMMIT\n", encoding="utf-8")
        bench.ovs.rmirrord(str(policy))
        control.wait_for_controller(bench.ovs)
        bench.ovs.rmirrorctl("clear")
        plain = {version: count(bench, *sent[version]) for version in sent}
        sizes = options.rules or RULES
        yield from measure(bench, policy, sent, plain, CASES, sizes)
        bench.ovs.vsctl("--id=@table", "create", "Flow_Table",
                        "prefixes=ipv6_src,ipv6_dst", "--", "set", "bridge",
                        "br0", "flow_tables:%d=@table" % lab.TAP_TABLE)
        yield from measure(bench, policy, sent, plain, CASES6, sizes)
    finally:
        bench.close()
