# SPDX-License-Identifier: Apache-2.0
"""The charts that `plot` draws, and of which rows each is made."""

import dataclasses


def matching(rows, fields):
    """Returns the row that has all of 'fields', or None."""
    for row in rows:
        if all(row[name] == value for name, value in fields.items()):
            return row
    return None


@dataclasses.dataclass
class Bars:
    """Groups of bars, one for each series."""
    name: str                   # Of the file.
    title: str
    unit: str
    series: list                # Of names, and whether it is ours.
    rows: dict                  # By group: for each series, fields of the row.

    def find(self, rows):
        """Returns the values by group, without groups that have none."""
        found = {}
        for group, wanted in self.rows.items():
            values = []
            for fields in wanted:
                fields = dict(fields)
                column = fields.pop("column", "value")
                row = matching(rows, fields)
                values.append(row[column] if row else None)
            if any(value is not None for value in values):
                found[group] = values
        return found


@dataclasses.dataclass
class Lines:
    """A line for each series."""
    name: str
    title: str
    unit: str
    x: str                      # What the horizontal axis has.
    series: list
    rows: dict                  # By series: fields of the rows.
    abscissa: str = "rules"     # The field that is the horizontal axis.
    base: int = 10              # Of that axis, which is logarithmic.
    logarithmic: bool = False   # Whether the other one is.

    def find(self, rows):
        """Returns the points by series, without series that have none."""
        found = {}
        for series, wanted in self.rows.items():
            fields = dict(wanted)
            column = fields.pop("column", "value")
            points = {row[self.abscissa]: row[column] for row in rows
                      if matching([row], fields) and row[column] is not None}
            if points:
                found[series] = sorted(points.items())
        return found


TIERS = [("native", True), ("vport", True), ("composed", True),
         ("stock output(max_len) or Mirror", False)]
# The same in the records.
RECORDED = "native", "vport", "composed", "stock"


def copy(frame, length, targets=1, case="IPv4"):
    """Returns the fields of the rows of all tiers."""
    return [{"bench": "copy", "tier": tier, "frame_bytes": frame,
             "len": length, "targets": targets, "case": case}
            for tier in RECORDED]


def gso(length, case="IPv4", column="value"):
    """Returns the fields of the rows of all tiers."""
    return [{"bench": "gso", "tier": tier, "len": length, "case": case,
             "column": column}
            for tier in RECORDED]


def clock(frame, length, case="frames"):
    """Returns the fields of the rows of all tiers."""
    return [{"bench": "clock", "tier": tier, "frame_bytes": frame,
             "len": length, "case": case, "column": "ratio"}
            for tier in RECORDED]


def userspace(frame, length, targets=1, case="IPv4"):
    fields = {"bench": "userspace", "frame_bytes": frame, "len": length,
              "targets": targets, "case": case}
    return [fields, dict(fields, column="reference")]


def control(case, column, restore=None):
    fields = {"bench": "control", "case": case, "unit": "ms",
              "column": column}
    if restore:
        fields["reference_name"] = "iptables-%s-restore, -j TEE" % restore
    return fields


LOADED = [("ovs-rmirrorctl reload", True), ("iptables-nft-restore", False),
          ("iptables-legacy-restore", False)]


def megaflows(case):
    return {"bench": "megaflows", "case": case + ": datapath flows"}


def scale(case, tier):
    return {"bench": "scale", "case": case, "tier": tier}


def idle(case, rules=0):
    """Returns the fields of the rows of both tiers, and of the reference."""
    fields = {"bench": "idle", "case": case, "frame_bytes": 60,
              "rules": rules}
    tiers = [dict(fields, tier=tier) for tier in ("native", "vport")]
    return [*tiers, dict(tiers[0], column="reference")]


def rules(way, case):
    return {"bench": "rules", "tier": way, "case": case}


RULES = [("ovs-rmirror, mirrored", True), ("ovs-rmirror, not selected", True),
         ("iptables-legacy, mirrored", False),
         ("iptables-nft, mirrored", False)]
PREFIXES = "watched IPv6 hosts, prefixes=ipv6_src,ipv6_dst"

