# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set back and forth under ovs-rmirrord: nothing that it
says of "lately", health and rates depends on it."""

import os
import time

import breaks
import frames
from cases.daemon import ctl, daemon, mirrors, rule, status, write
from lab import check, equal, until
from registry import case

SLOW = 30.0
LATELY = 6
LIBRARY = "/usr/lib/%s-linux-gnu/faketime/libfaketimeMT.so.1" % os.uname().machine
JUMPS = "+3650d", "-3650d", "+0"


@case("a wall clock that jumps by years changes nothing in health, losses and"
      " counters", 120)
def jumps(bench):
    broken = next(entry for entry in breaks.BREAKS
                  if entry.reason == "no_neigh")
    path = write(os.path.join(bench.directory, "clock.policy"), rule(1),
                 broken.rule)
    offset = os.path.join(bench.directory, "offset")

    def jump(to):
        with open(offset + ".new", "w", encoding="utf-8") as file:
            file.write(to + "\n")
        os.rename(offset + ".new", offset)

    def health():
        return {session["key"]: session["health"]
                for session in status(bench)["sessions"]}

    jump("+0")
    with daemon(bench, "--bridge=br0", "--policy=" + path,
                "--lately=%d" % LATELY, through=(
                    "env", "LD_PRELOAD=" + LIBRARY,
                    "FAKETIME_TIMESTAMP_FILE=" + offset, "FAKETIME_NO_CACHE=1",
                    "FAKETIME_DONT_FAKE_MONOTONIC=1",
                    "DONT_FAKE_MONOTONIC=1")):
        mirrors(bench, 1, broken.key)
        until(lambda: status(bench)["tier"], "the tier has to be known")
        bench.ovs.settle()
        packets = 0
        for to in JUMPS:
            broken.do(bench)
            try:
                def loses():
                    bench.mirror(broken.lost(1))
                    return status(bench)["losing"]
                until(loses, "status has to tell of losses", SLOW)
                jump(to)
                # It still is lately, and the reason the same.
                bench.mirror(broken.lost(1))
                equal(health()[broken.key], "no_neigh", "health after " + to)
            finally:
                broken.undo(bench)
            bench.mirror([frames.udp(100, 1000)])
            packets += 1
            until(lambda: health()[1] == "sending",
                  "the other target has to be sending after %s" % to, SLOW)
            began = time.monotonic()
            until(lambda: not status(bench)["losing"],
                  "lately has to end after %s" % to, SLOW)
            check(time.monotonic() - began < SLOW, "lately does not end")
            # What people read is of the wall clock.
            bench.ovs.rmirrorctl("reload")
            year = int(status(bench)["synchronized"][:4])
            equal(abs(year - time.gmtime().tm_year) > 5, to != "+0",
                  "the year of synchronized, %d, after %s" % (year, to))
        until(lambda: "[%d:" % packets in ctl(bench, "save", "-c").stdout,
              "the counters have to go on", SLOW)
