# SPDX-License-Identifier: Apache-2.0
"""What users without privileges, and root of a user namespace of its own, can
do: in a network namespace that is not theirs to read at most, and only from
inside; in their own what root can, within bounds."""

import contextlib
import ctypes
import errno
import os
import pathlib
import struct
import subprocess

import frames
import genl
import lab
import odp
import unprivileged
from datapath import DATAPATH, ENGINE, SENSOR, SENSOR6, tiers
from lab import check, copies_of, equal
from odp import field, output, rmirror, target
from registry import case
from unprivileged import CLONE_NEWNET, CLONE_NEWUSER

MAX_SESSIONS = "/sys/module/rmirror/parameters/max_sessions"
TRACEPOINTS = "/sys/kernel/tracing/events/rmirror/enable"
SESSION = rmirror(target(SENSOR), field("KEY", struct.pack("!I", 7)))
# Who else there may be in the network namespace of a datapath.
OTHERS = {"nobody": 0, "root of another user namespace": CLONE_NEWUSER}


def refusal(function):
    """Returns the name of the error that 'function' ends with, or None."""
    try:
        function()
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def ip(*words):
    """Returns what ip(8) says when it has to fail."""
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.stdout.strip() if done.returncode else None


def write(path, text="1"):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def mirror(bench):
    """Mirrors to two sessions, sends some frames and returns the sessions."""
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    bench.flows(",".join((bench.mirror_action(SENSOR, 60, 7),
                          bench.mirror_action(SENSOR6), "2")))
    sent = frames.mixture()
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent] + sent)
    return sessions(bench)


def sessions(bench):
    with bench.netlink() as netlink:
        return sorted(netlink.sessions(), key=str)


@case("neither nobody nor root of another user namespace can make, reset or flush a session here, or change what is mirrored")
@tiers(*ENGINE)
def foreign(bench):
    before = mirror(bench)
    with bench.switch.entered():
        # As if a program of root's had left its sockets open.
        left = genl.Socket()
        flows = odp.Socket(DATAPATH)
    left.rmirror("GET_INFO")
    denied = "RTNETLINK answers: Operation not permitted"

    def attempts():
        with genl.Socket() as netlink:
            found = {"sessions that can be read": len(netlink.sessions())}
            for name, sock in ("", netlink), (" by root's socket", left):
                for command in "RESET", "FLUSH":
                    found[command + name] = refusal(
                        lambda sock=sock, command=command:
                            sock.rmirror(command))
        for name, sock in (("", odp.Socket(DATAPATH)),
                           (" by root's socket", flows)):
            found["flow" + name] = sock.errors(
                [sock.put(9, SESSION + output(2), new=True)])
            found["packet" + name] = sock.errors(
                [sock.execute(bytes(60), 1, SESSION)])
            found["no flows" + name] = refusal(sock.delete)
        found["device"] = ip("link", "add", "mine", "type", "rmirror")
        found["no device"] = ip("link", "del", "rmirror_sys")
        found["max_sessions"] = refusal(lambda: write(MAX_SESSIONS))
        found["tracepoints"] = refusal(lambda: write(TRACEPOINTS))
        return found

    with contextlib.closing(left.sock), flows:
        for who, namespaces in OTHERS.items():
            with bench.switch.entered():
                found = unprivileged.run(attempts, namespaces)
            check(isinstance(found, dict), "%s: %s", who, found)
            equal(found.pop("sessions that can be read"), 2,
                  "sessions that %s can read" % who)
            equal(found.pop("device"), denied, who + " makes a device")
            if bench.tier == "vport":
                equal(found.pop("no device"), denied, who + " deletes it")
            else:
                del found["no device"]
            for what, said in found.items():
                check(said in ("EPERM", "EACCES", [errno.EPERM]),
                      "%s: %s: %s", who, what, said)
    equal(sessions(bench), before, "sessions and their counters")
    sent = frames.mixture()
    copies_of(bench.mirror(sent), [frame[:60] for frame in sent] + sent)


