// SPDX-License-Identifier: Apache-2.0

#include "controller/openflow_connection.h"

#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "controller/cookie.h"
#include "controller/ovs.h"

VLOG_DEFINE_THIS_MODULE(openflow_connection);

namespace ovs_rmirror {

namespace {

struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

constexpr int kProbeInterval = 5;  // Seconds.
constexpr int kMaxBackoff = 1;     // Seconds.
constexpr int kLookAfter = 100;    // Milliseconds.
static_assert(kOpenFlowVersions == (1u << OFP13_VERSION | 1u << OFP14_VERSION |
                                    1u << OFP15_VERSION));
constexpr std::string_view kUnix = "unix:";

// So many messages of a bundle are made before what the connection takes of
// them is sent: the switch reads them while the next ones are made.
constexpr size_t kSendAfter = 64;

constexpr const char* kConnectionLost = "the connection to the switch broke";

struct OfpbufDelete {
  void operator()(struct ofpbuf* b) const { ofpbuf_delete(b); }
};
using Message = std::unique_ptr<struct ofpbuf, OfpbufDelete>;

const struct ofp_header* HeaderOf(const struct ofpbuf* message) {
  return static_cast<const struct ofp_header*>(message->data);
}

uint16_t FlagsOf(const SwitchMeter& meter) {
  return static_cast<uint16_t>((meter.kilobits ? OFPMF13_KBPS : OFPMF13_PKTPS) |
                               OFPMF13_BURST);
}

// A growing text of libopenvswitch.
class DynamicString {
 public:
  DynamicString() { ds_init(&ds_); }
  ~DynamicString() { ds_destroy(&ds_); }
  DynamicString(const DynamicString&) = delete;
  DynamicString& operator=(const DynamicString&) = delete;

  struct ds* get() {
    return &ds_;
  }
  std::string str() const { return {ds_.string ? ds_.string : "", ds_.length}; }

 private:
  struct ds ds_;
};

std::string FormatOfpacts(const struct ofpact* ofpacts, size_t length) {
  DynamicString s;
  struct ofpact_format_params params = {};
  params.s = s.get();
  ofpacts_format(ofpacts, length, &params);
  return s.str();
}

// A flow as messages call it.
std::string FormatForMessage(const SwitchFlow& flow) {
  return "flow table=" + std::to_string(flow.table) +
         ",priority=" + std::to_string(flow.priority) + "," + flow.match +
         ",actions=" + flow.actions;
}

// A parsed flow modification.
class FlowMod {
 public:
  FlowMod() = default;
  ~FlowMod() {
    if (parsed_) {
      minimatch_destroy(&fm_.match);
      free(fm_.ofpacts);
    }
  }
  FlowMod(const FlowMod&) = delete;
  FlowMod& operator=(const FlowMod&) = delete;

  // Returns what is wrong with `flow`, or an empty string.
  std::string Parse(const SwitchFlow& flow, int command,
                    bool reset_counts = false) {
    char head[80];
    const bool is_add = command == OFPFC_ADD;
    std::string text;
    if (is_add) {
      snprintf(head, sizeof head, "cookie=0x%" PRIx64 ",", flow.cookie);
      text = head;
    }
    if (reset_counts) {
      text += "reset_counts,";
    }
    snprintf(head, sizeof head, "table=%u,priority=%u,", unsigned{flow.table},
             unsigned{flow.priority});
    text += head + flow.match;
    if (command != OFPFC_DELETE_STRICT) {
      text += ",actions=" + flow.actions;
    }
    char* error = parse_ofp_flow_mod_str(&fm_, text.c_str(), nullptr, nullptr,
                                         command, &usable_protocols_);
    if (error) {
      const std::string message = FormatForMessage(flow) + ": " + error;
      free(error);
      return message;
    }
    parsed_ = true;
    return "";
  }

  enum ofputil_protocol usable_protocols() const { return usable_protocols_; }
  const struct ofputil_flow_mod& get() const { return fm_; }