CHARTS = [
    Bars("copy", "What a mirrored packet costs the kernel",
         "instructions beyond forwarding it", TIERS, {
             "60-byte frame\nlen=96": copy(60, 96),
             "1500-byte frame\nlen=96": copy(1500, 96),
             "1500-byte frame\nlen=256": copy(1500, 256),
             "1500-byte frame\nlen=mtu": copy(1500, "mtu"),
             "1500-byte frame\nwhole, MTU 9216": copy(
                 1500, 0, case="IPv4, MTU 9216"),
             "1500-byte frame\nlen=96, IPv6": copy(1500, 96, case="IPv6"),
         }),
    Bars("gso", "What a mirrored wire packet of a TCP stream costs the kernel",
         "instructions beyond forwarding it; composed and stock lose such "
         "packets", TIERS[:2], {
             "len=96": gso(96)[:2],
             "len=256": gso(256)[:2],
             "len=mtu": gso("mtu")[:2],
         }),
    Bars("gso-mirrored", "How much of a TCP stream is mirrored",
         "copies for each wire packet of super-packets", TIERS, {
             "len=96": gso(96, "mirrored"),
             "len=256": gso(256, "mirrored"),
             "len=mtu": gso("mtu", "mirrored"),
         }),
    Bars("gso-iperf3", "What is left of the speed of TCP",
         "speed of iperf3 with a mirror of all packets, len=96, divided by that"
         " without", TIERS, {
             "iperf3": gso(96, "iperf3", "ratio"),
         }),
    Bars("clock", "What a mirrored packet costs by the clock",
         "time for a packet with a mirror, divided by that without one", TIERS, {
             "60-byte frame\nlen=96": clock(60, 96),
             "1500-byte frame\nlen=96": clock(1500, 96),
             "1500-byte frame\nlen=mtu": clock(1500, "mtu"),
             "9000-byte frame\nlen=96": clock(9000, 96),
         }),
    Bars("userspace", "What a mirrored packet costs the userspace datapath",
         "instructions of ovs-vswitchd beyond forwarding it",
         [("rmirror", True), ("output(port=gre,max_len=)", False)], {
             "60-byte frame\nlen=96": userspace(60, 96),
             "512-byte frame\nlen=96": userspace(512, 96),
             "1500-byte frame\nlen=96": userspace(1500, 96),
             "1500-byte frame\nlen=mtu": userspace(1500, "mtu"),
             "1500-byte frame\nlen=96, 3 targets": userspace(1500, 96, 3),
             "1500-byte frame\nlen=96, IPv6": userspace(1500, 96, case="IPv6"),
         }),
    Lines("control-load", "Load a policy", "milliseconds", "rules", LOADED, {
        "ovs-rmirrorctl reload": control("load", "value"),
        "iptables-nft-restore": control("load", "reference", "nft"),
        "iptables-legacy-restore": control("load", "reference", "legacy"),
    }, logarithmic=True),
    Lines("control-change", "Change one rule of a policy", "milliseconds",
          "rules", LOADED, {
              "ovs-rmirrorctl reload": control("change one rule", "value"),
              "iptables-nft-restore": control("change one rule", "reference",
                                              "nft"),
              "iptables-legacy-restore": control("change one rule",
                                                 "reference", "legacy"),
          }, logarithmic=True),
    Lines("control-memory", "Peak memory of ovs-rmirrord", "megabytes",
          "rules", [("ovs-rmirrord", True)], {
              "ovs-rmirrord": {"bench": "control",
                               "case": "peak memory of ovs-rmirrord"},
          }, logarithmic=True),
    Bars("idle", "A packet that no rule selects",
         "instructions to forward it, pktgen's and those of two veth devices"
         " included; 60-byte frames",
         [("native", True), ("vport", True),
          ("Debian's openvswitch.ko, no policy", False)], {
             "no policy": idle("no policy"),
             "0 rules": idle("policy"),
             "1 rule": idle("policy", 1),
             "10,000 rules": idle("policy", 10000),
         }),
    Lines("rules", "A packet under a policy of many rules",
          "instructions to forward it, and to mirror it; 60-byte frames",
          "rules", RULES, {
              "ovs-rmirror, mirrored": rules("native",
                                             "the last rule selects it"),
              "ovs-rmirror, not selected": rules("native",
                                                 "no rule selects it"),
              "iptables-legacy, mirrored": rules("iptables-legacy",
                                                 "the last rule selects it"),
              "iptables-nft, mirrored": rules("iptables-nft",
                                              "the last rule selects it"),
          }, logarithmic=True),
    Lines("megaflows", "Datapath flows of 1,000 connections",
          "flows; without a policy: 2", "rules",
          [("IPv6 hosts", True), ("hosts and services", True),
           ("hosts; IPv6 hosts with prefix trees", True), ("services", True)],
          {
              "IPv6 hosts": megaflows("watched IPv6 hosts"),
              "hosts and services": megaflows("hosts and services"),
              "hosts; IPv6 hosts with prefix trees": megaflows(PREFIXES),
              "services": megaflows("watched services"),
          }),
    Lines("scale-targets", "One packet to many targets",
          "instructions beyond forwarding it; 1500-byte frames, len=96",
          "targets of each packet", TIERS, {
              name: scale("targets of each packet", name.split()[0])
              for name, _ in TIERS
          }, "targets", 2, True),
    Lines("scale-sessions", "Many sessions, one for each flow",
          "instructions beyond forwarding it; 1500-byte frames, len=96",
          "sessions", [TIERS[0], TIERS[1], TIERS[3]], {
              name: scale("sessions, one for each flow", name.split()[0])
              for name, _ in (TIERS[0], TIERS[1], TIERS[3])
          }, "targets", 2),
]
