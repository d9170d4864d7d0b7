// The only way to parse untrusted bytes: every read is bounds-checked and little-endian unless told otherwise.
// A reader that ran past its end stays failed; callers may read a whole record and ask ok() once.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace suture {

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t offset() const { return offset_; }
  size_t remaining() const { return ok_ ? bytes_.size() - offset_ : 0; }
  bool at_end() const { return remaining() == 0; }

  void seek(uint64_t offset) {
    if (offset > bytes_.size()) return fail();
    offset_ = static_cast<size_t>(offset);
  }
  void skip(uint64_t count) { (void)take(count); }

  uint8_t u8() { return integer<uint8_t>(); }
  uint16_t u16() { return integer<uint16_t>(); }
  uint32_t u32() { return integer<uint32_t>(); }
  uint64_t u64() { return integer<uint64_t>(); }
  int8_t i8() { return static_cast<int8_t>(u8()); }
  int16_t i16() { return static_cast<int16_t>(u16()); }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  int64_t i64() { return static_cast<int64_t>(u64()); }

  // LEB128, at most 10 bytes.
  uint64_t uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = u8();
      if (!ok_) return 0;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    fail();
    return 0;
  }
  int64_t sleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = u8();
      if (!ok_) return 0;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) {
        if (shift + 7 < 64 && (byte & 0x40)) value |= ~uint64_t{0} << (shift + 7);
        return static_cast<int64_t>(value);
      }
    }
    fail();
    return 0;
  }

  // A view of the next `count` bytes; empty and failed when there are fewer.
  ByteView take(uint64_t count) {
    if (count > remaining()) {
      fail();
      return {};
    }
    const ByteView view = bytes_.subspan(offset_, static_cast<size_t>(count));
    offset_ += static_cast<size_t>(count);
    return view;
  }
  // The next N bytes; zeros, and failed, when there are fewer.
  template <size_t N>
  void take_into(std::array<uint8_t, N> &out) {
    const ByteView view = take(N);
    out = {};
    std::copy(view.begin(), view.end(), out.begin());
  }
  // A NUL-terminated string within the bytes, without its NUL.
  std::string_view c_string() {
    if (!ok_) return {};
    // memchr must not be given a null pointer, not even for no bytes.
    const void *nul = remaining() == 0 ? nullptr : std::memchr(bytes_.data() + offset_, 0, remaining());
    if (nul == nullptr) {
      fail();
      return {};
    }
    const size_t length = static_cast<size_t>(static_cast<const uint8_t *>(nul) - (bytes_.data() + offset_));
    const std::string_view text = as_text(bytes_.subspan(offset_, length));
    offset_ += length + 1;
    return text;
  }

 private:
  template <typename T>
  T integer() {
    const ByteView view = take(sizeof(T));
    T value = 0;
    if (view.size() == sizeof(T)) std::memcpy(&value, view.data(), sizeof(T));
    return value;
  }
  void fail() { ok_ = false; }

  ByteView bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

}  // namespace suture
