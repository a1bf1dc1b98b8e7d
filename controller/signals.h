// SPDX-License-Identifier: Apache-2.0
//
// Signals as events of the poll loop of Open vSwitch.

#ifndef CONTROLLER_SIGNALS_H
#define CONTROLLER_SIGNALS_H

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "controller/ovs.h"

namespace ovs_rmirror {

// Takes the signals that end a program, and SIGWINCH, for as long as it exists.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH}) {
      sigaddset(&set_, signal);
    }
    sigprocmask(SIG_BLOCK, &set_, &before_);
    fd_ = signalfd(-1, &set_, SFD_NONBLOCK | SFD_CLOEXEC);
  }
  ~Signals() {
    close(fd_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next signal that has come, or 0.
  int Next() {
    struct signalfd_siginfo info;
    return read(fd_, &info, sizeof info) == sizeof info
               ? static_cast<int>(info.ssi_signo)
               : 0;
  }
  void Wait() { poll_fd_wait(fd_, POLLIN); }

 private:
  sigset_t set_;
  sigset_t before_;
  int fd_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SIGNALS_H
