// SPDX-License-Identifier: Apache-2.0

#include "controller/capture.h"

#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "controller/capture_choice.h"
#include "controller/copy_reader.h"
#include "controller/ovs.h"
#include "controller/pcapng.h"
#include "controller/signals.h"
#include "controller/warnings.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// Bytes of packets that the kernel keeps for us, for each device.
constexpr int kBuffer = 16 << 20;

// Bytes of a packet that are taken, at most: more than any has.
constexpr int kSnapLength = 262144;

// Packets taken from a device before others get their turn.
constexpr int kBatch = 256;

// The packets that leave by one device.
class Device {
 public:
  explicit Device(std::string name) : name_(std::move(name)) {}
  ~Device() {
    if (pcap_) {
      pcap_close(pcap_);
    }
  }
  Device(Device&& other) noexcept
      : name_(std::move(other.name_)),
        pcap_(std::exchange(other.pcap_, nullptr)) {}
  Device& operator=(Device&&) = delete;

  const std::string& name() const { return name_; }
  bool ethernet() const { return pcap_datalink(pcap_) == DLT_EN10MB; }

  // Captures what is to `target`.  Returns what is wrong, or nothing.
  std::string Open(const Address& target) {
    char error[PCAP_ERRBUF_SIZE];
    pcap_ = pcap_create(name_.c_str(), error);
    if (!pcap_) {
      return name_ + ": " + error + "\n";
    }
    pcap_set_snaplen(pcap_, kSnapLength);
    pcap_set_immediate_mode(pcap_, 1);
    pcap_set_buffer_size(pcap_, kBuffer);
    pcap_set_tstamp_precision(pcap_, PCAP_TSTAMP_PRECISION_NANO);
    switch (const int status = pcap_activate(pcap_)) {
      case PCAP_ERROR_PERM_DENIED:
        return name_ +
               ": no permission to capture: run as root, or with "
               "CAP_NET_RAW\n";
      case PCAP_ERROR_NO_SUCH_DEVICE:
        return name_ + ": there is no such device in this network namespace\n";
      default:
        if (status < 0) {
          return name_ + ": " + pcap_geterr(pcap_) + "\n";
        }
    }
    if (!ethernet() && pcap_datalink(pcap_) != DLT_RAW) {
      return name_ + ": captures neither Ethernet frames nor IP packets\n";
    }
    struct bpf_program program;
    if (pcap_setdirection(pcap_, PCAP_D_OUT) ||
        pcap_compile(pcap_, &program, CaptureFilter(target, ethernet()).c_str(),
                     1, PCAP_NETMASK_UNKNOWN)) {
      return name_ + ": " + pcap_geterr(pcap_) + "\n";
    }
    const int failed = pcap_setfilter(pcap_, &program);
    pcap_freecode(&program);
    if (failed || pcap_setnonblock(pcap_, 1, error)) {
      return name_ + ": " + pcap_geterr(pcap_) + "\n";
    }
    return "";
  }

  // Stores the next packet that has come in `*when`, in ns since 1970, and
  // `*packet`, which is valid until the next call.  Returns 1, or 0 if there is
  // none, or -1 if the device has failed.
  int Next(uint64_t* when, std::string_view* packet) {
    struct pcap_pkthdr* header;
    const u_char* data;
    const int status = pcap_next_ex(pcap_, &header, &data);
    if (status == 1) {
      // With PCAP_TSTAMP_PRECISION_NANO, tv_usec is in ns.
      *when = static_cast<uint64_t>(header->ts.tv_sec) * 1000000000 +
              static_cast<uint64_t>(header->ts.tv_usec);
      *packet = {reinterpret_cast<const char*>(data), header->caplen};
    }
    return status;
  }

  void Wait() { poll_fd_wait(pcap_get_selectable_fd(pcap_), POLLIN); }

  std::string Error() { return name_ + ": " + pcap_geterr(pcap_) + "\n"; }

  // The packets that came too fast for this program.
  uint64_t Lost() {
    struct pcap_stat statistics;
    return pcap_stats(pcap_, &statistics) ? 0 : statistics.ps_drop;
  }

 private:
  std::string name_;
  pcap_t* pcap_ = nullptr;
};

// Where the capture goes.
class Output {
 public:
  ~Output() {
    if (file_ && file_ != stdout) {
      std::fclose(file_);
    }
  }

