// SPDX-License-Identifier: Apache-2.0

#include "controller/explain.h"

#include <netinet/in.h>

#include <algorithm>
#include <map>

#include "controller/flow_text.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// GRE to or from a collector may be a copy, and makes no copies.
bool MayBeCopy(const Policy& policy, const Packet& packet) {
  return packet.family && packet.nw_proto == IPPROTO_GRE &&
         std::any_of(policy.rules.begin(), policy.rules.end(),
                     [&](const Rule& rule) {
                       const Mirror* mirror = rule.mirror();
                       if (!mirror) {
                         return false;
                       }
                       const Address& target = mirror->session.target;
                       return target.family == *packet.family &&
                              (target.bits == packet.nw_src ||
                               target.bits == packet.nw_dst);
                     });
}

ExplainedCopy CopyOf(const Mirror& mirror, std::optional<uint64_t> length,
                     bool loop) {
  ExplainedCopy copy;
  copy.loop = loop;
  copy.up_to_mtu = mirror.len.mtu;
  copy.bytes = length;
  if (!mirror.len.mtu && mirror.len.bytes != RMIRROR_LEN_ALL) {
    copy.bytes = length ? std::min<uint64_t>(*length, mirror.len.bytes)
                        : std::optional<uint64_t>();
  }
  return copy;
}

const char* EffectName(Effect effect) {
  switch (effect) {
    case Effect::kCopy:
      return "copy";
    case Effect::kMayCopy:
      return "may-copy";
    case Effect::kRepeat:
      return "repeat";
    case Effect::kSkip:
      return "skip";
    case Effect::kVerdict:
      return "verdict";
    case Effect::kJump:
      return "jump";
  }
  return "";
}

std::string PortName(const PortNumbers& ports, uint32_t number) {
  if (number == kPortLocal) {
    return "LOCAL";
  }
  for (const auto& [name, port] : ports) {
    if (port == number) {
      return name;
    }
  }
  return std::to_string(number);
}

// "copies 128 of 1500 bytes", or "may copy" them, where a limit or chance
// decides.
std::string DescribeCopy(const Mirror& mirror, const ExplainedCopy& copy,
                         bool perhaps, std::optional<uint64_t> length) {
  if (copy.loop) {
    return "makes no copy: GRE to or from a collector may be one itself";
  }
  std::string s = perhaps ? "may copy " : "copies ";
  if (copy.up_to_mtu) {
    s += "what fits the MTU of the way";
    s += length ? ", at most " + std::to_string(*length) + " bytes" : "";
  } else if (copy.bytes && copy.bytes != length) {
    s += std::to_string(*copy.bytes) + " of " + std::to_string(*length) +
         " bytes";
  } else if (copy.bytes) {
    s += "all " + std::to_string(*copy.bytes) + " bytes";
  } else if (mirror.len.bytes == RMIRROR_LEN_ALL) {
    s += "all bytes";
  } else {
    s += "the first " + std::to_string(mirror.len.bytes) + " bytes";
  }
  return s + ": " + FormatMirror(mirror);
}

std::string DescribeStep(const Rule& rule, const ExplainedStep& step,
                         const ExplainedChain& chain, const PacketPath& path) {
  switch (step.effect) {
    case Effect::kCopy:
    case Effect::kMayCopy:
      return DescribeCopy(*rule.mirror(), *step.copy,
                          step.effect == Effect::kMayCopy, path.length);
    case Effect::kRepeat:
      return "counts the packet; the session has its copy from another chain";
    case Effect::kSkip:
      return "does nothing: the session has its copy from a rule before";
    case Effect::kVerdict:
      return &step == &chain.steps.back() && !chain.fell_through
                 ? "ends " + std::string(ChainName(chain.chain))
                 : "ends " + rule.chain + " only";
    case Effect::kJump:
      return "goes on in " + rule.jump()->chain;
  }
  return "";
}

}  // namespace

