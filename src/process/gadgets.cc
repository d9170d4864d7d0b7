#include "process/gadgets.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "unwind/signal_return.h"

namespace suture {
namespace {

constexpr uint64_t kMaxGadgetScan = uint64_t{64} << 20;

const std::array<uint8_t, 3> kSyscallRet = {0x0f, 0x05, 0xc3};

std::optional<uint64_t> find_in(ByteView bytes, ByteView wanted) {
  const void *at = ::memmem(bytes.data(), bytes.size(), wanted.data(), wanted.size());
  if (at == nullptr) return std::nullopt;
  return static_cast<uint64_t>(static_cast<const uint8_t *>(at) - bytes.data());
}

class GadgetSearch {
 public:
  explicit GadgetSearch(const Process &process) : process_(process), buffer_(kChunk + kOverlap) {}
  bool complete() const { return found_.syscall_ret.value != 0 && found_.sigreturn.value != 0; }
  Gadgets result() const { return found_; }

  void scan(RunRange range) {
    for (uint64_t at = 0; at < range.size_bytes && !complete() && scanned_ < kMaxGadgetScan; at += kChunk) {
      const uint64_t count = std::min<uint64_t>(kChunk + kOverlap, range.size_bytes - at);
      ReadPiece piece{range.begin + at, std::span(buffer_).first(static_cast<size_t>(count))};
      process_.read_many({&piece, 1});
      look(range.begin + at, ByteView(buffer_).first(piece.read_bytes));
      scanned_ += piece.read_bytes;
    }
  }

 private:
  static constexpr size_t kChunk = 128 << 10;
  static constexpr size_t kOverlap = 16;
  void look(RunAddr at, ByteView bytes) {
    if (found_.syscall_ret.value == 0)
      if (const auto found = find_in(bytes, kSyscallRet)) found_.syscall_ret = at + *found;
    for (const ByteView form : signal_return_forms())
      if (found_.sigreturn.value == 0)
        if (const auto found = find_in(bytes, form)) found_.sigreturn = at + *found;
  }
  const Process &process_;
  Bytes buffer_;
  uint64_t scanned_ = 0;
  Gadgets found_{};
};

}  // namespace

Result<Gadgets> find_gadgets(const Process &process, const Maps &maps) {
  GadgetSearch search(process);
  // The C library (or the program itself when static) has both; its text is the likeliest, so look there first.
  for (const bool libraries : {true, false})
    for (const Mapping &mapping : maps.all()) {
      if (search.complete()) return search.result();
      const bool library =
          mapping.name.find("/libc.") != std::string::npos || mapping.name.find("/libc-") != std::string::npos;
      if (mapping.executable && mapping.readable && !mapping.shared && library == libraries) search.scan(mapping.range);
    }
  if (search.complete()) return search.result();
  return Error::refused("the process has no code through which it could run a call for us and restore itself");
}

}  // namespace suture
