// SPDX-License-Identifier: Apache-2.0

#include "controller/terminal.h"

#define NCURSES_NOMACROS 1
#include <fcntl.h>
#include <ncurses.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace ovs_rmirror {

namespace {

// The bytes of the first `width` characters of UTF-8 `text`, each of which is
// taken to be one column wide.
std::string_view Cut(std::string_view text, size_t width) {
  size_t end = 0;
  for (size_t column = 0; column < width && end < text.size(); column++) {
    end++;
    while (end < text.size() && (text[end] & 0xc0) == 0x80) {
      end++;
    }
  }
  return text.substr(0, end);
}

// The signals of a crash.
constexpr int kCrashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};

// Leaves the terminal in order, as far as that is still possible.
void Crash(int signal) {
  std::signal(signal, SIG_DFL);
  endwin();
  std::raise(signal);
}

}  // namespace

// The poll loop of Open vSwitch does not wait for file descriptor 0.
Terminal::Terminal() : input_(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) {
  for (const int signal : kCrashes) {
    std::signal(signal, Crash);
  }
}

std::unique_ptr<Terminal> Terminal::Open(std::string* error) {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    *error = "standard input and output are no terminal";
    return nullptr;
  }
  std::setlocale(LC_CTYPE, "");
  if (!newterm(nullptr, stdout, stdin)) {
    const char* type = std::getenv("TERM");
    *error =
        "this terminal cannot be used: TERM=" + std::string(type ? type : "");
    return nullptr;
  }
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, true);
  nodelay(stdscr, true);
  set_escdelay(25);
  curs_set(0);
  return std::unique_ptr<Terminal>(new Terminal);
}

Terminal::~Terminal() {
  endwin();
  for (const int signal : kCrashes) {
    std::signal(signal, SIG_DFL);
  }
  close(input_);
}

size_t Terminal::height() const { return static_cast<size_t>(getmaxy(stdscr)); }

void Terminal::Resize() {
  struct winsize size;
  if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col) {
    resizeterm(size.ws_row, size.ws_col);
  }
}

KeyPress Terminal::ReadKey() {
  const int key = getch();
  switch (key) {
    case ERR:
      return {Key::kNone, '\0'};
    case KEY_UP:
      return {Key::kUp, '\0'};
    case KEY_DOWN:
      return {Key::kDown, '\0'};
    case KEY_PPAGE:
      return {Key::kPageUp, '\0'};
    case KEY_NPAGE:
      return {Key::kPageDown, '\0'};
    case KEY_HOME:
      return {Key::kHome, '\0'};
    case KEY_END:
      return {Key::kEnd, '\0'};
    default:
      return key < ' ' || key > '~'
                 ? KeyPress{Key::kOther, '\0'}
                 : KeyPress{Key::kCharacter, static_cast<char>(key)};
  }
}

void Terminal::Show(const std::vector<std::string>& lines, size_t heading) {
  const auto width = static_cast<size_t>(getmaxx(stdscr));
  erase();
  for (size_t i = 0; i < std::min(lines.size(), height()); i++) {
    const std::string_view line = Cut(lines[i], width);
    const auto row = static_cast<int>(i);
    mvaddnstr(row, 0, line.data(), static_cast<int>(line.size()));
    if (i == heading) {
      mvchgat(row, 0, -1, A_REVERSE, 0, nullptr);
    }
  }
  refresh();
}

}  // namespace ovs_rmirror
