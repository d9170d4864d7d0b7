// One line on a terminal's standard error that says what is being done; nothing at all where it is not a terminal.
#pragma once

#include <string>

namespace suture::cli {

class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  void show(const std::string &text);
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
};

}  // namespace suture::cli