  // Returns what is wrong, or nothing.
  std::string Open(const std::string& name) {
    name_ = name == "-" ? "standard output" : name;
    if (name == "-") {
      file_ = stdout;
      return isatty(STDOUT_FILENO) ? "pcapng is nothing for a terminal: write "
                                     "a file, -w FILE, or "
                                     "read it with a program: | tshark -r -\n"
                                   : "";
    }
    file_ = std::fopen(name.c_str(), "wb");
    return file_ ? "" : name + ": " + std::strerror(errno) + "\n";
  }

  void Write(const std::string& bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), file_);
  }

  // Returns 0, or the errno value of what has failed.
  int Flush() {
    errno = 0;
    return std::fflush(file_) || std::ferror(file_) ? (errno ? errno : EIO) : 0;
  }

  const std::string& name() const { return name_; }

 private:
  std::string name_;
  FILE* file_ = nullptr;
};

class CopyCapture {
 public:
  explicit CopyCapture(const CaptureOptions& options) : options_(options) {}

  ExitCode Run(const DaemonOptions& daemon) {
    const ExitCode status = Choose(daemon);
    if (status != kExitGood) {
      return status;
    }
    std::string error = OpenDevices();
    if (error.empty()) {
      error = output_.Open(options_.file);
    }
    if (!error.empty()) {
      std::cerr << error;
      return kExitFailed;
    }
    Begin();
    return Loop();
  }

 private:
  // Finds out what to capture.
  ExitCode Choose(const DaemonOptions& daemon) {
    return AskForJson(daemon, "list", {}, [this](const json& lists) {
      Sample policy;
      for (const json& list : lists.is_array() ? lists : json::array({lists})) {
        if (list.contains("error")) {
          std::cerr << list.at("error").get<std::string>();
          return kExitFailed;
        }
        policy.Add(list.at("bridge").get<std::string>(), ReadListing(list, ""));
      }
      CaptureChoice choice = ChooseSessions(policy, options_.what);
      std::cerr << choice.error;
      sessions_ = std::move(choice.sessions);
      return sessions_.empty() ? kExitFailed : kExitGood;
    });
  }

  const Address& target() const { return sessions_[0].session.target; }

  // Returns what is wrong, or nothing.
  std::string OpenDevices() {
    CaptureDevices found{options_.devices, ""};
    if (found.names.empty()) {
      found = FindDevices();
    }
    if (!found.error.empty()) {
      return found.error;
    }
    for (const std::string& name : found.names) {
      devices_.emplace_back(name);
      const std::string error = devices_.back().Open(target());
      if (!error.empty()) {
        return error;
      }
    }
    return "";
  }

