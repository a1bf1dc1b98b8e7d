# SPDX-License-Identifier: Apache-2.0
"""Random policies, and what they copy: a model that shares nothing with the
controller.  It knows UDP over IPv4 between ports of the bridge."""

import dataclasses
from typing import Optional

from lab import BR0_PORTS, TARGET, TARGET6, TARGET_B

TARGET_C = "198.51.100.9"       # At the second collector.
TARGETS = TARGET, TARGET_B, TARGET6, TARGET_C
SOURCES = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PORTS = range(1000, 1008)
LENGTHS = 0, 14, 60, 90, 1000
BUILT_IN = "PREROUTING", "FORWARD", "POSTROUTING"
OWN_CHAIN = "SERVICES"
# No burst that is sent here meets this limit.
LIMIT = "-m limit --limit 10000/second --limit-burst 10000"

# The stream that flows all the time has a rule in every policy, and meets no
# other one that mirrors.
STREAM_PORT = 999
STREAM_KEY = 1
STREAM_LENGTH = 60


@dataclasses.dataclass(frozen=True)
class Packet:
    """What rules look at."""
    entered: str                # The port by which it enters the bridge,
    leaves: str                 # and by which it leaves.
    source: str
    port: int
    frame: bytes


@dataclasses.dataclass(frozen=True)
class Rule:
    chain: str
    jump: str                   # A verdict, or a chain.
    entered: Optional[str] = None
    leaves: Optional[str] = None
    source: Optional[str] = None
    not_source: bool = False
    ports: tuple = ()
    limited: bool = False
    target: Optional[str] = None
    key: int = 0
    length: int = 0

    @property
    def session(self):
        return self.target, self.key

    def matches(self, packet, egress):
        return ((self.entered is None or self.entered == packet.entered)
                and (self.leaves is None
                     or egress and self.leaves == packet.leaves)
                and (self.source is None
                     or (self.source == packet.source) != self.not_source)
                and (not self.ports or packet.port in self.ports))

    def __str__(self):
        words = ["-A", self.chain]
        if self.source:
            words += ["!"] * self.not_source + ["-s", self.source]
        if self.entered:
            words += ["-i", self.entered]
        if self.leaves:
            words += ["-o", self.leaves]
        if self.ports:
            words += ["-p udp"]
            if len(self.ports) == 1:
                words += ["--dport %d" % self.ports]
            elif self.ports[-1] - self.ports[0] == len(self.ports) - 1:
                words += ["--dport %d:%d" % (self.ports[0], self.ports[-1])]
            else:
                words += ["-m multiport --dports",
                          ",".join(map(str, self.ports))]
        if self.limited:
            words.append(LIMIT)
        words += ["-j", self.jump]
        if self.target:
            words += ["--target", self.target, "--key", str(self.key)]
            if self.length:
                words += ["--len", str(self.length)]
        return " ".join(words)


STREAM_RULE = Rule("PREROUTING", "RMIRROR", ports=(STREAM_PORT,), target=TARGET,
                   key=STREAM_KEY, length=STREAM_LENGTH)
STREAM_RULES = (STREAM_RULE, *(Rule(chain, "RETURN", ports=(STREAM_PORT,))
                               for chain in BUILT_IN))


class Policy:
    """The rules of a policy file, in their order."""

    def __init__(self, rules):
        self.rules = rules

    def __str__(self):
        return "\n".join(("*rmirror", ":%s - [0:0]" % OWN_CHAIN,
                          *map(str, self.rules), "COMMIT", ""))

    def copies(self, packet):
        """Returns how many bytes of 'packet' are copied to which session, 0:
        all of them."""
        taken = {}
        for chain in BUILT_IN:
            self._pass(chain, packet, chain != "PREROUTING", taken)
        return taken

    def _pass(self, chain, packet, egress, taken):
        """Has 'packet' meet the rules of 'chain'.  Returns whether the
        evaluation goes on where it came from."""
        for rule in self.rules:
            if rule.chain != chain or not rule.matches(packet, egress):
                continue
            if rule.jump == "RMIRROR":
                taken.setdefault(rule.session, rule.length)
            elif rule.jump == "ACCEPT":
                return False
            elif rule.jump == "RETURN":
                return True
            elif not self._pass(rule.jump, packet, egress, taken):
                return False
        return True


def random_rule(rng):
    chain = rng.choice((*BUILT_IN, OWN_CHAIN))
    jump = rng.choices(("RMIRROR", "ACCEPT", "RETURN", OWN_CHAIN),
                       (16, 1, 1, 2))[0]
    if jump == OWN_CHAIN == chain:
        jump = "RMIRROR"
    fields = {}
    if rng.random() < 0.3 and chain != "POSTROUTING":
        fields["entered"] = rng.choice(BR0_PORTS)
    if rng.random() < 0.3 and chain != "PREROUTING":
        fields["leaves"] = rng.choice(BR0_PORTS)
    if rng.random() < 0.3:
        fields["source"] = rng.choice(SOURCES)
        fields["not_source"] = rng.random() < 0.3
    if rng.random() < 0.8:
        some = rng.sample(PORTS, rng.randint(1, 4))
        fields["ports"] = tuple(sorted(some)) if rng.random() < 0.5 \
            else tuple(range(min(some), max(some) + 1))
    if jump == "RMIRROR":
        fields.update(target=rng.choice(TARGETS), key=rng.randint(2, 40),
                      length=rng.choice(LENGTHS),
                      limited=rng.random() < 0.1)
    return Rule(chain, jump, **fields)


def random_policy(rng):
    """Returns a policy of some rules."""
    return Policy([*STREAM_RULES, *(random_rule(rng) for _ in range(
        rng.choice((0, 3, 10, 20, 40))))])
