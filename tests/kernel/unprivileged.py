# SPDX-License-Identifier: Apache-2.0
"""Processes without the privileges of root, and those that are root in
namespaces of their own, as any user may make them."""

import ctypes
import json
import os

NOBODY = 65534
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_DUMPABLE = 4
_libc = ctypes.CDLL(None, use_errno=True)


def _drop(namespaces):
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    if not namespaces:
        return
    # Else what is in /proc/self is root's.
    _libc.prctl(PR_SET_DUMPABLE, 1)
    if _libc.unshare(namespaces):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % NOBODY),
                       ("gid_map", "0 %d 1" % NOBODY)):
        with open("/proc/self/" + name, "w", encoding="ascii") as file:
            file.write(text)


def run(function, namespaces=0):
    """Returns what 'function' returns, which JSON can say, in a process of
    nobody; with 'namespaces', of CLONE_NEW*, of one that is root in these."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            _drop(namespaces)
            said = function()
        except Exception as error:      # pylint: disable=broad-except
            said = "%s: %s" % (type(error).__name__, error)
        try:
            os.write(writer, json.dumps(said).encode())
        finally:
            os._exit(0)         # pylint: disable=protected-access
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said)
