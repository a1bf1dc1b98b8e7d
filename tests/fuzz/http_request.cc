// SPDX-License-Identifier: Apache-2.0
//
// What a client sends to the daemon's HTTP server: at once, byte by byte, too
// slowly, or without an end.
//
//   - The answer is nothing, or one response: a head of the fields that the
//     server knows, those that keep browsers safe among them, and as much as
//     it announces of a page or of a text of the server.  No byte of the
//     request is in it.
//   - It is the same however the request comes, and whether the client closes
//     its side or waits.
//   - A page is made for GET alone, and not for who takes this host for
//     another one, or names no host where HTTP/1.1 demands it.
//   - Of a request no more is read than may be, and it ends in time.

#include <sys/ioctl.h>

#include <cctype>
#include <set>

// The server, with what stands behind its threads.
#include "controller/http_server.cc"  // NOLINT(build/include)
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

using std::chrono::milliseconds;

int pages_made = 0;

const HttpPages& Pages() {
  static const HttpPages* const pages = [] {
    const auto page = [](const char* type, const std::string& body) {
      return [=] {
        pages_made++;
        return HttpResponse{.content_type = type, .body = body};
      };
    };
    return new HttpPages{
        {"/", page("text/html; charset=utf-8", "<title>A page</title>\n")},
        {"/page.js",
         page("text/javascript; charset=utf-8", "\"use strict\";\n")},
        {"/metrics", page("text/plain; version=0.0.4", std::string(3000, '0'))},
        {"/api/state", page("application/json", "{\"bridges\": []}")}};
  }();
  return *pages;
}

// How a client sends its request.
struct Manner {
  size_t piece = SIZE_MAX;  // So many bytes at a time,
  milliseconds pause{0};    // after such a pause.
  bool closes = true;       // Its side, when it has sent all.
};
constexpr Manner kAtOnce = {};
constexpr Manner kWaiting = {.closes = false};
constexpr Manner kByteByByte = {.piece = 1};
constexpr Manner kSlow = {.piece = 1, .pause = milliseconds(300)};

// A client, while the server waits for it: all is one thread.
class Client {
 public:
  Client(int fd, const std::string& request, const Manner& manner)
      : fd_(fd), left_(request), manner_(manner) {}

  // How long it takes until it does something.
  milliseconds Pause() const {
    return left_.empty() ? milliseconds::max() : manner_.pause;
  }

  void Send() {
    const size_t n = std::min(left_.size(), manner_.piece);
    REQUIRE(send(fd_, left_.data(), n, MSG_NOSIGNAL | MSG_DONTWAIT) ==
            static_cast<ssize_t>(n));
    left_.remove_prefix(n);
    sent_ += n;
    if (left_.empty() && manner_.closes) {
      shutdown(fd_, SHUT_WR);
    }
  }

  // All that the server has sent before it closed the connection, which who has
  // sent too much does not see.
  std::string Receive() const {
    std::string answer;
    char buffer[4096];
    ssize_t n;
    while ((n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
      answer.append(buffer, static_cast<size_t>(n));
    }
    REQUIRE(n == 0 ||
            (errno == ECONNRESET && sent_ > 2 * HttpServer::kMaxHead));
    return answer;
  }

  size_t sent() const { return sent_; }

 private:
  const int fd_;
  std::string_view left_;
  const Manner manner_;
  size_t sent_ = 0;
};

Client* client;

// It passes only while the server waits.
Clock::time_point now{std::chrono::hours(1)};

// The bytes that the server has taken from `fd`.
size_t TakenFrom(int fd) {
  int unread = 0;
  REQUIRE(!ioctl(fd, FIONREAD, &unread));
  return client->sent() - static_cast<size_t>(unread);
}

}  // namespace

}  // namespace ovs_rmirror

