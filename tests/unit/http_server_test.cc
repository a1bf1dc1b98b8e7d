// SPDX-License-Identifier: Apache-2.0

#include "controller/http_server.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

Endpoint Parse(const std::string& text) {
  Endpoint endpoint;
  EXPECT_EQ(ParseEndpoint(text, &endpoint), "");
  return endpoint;
}

TEST(ParseEndpoint, ReadsAddressesAndPorts) {
  EXPECT_EQ(Parse("127.0.0.1:9475"),
            (Endpoint{*ParseAddress("127.0.0.1"), 9475}));
  EXPECT_EQ(Parse("[::1]:65535"), (Endpoint{*ParseAddress("::1"), 65535}));
  EXPECT_EQ(Parse("0.0.0.0:1"), (Endpoint{*ParseAddress("0.0.0.0"), 1}));
  EXPECT_EQ(Parse("9475"), Parse("127.0.0.1:9475"));
}

TEST(ParseEndpoint, RefusesAnythingElse) {
  for (const char* text :
       {"", ":", ":9475", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
        "127.0.0.1:65536", "127.0.0.1:9475x", "127.0.0.1: 9475",
        "127.0.0.1:+9475", "127.1:9475", "localhost:9475", "::1:9475", "[::1]",
        "[::1]9475", "[::1:9475", "[127.0.0.1]:9475", "[]:9475"}) {
    Endpoint endpoint;
    const std::string error = ParseEndpoint(text, &endpoint);
    EXPECT_TRUE(error.starts_with("\"" + std::string(text) + "\" ")) << text;
    EXPECT_EQ(endpoint, Endpoint()) << text;
  }
}

TEST(FormatEndpoint, GivesWhatParseEndpointReads) {
  for (const char* text : {"127.0.0.1:9475", "[::1]:9475", "[2001:db8::1]:1"}) {
    EXPECT_EQ(FormatEndpoint(Parse(text)), text);
  }
}

TEST(IsLoopback, KnowsBothFamilies) {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "::1"}) {
    EXPECT_TRUE(IsLoopback(*ParseAddress(text))) << text;
  }
  for (const char* text : {"126.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2",
                           "::127.0.0.1", "2001:db8::1"}) {
    EXPECT_FALSE(IsLoopback(*ParseAddress(text))) << text;
  }
}

TEST(NamesNoOtherHost, TakesAddressesAndLocalhost) {
  for (const char* host :
       {"localhost", "localhost:9475", "127.0.0.1", "127.0.0.1:9475",
        "192.0.2.1", "[::1]", "[::1]:9475"}) {
    EXPECT_TRUE(NamesNoOtherHost(host)) << host;
  }
  for (const char* host :
       {"", ":9475", "example.org", "localhost.example.org",
        "127.0.0.1.example.org", "[example.org]", "[::1", "::1"}) {
    EXPECT_FALSE(NamesNoOtherHost(host)) << host;
  }
}

}  // namespace
}  // namespace ovs_rmirror
