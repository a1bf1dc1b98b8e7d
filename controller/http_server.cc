// SPDX-License-Identifier: Apache-2.0

#include "controller/http_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

namespace ovs_rmirror {

namespace {

using Clock = std::chrono::steady_clock;

// How long to wait for a client to see the response before the connection is
// closed with something unread, which may make the client forget it.
constexpr std::chrono::milliseconds kLinger{500};
// How long to wait when there are no file descriptors left.
constexpr std::chrono::milliseconds kRetry{100};

constexpr Clock::time_point kNever = Clock::time_point::max();

// Waits until `fd`, unless it is -1, is ready for `events` or something is
// wrong with it.  Returns false at `deadline`, or when `stop` can be read.
bool WaitFor(int fd, short events, int stop, Clock::time_point deadline) {
  constexpr std::chrono::milliseconds kLongest = std::chrono::minutes(1);
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      return false;
    }
    std::array<pollfd, 2> fds = {pollfd{fd, events, 0},
                                 pollfd{stop, POLLIN, 0}};
    const int n = poll(fds.data(), fds.size(),
                       static_cast<int>(std::min(left, kLongest).count()));
    if (n < 0 && errno != EINTR) {
      return false;
    }
    if (n > 0) {
      return fds[1].revents == 0;
    }
  }
}

// A connection whose request has to be short and come soon.
class Connection final : public httplib::Stream {
 public:
  Connection(int fd, int stop)
      : fd_(fd), stop_(stop), deadline_(Clock::now() + HttpServer::kReadTime) {}
  ~Connection() override { close(fd_); }

  bool is_readable() const override { return next_ < end_ || taken_ < kTake; }
  bool is_writable() const override { return true; }

  ssize_t read(char* to, size_t size) override {
    if (next_ == end_ && !Fill()) {
      return -1;
    }
    const size_t n = std::min(size, end_ - next_);
    std::copy_n(buffer_.data() + next_, n, to);
    next_ += n;
    return static_cast<ssize_t>(n);
  }

  ssize_t write(const char* from, size_t size) override {
    if (!writing_) {
      writing_ = true;
      deadline_ = Clock::now() + HttpServer::kWriteTime;
    }
    for (size_t done = 0; done < size;) {
      if (!WaitFor(fd_, POLLOUT, stop_, deadline_)) {
        return -1;
      }
      const ssize_t n =
          send(fd_, from + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN && errno != EINTR) {
        return -1;
      }
      done += n > 0 ? static_cast<size_t>(n) : 0;
    }
    return static_cast<ssize_t>(size);
  }

  // Lets the client read the response though it may still be sending.
  void Finish() {
    shutdown(fd_, SHUT_WR);
    deadline_ = Clock::now() + kLinger;
    taken_ = 0;
    while (Fill()) {
    }
  }

  // Who is at the ends of the connection is nobody's business.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return fd_; }

 private:
  static constexpr size_t kTake = HttpServer::kMaxHead;

  // Reads what comes next.  Returns false if there is nothing, or too much.
  bool Fill() {
    for (;;) {
      if (taken_ == kTake || !WaitFor(fd_, POLLIN, stop_, deadline_)) {
        return false;
      }
      const size_t room = std::min(buffer_.size(), kTake - taken_);
      const ssize_t n = recv(fd_, buffer_.data(), room, MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        continue;
      }
      next_ = 0;
      end_ = n > 0 ? static_cast<size_t>(n) : 0;
      taken_ += end_;
      return n > 0;
    }
  }

  const int fd_;
  const int stop_;
  Clock::time_point deadline_;
  bool writing_ = false;
  std::array<char, 4096> buffer_;
  size_t next_ = 0;
  size_t end_ = 0;
  size_t taken_ = 0;  // Bytes of the request that have been read.
};

// The library's way to read a request and write the response.
class Http final : public httplib::Server {
 public:
  Http(const HttpPages& pages, bool loopback) {
    set_default_headers(
        {{"Cache-Control", "no-store"},
         {"X-Content-Type-Options", "nosniff"},
         {"X-Frame-Options", "DENY"},
         {"Referrer-Policy", "no-referrer"},
         {"Cross-Origin-Resource-Policy", "same-origin"},
         {"Cross-Origin-Opener-Policy", "same-origin"},
         // A page is nothing but files of this server.
         {"Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; "
          "img-src 'self'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'"}});
    set_pre_routing_handler([&pages, loopback](const httplib::Request& request,
                                               httplib::Response& response) {
      const HttpResponse answer = Answer(pages, loopback, request);
      if (answer.status == 405) {
        response.set_header("Allow", "GET");
      }
      response.status = answer.status;
      response.set_content(answer.body, answer.content_type.c_str());
      return HandlerResponse::Handled;
    });
  }