// The time and the wait for a client, in place of those of the system: the
// linker is told so.
extern "C" int __real_poll(pollfd* fds, nfds_t n, int timeout);
extern "C" int __wrap_poll(pollfd* fds, nfds_t n, int timeout) {
  using namespace ovs_rmirror;
  if (fds[0].events & POLLOUT) {
    REQUIRE(TakenFrom(fds[0].fd) <= HttpServer::kMaxHead);
  }
  int ready = __real_poll(fds, n, 0);
  if (ready == 0 && client->Pause() <= milliseconds(timeout)) {
    now += client->Pause();
    client->Send();
    ready = __real_poll(fds, n, 0);
  } else if (ready == 0) {
    now += milliseconds(timeout);
  }
  return ready;
}

ovs_rmirror::Clock::time_point WrapNow() __asm__(
    "__wrap__ZNSt6chrono3_V212steady_clock3nowEv");
ovs_rmirror::Clock::time_point WrapNow() { return ovs_rmirror::now; }

namespace ovs_rmirror {

namespace {

// Returns all that comes back for `request`.
std::string Ask(const std::string& request, const Manner& manner) {
  static Http* const http = new Http(Pages(), true);
  int fds[2];
  REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  Client asking(fds[0], request, manner);
  client = &asking;
  const Clock::time_point begin = now;
  {
    Connection connection(fds[1], -1);
    try {
      http->Handle(&connection);
    } catch (const std::exception&) {
      // As for the server, that is no answer.
    }
    REQUIRE(TakenFrom(fds[1]) <= 2 * HttpServer::kMaxHead);
  }
  REQUIRE(now - begin <= HttpServer::kReadTime + kLinger);
  const std::string answer = asking.Receive();
  close(fds[0]);
  return answer;
}

// The fields of `head` behind its first line, "NAME: VALUE".
std::map<std::string, std::string> FieldsOf(const std::string& head) {
  std::map<std::string, std::string> fields;
  size_t end = head.find("\r\n");
  while (end != std::string::npos) {
    const size_t begin = end + 2;
    end = head.find("\r\n", begin);
    const std::string line = head.substr(begin, end - begin);
    const size_t colon = line.find(": ");
    REQUIRE(colon != std::string::npos);
    REQUIRE(
        fields.emplace(line.substr(0, colon), line.substr(colon + 2)).second);
  }
  return fields;
}

// `body` as it was before it was encoded.
std::string Decode(const std::string& encoding, const std::string& body) {
  std::string text;
  const auto append = [&](const char* data, size_t size) {
    text.append(data, size);
    return true;
  };
  httplib::detail::gzip_decompressor gzip;
  httplib::detail::brotli_decompressor brotli;
  httplib::detail::decompressor& decompressor =
      encoding == "gzip" ? static_cast<httplib::detail::decompressor&>(gzip)
                         : brotli;
  REQUIRE(decompressor.decompress(body.data(), body.size(), append));
  return text;
}

// The method of `request`: its first word, around which there may be blanks.
std::string MethodOf(const std::string& request) {
  const std::string line = request.substr(0, request.find("\r\n"));
  const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const std::string word = line.substr(begin, line.find(' ', begin) - begin);
  return word.substr(0, word.find_last_not_of('\t') + 1);
}

// The lines of `request` before the first empty one, in lower case.
std::string LowerHeadOf(const std::string& request) {
  std::string head = request.substr(0, request.find("\n\r\n") + 1);
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return head;
}

// Whether `request` has no Host field, and has to have one.
bool NamesNoHost(const std::string& request) {
  const std::string head = LowerHeadOf(request);
  return head.substr(0, head.find("\r\n")).find("http/1.0") ==
             std::string::npos &&
         head.find("\nhost") == std::string::npos;
}

// Whether `request` is what a browser sends when another name points at this
// host.
bool IsForAnotherHost(const std::string& request) {
  const std::string head = LowerHeadOf(request);
  const std::string_view field = "\nhost:";
  const size_t begin = head.find(field);
  if (begin == std::string::npos || begin != head.rfind(field)) {
    return false;
  }
  const std::string line = head.substr(begin + field.size());
  const std::string host = line.substr(0, line.find("\r\n"));
  return host.size() > 1 && host[0] == ' ' &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-:[]",
                                1) == std::string::npos &&
         !NamesNoOtherHost(host.substr(1));
}

// The fields that every answer has, with the same value.
constexpr const char* kSafeFields[] = {"Cache-Control",
                                       "Connection",
                                       "Content-Security-Policy",
                                       "Cross-Origin-Opener-Policy",
                                       "Cross-Origin-Resource-Policy",
                                       "Referrer-Policy",
                                       "X-Content-Type-Options",
                                       "X-Frame-Options"};

void RequireGood(const std::string& request, const std::string& answer) {
  const int made = std::exchange(pages_made, 0);
  if (answer.empty()) {
    REQUIRE(!made);
    return;
  }
  const size_t end = answer.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  const std::string head = answer.substr(0, end);
  static const std::set<std::string> known = {
      "HTTP/1.1 200 OK",
      "HTTP/1.1 400 Bad Request",
      "HTTP/1.1 404 Not Found",
      "HTTP/1.1 405 Method Not Allowed",
      "HTTP/1.1 414 URI Too Long",
      "HTTP/1.1 416 Range Not Satisfiable",
      "HTTP/1.1 421 Misdirected Request"};
  const std::string first_line = head.substr(0, head.find("\r\n"));
  REQUIRE(known.contains(first_line));
  const std::string status = first_line.substr(9, 3);

  std::map<std::string, std::string> fields = FieldsOf(head);
  const auto take = [&](const char* name) {
    const auto field = fields.extract(name);
    return field ? field.mapped() : "";
  };
  static std::map<std::string, std::string> safe;
  for (const char* name : kSafeFields) {
    const std::string value = take(name);
    REQUIRE(!value.empty());
    REQUIRE_SAME(safe.emplace(name, value).first->second.c_str(),
                 value.c_str());
  }
  REQUIRE(safe.at("Connection") == "close");
  REQUIRE(take("Allow") == (status == "405" ? "GET" : ""));

  std::string body = answer.substr(end + 4);
  const std::string length = take("Content-Length");
  const std::string type = take("Content-Type");
  const bool without_body = take("Accept-Ranges") == "bytes";
  const bool is_head = MethodOf(request) == "HEAD";
  REQUIRE(without_body ? is_head : !is_head || status != "405");
  const std::string encoding = take("Content-Encoding");
  if (without_body) {
    REQUIRE(body.empty());
  } else {
    REQUIRE(length == std::to_string(body.size()));
    body = encoding.empty() ? body : Decode(encoding, body);
  }
  REQUIRE(fields.empty());

  REQUIRE(made == (status == "200"));
  if (made) {
    REQUIRE(MethodOf(request) == "GET");
    REQUIRE(!NamesNoHost(request));
    REQUIRE(!IsForAnotherHost(request));
    REQUIRE(std::any_of(Pages().begin(), Pages().end(), [&](const auto& page) {
      const HttpResponse response = page.second();
      return response.content_type == type && response.body == body;
    }));
    pages_made = 0;
  } else {
    static const std::set<std::string> texts = {
        "", "a request has to name its host, once\n",
        "only GET is answered here\n", "there is no such page\n",
        "this host is asked by its address or as localhost\n"};
    REQUIRE(texts.contains(body));
    REQUIRE(type.empty() || type == HttpResponse().content_type);
  }
}

// The head of `request` again and again, without its end.
std::string Endless(const std::string& request) {
  const std::string head = request.substr(0, request.find("\r\n\r\n")) + "\r\n";
  std::string endless;
  while (endless.size() <= 2 * HttpServer::kMaxHead) {
    endless += head;
  }
  return endless;
}

void Test(const std::string& request) {
  const std::string answer = Ask(request, kAtOnce);
  RequireGood(request, answer);
  for (const Manner& manner : {kWaiting, kByteByByte}) {
    REQUIRE_SAME(Ask(request, manner).c_str(), answer.c_str());
    pages_made = 0;
  }
  RequireGood(request, Ask(request, kSlow));
  const std::string endless = Endless(request);
  RequireGood(endless, Ask(endless, kWaiting));
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
