// How the C library keeps the addresses of functions that are to be called later (atexit, destructors of static and thread-local
// objects): not as they are, so that looking for pointers does not find them.
#pragma once

#include <bit>

#include "model/address.h"
#include "process/process.h"

namespace suture {

class PointerGuard {
 public:
  // Of glibc on x86-64: rotated left by 17 after an exclusive or with the word at 0x30 from any thread's pointer
  // (sysdeps/unix/sysv/linux/x86_64/pointer_guard.h, sysdeps/x86_64/nptl/tls.h). Another library has another word there,
  // and what it would tell to be an address is as random as that.
  static PointerGuard of(const Process &process, RunAddr thread_pointer) {
    const Result<uint64_t> word = process.read_value<uint64_t>(thread_pointer + 0x30);
    return PointerGuard(word ? *word : 0);
  }
  uint64_t plain(uint64_t kept) const { return std::rotr(kept, 17) ^ word_; }

 private:
  explicit PointerGuard(uint64_t word) : word_(word) {}
  uint64_t word_;
};

}  // namespace suture
