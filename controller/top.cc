// SPDX-License-Identifier: Apache-2.0

#include "controller/top.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "controller/ovs.h"
#include "controller/rates.h"
#include "controller/read_json.h"
#include "controller/signals.h"
#include "controller/status.h"
#include "controller/terminal.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// The lines above the headings of the table.
constexpr size_t kSummaryLines = 3;

// Reads the answer to "list".  Throws std::exception if it is none.
Sample ReadSample(const std::string& answer, int64_t when,
                  std::string* problem) {
  const json lists = ReadJson(answer);
  Sample sample;
  sample.when = when;
  for (const json& list : lists.is_array() ? lists : json::array({lists})) {
    if (list.contains("error")) {
      *problem += list.at("error").get<std::string>();
    } else {
      sample.Add(list.at("bridge").get<std::string>(), ReadListing(list, ""));
    }
  }
  return sample;
}

json RateAsJson(const RateRow& row) {
  json entry = {{"bridge", row.bridge},          {"packets", row.total.packets},
                {"bytes", row.total.bytes},      {"dormant", row.dormant},
                {"packets_per_second", {}},      {"bits_per_second", {}},
                {"mirrored_bits_per_second", {}}};
  if (row.chain.empty()) {
    entry["target"] = row.text;
    entry["rules"] = row.number;
  } else {
    entry["chain"] = row.chain;
    entry["number"] = row.number;
    entry["rule"] = "-A " + row.chain + " " + row.text;
  }
  if (row.rate) {
    entry["packets_per_second"] = row.rate->packets;
    entry["bits_per_second"] = row.rate->bits;
    if (row.rate->mirrored) {
      entry["mirrored_bits_per_second"] = *row.rate->mirrored;
    }
  }
  return entry;
}

std::string LocalTime() {
  const std::time_t now = std::time(nullptr);
  struct tm local;
  char text[sizeof "23:59:59"];
  localtime_r(&now, &local);
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  return text;
}

class TopView {
 public:
  TopView(const DaemonOptions& daemon, const TopOptions& options)
      : daemon_(daemon),
        options_(options),
        order_(RateOrderByName(options.sort)) {}

  ExitCode Run() {
    const bool on_screen = !options_.batch && !options_.as_json;
    // The first answer decides whether there is anything to look at.
    due_ = time_msec();
    while (!done_) {
      for (int signal; (signal = signals_.Next()) != 0;) {
        HandleSignal(signal);
      }
      while (terminal_ && HandleKey(terminal_->ReadKey())) {
      }
      if (done_) {
        break;
      }
      Look();
      if (samples_ > 0 && on_screen && !terminal_ && !done_) {
        std::string error;
        terminal_ = Terminal::Open(&error);
        if (!terminal_) {
          std::cerr << error << ": print text instead: --batch\n";
          return kExitUsage;
        }
      }
      if (terminal_ && changed_) {
        Draw();
      }
      Wait();
    }
    return status_;
  }

 private:
  // Asks the daemon when it is time to, and takes its answer when it comes.
  void Look() {
    if (!call_ && time_msec() >= due_) {
      due_ = time_msec() + static_cast<int64_t>(options_.delay * 1000);
      call_ = std::make_unique<DaemonCall>(daemon_, "list",
                                           std::vector<std::string>());
    }
    if (!call_) {
      return;
    }
    const std::optional<DaemonAnswer> answer = call_->Run();
    if (!answer) {
      return;
    }
    call_.reset();
    Take(*answer);
  }

  void Take(const DaemonAnswer& answer) {
    problem_.clear();
    ExitCode status = answer.status;
    if (status == kExitGood) {
      try {
        Sample sample = ReadSample(answer.text, time_msec(), &problem_);
        // Without an earlier look, there is no rate.
        before_ = samples_ == 0 ? Sample() : std::move(after_);
        after_ = std::move(sample);
        samples_++;
      } catch (const std::exception& e) {
        problem_ = UnreadableAnswer(e);
        status = kExitFailed;
      }
    } else {
      problem_ = answer.text;
    }
    changed_ = true;
    if (terminal_) {
      // The daemon may come back, and the screen says that it is away.
      done_ = options_.count > 0 && samples_ > options_.count;
      return;
    }
    std::cerr << problem_;
    if (status != kExitGood) {
      status_ = status;
      done_ = true;
    } else if (samples_ > 1) {
      Print();
    }
  }

  std::vector<RateRow> Rows() const {
    std::vector<RateRow> rows = options_.targets ? TargetRates(before_, after_)
                                                 : RuleRates(before_, after_);
    SortRates(order_, &rows);
    return rows;
  }

