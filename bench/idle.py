# SPDX-License-Identifier: Apache-2.0
"""What a policy costs the packets that no rule selects, beside Debian's
openvswitch.ko without any.

`guest-policy` counts it, in a virtual machine."""

import statistics

import copies
import lab
import policies
from results import row

TIERS = "native", "vport"
RULES = 0, 1, 10000
FRAMES = 60, 1500
PACKETS, REPETITIONS = 5000, 3
SMOKE = 50                      # Packets.
REFERENCE = "Debian's openvswitch.ko, no policy"


def case(way, frame, rules=None, selected=False, count=PACKETS,
         repetitions=REPETITIONS):
    """Returns a case of guest-policy; without 'rules', there is no policy."""
    return {"way": way, "rules": rules, "selected": selected, "frame": frame,
            "count": count, "repetitions": repetitions}


def measured(options, directory, cases):
    """Returns the instructions for each packet of 'cases', each with as many as
    there are repetitions, in one guest."""
    for each in cases:
        if options.smoke:
            each["count"] = SMOKE
        if options.repetitions:
            each["repetitions"] = options.repetitions
    found = copies.results(*copies.guest(options, directory, cases,
                                         program="guest-policy"), "")
    for each, result in zip(cases, found):
        count = each["count"] * each["repetitions"]
        lab.equal(result["forwarded"], 0 if each["way"] == "plain" else count,
                  "frames forwarded of %r" % each)
        lab.equal(result["copies"], count if each["selected"] else 0,
                  "copies of %r" % each)
    return [result["instructions"] for result in found]


def run(options, directory):
    sizes = [None, *(options.rules or RULES)]
    frames = FRAMES[:1] if options.smoke else FRAMES
    tiers = TIERS[:1] if options.smoke else TIERS
    cases = [case(way, frame) for way in ("plain", "stock") for frame in frames]
    # A switch with a policy does not become one without.
    cases += [case(tier, frame, size) for tier in tiers for size in sizes
              for frame in frames]
    found = measured(options, directory, cases)
    by_case = {(each["way"], each["frame"], each["rules"]): values
               for each, values in zip(cases, found)}
    for each, values in zip(cases, found):
        way, frame, size = each["way"], each["frame"], each["rules"]
        if way in ("plain", "stock"):
            continue
        plain = statistics.median(by_case["plain", frame, None])
        stock = by_case["stock", frame, None]
        for what, less in (("", 0), (", without pktgen and one veth", plain)):
            yield row("idle", ("no policy" if size is None else "policy")
                      + what, "instructions/packet",
                      [value - less for value in values], REFERENCE,
                      [value - less for value in stock], tier=way,
                      frame_bytes=frame, rules=size or 0, len=policies.LEN,
                      targets=min(size or 0, len(policies.COLLECTORS)))
