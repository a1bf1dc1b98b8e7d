// SPDX-License-Identifier: Apache-2.0

#include "controller/pcapng.h"

#include <cstring>

namespace ovs_rmirror {

namespace {

enum BlockType : uint32_t {
  kInterfaceDescription = 1,
  kEnhancedPacket = 6,
  kSectionHeader = 0x0a0d0d0a,
};

enum OptionCode : uint16_t {
  kEndOfOptions = 0,
  kComment = 1,
  kUserApplication = 4,      // Of a section.
  kInterfaceName = 2,        // Of an interface.
  kTimestampResolution = 9,  // Of an interface.
};

constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kLinkTypeEthernet = 1;
constexpr size_t kMaxOption = 65535;

template <typename T>
void Append(T number, std::string* bytes) {
  char raw[sizeof number];
  std::memcpy(raw, &number, sizeof number);
  bytes->append(raw, sizeof raw);
}

// Up to a multiple of 4 bytes.
void Pad(std::string* bytes) {
  bytes->resize((bytes->size() + 3) & ~size_t{3});
}

// An option that says nothing is left out.
void AppendOption(OptionCode code, std::string_view value, std::string* bytes) {
  if (value.empty()) {
    return;
  }
  value = value.substr(0, kMaxOption);
  Append<uint16_t>(code, bytes);
  Append(static_cast<uint16_t>(value.size()), bytes);
  bytes->append(value);
  Pad(bytes);
}

std::string Block(BlockType type, const std::string& body) {
  const auto length = static_cast<uint32_t>(body.size() + 12);
  std::string block;
  Append<uint32_t>(type, &block);
  Append(length, &block);
  block += body;
  Append(length, &block);
  return block;
}

}  // namespace

std::string PcapngSection(std::string_view program, std::string_view comment) {
  std::string body;
  Append(kByteOrderMagic, &body);
  Append<uint16_t>(1, &body);  // Version 1.0.
  Append<uint16_t>(0, &body);
  Append<uint64_t>(~uint64_t{0}, &body);  // Of unknown length.
  AppendOption(kComment, comment, &body);
  AppendOption(kUserApplication, program, &body);
  Append<uint32_t>(kEndOfOptions, &body);
  return Block(kSectionHeader, body);
}

std::string PcapngInterface(std::string_view name, std::string_view comment) {
  std::string body;
  Append(kLinkTypeEthernet, &body);
  Append<uint16_t>(0, &body);  // Reserved.
  Append<uint32_t>(0, &body);  // No limit to the bytes of a packet.
  AppendOption(kComment, comment, &body);
  AppendOption(kInterfaceName, name, &body);
  AppendOption(kTimestampResolution, "\x09", &body);  // 10^-9 s.
  Append<uint32_t>(kEndOfOptions, &body);
  return Block(kInterfaceDescription, body);
}

std::string PcapngPacket(uint32_t interface, uint64_t when,
                         std::string_view frame, uint32_t original_length,
                         std::string_view comment) {
  std::string body;
  Append(interface, &body);
  Append(static_cast<uint32_t>(when >> 32), &body);
  Append(static_cast<uint32_t>(when), &body);
  Append(static_cast<uint32_t>(frame.size()), &body);
  Append(original_length, &body);
  body += frame;
  Pad(&body);
  AppendOption(kComment, comment, &body);
  Append<uint32_t>(kEndOfOptions, &body);
  return Block(kEnhancedPacket, body);
}

}  // namespace ovs_rmirror
