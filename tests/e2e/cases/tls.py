# SPDX-License-Identifier: Apache-2.0
"""TLS between ovs-rmirrord and a switch: each has to show the other a
certificate that the other's CA has signed."""

import contextlib
import os
import shutil
import tempfile

import frames
from cases.daemon import ctl, end, log_of, log_size, mirrors, rule, write
from lab import check, copies_of, equal, run, until
from registry import case

BRIDGE = "ssl:127.0.0.1:6654"
SLOW = 30.0


class Certificates:
    """Two authorities, of which each has a "switch" and a "controller" CA, as
    ovs-pki makes them, and a certificate of the controllers signed by each."""

    def __init__(self, bench, directory):
        self.tool = bench.ovs.programs.find(bench.ovs.programs.ovs,
                                            "utilities/ovs-pki")
        self.directory = directory
        for authority in "ours", "theirs":
            self._pki(authority, "init")
            self._pki(authority, "req+sign", authority + "-ctl", "controller")
        self._pki("ours", "req+sign", "sc", "switch")

    def _pki(self, authority, *words):
        run(["sh", "-c", 'cd "$0" && exec "$@"', self.directory, self.tool,
             "--batch", "--dir=%s/%s" % (self.directory, authority),
             "--log=%s/pki.log" % self.directory, "--force", *words],
            timeout=120)

    def key(self, name):
        return "%s/%s-privkey.pem" % (self.directory, name)

    def certificate(self, name):
        return "%s/%s-cert.pem" % (self.directory, name)

    def authority(self, name, kind):
        return "%s/%s/%sca/cacert.pem" % (self.directory, name, kind)


@contextlib.contextmanager
def tls_switch(bench):
    """Has br0 listen for TLS; yields the certificates."""
    directory = tempfile.mkdtemp(prefix="rmirror-tls-")
    try:
        made = Certificates(bench, directory)
        bench.ovs.vsctl("set-ssl", made.key("sc"), made.certificate("sc"),
                        made.authority("ours", "controller"), "--",
                        "set-controller", "br0", "p" + BRIDGE.replace(
                            "127.0.0.1:6654", "6654:127.0.0.1"), "--",
                        "set", "bridge", "br0",
                        "other_config:rmirror-ingress-table=252")
        bench.ovs.ofctl("add-flow", "br0", "actions=NORMAL")
        yield made
    finally:
        bench.ovs.vsctl("del-controller", "br0", "--", "del-ssl")
        shutil.rmtree(directory)


@contextlib.contextmanager
def controller(bench, *options):
    """Runs ovs-rmirrord for br0 by TLS."""
    path = write(os.path.join(bench.directory, "tls.policy"), rule(1))
    process = bench.ovs.daemon("--bridge=" + BRIDGE, "--policy=" + path,
                               *options)
    try:
        yield process
    finally:
        end(bench, process)
        bench.ovs.ofctl("del-flows", "br0", "table=252")


@case("a switch is spoken to by TLS, if each has the certificate that the other"
      " wants", 180)
def certificates(bench):
    with tls_switch(bench) as made:
        ours = ("--private-key=" + made.key("ours-ctl"),
                "--certificate=" + made.certificate("ours-ctl"))
        with controller(bench, *ours,
                        "--ca-cert=" + made.authority("ours", "switch")):
            mirrors(bench, 1)
            bench.ovs.settle()
            sent = [frames.udp(100, 1000)]
            copies_of(bench.mirror(sent), [sent[0][:60]])
            equal(ctl(bench, "status", "-b", BRIDGE).stdout.count(
                "connected to ssl:"), 1, "what status says")

        for what, options, said in (
                ("the switch's certificate is of another CA",
                 (*ours, "--ca-cert=" + made.authority("theirs", "switch")),
                 "certificate verify failed"),
                ("the daemon's certificate is of another CA",
                 ("--private-key=" + made.key("theirs-ctl"),
                  "--certificate=" + made.certificate("theirs-ctl"),
                  "--ca-cert=" + made.authority("ours", "switch")),
                 "alert"),
                ("the daemon has no certificate",
                 ("--ca-cert=" + made.authority("ours", "switch"),),
                 "rivate key must be configured"),
                ("the daemon has no CA to check the switch by", ours,
                 "CA certificate must be configured")):
            since = log_size(bench)
            with controller(bench, *options, "-vstream_ssl:file:dbg"):
                until(lambda said=said, since=since: said in
                      log_of(bench, since),
                      "the log has to say that %s" % what, SLOW)
                until(lambda: "not connected to ssl:" in
                      ctl(bench, "status", "-b", BRIDGE).stdout,
                      "it must not be connected: " + what)
                check("reg0" not in bench.ovs.ofctl("dump-flows", "br0",
                                                    "table=252"),
                      "the switch has flows though %s", what)