Explanation Explain(const Policy& policy, const PortNumbers& ports,
                    const PacketPath& path) {
  std::vector<size_t> numbers;
  std::map<std::string, size_t> rules_of;
  for (const Rule& rule : policy.rules) {
    numbers.push_back(++rules_of[rule.chain]);
  }
  const bool loop = MayBeCopy(policy, path.packet);

  Explanation explanation;
  Evaluation evaluation(policy, ports);
  const Outcome& outcome = evaluation.outcome();
  size_t chains = 0, steps = 0, ends = 0;  // That have been taken over.
  const auto take = [&](std::optional<uint32_t> output) {
    for (; chains < outcome.entered.size(); chains++) {
      ExplainedChain chain;
      chain.chain = outcome.entered[chains];
      chain.output = output;
      for (; steps < outcome.steps.size() &&
             outcome.steps[steps].chain == chain.chain;
           steps++) {
        const Step& step = outcome.steps[steps];
        ExplainedStep explained{step.rule, numbers[step.rule], step.effect, {}};
        if (step.effect == Effect::kCopy || step.effect == Effect::kMayCopy) {
          explained.copy =
              CopyOf(*policy.rules[step.rule].mirror(), path.length, loop);
        }
        chain.steps.push_back(explained);
      }
      if (ends < outcome.fell_through.size() &&
          outcome.fell_through[ends] == chain.chain) {
        chain.fell_through = true;
        ends++;
      }
      explanation.push_back(std::move(chain));
    }
  };
  evaluation.Enter(path.packet);
  take(std::nullopt);
  for (const uint32_t output : path.outputs) {
    evaluation.Leave(path.packet, output);
    take(output);
  }
  return explanation;
}

std::string FormatExplanation(const Policy& policy, const PortNumbers& ports,
                              const PacketPath& path,
                              const Explanation& explanation) {
  std::string s = path.text + "\n";
  size_t copies = 0;
  bool perhaps = false;
  for (const ExplainedChain& chain : explanation) {
    s += "  " + std::string(ChainName(chain.chain));
    if (chain.output) {
      s += ", leaving by " + PortName(ports, *chain.output);
    }
    s += "\n";
    for (const ExplainedStep& step : chain.steps) {
      const Rule& rule = policy.rules[step.rule];
      s += "    " + std::to_string(step.number) + ". " + FormatRule(rule) +
           "\n       " + DescribeStep(rule, step, chain, path) + "\n";
      copies += step.copy && !step.copy->loop;
      perhaps |= step.effect == Effect::kMayCopy && !step.copy->loop;
    }
    if (chain.fell_through) {
      s += "    policy " +
           std::string(VerdictName(policy.PolicyOf(chain.chain))) + "\n";
    }
  }
  return s + (perhaps ? "  at most " : "  ") + std::to_string(copies) +
         (copies == 1 ? " copy\n" : " copies\n");
}

json ExplanationAsJson(const Policy& policy, const PortNumbers& ports,
                       const PacketPath& path, const Explanation& explanation) {
  json chains = json::array();
  for (const ExplainedChain& chain : explanation) {
    json rules = json::array();
    for (const ExplainedStep& step : chain.steps) {
      const Rule& rule = policy.rules[step.rule];
      json entry = {{"chain", rule.chain},
                    {"number", step.number},
                    {"line", rule.where.line},
                    {"rule", FormatRule(rule)},
                    {"effect", EffectName(step.effect)}};
      if (step.copy) {
        const Mirror& mirror = *rule.mirror();
        entry["copy"] = {
            {"target", FormatAddress(mirror.session.target)},
            {"action", FormatMirror(mirror)},
            {"bytes", step.copy->bytes ? json(*step.copy->bytes) : json()},
            {"up_to_mtu", step.copy->up_to_mtu},
            {"loop", step.copy->loop}};
      }
      rules.push_back(std::move(entry));
    }
    chains.push_back(
        {{"chain", ChainName(chain.chain)},
         {"output",
          chain.output ? json(PortName(ports, *chain.output)) : json()},
         {"policy", chain.fell_through},
         {"rules", rules}});
  }
  return {{"packet", path.text},
          {"length", path.length ? json(*path.length) : json()},
          {"chains", chains}};
}

}  // namespace ovs_rmirror
