// SPDX-License-Identifier: Apache-2.0

#include "controller/loss_log.h"

#include <utility>

#include "controller/sessions.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// Packets for which there was no session left, as if that were a target.
constexpr const char* kNoSession = "no_session";

std::string FormatLost(const std::map<std::string, uint64_t>& lost) {
  std::string s;
  for (const auto& [reason, count] : lost) {
    if (count > 0) {
      s += (s.empty() ? "" : ", ") + reason + " " + std::to_string(count);
    }
  }
  return s;
}

}  // namespace

// `counted` are the drops of a target by now; `recent`: whether there were any
// in the window.
void LossLog::Look(const std::string& what, const Drops& counted, bool recent,
                   int64_t now, int64_t window, bool is_new, Target* target,
                   std::vector<LossEvent>* events) {
  for (const auto& [reason, count] : counted) {
    const uint64_t before = is_new ? count : target->counted[reason];
    const uint64_t more = count >= before ? count - before : count;
    if (more > 0) {
      target->since = target->since ? target->since : now;
      target->lost[reason] += more;
      if (!target->told && now - target->since >= window / kLooksInWindow) {
        target->told = true;
        events->push_back(
            {true, what + " are lost: " + FormatLost(target->lost)});
      }
    }
  }
  target->counted = counted;
  if (target->since && !recent) {
    if (target->told) {
      events->push_back({false, what + " are no longer lost: none in " +
                                    std::to_string(window / 1000) +
                                    " s; before, " + FormatLost(target->lost)});
    }
    target->lost.clear();
    target->since = 0;
    target->told = false;
  }
}

std::vector<LossEvent> LossLog::Look(const json& report, int64_t now) {
  std::vector<LossEvent> events;
  if (!report.at("sessions_error").get<std::string>().empty()) {
    return events;
  }
  const int64_t window = report.at("window").get<int64_t>() * 1000;
  std::map<std::string, Target> targets;  // Those that the policy still has.
  const auto look = [&](const std::string& name, const std::string& what,
                        const Drops& counted, const Drops& recent) {
    auto node = targets_.extract(name);
    const bool is_new = node.empty();
    Target& target = targets[name];
    if (!is_new) {
      target = std::move(node.mapped());
    }
    Look(what, counted, SumLost(recent) > 0, now, window, is_new, &target,
         &events);
  };
  for (const json& session : report.at("sessions")) {
    const auto name = session.at("session").get<std::string>();
    auto counted = session.at("drops").get<Drops>();
    counted.erase(kLoop);
    look(name, "copies to " + name, counted,
         session.at("recent_drops").get<Drops>());
  }
  look(kNoSession, "copies for want of a session",
       {{kNoSession, report.at("no_session").get<uint64_t>()}},
       {{kNoSession, report.at("recent_no_session").get<uint64_t>()}});
  targets_ = std::move(targets);
  return events;
}

}  // namespace ovs_rmirror
