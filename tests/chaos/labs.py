# SPDX-License-Identifier: Apache-2.0
"""The labs of the userspace datapath and of the kernel's, and what differs
between them when something breaks."""

import pathlib
import re

import lab
import machine

# How much more memory than at first the kernel may have that it cannot reclaim.
MOST_GROWTH = 4 << 10           # In kB.
FIRST_LOOKS = 12
MODULES = "openvswitch", "rmirror"
DATAPATH = "ovs-system"


class Userspace(lab.Lab):
    tier = "userspace"
    forwards_alone = False      # Whether it does while ovs-vswitchd is down.
    probes = ()                 # Frames that ovs-vswitchd sends when it starts.

    def lost(self):
        """Returns how many frames of the client have not come to the switch."""
        return self.not_read()

    def devices(self):
        """Returns the ports that the datapath has for the tier, and those that
        it may still have."""
        return set(), set()

    def check_system(self):
        """Checks that nothing is left in the kernel.  All that can be of this
        datapath goes with ovs-vswitchd."""

    def usage(self):
        """Returns the largest sizes of what check_system() looks at, in kB."""
        return {}


class Kernel(machine.Lab):
    forwards_alone = True
    # To port 1, be it whose it may, to see whether the datapath can truncate.
    probes = bytes(12) + b"\x12\x34",

    def __init__(self, programs, tier, logs):
        self.first = None       # What _system() returned at first.
        self.memory = []        # Unreclaimable kB at each check.
        self.dpctl_path = programs.find(programs.ovs, "utilities/ovs-dpctl")
        super().__init__(programs, tier, logs)

    def use_tier(self):
        """Waits until ovs-vswitchd uses the tier.  The policy makes the devices
        for it."""
        lab.until(lambda: self.uses_tier(self.features()), lambda:
                  "expected the %s tier, found: %s"
                  % (self.tier, self.features()), 60)

    def dpctl(self, *words):
        """Returns what ovs-dpctl prints, which needs no ovs-vswitchd."""
        return self.switch.run(self.dpctl_path, *words,
                               env=self.ovs.environment)

    def _lookups(self, name):
        return int(re.search(r"\blookups:.*\b%s:(\d+)" % name,
                             self.dpctl("show", DATAPATH))[1])

    def lost(self):
        """Returns for how many frames without a flow there has been no room in
        the sockets by which the kernel asks ovs-vswitchd."""
        return self._lookups("lost")

    def missed(self):
        """Returns for how many frames there has been no flow."""
        return self._lookups("missed")

    def devices(self):
        if self.tier == "native":
            return set(), set()
        # Those of the composed tier, which follows when the module is gone,
        # stay for five minutes.
        return {"rmirror_sys"}, {"gre_sys", "ip6gre_sys"}

    def check_system(self):
        self.use_tier()
        self.first = self.first or self._system()
        lab.until(lambda: self._system() == self.first, lambda:
                  "references to modules, and devices: at first %s, then %s"
                  % (self.first, self._system()))
        self.memory.append(self._memory())
        grown = self.memory[-1] - max(self.memory[:FIRST_LOOKS])
        lab.check(grown <= MOST_GROWTH, "the kernel's memory has grown by %d kB,"
                  " to %d kB", grown, self.memory[-1])

    def usage(self):
        return {"kernel": max(self.memory)}

    def _system(self):
        """Returns how many hold each module, and the devices of the switch's
        namespace, but for those that may still be there."""
        references = {name: int(pathlib.Path("/sys/module/%s/refcnt" % name)
                                .read_text()) for name in MODULES}
        names = re.findall(r"^\d+: ([^:@]+)", self.switch.run(
            "ip", "-o", "link"), re.MULTILINE)
        _, may = self.devices()
        return references, sorted(set(names) - may)

    @staticmethod
    def _memory():
        """Returns how many kB of slabs and of variables of processors are in
        use that the kernel cannot reclaim."""
        shown = pathlib.Path("/proc/meminfo").read_text()
        return sum(int(size) for size in re.findall(
            r"^(?:SUnreclaim|Percpu): *(\d+)", shown, re.MULTILINE))
