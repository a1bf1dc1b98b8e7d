# SPDX-License-Identifier: Apache-2.0
"""What a packet costs when the policy has many rules, in the kernel's datapath
and with as many rules of iptables, whose TEE then makes the copy.

`guest-policy` counts it, in a virtual machine."""

import idle
import policies
from results import row

WAYS = "native", "iptables-legacy", "iptables-nft"
RULES = 1, 10, 100, 1000, 10000
FRAME = 60                      # Bytes: of a copy, no more is cut off.
# Packets; iptables takes so long for each that fewer are enough.
PACKETS, EVALUATED = 5000, 1000000
CASES = {True: "the last rule selects it", False: "no rule selects it"}


def case(way, size, selected):
    count = PACKETS
    if way != "native":
        count = max(100, min(count, EVALUATED // size))
    return idle.case(way, FRAME, size, selected, count)


def run(options, directory):
    sizes = sorted({1, *(options.rules or RULES)})
    cases = [case(way, size, selected) for way in WAYS for size in sizes
             for selected in CASES]
    found = {(each["way"], each["rules"], each["selected"]): values
             for each, values in zip(cases, idle.measured(options, directory,
                                                          cases))}
    for way, size, selected in found:
        references = [("1 rule", found[way, 1, selected])]
        if way == "native":
            references += [(other + ", -j TEE", found[other, size, selected])
                           for other in WAYS[1:]]
        for name, values in references:
            yield row("rules", CASES[selected], "instructions/packet",
                      found[way, size, selected], name, values, tier=way,
                      frame_bytes=FRAME, len=policies.LEN,
                      targets=min(size, len(policies.COLLECTORS)), rules=size)
