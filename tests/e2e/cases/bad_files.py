# SPDX-License-Identifier: Apache-2.0
"""Files of ovs-rmirrord that are not what they should be: the policy in force
stays, packets are mirrored all the while, and the daemon answers."""

import contextlib
import os
import shutil

import frames
from cases.daemon import (ctl, daemon, folder, mirrors, policy_text, rule,
                          status, write)
from lab import check, copies_of, equal, until
from registry import case

SLOW = 30.0
NOBODY = 65534


@contextlib.contextmanager
def mirroring(bench, *options):
    """Runs the daemon with a good policy; yields the policy's name and a
    function that checks that it is mirrored by."""
    def still():
        sent = [frames.udp(100, 1000)]
        copies_of(bench.mirror(sent), [sent[0][:60]])

    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        with daemon(bench, "--bridge=br0", "--policy=" + path, *options):
            mirrors(bench, 1)
            bench.ovs.settle()
            still()
            yield path, still


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def huge(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(policy_text(rule(2)))
        file.truncate(10 << 30)     # Which takes no room on the disk.


# What stands where the policy should, how it gets there, and what is said.
BAD = (
    ("a directory", os.mkdir, "it is a directory, not a file"),
    ("a FIFO", os.mkfifo, "it is a FIFO, not a file"),
    ("a device", lambda path: os.symlink("/dev/zero", path),
     "it is a character device, not a file"),
    ("a file of 10 GB", huge,
     "it is longer than 64 MiB, which no policy needs"),
    ("a link that leads nowhere", lambda path: os.symlink("nowhere", path),
     "No such file or directory"),
    ("a link to itself", lambda path: os.symlink(path, path),
     "Too many levels of symbolic links"),
)


def replaced(bench, reload, *options):
    """Puts each of BAD in the place of the policy, and a good one again.
    'reload' has the daemon read it."""
    with mirroring(bench, *options) as (path, still):
        for what, make, said in BAD:
            remove(path)
            make(path)
            reload()
            until(lambda said=said: status(bench)["policy_error"]
                  == "%s: cannot be read: %s" % (path, said),
                  "status has to say that there is " + what, SLOW)
            mirrors(bench, 1)
            still()
        remove(path)
        write(path, rule(1))
        reload()
        until(lambda: not ctl(bench, "status").returncode,
              "all has to be in order", SLOW)
        still()


@case("a policy that is no file is refused, the daemon waits for nobody, and"
      " mirrors on", 180)
def reloaded(bench):
    def reload():
        ctl(bench, "reload")
    replaced(bench, reload)


@case("the same with --watch", 180)
def watched(bench):
    replaced(bench, lambda: None, "--watch")


@case("a policy that the daemon may not read is refused, and so is a set", 60)
def unreadable(bench):
    # Root may read everything, so without its capabilities.
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        sets = where + "/sets"
        with open(sets, "w", encoding="utf-8"):
            pass
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--sets=" + sets,
                    through=("setpriv", "--bounding-set=-all",
                             "--inh-caps=-all")):
            mirrors(bench, 1)
            for file in path, sets:
                os.chown(file, NOBODY, NOBODY)
                os.chmod(file, 0)
                said = ctl(bench, "reload")
                equal(said.returncode, 1, "exit status of reload")
                check(said.stderr.startswith(
                    "%s: cannot be read: Permission denied\n" % file),
                      "reload has to say why: %s", said.stderr)
                mirrors(bench, 1)
                os.chown(file, 0, 0)
                os.chmod(file, 0o600)
            equal(ctl(bench, "reload").returncode, 0, "exit status of reload")


@case("a folder that cannot be written to keeps no policy, and the mirror does"
      " not mind", 60)
def state_dir_unwritable(bench):
    with folder(bench) as where:
        path = write(where + "/policy", rule(1))
        state = where + "/state"
        os.mkdir(state)
        os.chown(state, NOBODY, NOBODY)
        os.chmod(state, 0o555)
        with daemon(bench, "--bridge=br0", "--policy=" + path,
                    "--state-dir=" + state,
                    through=("setpriv", "--bounding-set=-all",
                             "--inh-caps=-all")):
            mirrors(bench, 1)
            until(lambda: "Permission denied" in status(bench)["keep_error"],
                  "status has to say why the policy is not kept")
            write(path, rule(2))
            bench.ovs.rmirrorctl("reload")
            mirrors(bench, 2)
            os.chown(state, 0, 0)
            os.chmod(state, 0o700)
            write(path, rule(3))
            bench.ovs.rmirrorctl("reload")
            until(lambda: not status(bench)["keep_error"],
                  "the policy has to be kept")
            check(os.path.exists(state + "/br0.policy"), "there is no copy")
