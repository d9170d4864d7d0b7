#include "elf/build_id.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

Bytes note(uint32_t type, std::string_view name, const Bytes &content, size_t unit) {
  Bytes out;
  const auto put = [&](uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(value >> shift));
  };
  const auto pad = [&] {
    while (out.size() % unit != 0) out.push_back(0);
  };
  put(static_cast<uint32_t>(name.size() + 1));
  put(static_cast<uint32_t>(content.size()));
  put(type);
  out.insert(out.end(), name.begin(), name.end());
  out.push_back(0);
  pad();
  out.insert(out.end(), content.begin(), content.end());
  pad();
  return out;
}

Bytes joined(Bytes a, const Bytes &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes found(const Bytes &notes, uint64_t alignment) {
  const ByteView id = find_build_id(notes, alignment);
  return {id.begin(), id.end()};
}

const Bytes kId = {1, 2, 3, 4, 5};

TEST(BuildId, IsFoundBehindOtherNotes) {
  EXPECT_EQ(found(joined(note(1, "GNU", {9, 9, 9}, 4), note(3, "GNU", kId, 4)), 4), kId);
  EXPECT_EQ(found(joined(note(5, "GNU", {9, 9, 9}, 8), note(3, "GNU", kId, 8)), 8), kId);
}

TEST(BuildId, IsOfItsOwnerAndTypeOnly) {
  EXPECT_EQ(found(note(3, "Go", kId, 4), 4), Bytes());
  EXPECT_EQ(found(note(1, "GNU", kId, 4), 4), Bytes());
}

TEST(BuildId, AlignmentThatTheHeaderLiesAboutEndsNothing) {
  for (const uint64_t alignment : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) EXPECT_EQ(found(note(3, "GNU", kId, 4), alignment), kId);
}

TEST(BuildId, CutNoteHasNone) {
  const Bytes whole = note(3, "GNU", kId, 4);
  for (size_t size = 0; size < whole.size() - 3; ++size) EXPECT_EQ(found(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), 4), Bytes());
}

}  // namespace
}  // namespace suture