@case("root of user and network namespaces of its own sees and touches no session of another")
@tiers(*ENGINE)
def own(bench):
    before = mirror(bench)

    def attempts():
        with genl.Socket() as netlink:
            found = {
                "sessions": len(netlink.sessions()),
                "get": refusal(lambda: netlink.sessions(
                    genl.session(SENSOR, 7))),
                "reset": refusal(lambda: netlink.rmirror("RESET")),
                "flush": refusal(lambda: netlink.rmirror("FLUSH"))}
        libc = ctypes.CDLL(None, use_errno=True)
        found["enter"] = libc.setns(bench.switch.fd, CLONE_NEWNET)
        found["device"] = ip("link", "add", "mine", "type", "rmirror")
        there = "/proc/self/fd/%d" % bench.switch.fd
        os.set_inheritable(bench.switch.fd, True)
        for what, words in (
                ("device there", ("add", "theirs", "netns", there, "type",
                                  "rmirror")),
                ("device moved there", ("set", "mine", "netns", there))):
            done = subprocess.run(["ip", "link", *words], text=True,
                                  stdout=subprocess.PIPE, check=False,
                                  stderr=subprocess.STDOUT, close_fds=False)
            found[what] = bool(done.returncode) and done.stdout.strip()
        return found

    found = unprivileged.run(attempts, CLONE_NEWUSER | CLONE_NEWNET)
    check(isinstance(found, dict), "%s", found)
    for what in "device there", "device moved there":
        said = found.pop(what)
        check("not permitted" in str(said), "%s: %s", what, said)
    equal(found, {"sessions": 0, "get": "ENOENT", "reset": None, "flush": None,
                  "enter": -1, "device": None}, "what it can do")
    equal(sessions(bench), before, "sessions and their counters")


@contextlib.contextmanager
def at_most(number):
    """Sets how many sessions a network namespace may have."""
    path = pathlib.Path(MAX_SESSIONS)
    before = path.read_text(encoding="ascii")
    write(path, str(number))
    try:
        yield
    finally:
        write(path, before)


def own_sessions(number):
    """Makes a datapath, and flows that hold 'number' sessions.  Returns how
    many there are then, the errors of the flows, and the sum of their counters
    of copies after a packet for each."""
    odp.make_datapath("own")
    with odp.Socket("own") as flows, genl.Socket() as netlink:
        lists = [rmirror(target(SENSOR), field("KEY", struct.pack("!I", key)))
                 for key in range(number)]
        errors = []
        for port in range(0, number, 100):
            actions = b"".join(lists[port:port + 100])
            errors += flows.errors([flows.put(port + 1, actions, new=True),
                                    flows.execute(bytes(60), 1, actions)])
        used, most, refused = netlink.info()
        found = netlink.sessions()
        return {"errors": errors, "sessions": used, "most": most,
                "refused": refused, "listed": len(found),
                "dropped": sum(session["no_route"] for session in found)}


@case("root of namespaces of its own can have as many sessions there as max_sessions says, and takes no room from others")
@tiers("native")
def bound(bench):
    before = mirror(bench)
    with at_most(10):
        found = unprivileged.run(lambda: own_sessions(30),
                                 CLONE_NEWUSER | CLONE_NEWNET)
        # The rest of the flows is taken, and the packets are counted.
        equal(found, {"errors": [0, 0], "sessions": 10, "most": 10,
                      "refused": 20, "listed": 10, "dropped": 10},
              "what there is in its namespace")
    equal(sessions(bench), before, "sessions and their counters")


# Bytes that a session takes at least: its counters, now and at the last reset, on
# one processor.
NUMBER = 4000
SESSION_SIZE = 2 * 8 * len(genl.COUNTERS)


@contextlib.contextmanager
def cgroup():
    """Gives the folder of a control group whose memory is accounted, or None
    where the kernel accounts none."""
    root = pathlib.Path("/sys/fs/cgroup")
    controllers = root / "cgroup.controllers"
    if not controllers.exists() or "memory" not in controllers.read_text(
            encoding="ascii").split():
        yield None
        return
    write(root / "cgroup.subtree_control", "+memory")
    group = root / "rmirror-test"
    group.mkdir()
    try:
        yield group
    finally:
        lab.until(lambda: not refusal(group.rmdir), "its processes have to end")


def accounted(group):
    """Returns the bytes of kernel memory accounted to 'group'."""
    found = dict(line.split() for line in (group / "memory.stat").read_text(
        encoding="ascii").splitlines())
    return int(found["slab"]) + int(found["percpu"])


@case("the memory of sessions is accounted to who makes the flows")
@tiers("native")
def memory(bench):
    with cgroup() as group:
        if group is None:
            return "skipped: this kernel does not account memory"
        def grown():
            before = accounted(group)
            found = own_sessions(NUMBER)
            return found["sessions"], accounted(group) - before

        # In the group before it gives up its privileges, without which it may
        # not enter.
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        try:
            used, size = unprivileged.run(grown, CLONE_NEWUSER | CLONE_NEWNET)
        finally:
            (pathlib.Path("/sys/fs/cgroup") / "cgroup.procs").write_text(
                str(os.getpid()), encoding="ascii")
        equal(used, NUMBER, "sessions")
        check(size > NUMBER * SESSION_SIZE,
              "only %d bytes are accounted for %d sessions", size, NUMBER)
        bench.note("%d bytes of each session" % (size // NUMBER))
    return None
