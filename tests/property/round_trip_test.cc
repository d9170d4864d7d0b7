// What is written is read back as it was: packages, records in processes, `.hp.` files; of random content.
#include <gtest/gtest.h>

#include <random>

#include "apply/record.h"
#include "base/cat.h"
#include "elf/hot_file.h"
#include "package/format.h"
#include "package/manifest.h"

namespace suture {
namespace {

constexpr int kRounds = 200;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  uint64_t below(uint64_t limit) { return std::uniform_int_distribution<uint64_t>(0, limit - 1)(engine_); }
  uint64_t word() { return engine_() >> below(64); }
  bool coin() { return below(2) == 1; }
  Bytes bytes(uint64_t most) {
    Bytes out(static_cast<size_t>(below(most + 1)));
    for (uint8_t &byte : out) byte = static_cast<uint8_t>(word());
    return out;
  }
  std::string name() {
    std::string out = "n";
    for (uint64_t left = below(30); left > 0; --left) out += "abcxyz019_.-+"[below(13)];
    return out;
  }
  template <typename Make>
  auto some(uint64_t most, Make make) {
    std::vector<decltype(make())> out;
    for (uint64_t left = below(most + 1); left > 0; --left) out.push_back(make());
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

class RoundTrip : public testing::Test {
 protected:
  unsigned seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, cat("seed ", seed_)};
  Random random_{seed_};
};

TEST_F(RoundTrip, OfAPackage) {
  for (int round = 0; round < kRounds; ++round) {
    Package package;
    package.id = random_.name();
    package.sequence = 1 + (random_.word() >> 12);  // JSON's exact integers end at 2^53
    package.version = random_.name();
    package.description = random_.name() + "\n\"\\\t\xc3\xa9";
    package.cves = {cat("CVE-20", 10 + random_.below(89), "-", 1000 + random_.below(9000))};
    PackageImage image;
    image.path = "/" + random_.name();
    image.build_id = {ImageId::Kind::elf_build_id, Bytes(20, static_cast<uint8_t>(round))};
    image.base_bytes = 1 + random_.below(1 << 30);
    image.functions = random_.some(5, [&] { return PackageFunction{random_.name(), random_.below(9999), random_.below(9999), random_.name()}; });
    image.hot = random_.bytes(5000);
    image.cold = random_.bytes(5000);
    package.images.push_back(image);
    const auto bytes = encode_package(package);
    ASSERT_TRUE(bytes) << bytes.error().text();
    auto again = parse_payload(*bytes, Blobs::all);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->images[0].hot, package.images[0].hot);
    EXPECT_EQ(again->images[0].cold, package.images[0].cold);
    EXPECT_EQ(*encode_package(*again), *bytes);
  }
}

RunRange any_range(Random &random) {
  return {RunAddr(random.word()), random.word()};
}

TEST_F(RoundTrip, OfARecord) {
  for (int round = 0; round < kRounds; ++round) {
    Record record;
    record.patch_id = random_.name();
    record.unit = static_cast<uint32_t>(random_.word());
    record.order = random_.word();
    record.code = any_range(random_);
    record.data = any_range(random_);
    if (random_.coin()) record.own_unwind = {RunAddr(1 + random_.word() / 2), RunAddr(random_.word())};
    record.base_path = random_.name();
    record.base_id = {ImageId::Kind::elf_build_id, random_.bytes(20)};
    record.functions = random_.some(6, [&] {
      RecordFunction function;
      function.name = random_.name();
      function.old_entry = RunAddr(random_.word());
      for (uint8_t &byte : function.old_bytes) byte = static_cast<uint8_t>(random_.word());
      function.loops_to_entry = random_.coin();
      function.gate = any_range(random_);
      function.old_parts = random_.some(4, [&] { return any_range(random_); });
      return function;
    });
    const Bytes bytes = encode_record_body(record);
    const auto again = decode_record_body(bytes);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(encode_record_body(*again), bytes);
    EXPECT_EQ(again->patch_id, record.patch_id);
    EXPECT_EQ(again->functions.size(), record.functions.size());
    // Nor is a shorter or longer one taken for whole.
    EXPECT_FALSE(decode_record_body(ByteView(bytes).first(bytes.size() - 1)).has_value());
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(decode_record_body(longer).has_value());
  }
}

TEST_F(RoundTrip, OfAHotImage) {
  for (int round = 0; round < kRounds; ++round) {
    HotImage image;
    image.patch_id = random_.name();
    image.arch = ArchId::x86_64;
    image.base_id = {ImageId::Kind::elf_build_id, Bytes(20, static_cast<uint8_t>(round))};
    image.base_path = "/" + random_.name();
    image.base_span = {LinkAddr(0x1000), 0x100000};
    image.base_fixed = random_.coin();
    if (random_.coin()) image.unwinder = OwnUnwinder{LinkAddr(0x1000 + random_.below(0x100000)), LinkAddr(0x1000 + random_.below(0x100000))};
    const PatchOffset start(kHotHeaderBytes);
    const uint64_t code = 16 * (4 + random_.below(60));
    Bytes text(kHotHeaderBytes + code, 0x90);
    std::fill_n(text.begin(), kHotHeaderBytes, uint8_t{0});
    image.segments.push_back({PatchOffset(0), text.size(), text, false, true});
    image.sections = {{".text", start, code, 16, false, true, false}};
    for (uint64_t at = 0; at < code; at += 16 * (1 + random_.below(4))) {
      image.symbols.push_back({cat("f", at, random_.name()), start + at, 16, true, random_.coin()});
      if (random_.coin()) image.fixups.push_back({Fixup::Kind::base_rel32, start + at + 2, 0});
      const LinkAddr old(0x2000 + 64 * at);
      image.redirects.push_back({image.symbols.back().name, old, old, 16, {{old, 32}}, start + at, 16});
      image.validations.push_back({{old, 8}, random_.bytes(0), {}, {}});
    }
    const auto bytes = write_hot_file(image);
    ASSERT_TRUE(bytes) << bytes.error().text();
    const auto again = read_hot_file(*bytes);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(*write_hot_file(*again), *bytes);
    EXPECT_EQ(again->fixups, image.fixups);
    EXPECT_EQ(again->redirects.size(), image.redirects.size());
    EXPECT_EQ(again->patch_id, image.patch_id);
  }
}

}  // namespace
}  // namespace suture
