#include "process/maps.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

constexpr const char *kText =
    "00400000-00401000 r--p 00000000 fe:01 42                                 /usr/bin/x\n"
    "00401000-00500000 r-xp 00001000 fe:01 42                                 /usr/bin/x\n"
    "00600000-00621000 rw-p 00000000 00:00 0                                  [heap]\n"
    "7f0000000000-7f0000001000 r-xs 00000000 00:01 7                          /memfd:a b\\012c (deleted)\n"
    "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n";

TEST(Maps, ReadsRangesPermissionsAndNames) {
  const Result<Maps> maps = Maps::parse(kText);
  ASSERT_TRUE(maps.has_value());
  ASSERT_EQ(maps->all().size(), 5u);
  const Mapping &text = maps->all()[1];
  EXPECT_EQ(text.range.begin, RunAddr(0x401000));
  EXPECT_EQ(text.range.end(), RunAddr(0x500000));
  EXPECT_TRUE(text.executable);
  EXPECT_FALSE(text.shared);
  EXPECT_EQ(text.inode, 42u);
  EXPECT_TRUE(maps->all()[3].shared);
  EXPECT_EQ(maps->all()[3].name, "/memfd:a b\\012c (deleted)");
}

TEST(Maps, FindsTheMappingThatHoldsAnAddress) {
  const Result<Maps> maps = Maps::parse(kText);
  ASSERT_TRUE(maps.has_value());
  ASSERT_NE(maps->at(RunAddr(0x401abc)), nullptr);
  EXPECT_EQ(maps->at(RunAddr(0x401abc))->offset, 0x1000u);
  EXPECT_EQ(maps->at(RunAddr(0x3fffff)), nullptr);
  EXPECT_EQ(maps->at(RunAddr(0x500000)), nullptr);
  EXPECT_TRUE(maps->covers({RunAddr(0x400800), 0x1000}));
  EXPECT_FALSE(maps->covers({RunAddr(0x4ff000), 0x2000}));
}

TEST(Maps, FindsTheGapNearestToAPlaceAndKeepsGuardPages) {
  const Result<Maps> maps = Maps::parse(kText);
  ASSERT_TRUE(maps.has_value());
  const auto gap = maps->find_gap(0x3000, RunAddr(0), RunAddr(0x400000), RunAddr(0x400000));
  ASSERT_TRUE(gap.has_value());
  EXPECT_EQ(*gap, RunAddr(0x400000 - 0x1000 - 0x3000));
  EXPECT_FALSE(maps->find_gap(0x100000, RunAddr(0x500000), RunAddr(0x600000), RunAddr(0x500000)).has_value());
}

TEST(Maps, LeavesRoomForStackAndHeapToGrow) {
  const Result<Maps> maps = Maps::parse(kText);
  ASSERT_TRUE(maps.has_value());
  const auto gap = maps->find_gap(0x1000, RunAddr(0x620000), RunAddr(uint64_t{1} << 47), RunAddr(0x621000));
  ASSERT_TRUE(gap.has_value());
  EXPECT_GE(*gap, RunAddr(0x621000 + (uint64_t{1} << 30)));
  const auto below_stack =
      maps->find_gap(0x1000, RunAddr(0x7f0000001000), RunAddr(0x7ffffffff000), RunAddr(0x7ffffffde000));
  ASSERT_TRUE(below_stack.has_value());
  EXPECT_LE(*below_stack, RunAddr(0x7ffffffde000 - (uint64_t{1} << 30)));
}

TEST(Maps, RefusesLinesThatAreNoMappings) {
  for (const char *bad :
       {"x", "0-", "1000-0 r--p 0 0:0 0", "1000-2000 r-", "1000-2000 r--p zz 0:0 0", "1000-2000 r--p 0 0:0"})
    EXPECT_FALSE(Maps::parse(bad).has_value()) << bad;
}

}  // namespace
}  // namespace suture