 private:
  struct ofputil_flow_mod fm_;
  enum ofputil_protocol usable_protocols_ {};
  bool parsed_ = false;
};

// A reading of flows and ports: several multipart requests.
struct Reading {
  std::set<ovs_be32> requests;  // Whose replies are not complete.
  bool counters_alone = false;
  SwitchState state;
  SwitchConnection::StateDone done;
};

// Tells a file from one that takes its place.
using FileIdentity = std::tuple<dev_t, ino_t, time_t, long>;

std::optional<FileIdentity> IdentifyFile(const std::string& name) {
  struct stat s;
  if (stat(name.c_str(), &s)) {
    return std::nullopt;
  }
  return FileIdentity(s.st_dev, s.st_ino, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

// A change of flows: one bundle, of which everything up to a barrier is sent
// at once.  If no error comes before the barrier's reply, it is committed.
struct Bundle {
  ovs_be32 barrier_xid = 0;
  ovs_be32 commit_xid = 0;
  uint32_t id = 0;
  std::map<ovs_be32, std::string> requests;  // What each message is for.
  std::string error;                         // The first one.
  std::vector<uint32_t> unneeded_meters;     // To be deleted at the end.
  SwitchConnection::ApplyDone done;
};

class OpenFlowConnection final : public SwitchConnection {
 public:
  OpenFlowConnection(const std::string& target, const OpenFlowOptions& options)
      : target_(target),
        options_(options),
        rconn_(rconn_create(kProbeInterval, kMaxBackoff, DSCP_DEFAULT,
                            options.versions)) {
    Connect();
  }
  ~OpenFlowConnection() override { rconn_destroy(rconn_); }
  OpenFlowConnection(const OpenFlowConnection&) = delete;
  OpenFlowConnection& operator=(const OpenFlowConnection&) = delete;

  void Run() override;
  void Wait() override;
  bool IsConnected() const override { return rconn_is_connected(rconn_); }
  uint64_t Generation() const override { return generation_; }
  uint64_t Interference() const override { return interference_; }
  std::string Describe() const override;
  void ReadState(StateDone done) override { Read(false, std::move(done)); }
  void ReadCounters(StateDone done) override { Read(true, std::move(done)); }
  void Apply(const SwitchChanges& changes, ApplyDone done) override;
  std::string Canonicalize(const SwitchFlow& flow, SwitchFlow* result) override;

 private:
  enum ofputil_protocol Protocol() const {
    return ofputil_protocol_from_ofp_version(version_);
  }

  // Sends `message` and returns its transaction id.  Takes ownership.
  ovs_be32 Send(struct ofpbuf* message);
  bool IsSocketFile() const { return target_.starts_with(kUnix); }
  std::string SocketFile() const { return target_.substr(kUnix.size()); }
  void Connect();
  void LookForSocket();
  void StartConnection();
  void Read(bool counters_alone, StateDone done);
  void SendAsyncConfig();
  void SendFlowMonitor(Tap tap);
  void SendRole(uint32_t role, uint64_t generation);
  void FailAll();
  void Receive(const struct ofpbuf* message);
  void ReceiveConfig(const struct ofp_header* header);
  void ReceiveRole(const struct ofp_header* header);
  void ReceiveFlows(const struct ofpbuf* message);
  void ReceiveFlowUpdate(const struct ofpbuf* message);
  void ReceivePorts(const struct ofpbuf* message);
  void ReceivePortCounters(const struct ofpbuf* message);
  void ReceiveMeterFeatures(const struct ofpbuf* message);
  void ReceiveMeters(const struct ofpbuf* message);
  void ReceiveMeterCounters(const struct ofpbuf* message);
  void ReceiveError(const struct ofpbuf* message);
  Reading* FindReading(const struct ofpbuf* message);
  void FinishReply(const struct ofpbuf* message);
  void FinishReading(const std::string& error);
  ovs_be32 SendMeterMod(const MeterChange& change);
  ovs_be32 SendBundleControl(uint32_t id, uint16_t type);
  void EndBundle();
  void FinishBundle(const std::string& error);

  const std::string target_;
  const OpenFlowOptions options_;
  struct rconn* const rconn_;
  std::optional<FileIdentity> tried_;  // The socket that was last connected to.
  int64_t look_at_ = 0;                // Time of the next look for a new one.
  unsigned int seqno_ = 0;             // Of the connection that Run() has seen.
  // The same connection's.  Stays when it breaks, which any Send() may find.
  enum ofp_version version_ = OFP13_VERSION;
  uint64_t generation_ = 0;
  uint64_t interference_ = 0;
  uint32_t next_bundle_id_ = 1;
  std::vector<Reading> readings_;  // Replies come in this order.
  std::optional<Bundle> bundle_;   // At most one at a time.
};

ovs_be32 OpenFlowConnection::Send(struct ofpbuf* message) {
  const ovs_be32 xid = HeaderOf(message)->xid;
  rconn_send(rconn_, message, nullptr);
  return xid;
}

void OpenFlowConnection::Run() {
  rconn_run(rconn_);
  const unsigned int seqno = rconn_get_connection_seqno(rconn_);
  if (seqno != seqno_ || !IsConnected()) {
    FailAll();
  }
  if (!IsConnected()) {
    LookForSocket();
  }
  if (seqno != seqno_ && IsConnected()) {
    seqno_ = seqno;
    StartConnection();
  }
  // Bounded, so that the rest of the daemon gets its turn.
  for (int i = 0; i < 100; i++) {
    const Message message(rconn_recv(rconn_));
    if (!message) {
      break;
    }
    Receive(message.get());
  }
}

void OpenFlowConnection::Wait() {
  rconn_run_wait(rconn_);
  rconn_recv_wait(rconn_);
  if (!IsConnected() && IsSocketFile()) {
    poll_timer_wait_until(look_at_);
  }
}

void OpenFlowConnection::Connect() {
  if (IsSocketFile()) {
    tried_ = IdentifyFile(SocketFile());
  }
  look_at_ = time_msec() + kLookAfter;
  rconn_connect(rconn_, target_.c_str(), target_.c_str());
}

// The library tries once a second.  A switch that starts, or a bridge that is
// made again, makes its socket anew, which is seen earlier.
void OpenFlowConnection::LookForSocket() {
  if (!IsSocketFile() || time_msec() < look_at_) {
    return;
  }
  look_at_ = time_msec() + kLookAfter;
  const std::optional<FileIdentity> found = IdentifyFile(SocketFile());
  if (found && found != tried_) {
    Connect();
  }
}

std::string OpenFlowConnection::Describe() const {
  if (IsConnected()) {
    return "connected to " + target_ + ", OpenFlow 1." +
           std::to_string(version_ - OFP10_VERSION);
  }
  const int error = rconn_get_last_error(rconn_);
  return "not connected to " + target_ +
         (error ? std::string(": ") + ovs_retval_to_string(error) : "");
}

void OpenFlowConnection::StartConnection() {
  version_ = static_cast<enum ofp_version>(rconn_get_version(rconn_));
  tried_.reset();
  if (options_.role == ControllerRole::kMaster) {
    SendRole(OFPCR12_ROLE_NOCHANGE, 0);
  }
  SendAsyncConfig();
  for (const Tap tap : kTaps) {
    SendFlowMonitor(tap);
  }
  generation_++;
}

// Without a request, a connection is "equal".  `generation` orders the requests
// of all controllers to be master: an older one than the switch has seen is
// refused.
void OpenFlowConnection::SendRole(uint32_t role, uint64_t generation) {
  struct ofp12_role_request request = {};
  request.role = htonl(role);
  request.generation_id = htonll(generation);
  struct ofpbuf* message =
      ofpraw_alloc(OFPRAW_OFPT12_ROLE_REQUEST, version_, 0);
  ofpbuf_put(message, &request, sizeof request);
  Send(message);
}

// The answer to the question which role we have, or to the request to be
// master.
void OpenFlowConnection::ReceiveRole(const struct ofp_header* header) {
  struct ofputil_role_request reply;
  if (!ofputil_decode_role_message(header, &reply) &&
      reply.role != OFPCR12_ROLE_PRIMARY) {
    SendRole(OFPCR12_ROLE_PRIMARY,
             reply.have_generation_id ? reply.generation_id : 0);
  }
}

// Asks for news of ports and meters, and for no packets.  A connection to a
// bridge's management socket gets no messages by itself unless its "miss send
// length" is set.  The same message sets how the switch treats fragments, so
// its current configuration comes first.
void OpenFlowConnection::SendAsyncConfig() {
  struct ofputil_async_cfg async = {};
  const uint32_t reasons = 1u << OFPPR_ADD | 1u << OFPPR_DELETE;
  async.primary[OAM_PORT_STATUS] = reasons;
  async.secondary[OAM_PORT_STATUS] = reasons;
  async.primary[OAM_REQUESTFORWARD] = 1u << OFPRFR_METER_MOD;
  Send(ofputil_encode_set_async_config(
      &async,
      1u << OAM_PACKET_IN | 1u << OAM_PORT_STATUS | 1u << OAM_FLOW_REMOVED |
          1u << OAM_REQUESTFORWARD,
      version_));
  Send(ofpraw_alloc(OFPRAW_OFPT_GET_CONFIG_REQUEST, version_, 0));
}

// Asks for news of the flows of `tap`'s table.  Of our own changes the switch
// says only that there were some.
void OpenFlowConnection::SendFlowMonitor(Tap tap) {
  struct ofputil_flow_monitor_request request = {};
  request.id = static_cast<uint32_t>(tap);
  request.command = OFPFMC_ADD;
  request.flags = static_cast<enum ofp14_flow_monitor_flags>(
      OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY);
  request.out_port = OFPP_NONE;
  request.out_group = OFPG_ANY;
  request.table_id = options_.tables.of(tap);
  match_init_catchall(&request.match);
  struct ofpbuf* message = ofpbuf_new(0);
  ofputil_append_flow_monitor_request(&request, message, Protocol());
  Send(message);
}

void OpenFlowConnection::FailAll() {
  while (!readings_.empty()) {
    FinishReading(kConnectionLost);
  }
  if (bundle_) {
    FinishBundle(kConnectionLost);
  }
}

void OpenFlowConnection::Receive(const struct ofpbuf* message) {
  const struct ofp_header* header = HeaderOf(message);
  enum ofptype type;
  if (ofptype_decode(&type, header)) {
    return;
  }
  switch (static_cast<int>(type)) {
    case OFPTYPE_ECHO_REQUEST:
      Send(ofputil_encode_echo_reply(header));
      break;
    case OFPTYPE_GET_CONFIG_REPLY:
      ReceiveConfig(header);
      break;
    case OFPTYPE_ROLE_REPLY:
      ReceiveRole(header);
      break;
    case OFPTYPE_PORT_STATUS:
      generation_++;
      break;
    case OFPTYPE_FLOW_MONITOR_STATS_REPLY:
      ReceiveFlowUpdate(message);
      break;
    case OFPTYPE_FLOW_MONITOR_RESUMED:
      interference_++;  // There were too many updates to send them.
      break;
    case OFPTYPE_FLOW_STATS_REPLY:
      ReceiveFlows(message);
      break;
    case OFPTYPE_PORT_DESC_STATS_REPLY:
      ReceivePorts(message);
      break;
    case OFPTYPE_PORT_STATS_REPLY:
      ReceivePortCounters(message);
      break;
    case OFPTYPE_METER_FEATURES_STATS_REPLY:
      ReceiveMeterFeatures(message);
      break;
    case OFPTYPE_METER_CONFIG_STATS_REPLY:
      ReceiveMeters(message);
      break;
    case OFPTYPE_METER_STATS_REPLY:
      ReceiveMeterCounters(message);
      break;
    case OFPTYPE_REQUESTFORWARD:
      interference_++;
      break;
    case OFPTYPE_BARRIER_REPLY:
      if (bundle_ && header->xid == bundle_->barrier_xid) {
        EndBundle();
      }
      break;
    case OFPTYPE_BUNDLE_CONTROL:
      if (bundle_ && header->xid == bundle_->commit_xid) {
        FinishBundle(bundle_->error);
      }
      break;
    case OFPTYPE_ERROR:
      ReceiveError(message);
      break;
    default:
      break;
  }
}

void OpenFlowConnection::ReceiveConfig(const struct ofp_header* header) {
  struct ofputil_switch_config config;
  ofputil_decode_get_config_reply(header, &config);
  config.miss_send_len = OFP_DEFAULT_MISS_SEND_LEN;
  Send(ofputil_encode_set_config(&config, version_));
}

// Returns the reading that asked for `message`, or null.
Reading* OpenFlowConnection::FindReading(const struct ofpbuf* message) {
  const bool is_ours =
      !readings_.empty() &&
      readings_.front().requests.contains(HeaderOf(message)->xid);
  return is_ours ? &readings_.front() : nullptr;
}

// `message` is a reply, or a part of one, that FindReading() has found to be
// asked for.
void OpenFlowConnection::FinishReply(const struct ofpbuf* message) {
  if (ofpmp_more(HeaderOf(message))) {
    return;
  }
  readings_.front().requests.erase(HeaderOf(message)->xid);
  if (readings_.front().requests.empty()) {
    FinishReading("");
  }
}

void OpenFlowConnection::ReceiveFlowUpdate(const struct ofpbuf* message) {
  struct ofpbuf rest = *message;
  struct ofpbuf ofpacts;
  ofpbuf_init(&ofpacts, 0);
  for (;;) {
    struct ofputil_flow_update update;
    const int error = ofputil_decode_flow_update(&update, &rest, &ofpacts);
    if (error == EOF) {
      break;
    }
    if (error || update.event != OFPFME_ABBREV) {
      interference_++;
      break;
    }
  }
  ofpbuf_uninit(&ofpacts);
}

void OpenFlowConnection::ReceiveFlows(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  struct ofpbuf rest = *message;
  struct ofpbuf ofpacts;
  ofpbuf_init(&ofpacts, 0);
  int error;
  for (;;) {
    struct ofputil_flow_stats fs;
    error = ofputil_decode_flow_stats_reply(&fs, &rest, false, &ofpacts);
    if (error) {
      break;
    }
    SwitchFlow flow;
    flow.table = fs.table_id;
    flow.priority = fs.priority;
    flow.cookie = ntohll(fs.cookie);
    if (!reading->counters_alone) {
      DynamicString match;
      match_format(&fs.match, nullptr, match.get(), OFP_DEFAULT_PRIORITY);
      flow.match = match.str();
      flow.actions = FormatOfpacts(fs.ofpacts, fs.ofpacts_len);
    }
    // All ones: the switch does not know.
    flow.packets = fs.packet_count == UINT64_MAX ? 0 : fs.packet_count;
    flow.bytes = fs.byte_count == UINT64_MAX ? 0 : fs.byte_count;
    reading->state.flows.push_back(std::move(flow));
  }
  ofpbuf_uninit(&ofpacts);
  if (error != EOF) {
    FinishReading("the switch sent flows that cannot be decoded");
    return;
  }
  FinishReply(message);
}

void OpenFlowConnection::ReceivePorts(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  struct ofpbuf rest = *message;
  ofpraw_pull_assert(&rest);
  struct ofputil_phy_port port;
  while (!ofputil_pull_phy_port(version_, &rest, &port)) {
    reading->state.ports[port.name] = port.port_no == OFPP_LOCAL
                                          ? kPortLocal
                                          : static_cast<uint16_t>(port.port_no);
  }
  FinishReply(message);
}

// Of the port LOCAL, which is there as long as the bridge.
void OpenFlowConnection::ReceivePortCounters(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  struct ofpbuf rest = *message;
  struct ofputil_port_stats stats;
  while (!ofputil_decode_port_stats(&stats, &rest)) {
    if (stats.duration_sec != UINT32_MAX) {
      reading->state.age =
          int64_t{stats.duration_sec} * 1000 + stats.duration_nsec / 1000000;
    }
    netdev_free_custom_stats_counters(&stats.custom_stats);
  }
  FinishReply(message);
}

void OpenFlowConnection::ReceiveMeterFeatures(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  struct ofputil_meter_features features;
  ofputil_decode_meter_features(HeaderOf(message), &features);
  reading->state.max_meters =
      std::min<uint32_t>(features.max_meters, OFPM13_MAX);
  FinishReply(message);
}

void OpenFlowConnection::ReceiveMeters(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  struct ofpbuf rest = *message;
  struct ofpbuf bands;
  ofpbuf_init(&bands, 64);
  struct ofputil_meter_config config;
  while (!ofputil_decode_meter_config(&rest, &config, &bands)) {
    SwitchMeter meter;
    meter.number = config.meter_id;
    meter.kilobits = config.flags & OFPMF13_KBPS;
    meter.is_limit =
        (config.flags | OFPMF13_STATS) == (FlagsOf(meter) | OFPMF13_STATS) &&
        config.n_bands == 1 && config.bands[0].type == OFPMBT13_DROP;
    if (meter.is_limit) {
      meter.rate = config.bands[0].rate;
      meter.burst = config.bands[0].burst_size;
    }
    reading->state.meters.push_back(meter);
  }
  ofpbuf_uninit(&bands);
  FinishReply(message);
}

// Comes behind the meters themselves, unless counters alone are read.
void OpenFlowConnection::ReceiveMeterCounters(const struct ofpbuf* message) {
  Reading* reading = FindReading(message);
  if (!reading) {
    return;
  }
  std::map<uint32_t, SwitchMeter*> meters;
  for (SwitchMeter& meter : reading->state.meters) {
    meters[meter.number] = &meter;
  }
  struct ofpbuf rest = *message;
  struct ofpbuf bands;
  ofpbuf_init(&bands, 64);
  struct ofputil_meter_stats stats;
  while (!ofputil_decode_meter_stats(&rest, &stats, &bands)) {
    if (reading->counters_alone && stats.n_bands == 1) {
      SwitchMeter meter;
      meter.number = stats.meter_id;
      meter.packets = stats.bands[0].packet_count;
      meter.bytes = stats.bands[0].byte_count;
      reading->state.meters.push_back(meter);
    }
    const auto it = meters.find(stats.meter_id);
    if (it != meters.end() && stats.n_bands == 1) {
      it->second->packets = stats.bands[0].packet_count;
      it->second->bytes = stats.bands[0].byte_count;
    }
  }
  ofpbuf_uninit(&bands);
  FinishReply(message);
}

void OpenFlowConnection::ReceiveError(const struct ofpbuf* message) {
  const struct ofp_header* header = HeaderOf(message);
  const enum ofperr ofperr = ofperr_decode_msg(header, nullptr);
  const std::string name = ofperr ? ofperr_get_name(ofperr) : "unknown error";
  if (FindReading(message)) {
    FinishReading("the switch refused to list its flows, ports and meters: " +
                  name);
    return;
  }
  if (bundle_) {
    const auto request = bundle_->requests.find(header->xid);
    if (request != bundle_->requests.end()) {
      // What comes after the first error follows from it.
      if (bundle_->error.empty()) {
        bundle_->error = "the switch refused " + request->second + ": " + name;
        if (name == "OFPBAC_BAD_VENDOR_TYPE" || name == "OFPBAC_BAD_TYPE" ||
            name == "OFPBAC_BAD_EXP_TYPE") {
          bundle_->error += " (its ovs-vswitchd does not know rmirror)";
        }
      }
      if (header->xid == bundle_->commit_xid) {
        FinishBundle(bundle_->error);
      }
      return;
    }
  }
  VLOG_WARN_RL(&rl, "%s: unexpected %s", rconn_get_target(rconn_),
               name.c_str());
}

void OpenFlowConnection::Read(bool counters_alone, StateDone done) {
  Reading reading;
  reading.counters_alone = counters_alone;
  struct ofputil_flow_stats_request request = {};
  match_init_catchall(&request.match);
  request.out_port = OFPP_ANY;
  request.out_group = OFPG_ANY;
  if (counters_alone) {
    request.cookie = htonll(kCookiePrefix);
    request.cookie_mask = htonll(kCookiePrefixMask);
  }
  for (const Tap tap : kTaps) {
    request.table_id = options_.tables.of(tap);
    reading.requests.insert(
        Send(ofputil_encode_flow_stats_request(&request, Protocol())));
  }
  reading.requests.insert(
      Send(ofputil_encode_dump_ports_request(version_, OFPP_LOCAL)));
  std::vector<enum ofputil_meter_request_type> of_meters;
  if (!counters_alone) {
    reading.requests.insert(
        Send(ofputil_encode_port_desc_stats_request(version_, OFPP_ANY)));
    of_meters = {OFPUTIL_METER_FEATURES, OFPUTIL_METER_CONFIG};
  }
  of_meters.push_back(OFPUTIL_METER_STATS);
  for (const enum ofputil_meter_request_type type : of_meters) {
    reading.requests.insert(
        Send(ofputil_encode_meter_request(version_, type, OFPM13_ALL)));
  }
  reading.done = std::move(done);
  readings_.push_back(std::move(reading));
}

void OpenFlowConnection::FinishReading(const std::string& error) {
  Reading reading = std::move(readings_.front());
  readings_.erase(readings_.begin());
  reading.done(error, error.empty() ? std::move(reading.state) : SwitchState{});
}

ovs_be32 OpenFlowConnection::SendBundleControl(uint32_t id, uint16_t type) {
  struct ofputil_bundle_ctrl_msg control = {};
  control.bundle_id = id;
  control.type = type;
  control.flags = OFPBF_ATOMIC | OFPBF_ORDERED;
  return Send(ofputil_encode_bundle_ctrl_request(version_, &control));
}

ovs_be32 OpenFlowConnection::SendMeterMod(const MeterChange& change) {
  struct ofputil_meter_band band = {};
  band.type = OFPMBT13_DROP;
  band.rate = change.meter.rate;
  band.burst_size = change.meter.burst;
  struct ofputil_meter_mod mod = {};
  mod.command = change.kind == MeterChange::Kind::kAdd      ? OFPMC13_ADD
                : change.kind == MeterChange::Kind::kModify ? OFPMC13_MODIFY
                                                            : OFPMC13_DELETE;
  mod.meter.meter_id = change.meter.number;
  if (change.kind != MeterChange::Kind::kDelete) {
    mod.meter.flags = FlagsOf(change.meter);
    mod.meter.n_bands = 1;
    mod.meter.bands = &band;
  }
  return Send(ofputil_encode_meter_mod(version_, &mod));
}

void OpenFlowConnection::Apply(const SwitchChanges& changes, ApplyDone done) {
  bundle_.emplace();
  bundle_->id = next_bundle_id_++;
  bundle_->done = std::move(done);
  for (const MeterChange& change : changes.meters) {
    if (change.kind == MeterChange::Kind::kDelete) {
      bundle_->unneeded_meters.push_back(change.meter.number);
    } else {
      bundle_->requests[SendMeterMod(change)] =
          "meter " + std::to_string(change.meter.number);
    }
  }
  bundle_->requests[SendBundleControl(bundle_->id, OFPBCT_OPEN_REQUEST)] =
      "to open a bundle";
  for (const FlowChange& change : changes.flows) {
    const bool is_reset = change.kind == FlowChange::Kind::kReset;
    const int command = change.kind == FlowChange::Kind::kAdd ? OFPFC_ADD
                        : is_reset || change.kind == FlowChange::Kind::kModify
                            ? OFPFC_MODIFY_STRICT
                            : OFPFC_DELETE_STRICT;
    FlowMod mod;
    std::string error = mod.Parse(change.flow, command, is_reset);
    const std::string text = FormatForMessage(change.flow);
    if (error.empty() && !(mod.usable_protocols() & Protocol())) {
      error = text + ": not possible in OpenFlow 1." +
              std::to_string(version_ - OFP10_VERSION);
    }
    if (!error.empty()) {
      if (bundle_->error.empty()) {
        bundle_->error = error;
      }
      break;
    }
    const Message inner(ofputil_encode_flow_mod(&mod.get(), Protocol()));
    ofpmsg_update_length(inner.get());
    struct ofputil_bundle_add_msg add = {};
    add.bundle_id = bundle_->id;
    add.flags = OFPBF_ATOMIC | OFPBF_ORDERED;
    add.msg = HeaderOf(inner.get());
    bundle_->requests[Send(ofputil_encode_bundle_add(version_, &add))] = text;
    if (bundle_->requests.size() % kSendAfter == 0) {
      rconn_run(rconn_);
    }
  }
  bundle_->barrier_xid = Send(ofputil_encode_barrier_request(version_));
}

// The switch has all of the bundle.
void OpenFlowConnection::EndBundle() {
  if (!bundle_->error.empty()) {
    SendBundleControl(bundle_->id, OFPBCT_DISCARD_REQUEST);
    FinishBundle(bundle_->error);
    return;
  }
  bundle_->commit_xid = SendBundleControl(bundle_->id, OFPBCT_COMMIT_REQUEST);
  bundle_->requests[bundle_->commit_xid] = "to commit a bundle";
}

void OpenFlowConnection::FinishBundle(const std::string& error) {
  if (error.empty()) {
    for (const uint32_t number : bundle_->unneeded_meters) {
      MeterChange change;
      change.kind = MeterChange::Kind::kDelete;
      change.meter.number = number;
      SendMeterMod(change);
    }
  }
  // `error` may be the bundle's own.
  const std::optional<Bundle> bundle = std::exchange(bundle_, std::nullopt);
  bundle->done(error);
}

// What a switch prints depends on how the version of OpenFlow encodes it, so
// the flow is encoded as for the switch and decoded again.
std::string OpenFlowConnection::Canonicalize(const SwitchFlow& flow,
                                             SwitchFlow* result) {
  FlowMod mod;
  std::string error = mod.Parse(flow, OFPFC_ADD);
  if (!error.empty()) {
    return error;
  }
  const Message message(ofputil_encode_flow_mod(&mod.get(), Protocol()));
  ofpmsg_update_length(message.get());

  struct ofputil_flow_mod decoded;
  struct ofpbuf ofpacts;
  ofpbuf_init(&ofpacts, 0);
  const enum ofperr ofperr =
      ofputil_decode_flow_mod(&decoded, HeaderOf(message.get()), Protocol(),
                              nullptr, nullptr, &ofpacts, OFPP_MAX, UINT8_MAX);
  if (ofperr) {
    error = FormatForMessage(flow) + ": " + ofperr_get_name(ofperr);
  } else {
    DynamicString match;
    minimatch_format(&decoded.match, nullptr, nullptr, match.get(),
                     OFP_DEFAULT_PRIORITY);
    *result = flow;
    result->match = match.str();
    result->actions = FormatOfpacts(decoded.ofpacts, decoded.ofpacts_len);
    minimatch_destroy(&decoded.match);
  }
  ofpbuf_uninit(&ofpacts);
  return error;
}

}  // namespace

std::unique_ptr<SwitchConnection> OpenFlowConnect(
    const std::string& target, const OpenFlowOptions& options) {
  return std::make_unique<OpenFlowConnection>(target, options);
}

}  // namespace ovs_rmirror
