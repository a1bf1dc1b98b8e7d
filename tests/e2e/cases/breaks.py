# SPDX-License-Identifier: Apache-2.0
"""Whatever breaks the mirror, the originals arrive, and whoever looks sees the
cause."""

import http.client
import os
import re

import breaks
import pace
from cases.daemon import ctl, daemon, mirrors, status, write
from lab import check, copies_of, equal, until
from registry import case

PORT = 9475
LATELY = 2                      # Seconds.
SLOW = 30.0


def fetch(bench, path):
    """Returns what the daemon's listener has at 'path'."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT,
                                            timeout=pace.seconds(10))
    try:
        with bench.switch.entered():
            connection.connect()
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def metrics(bench):
    """Returns the values of the metrics, by name and labels."""
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1)
             for line in fetch(bench, "/metrics").splitlines()
             if not line.startswith("#"))}


def metric_of(broken, values):
    """Returns what 'values', all metrics, say of what 'broken' drops."""
    if not broken.is_session:
        return sum(value for name, value in values.items() if name.startswith(
            "ovs_rmirror_datapath_no_session_packets_total"))
    labels = ('target="%s"' % broken.target, 'key="%d"' % broken.key,
              'reason="%s"' % broken.reason)
    return sum(value for name, value in values.items()
               if name.startswith("ovs_rmirror_session_drops_total{")
               and all(label in name for label in labels))


def mended(bench, broken):
    """Mends what is broken, and waits until copies come and status is good."""
    broken.undo(bench)

    def copied():
        sent = broken.intact(1)
        return len(bench.mirror(sent)) == 1
    until(copied, "copies have to come", SLOW)
    sent = broken.intact()
    copies_of(bench.mirror(sent), sent, "copies")
    until(lambda: not ctl(bench, "status").returncode,
          "status has to be good again", SLOW)


def said(bench, broken):
    """Sends more frames and returns status and list as they are then."""
    equal(bench.mirror(broken.lost()), [], "copies")
    return (ctl(bench, "status"), ctl(bench, "list", "-v").stdout,
            {session["key"]: session for session in status(bench)["sessions"]})


def shown_in(broken, text):
    """Whether 'text' for people says why copies to the target of 'broken' are
    dropped."""
    if not broken.is_session:
        return re.search(r"no_session: [1-9]\d* packets", text)
    return re.search(r"%s --key %d\b.*: dropped: .*\b%s [1-9]\d* \(\d+ lately\)"
                     % (re.escape(broken.target), broken.key, broken.reason),
                     text)


def sees(bench, broken):
    """Checks that all see what has just been broken."""
    # The first frames after the break may still have met the flow before it.
    until(lambda: not bench.mirror(broken.lost(1)), "copies have to end", SLOW)
    before = broken.drops(bench)
    sent = broken.lost(4)
    equal(bench.mirror(sent), [], "copies")
    equal(broken.drops(bench) - before, len(sent),
          "copies that dpctl/rmirror-show counts as " + broken.reason)
    check(re.search(r"\b%s:[1-9]" % broken.reason,
                    bench.ovs.appctl("dpctl/rmirror-show")),
          "dpctl/rmirror-show has to name %s", broken.reason)

    # What was lost lately may be forgotten on a slow machine before the
    # question is asked, so there is more of it each time.
    def visible():
        state, listed, sessions = said(bench, broken)
        health = sessions[broken.key]["health"]
        return ((state.returncode == 1) == broken.is_loss
                and shown_in(broken, state.stdout)
                and shown_in(broken, listed)
                and health == (broken.reason if broken.is_loss
                               and broken.is_session else "idle"))
    until(visible, "status, list -v and the health have to say %s"
          % broken.reason, SLOW)

    def measured():
        bench.mirror(broken.lost(1))
        drops = broken.drops(bench)
        values = metrics(bench)
        return (before + len(sent) <= metric_of(broken, values) <= drops
                and values['ovs_rmirror_bridge_healthy{bridge="br0"}']
                == (not broken.is_loss))
    until(measured, "the metrics have to say %s" % broken.reason, SLOW)


@case("whatever breaks the mirror, originals arrive and everything names the"
      " cause", 240)
def every_break(bench):
    path = write(os.path.join(bench.directory, "breaks.policy"),
                 *breaks.rules())
    with breaks.ready(bench), \
            daemon(bench, "--bridge=br0", "--policy=" + path,
                   "--lately=%d" % LATELY, "--metrics=%d" % PORT):
        mirrors(bench, *(broken.key for broken in breaks.BREAKS))
        bench.ovs.settle()
        for broken in breaks.BREAKS:
            try:
                mended(bench, broken)
                broken.do(bench)
                sees(bench, broken)
                mended(bench, broken)
            except Exception as error:
                raise type(error)("%s: %s" % (broken.cause, error)) from error
            bench.note(broken.reason)


@case("every reason for which the userspace datapath drops copies is among"
      " those that are tested")
def complete(bench):
    bench.ovs.flows("actions=rmirror(target=%s),NORMAL" % breaks.TARGET)
    bench.mirror(breaks.BREAKS[0].lost(1))
    _, sessions = breaks.sessions(bench)
    # These are counted by the kernel modules alone, see tests/kernel.
    equal(set(sessions[0]["drops"])
          - {broken.reason for broken in breaks.BREAKS},
          {"link_down", "xmit", "no_memory", "malformed"}, "other reasons")
