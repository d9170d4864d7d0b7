// Appends little-endian values to a buffer; the mirror of ByteReader.
#pragma once

#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace suture {

class ByteWriter {
 public:
  size_t size() const { return bytes_.size(); }
  Bytes take() && { return std::move(bytes_); }
  const Bytes &bytes() const { return bytes_; }

  void u8(uint8_t value) { bytes_.push_back(value); }
  void u16(uint16_t value) { integer(value); }
  void u32(uint32_t value) { integer(value); }
  void u64(uint64_t value) { integer(value); }
  void uleb(uint64_t value) {
    do {
      const uint8_t low = static_cast<uint8_t>(value & 0x7f);
      value >>= 7;
      u8(static_cast<uint8_t>(low | (value ? 0x80 : 0)));
    } while (value != 0);
  }
  void sleb(int64_t value) {
    for (;;) {
      const uint8_t low = static_cast<uint8_t>(value & 0x7f);
      value >>= 7;
      const bool done = (value == 0 && !(low & 0x40)) || (value == -1 && (low & 0x40));
      u8(static_cast<uint8_t>(low | (done ? 0 : 0x80)));
      if (done) return;
    }
  }
  void append(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void c_string(std::string_view text) {
    append(as_bytes(text));
    u8(0);
  }
  void pad_to(size_t alignment) {
    while (bytes_.size() % alignment != 0) u8(0);
  }
  void zeros(size_t count) { bytes_.resize(bytes_.size() + count); }

 private:
  template <typename T>
  void integer(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
  }
  Bytes bytes_;
};

// Unaligned little-endian access inside a buffer whose bounds the caller has checked.
template <typename T>
T load(ByteView bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}
template <typename T>
void store(std::span<uint8_t> bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

}  // namespace suture
