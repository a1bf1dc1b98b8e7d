# SPDX-License-Identifier: Apache-2.0
"""Policies of any number of rules, each for ovs-rmirrord and for iptables."""

COLLECTORS = ["192.0.2.%d" % n for n in range(9, 13)]
LEN = 96
MOST = 1000000                  # Rules of a policy, at most.


def matches(number):
    """Returns the matches of rule 'number', from 0.  All rules differ.  They
    go round four forms that are common in mirror policies: a host, a service
    of a host, the traffic between two networks, replies from a server."""
    host = "10.%d.%d.%d" % (number >> 14, number >> 6 & 255, number * 4 & 255)
    peer = "172.16.%d.0/24" % (number % 250)
    return (
        "-s %s/32" % host,
        "-d %s/32 -p tcp -m tcp --dport %d" % (host, 1 + number % 50000),
        "-s %s/30 -d %s" % (host, peer),
        "-s %s/32 -d %s -p udp -m udp --sport %d"
        % (host, peer, 1 + number % 50000),
    )[number % 4]


def excluded(number):
    """Returns the matches of the verdict 'number': what is not mirrored."""
    return "-s 10.255.%d.0/24" % number


def rules(count, jump, changed=None):
    """Yields 'count' rules of PREROUTING.  The first of a large policy are
    verdicts, the others do 'jump(collector)'.  The rule of index 'changed'
    names another host than else."""
    verdicts = min(10, count // 10)
    for number in range(count):
        if number < verdicts:
            match, target = excluded(number), "-j RETURN"
        else:
            match = matches(number if number != changed else MOST + number % 4)
            target = jump(COLLECTORS[number % len(COLLECTORS)])
        yield " ".join(("-A PREROUTING", match, target)).rstrip()


def mirror_policy(count, changed=None):
    """Returns a policy file of ovs-rmirrord."""
    return "\n".join(("*rmirror", *rules(
        count, lambda collector: "-j RMIRROR --target %s --len %d"
        % (collector, LEN), changed), "COMMIT", ""))


def iptables_policy(count, jump, changed=None):
    """Returns the same for iptables-restore, with 'jump' in place of -j
    RMIRROR; where it holds "%s", the collector."""
    return "\n".join(("*mangle", ":PREROUTING ACCEPT [0:0]", *rules(
        count, lambda collector: jump.replace("%s", collector), changed),
        "COMMIT", ""))