  // Asks ovs-vswitchd by which devices copies leave.
  CaptureDevices FindDevices() const {
    const DaemonOptions vswitchd{"ovs-vswitchd", ""};
    const std::string address = FormatAddress(target());
    std::string route;
    std::string ports;
    if (Ask(vswitchd, "ovs/route/lookup", {address}, &route) != kExitGood) {
      return {{},
              "ovs-vswitchd knows no way to " + address +
                  ": name the device by which copies leave: -i DEVICE\n"};
    }
    std::string device;
    std::istringstream lines(route);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("dev ")) {
        device = line.substr(4);
      }
    }
    if (device.empty() || Ask(vswitchd, "dpif/show", {}, &ports) != kExitGood) {
      return {{},
              "ovs-vswitchd does not say by which device copies leave: "
              "name it: -i DEVICE\n"};
    }
    return FindCaptureDevices(device, ports);
  }

  // Writes what stands before the packets, and tells the user what to expect.
  void Begin() {
    std::string where;
    for (const Device& device : devices_) {
      where += (where.empty() ? "" : ", ") + device.name();
    }
    output_.Write(PcapngSection("ovs-rmirrorctl " RMIRROR_VERSION,
                                "copies of " + options_.what +
                                    ", captured where they leave: " + where));
    for (const CapturedSession& session : sessions_) {
      comments_.emplace_back();
      for (const std::string& rule : session.rules) {
        comments_.back() += (comments_.back().empty() ? "" : "\n") + rule;
      }
      output_.Write(PcapngInterface(session.name, comments_.back()));
      if (session.rules.size() > 1) {
        std::cerr
            << session.name
            << ": the copies of these rules cannot be told apart; a --key "
               "would do:\n"
            << comments_.back() << "\n";
      }
    }
    std::cerr << "capturing on " << where << std::endl;
  }

  ExitCode Loop() {
    const int64_t deadline =
        options_.seconds > 0
            ? time_msec() + static_cast<int64_t>(options_.seconds * 1000)
            : INT64_MAX;
    // A reader that ends is no failure of ours.
    std::signal(SIGPIPE, SIG_IGN);
    std::string error;
    while (!done_ && error.empty()) {
      bool ends = time_msec() >= deadline;
      for (int signal; (signal = signals_.Next()) != 0;) {
        ends = ends || signal != SIGWINCH;
      }
      if (ends && ended_at_ == UINT64_MAX) {
        ended_at_ = static_cast<uint64_t>(time_wall_usec()) * 1000;
      }
      bool more = false;
      for (Device& device : devices_) {
        const int status = Take(&device);
        more = more || status > 0;
        if (status < 0) {
          error = device.Error();
        }
      }
      if (const int failed = output_.Flush()) {
        if (failed != EPIPE) {
          error = output_.name() + ": " + std::strerror(failed) + "\n";
        }
        done_ = true;
      }
      done_ = done_ || (ended_at_ != UINT64_MAX && !more);
      if (!done_ && error.empty()) {
        Wait(deadline, more);
      }
    }
    Report();
    std::cerr << error;
    return error.empty() ? kExitGood : kExitFailed;
  }

  void Wait(int64_t deadline, bool more) {
    signals_.Wait();
    for (Device& device : devices_) {
      device.Wait();
    }
    if (deadline != INT64_MAX) {
      poll_timer_wait_until(deadline);
    }
    if (more) {
      poll_immediate_wake();
    }
    poll_block();
  }

  // Takes some packets of `device` that it has captured before the end.
  // Returns 1 if there may be more, 0 if not, -1 if it has failed.
  int Take(Device* device) {
    for (int i = 0; i < kBatch && !done_; i++) {
      uint64_t when = 0;
      std::string_view packet;
      const int status = device->Next(&when, &packet);
      if (status <= 0) {
        return status;
      }
      if (when > ended_at_) {
        return 0;
      }
      if (const auto copy = reader_.Read(packet, device->ethernet())) {
        Write(when, *copy);
      }
    }
    return 1;
  }

  void Write(uint64_t when, const CarriedCopy& copy) {
    // Copies of other hosts may come through this one.
    if (std::find(local_.begin(), local_.end(), copy.source) == local_.end()) {
      return;
    }
    for (size_t i = 0; i < sessions_.size(); i++) {
      if (IsOfSession(copy.session, sessions_[i].session)) {
        output_.Write(PcapngPacket(
            static_cast<uint32_t>(i), when, copy.frame,
            static_cast<uint32_t>(OriginalLength(copy.frame)), comments_[i]));
        captured_++;
        done_ = captured_ == options_.count;
        return;
      }
    }
  }

  void Report() {
    uint64_t lost = 0;
    for (Device& device : devices_) {
      lost += device.Lost();
    }
    std::cerr << captured_ << (captured_ == 1 ? " copy" : " copies")
              << " captured\n";
    if (lost > 0) {
      std::cerr << lost << " packets came too fast to be captured\n";
    }
    if (reader_.incomplete() > 0) {
      std::cerr << reader_.incomplete() << " copies lack fragments\n";
    }
  }

  const CaptureOptions options_;
  const std::vector<Address> local_ = LocalAddresses();
  Signals signals_;
  Output output_;
  std::vector<CapturedSession> sessions_;
  std::vector<std::string> comments_;  // Of each session: its rules.
  std::vector<Device> devices_;
  CopyReader reader_;
  uint64_t captured_ = 0;
  bool done_ = false;  // Nothing more is to be written.
  // When it was told to end, in ns since 1970: later packets are not taken.
  uint64_t ended_at_ = UINT64_MAX;
};

}  // namespace

ExitCode Capture(const DaemonOptions& daemon, const CaptureOptions& options) {
  return CopyCapture(options).Run(daemon);
}

}  // namespace ovs_rmirror
