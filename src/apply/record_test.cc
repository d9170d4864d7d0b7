#include "apply/record.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

Record sample() {
  Record record;
  record.patch_id = "redis-1";
  record.sequence = 4;
  record.supersedes = {"redis-0", "lua-1"};
  record.transaction[3] = 7;
  record.unit = 1;
  record.unit_count = 2;
  record.order = 5;
  record.code = {RunAddr(0x10000), 0x3000};
  record.data = {RunAddr(0x13000), 0x1000};
  record.image = RunAddr(0x11000);
  record.eh_frame = {RunAddr(0x11100), 64};
  record.base_path = "/usr/bin/redis-server";
  record.base_id = {ImageId::Kind::elf_build_id, {1, 2, 3}};
  RecordFunction function;
  function.name = "f";
  function.site = RunAddr(0x5000);
  function.old_bytes = {1, 2, 3, 4, 5};
  function.loops_to_entry = true;
  function.old_parts = {{RunAddr(0x5000), 64}, {RunAddr(0x6000), 8}};
  record.functions.push_back(function);
  return record;
}

TEST(Record, ReadsBackWhatItWrote) {
  const Bytes bytes = encode_record_body(sample());
  const std::optional<Record> back = decode_record_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode_record_body(*back), bytes);
  EXPECT_EQ(back->lineage(), sample().lineage());
  EXPECT_EQ(back->functions[0].old_parts[1].begin, RunAddr(0x6000));
  EXPECT_TRUE(back->functions[0].loops_to_entry);
}

TEST(Record, SizeDoesNotDependOnAddresses) {
  Record moved = sample();
  moved.code.begin = RunAddr(0x7f1234567000);
  moved.functions[0].site = RunAddr(0x7f1234567890);
  EXPECT_EQ(encode_record_body(moved).size(), encode_record_body(sample()).size());
}

TEST(Record, RejectsEveryTruncationAndTrailingBytes) {
  const Bytes bytes = encode_record_body(sample());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_record_body(ByteView(bytes).first(size)).has_value()) << size;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_record_body(longer).has_value());
}

TEST(Record, SurvivesAnyChangedByte) {
  const Bytes bytes = encode_record_body(sample());
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const uint8_t value : std::array<uint8_t, 3>{0x00, 0x7f, 0xff}) {
      Bytes changed = bytes;
      changed[i] = value;
      const std::optional<Record> record = decode_record_body(changed);
      EXPECT_TRUE(!record || record->functions.size() <= kMaxRecordFunctions);
    }
}

}  // namespace
}  // namespace suture
