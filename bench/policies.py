# SPDX-License-Identifier: Apache-2.0
"""Policies of any number of rules, each for ovs-rmirrord and for iptables."""

COLLECTORS = ["192.0.2.%d" % n for n in range(9, 13)]
LEN = 96
MOST = 1000000                  # Rules of a policy, at most.
# A packet that no other rule selects, its matches, and the nearest host that
# sends to the same one and is in no rule.
SOURCE, DESTINATION = "10.0.77.5", "10.0.78.5"
SELECTED = "-s %s/32 -d %s/32 -p udp -m udp --dport 9" % (SOURCE, DESTINATION)
NEIGHBOUR = "10.0.77.6"


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


def rules(count, jump, changed=None, last=None):
    """Yields 'count' rules of PREROUTING.  The first of a large policy are
    verdicts, the others do 'jump(collector)'.  The rule of index 'changed'
    names another host than else.  The last one has the matches 'last', if
    there are any."""
    verdicts = min(10, count // 10)
    for number in range(count):
        if number < verdicts:
            match, target = excluded(number), "-j RETURN"
        else:
            match = matches(number if number != changed else MOST + number % 4)
            if last and number == count - 1:
                match = last
            target = jump(COLLECTORS[number % len(COLLECTORS)])
        yield " ".join(("-A PREROUTING", match, target)).rstrip()


def mirror_policy(count, changed=None, last=None):
    """Returns a policy file of ovs-rmirrord."""
    return "\n".join(("*rmirror", *rules(
        count, lambda collector: "-j RMIRROR --target %s --len %d"
        % (collector, LEN), changed, last), "COMMIT", ""))


def iptables_policy(count, jump, changed=None, last=None):
    """Returns the same for iptables-restore, with 'jump' in place of -j
    RMIRROR; where it holds "%s", the collector."""
    return "\n".join(("*mangle", ":PREROUTING ACCEPT [0:0]", *rules(
        count, lambda collector: jump.replace("%s", collector), changed,
        last), "COMMIT", ""))
