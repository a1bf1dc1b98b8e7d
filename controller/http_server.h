// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP server for what may be looked at: it answers GET for paths that
// are known beforehand, and takes nothing else from a request.

#ifndef CONTROLLER_HTTP_SERVER_H
#define CONTROLLER_HTTP_SERVER_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "controller/address.h"

namespace ovs_rmirror {

// Where a server listens.
struct Endpoint {
  Address address;
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// Reads "127.0.0.1:9475", "[::1]:9475", or "9475", which stands for the first.
// Returns what is wrong with `text`, or an empty string.
std::string ParseEndpoint(std::string_view text, Endpoint* endpoint);

// "127.0.0.1:9475", "[::1]:9475".
std::string FormatEndpoint(const Endpoint& endpoint);

// Whether `address` is of the host itself: 127.0.0.0/8 or ::1.
bool IsLoopback(const Address& address);

// Whether the value of a "Host:" field is an address or "localhost", with or
// without a port.  Any other name may have been pointed at this host by
// somebody whose page a browser shows.
bool NamesNoOtherHost(std::string_view host);

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What there is, by path.  Called by any of the server's threads, several at
// once, and must return within seconds.
using HttpPages = std::map<std::string, std::function<HttpResponse()>>;

class HttpServer {
 public:
  // A connection is for one request, whose head must not be longer than this
  // and be there after this time.  Its body is not read.
  static constexpr size_t kMaxHead = 16384;
  static constexpr std::chrono::seconds kReadTime{5};
  // The response must have been taken after this time.
  static constexpr std::chrono::seconds kWriteTime{10};
  // As many connections are served at once; others wait.
  static constexpr int kThreads = 4;

  explicit HttpServer(HttpPages pages);

  // Breaks what connections there are, and returns when no page is being made
  // any more.
  ~HttpServer();

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Begins to serve, once.  Returns why it cannot, or an empty string.
  std::string Start(const Endpoint& endpoint);

 private:
  void Serve();

  const HttpPages pages_;
  bool loopback_ = true;  // Whether it is what we listen at.
  int listener_ = -1;
  int stop_ = -1;  // An eventfd that can be read when it is time to stop.
  std::vector<std::thread> threads_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_HTTP_SERVER_H
