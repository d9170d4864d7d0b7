// A program under test: started with pipes, spoken to in lines, killed with its owner.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "model/hot_image.h"
#include "model/image.h"

namespace suture {

class TargetProgram {
 public:
  // Starts targets/NAME, or the program at an absolute path, and waits for its "ready".
  TargetProgram(const std::string &name, const std::vector<std::string> &arguments);
  ~TargetProgram();
  TargetProgram(const TargetProgram &) = delete;
  TargetProgram &operator=(const TargetProgram &) = delete;

  pid_t pid() const { return pid_; }
  // Sends a line and returns the "name=number" pairs of the answer; empty when it is dead.
  std::map<std::string, long> ask(const std::string &line);
  // Waits until the counter grew by at least one: proof that it makes progress.
  bool makes_progress();
  bool alive() const;
  // False when it said that this machine cannot do what it was asked to be.
  bool supported() const { return supported_; }
  std::string maps() const;

  static std::string path_of(const std::string &name);

 private:
  std::string read_line();
  pid_t pid_ = 0;
  bool supported_ = true;
  Fd to_;
  Fd from_;
  std::string buffer_;
};

// A function to be replaced by "return VALUE" (or by the given code), found by its symbol.
struct Replacement {
  std::string symbol;
  int value = 0;
  Bytes code;  // when not empty
  // When not empty: "sub rsp, 8; call THIS; add rsp, 8; ret", with unwind information.
  std::string calls = {};
};

// A hot image made by hand: what the builder would make for these replacements.
HotImage make_hot_image(const std::string &target, const std::string &patch_id,
                        const std::vector<Replacement> &replacements);

}  // namespace suture