  void Handle(Connection* connection) {
    bool closed = false;
    process_request(*connection, true, closed, [](httplib::Request& request) {
      // Ranges can ask for the same bytes many times, and bodies are not read.
      request.ranges.clear();
      request.headers.erase("Range");
      request.headers.erase("Expect");
    });
    connection->Finish();
  }

 private:
  static HttpResponse Answer(const HttpPages& pages, bool loopback,
                             const httplib::Request& request) {
    // RFC 9112, section 3.2.
    const size_t hosts = request.get_header_value_count("Host");
    if (hosts > 1 || (hosts == 0 && request.version != "HTTP/1.0")) {
      return {.status = 400, .body = "a request has to name its host, once\n"};
    }
    if (request.method != "GET") {
      return {.status = 405, .body = "only GET is answered here\n"};
    }
    if (loopback && hosts == 1 &&
        !NamesNoOtherHost(request.get_header_value("Host"))) {
      return {.status = 421,
              .body = "this host is asked by its address or as localhost\n"};
    }
    const auto page = pages.find(request.path);
    if (page == pages.end()) {
      return {.status = 404, .body = "there is no such page\n"};
    }
    return page->second();
  }
};

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

}  // namespace

std::string ParseEndpoint(std::string_view text, Endpoint* endpoint) {
  const size_t colon = text.rfind(':');
  const std::string_view port =
      colon == std::string_view::npos ? text : text.substr(colon + 1);
  std::string_view address =
      colon == std::string_view::npos ? "127.0.0.1" : text.substr(0, colon);
  const bool bracketed =
      address.size() >= 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) {
    address = address.substr(1, address.size() - 2);
  }
  const std::optional<Address> parsed = ParseAddress(address);
  const std::optional<uint16_t> number = ParsePort(port);
  const std::string quoted = "\"" + std::string(text) + "\" ";
  if (!parsed || bracketed != (parsed->family == Family::kIpv6)) {
    return quoted +
           "does not begin with an address: write 127.0.0.1:9475 or "
           "[::1]:9475";
  }
  if (!number) {
    return quoted + "does not end with a port from 1 to 65535";
  }
  *endpoint = {*parsed, *number};
  return "";
}

std::string FormatEndpoint(const Endpoint& endpoint) {
  const std::string address = FormatAddress(endpoint.address);
  return (endpoint.address.family == Family::kIpv6 ? "[" + address + "]"
                                                   : address) +
         ":" + std::to_string(endpoint.port);
}

bool IsLoopback(const Address& address) {
  return address.family == Family::kIpv4 ? address.bits >> 24 == 127
                                         : address.bits == 1;
}

bool NamesNoOtherHost(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end != std::string_view::npos &&
           ParseAddress(host.substr(1, end - 1)).has_value();
  }
  const std::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || ParseAddress(name).has_value();
}

HttpServer::HttpServer(HttpPages pages) : pages_(std::move(pages)) {}

HttpServer::~HttpServer() {
  if (stop_ >= 0) {
    eventfd_write(stop_, 1);
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  for (const int fd : {listener_, stop_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

std::string HttpServer::Start(const Endpoint& endpoint) {
  loopback_ = IsLoopback(endpoint.address);
  const std::string text = FormatAddress(endpoint.address);
  sockaddr_in in = {};
  sockaddr_in6 in6 = {};
  in.sin_family = AF_INET;
  in6.sin6_family = AF_INET6;
  in.sin_port = in6.sin6_port = htons(endpoint.port);
  const bool ipv6 = endpoint.address.family == Family::kIpv6;
  inet_pton(ipv6 ? AF_INET6 : AF_INET, text.c_str(),
            ipv6 ? static_cast<void*>(&in6.sin6_addr) : &in.sin_addr);

  const int on = 1;
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener_ = socket(ipv6 ? AF_INET6 : AF_INET,
                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (stop_ < 0 || listener_ < 0 ||
      setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
      bind(listener_,
           ipv6 ? reinterpret_cast<const sockaddr*>(&in6)
                : reinterpret_cast<const sockaddr*>(&in),
           ipv6 ? sizeof in6 : sizeof in) ||
      listen(listener_, 16)) {
    return "cannot listen at " + FormatEndpoint(endpoint) + ": " +
           std::strerror(errno);
  }

  // Signals are for the thread that has always been there.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < kThreads; i++) {
    threads_.emplace_back([this] { Serve(); });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return "";
}

void HttpServer::Serve() {
  Http http(pages_, loopback_);
  while (WaitFor(listener_, POLLIN, stop_, kNever)) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      Connection connection(fd, stop_);
      try {
        http.Handle(&connection);
      } catch (const std::exception&) {
        // The client has asked for too much, and gets nothing.
      }
    } else if (errno == EMFILE || errno == ENFILE) {
      WaitFor(-1, 0, stop_, Clock::now() + kRetry);
    }
  }
}

}  // namespace ovs_rmirror