  std::vector<std::string> Summary() const {
    const Rate sum = SumOfTargets(TargetRates(before_, after_));
    const auto dormant = std::count_if(
        after_.rules.begin(), after_.rules.end(),
        [](const CountedRule& rule) { return rule.listed.dormant; });
    return {"ovs-rmirrorctl top - " + LocalTime() +
                ", rules: " + std::to_string(after_.rules.size()) +
                ", dormant: " + std::to_string(dormant) + ", by " +
                RateOrderNames()[static_cast<size_t>(order_)],
            "mirrored: " + FormatRate(sum.packets) + " packets/s of " +
                FormatRate(sum.bits) + " bit/s, copies: " +
                (sum.mirrored ? FormatRate(*sum.mirrored) : "-") + " bit/s",
            problem_.substr(0, problem_.find('\n'))};
  }

  // Prints what the screen would show.
  void Print() {
    const std::vector<RateRow> rows = Rows();
    if (options_.as_json) {
      json entries = json::array();
      for (const RateRow& row : rows) {
        entries.push_back(RateAsJson(row));
      }
      std::cout << FormatJson(entries) << std::endl;
    } else {
      std::string text = samples_ > 2 ? "\n" : "";
      for (const std::string& line : Summary()) {
        text += line.empty() ? "" : line + "\n";
      }
      text += "\n";
      for (const std::string& line : FormatRates(rows)) {
        text += line + "\n";
      }
      std::cout << text << std::flush;
    }
    done_ = !std::cout || (options_.count > 0 && samples_ > options_.count);
  }

  size_t RoomForRows() const {
    const size_t height = terminal_->height();
    return height > kSummaryLines + 1 ? height - kSummaryLines - 1 : 1;
  }

  void Draw() {
    changed_ = false;
    std::vector<std::string> lines = Summary();
    std::vector<std::string> table = FormatRates(Rows());
    const size_t rows = table.size() - 1;
    scroll_ = std::min(scroll_, rows - std::min(rows, RoomForRows()));
    lines.push_back(std::move(table[0]));
    lines.insert(lines.end(),
                 std::make_move_iterator(table.begin() + 1 +
                                         static_cast<ptrdiff_t>(scroll_)),
                 std::make_move_iterator(table.end()));
    terminal_->Show(lines, kSummaryLines);
  }

  void HandleSignal(int signal) {
    if (signal != SIGWINCH) {
      done_ = true;
    } else if (terminal_) {
      terminal_->Resize();
      changed_ = true;
    }
  }

  // Returns whether there was a key.
  bool HandleKey(const KeyPress& press) {
    switch (press.key) {
      case Key::kNone:
        return false;
      case Key::kOther:
        return true;
      case Key::kCharacter:
        HandleCharacter(press.character);
        break;
      case Key::kUp:
        scroll_ -= std::min<size_t>(scroll_, 1);
        break;
      case Key::kDown:
        scroll_++;
        break;
      case Key::kPageUp:
        scroll_ -= std::min(scroll_, RoomForRows());
        break;
      case Key::kPageDown:
        scroll_ += RoomForRows();
        break;
      case Key::kHome:
        scroll_ = 0;
        break;
      case Key::kEnd:
        scroll_ = after_.rules.size();
        break;
    }
    changed_ = true;
    return true;
  }

  void HandleCharacter(char key) {
    switch (key) {
      case 'q':
        done_ = true;
        break;
      case ' ':
        due_ = time_msec();
        break;
      case 'p':
        order_ = RateOrder::kPackets;
        break;
      case 'b':
        order_ = RateOrder::kBits;
        break;
      case 'm':
        order_ = RateOrder::kMirrored;
        break;
      case 'c':
        order_ = RateOrder::kTotal;
        break;
      case 'r':
        order_ = RateOrder::kPolicy;
        break;
      case 't':
        options_.targets = !options_.targets;
        scroll_ = 0;
        break;
    }
  }

  // Waits until there is something to do.
  void Wait() {
    if (done_) {
      return;
    }
    signals_.Wait();
    if (terminal_) {
      poll_fd_wait(terminal_->input(), POLLIN);
    }
    if (call_) {
      call_->Wait();
    } else {
      poll_timer_wait_until(due_);
    }
    poll_block();
  }

  const DaemonOptions daemon_;
  TopOptions options_;
  RateOrder order_;
  Signals signals_;
  std::unique_ptr<Terminal>
      terminal_;                      // None until there is something to show.
  std::unique_ptr<DaemonCall> call_;  // The question to the daemon, if any.
  int64_t due_ = 0;                   // When to ask next, by time_msec().
  Sample before_;
  Sample after_;
  uint64_t samples_ = 0;
  std::string problem_;  // What the last answer says that is wrong.
  size_t scroll_ = 0;    // The rows above the screen.
  bool changed_ = false;
  bool done_ = false;
  ExitCode status_ = kExitGood;
};

}  // namespace

ExitCode Top(const DaemonOptions& daemon, const TopOptions& options) {
  return TopView(daemon, options).Run();
}

}  // namespace ovs_rmirror
