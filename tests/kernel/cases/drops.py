# SPDX-License-Identifier: Apache-2.0
"""Each reason to drop a copy, provoked: ovs-dpctl and the tracepoint name it,
and the originals arrive as they were sent."""

import contextlib
import json
import re
import subprocess

import frames
import genl
import pace
import tracing
import virtual
import wire
from datapath import ENGINE, SENSOR, SENSOR6, SENSOR_B, tiers
from lab import check, equal, originals, until
from registry import case

SENSOR6_B = "2001:db8:18::10"
REASONS = genl.COUNTERS[genl.COUNTERS.index("no_route"):]


class Way:
    """What has copies to a target dropped for a reason."""

    def __init__(self, reason, target, which=lambda frame: True, **fields):
        self.reason = reason
        self.target = target
        self.which = which          # Of the frames.
        self.fields = fields        # Of the session.


@contextlib.contextmanager
def no_route(_bench):
    yield [Way("no_route", target)
           for target in ("203.0.113.9", "2001:db8:99::9")]


@contextlib.contextmanager
def no_neigh(bench):
    targets = "198.18.0.77", "2001:db8:18::77"
    # Questions to a neighbour take 3 s otherwise.
    wait = "net.%s.neigh.wire.retrans_time_ms=%d"
    bench.switch.run("sysctl", "-qw", wait % ("ipv4", 50), wait % ("ipv6", 50))
    try:
        bench.flows(",".join(bench.mirror_action(target)
                             for target in targets) + ",2")

        def dropped():
            bench.send([frames.udp()])
            return all(bench.counter("no_neigh", target=target)
                       for target in targets)
        until(dropped, "copies have to be dropped")
        bench.arrive()
        yield [Way("no_neigh", target) for target in targets]
    finally:
        bench.switch.run("sysctl", "-qw", wait % ("ipv4", 1000),
                         wait % ("ipv6", 1000))


@contextlib.contextmanager
def too_big(_bench):
    yield [Way("too_big", target, lambda frame: len(frame) > 1472, df=True)
           for target in (SENSOR, SENSOR6)]


@contextlib.contextmanager
def link_down(bench):
    bench.switch.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=0")
    bench.switch.ip("link add far type dummy", "link set far up",
                    "addr add 198.19.0.1/24 dev far",
                    "addr add 2001:db8:19::1/64 dev far nodad",
                    "link set far carrier off")
    try:
        yield [Way("link_down", target)
               for target in ("198.19.0.9", "2001:db8:19::9")]
    finally:
        bench.switch.ip("link del far")
        bench.switch.run("sysctl", "-qw",
                         "net.ipv6.conf.default.disable_ipv6=1")


@contextlib.contextmanager
def xmit(bench):
    filters = (("iptables-legacy", SENSOR_B), ("ip6tables-legacy", SENSOR6_B))
    for command, target in filters:
        bench.switch.run(command, "-w", "-A", "OUTPUT", "-p", "gre", "-d",
                         target, "-j", "DROP")
    bench.switch.ip("neigh replace %s lladdr %s dev wire nud permanent"
                    % (SENSOR6_B, bench.sensor.mac))
    try:
        yield [Way("xmit", target) for _, target in filters]
    finally:
        for command, _ in filters:
            bench.switch.run(command, "-w", "-F", "OUTPUT")


def judge(way, key, sent, events, as_json, as_text):
    """Checks what the tracepoints, rmirror-show --json and rmirror-show say of
    the session 'key' to way.target, which was used for 'sent'."""
    dropped = sum(way.which(frame) for frame in sent)
    session, = [session for session in json.loads(as_json)[0]["sessions"]
                if session["key"] == key]
    equal((session["target"], session["copies"], session["drops"]),
          (way.target, len(sent) - dropped,
           dict.fromkeys(REASONS, 0) | {way.reason: dropped}),
          "what rmirror-show --json says of %s" % way.reason)
    text = re.search(r"^target=%s,key=0x%x\b.*\n(  .*)"
                     % (re.escape(way.target), key), as_text,
                     re.MULTILINE)[1]
    check("%s:%d" % (way.reason, dropped) in re.findall(r"\w+:\d+", text),
          "rmirror-show says: %s", text)
    told = [event for event in events
            if (event["target"], event["key"]) == (way.target, key)]
    equal([(event["reason"], event["n"]) for event in told
           if event["event"] == "rmirror_drop"], [(way.reason, 1)] * dropped,
          "what the tracepoint tells of %s" % way.reason)
    equal(sum(event["event"] == "rmirror_send" for event in told),
          session["copies"], "copies that the tracepoint tells of")


# What stands in the way of copies, and what they are of.
WAYS = no_route, no_neigh, too_big, link_down, xmit
FRAMES = "loop", "malformed"
# In memory.py.
ELSEWHERE = "no_memory",


@case("ovs-dpctl and a tracepoint tell whatever stands in the way of copies, and originals arrive", 40)
@tiers(*ENGINE)
def in_the_way(bench):
    with contextlib.ExitStack() as stack:
        ways = [way for context in WAYS
                for way in stack.enter_context(context(bench))]
        bench.flows(",".join(
            bench.mirror_action(way.target, key=key, **way.fields)
            for key, way in enumerate(ways, 1)) + ",2")
        with bench.netlink() as netlink:
            netlink.rmirror("FLUSH")    # Sessions of other tests.
        # The first finds a session's neighbour failed.
        bench.mirror([frames.udp()])
        with bench.netlink() as netlink:
            netlink.rmirror("RESET")
        sent = frames.mixture() + [frames.udp(1473), frames.tcp(1514)]
        with tracing.recorded() as recorded:
            bench.send(sent)
            originals(bench.arrive(), sent)
            events = recorded()
        # The marker behind the frames is a frame as well.
        sent.append(wire.marker(bench.server.mac, bench.client.mac, "mark"))
        said = (bench.dpctl("rmirror-show", "--json"),
                bench.dpctl("rmirror-show"))
        for key, way in enumerate(ways, 1):
            judge(way, key, sent, events, *said)


