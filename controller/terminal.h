// SPDX-License-Identifier: Apache-2.0
//
// The terminal as a screen of lines.

#ifndef CONTROLLER_TERMINAL_H
#define CONTROLLER_TERMINAL_H

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace ovs_rmirror {

enum class Key {
  kNone,  // No key waits.
  kOther,
  kCharacter,
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
};

struct KeyPress {
  Key key = Key::kNone;
  char character = '\0';  // Of kCharacter.
};

// The terminal of the standard input and output.  It is as it was before when
// this has been destroyed, or the program has crashed.  There can be only one.
class Terminal {
 public:
  // Returns none if there is no terminal, or none that can be used so, and
  // stores the reason in `*error`.
  static std::unique_ptr<Terminal> Open(std::string* error);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  size_t height() const;

  // Takes the size that the terminal has now.
  void Resize();

  // A file descriptor that can be read when a key has been pressed.
  int input() const { return input_; }

  // Returns the next key that was pressed.
  KeyPress ReadKey();

  // Shows `lines`, as many of them and as much of each as there is room for;
  // the one at `heading`, counted from 0, in reverse.
  void Show(const std::vector<std::string>& lines, size_t heading);

 private:
  Terminal();

  int input_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TERMINAL_H
