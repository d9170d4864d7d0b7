// One running process, pinned: its /proc folder, its pidfd, its start time and one memory descriptor are taken once, so
// that nothing here can drift to another process when the pid is used again, or to another program after an exec (the
// memory descriptor then reads and writes nothing). Reads and writes memory, lists threads; it must not stop anything.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/address.h"
#include "process/deadline.h"
#include "process/maps.h"

namespace suture {

struct Arch;

// One piece of a bulk read: `out.size()` bytes from `at`. `read_bytes` says how many came.
struct ReadPiece {
  RunAddr at;
  std::span<uint8_t> out;
  size_t read_bytes = 0;
};

class Process {
 public:
  // Refused for what cannot be a target: kernel threads, zombies, numbers that no process has, what is not ours to
  // change.
  static Result<Process> open(pid_t pid);
  // Until this object goes no other run that claims it changes the process. The lock is on the memory file, which
  // nobody can open who may not change the process anyway; the kernel drops it when its holder dies. Refused at the
  // deadline.
  Status claim(Deadline until) const;

  pid_t pid() const { return pid_; }
  // What it executes: open() takes processes of one instruction set only, so far.
  const Arch &arch() const;
  const std::string &comm() const { return comm_; }
  // The thread whose /proc folder is used: the leader unless it has exited before the others.
  pid_t live_thread() const { return live_thread_; }

  // A file of the pinned thread's /proc folder ("maps", "status", ...), read whole.
  Result<std::string> proc_text(const char *file) const;
  // A file of one thread's folder; failed when the thread is gone.
  Result<std::string> task_text(pid_t tid, const char *file) const;
  Result<Maps> maps() const;
  Result<std::vector<pid_t>> tasks() const;
  // How many threads there are, in one cheap look; 0 when it cannot be told.
  size_t thread_count() const;
  // Descriptor of the pinned thread's /proc folder.
  int proc_fd() const { return task_.get(); }
  int pidfd() const { return pidfd_.get(); }

  // All of the bytes or an error.
  Status read(RunAddr at, std::span<uint8_t> out) const;
  Result<Bytes> read_bytes(RunAddr at, uint64_t size_bytes) const;
  template <typename T>
  Result<T> read_value(RunAddr at) const {
    T value{};
    TRY(read(at, {reinterpret_cast<uint8_t *>(&value), sizeof(T)}));
    return value;
  }
  // Many pieces with few system calls; a piece that cannot be read whole has a smaller read_bytes.
  void read_many(std::span<ReadPiece> pieces) const;
  // Writes through the memory descriptor, which also reaches private read-only pages.
  Status write(RunAddr at, ByteView bytes) const;
  // The quicker way for memory that the process itself may write to; false when not all of it could be written.
  bool write_own(RunAddr at, ByteView bytes) const;

  // False once it has exited or its threads run another program.
  bool same_program() const;

 private:
  Process() = default;

  pid_t pid_ = 0;
  pid_t live_thread_ = 0;
  uint64_t start_time_ = 0;
  std::string comm_;
  Fd folder_;  // /proc/PID
  Fd tasks_;   // /proc/PID/task
  Fd task_;    // /proc/PID/task/TID of live_thread_
  Fd pidfd_;
  Fd memory_;
};

// Fields of /proc/PID/stat behind the command name.
struct StatFields {
  char state = '?';
  uint64_t flags = 0;
  uint64_t start_time = 0;
};
std::optional<StatFields> parse_stat(std::string_view text);
// Value of a "Name:\tvalue" line of /proc/PID/status; empty when absent.
std::string_view status_field(std::string_view status, std::string_view name);
std::optional<uint64_t> status_number(std::string_view status, std::string_view name, int base = 10);

}  // namespace suture
