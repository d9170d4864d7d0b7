// Three address spaces, three types. They convert to each other only through LoadBias (link <-> run) and through an
// Image (file <-> link), so a wrong sum does not compile.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace suture {

template <typename Tag>
struct Address {
  uint64_t value = 0;

  constexpr Address() = default;
  constexpr explicit Address(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Address &) const = default;
  constexpr Address operator+(uint64_t bytes) const { return Address(value + bytes); }
  constexpr Address operator-(uint64_t bytes) const { return Address(value - bytes); }
  constexpr uint64_t operator-(Address other) const { return value - other.value; }
};

using FileOffset = Address<struct FileOffsetTag>;  // bytes from the start of the file
using LinkAddr = Address<struct LinkAddrTag>;      // address as linked (st_value, p_vaddr)
using RunAddr = Address<struct RunAddrTag>;        // address in the running target

// Run address minus link address of one module, modulo 2^64.
struct LoadBias {
  uint64_t value = 0;
  constexpr RunAddr to_run(LinkAddr at) const { return RunAddr(at.value + value); }
  constexpr LinkAddr to_link(RunAddr at) const { return LinkAddr(at.value - value); }
  constexpr auto operator<=>(const LoadBias &) const = default;
};

// [begin, begin + size_bytes)
template <typename A>
struct Range {
  A begin;
  uint64_t size_bytes = 0;
  constexpr A end() const { return begin + size_bytes; }
  constexpr bool contains(A at) const { return at >= begin && at.value - begin.value < size_bytes; }
  constexpr auto operator<=>(const Range &) const = default;
};
using LinkRange = Range<LinkAddr>;
using RunRange = Range<RunAddr>;

}  // namespace suture

template <typename Tag>
struct std::hash<suture::Address<Tag>> {
  size_t operator()(suture::Address<Tag> at) const noexcept { return std::hash<uint64_t>{}(at.value); }
};