@case("ovs-dpctl and a tracepoint tell which frames have no copies, and originals arrive", 40)
@tiers(*ENGINE)
def no_copies(bench):
    # More segments than anybody would send.
    super_packet = virtual.partial(
        frames.ether() / frames.IP(src=frames.CLIENT_IP, dst=frames.SERVER_IP,
                                   id=1)
        / frames.TCP(sport=1, dport=2) / frames.Raw(bytes(16500)),
        virtual.GSO_TCPV4, 8)
    n_segments = -(-16500 // 8)
    copies = [frames.gre("10.0.0.1", SENSOR, frames.udp()),
              frames.gre(SENSOR, "10.0.0.1", frames.udp(), key=5)]
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    with virtual.Guest(bench) as guest, tracing.recorded() as recorded:
        guest.flows("2")
        guest.send(*super_packet)
        segments = bench.arrive(guest)
        equal(len(segments), n_segments, "packets that the kernel makes of it")
        guest.flows(bench.mirror_action(SENSOR, 60, 1) + ",2")
        markers = bench.tokens
        for frame in copies:
            guest.send(frame)
        guest.send(*super_packet)
        originals(bench.arrive(guest), copies + segments)
        markers = bench.tokens - markers
        told = [event["reason"] for event in recorded()
                if event["event"] == "rmirror_drop"]
    equal(told, ["loop", "loop", "malformed"], "what the tracepoint tells")
    datapath, = json.loads(bench.dpctl("rmirror-show", "--json"))
    equal([(session["copies"], session["drops"])
           for session in datapath["sessions"]],
          # The markers have copies.
          [(markers, dict.fromkeys(REASONS, 0) | {"loop": 2, "malformed": 1})],
          "what rmirror-show --json says")


@case("there is a test of each reason to drop a copy")
@tiers("native")
def complete(_bench):
    equal(sorted([*(context.__name__ for context in WAYS), *FRAMES,
                  *ELSEWHERE]), sorted(REASONS), "reasons that are tested")


@case("rmirror-show --json says what the kernel counted, and when nothing counts")
def as_json(bench):
    name = "system@rm0"
    if bench.tier not in ENGINE:
        equal(json.loads(bench.dpctl("rmirror-show", "--json")),
              [{"datapath": name}], "without the engine")
        check("rmirror" in bench.dpctl("rmirror-show", expect_failure=True),
              "rmirror-show has to say what there is not")
        return
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    bench.flows(",".join((
        bench.mirror_action(SENSOR, 60, 7, 9, 4, True),
        bench.mirror_action(SENSOR6, tos="inherit"),
        bench.mirror_action("203.0.113.9"), "2")))
    bench.mirror(frames.mixture() + [frames.udp(1600)])
    with bench.netlink() as netlink:
        sessions = netlink.sessions()
        wanted = [{
            "target": session["target"], "key": session["key"],
            "ttl": session["ttl"], "df": session["df"],
            "tos": "inherit" if session["inherit"] else session["tos"],
            "original_bytes": session["orig_bytes"],
            "drops": {reason: session[reason] for reason in REASONS},
            **{counter: session[counter] for counter
               in genl.COUNTERS[:len(genl.COUNTERS) - len(REASONS)]
               if counter != "orig_bytes"}} for session in sessions]
        used, most, refused = netlink.info()
    found, = json.loads(bench.dpctl("rmirror-show", "--json"))
    equal(len(found["sessions"]), used, "sessions")
    for session in found.pop("sessions"):
        check(session in wanted, "rmirror-show tells of %s, Netlink of %s",
              session, wanted)
    equal(found, {"datapath": name, "max_sessions": most,
                  "no_session": refused}, "what else there is")


@case("rmirror-show --watch shows rates while copies are made")
@tiers(*ENGINE)
def watch(bench):
    with bench.netlink() as netlink:
        netlink.rmirror("FLUSH")
    bench.flows("%s,%s,2" % (bench.mirror_action(SENSOR, 60, 7),
                             bench.mirror_action("203.0.113.9", 60, 8)))
    with bench.switch.entered():
        process = subprocess.Popen(
            [bench.dpctl_path, "rmirror-show", "--watch=1"],
            env=bench.environment, stdout=subprocess.PIPE, text=True)
    try:
        seen = {}
        with bench.traffic():
            # Until a line tells a rate of each session.
            for line in process.stdout:
                session = re.match(r"target=(\S+)", line)
                if session:
                    name = session[1]
                values = {key: int(value) for key, value
                          in re.findall(r"(\S+):(\d+)", line)}
                if values.get("copies/s") or values.get("drops/s"):
                    seen[name] = values
                if len(seen) == 2:
                    break
        sent = next(iter(value for key, value in seen.items()
                         if SENSOR in key))
        lost = next(iter(value for key, value in seen.items()
                         if "203.0.113.9" in key))
        equal(round(sent["bit/s"] / sent["copies/s"] / 8), 60,
              "bytes of a copy")
        equal((sent["drops/s"], lost["copies/s"]), (0, 0),
              "drops of one session, copies of the other")
        check(sent["orig_bit/s"] > 9 * sent["bit/s"] and lost["drops/s"] > 0,
              "rates: %s", seen)
    finally:
        process.terminate()
        process.wait(pace.seconds(5))
        process.stdout.close()
