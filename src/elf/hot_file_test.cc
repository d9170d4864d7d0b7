#include "elf/hot_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/file.h"

namespace suture {

bool operator==(const HotSegment &a, const HotSegment &b) {
  return a.address == b.address && a.memory_bytes == b.memory_bytes && a.bytes == b.bytes && a.writable == b.writable &&
         a.executable == b.executable;
}
bool operator==(const HotSection &a, const HotSection &b) {
  return a.name == b.name && a.address == b.address && a.size_bytes == b.size_bytes && a.alignment == b.alignment &&
         a.writable == b.writable && a.executable == b.executable && a.no_bits == b.no_bits;
}
bool operator==(const Validation &a, const Validation &b) {
  return a.range == b.range && a.expected == b.expected && a.mask == b.mask && a.digest == b.digest;
}
bool operator==(const Redirect &a, const Redirect &b) {
  return a.name == b.name && a.old_entry == b.old_entry && a.site == b.site && a.room_bytes == b.room_bytes &&
         a.old_parts == b.old_parts && a.target == b.target && a.new_size_bytes == b.new_size_bytes;
}
bool operator==(const HotSymbol &a, const HotSymbol &b) {
  return a.name == b.name && a.address == b.address && a.size_bytes == b.size_bytes && a.function == b.function &&
         a.global == b.global;
}

namespace {

using Random = std::mt19937_64;

uint64_t below(Random &random, uint64_t limit) {
  return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random);
}

Bytes random_bytes(Random &random, size_t count) {
  Bytes bytes(count);
  for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

std::string random_name(Random &random) {
  std::string name = "f";
  for (uint64_t i = below(random, 20); i > 0; --i) name += static_cast<char>('a' + below(random, 26));
  return name;
}

void add_text_and_data(Random &random, HotImage &image) {
  const size_t text_bytes = static_cast<size_t>(kHotHeaderBytes + 64 + below(random, 20000));
  Bytes text = random_bytes(random, text_bytes);
  std::fill_n(text.begin(), kHotHeaderBytes, uint8_t{0});
  image.segments.push_back({PatchOffset(0), text_bytes, text, false, true});
  image.sections.push_back(
      {".text", PatchOffset(kHotHeaderBytes), text_bytes - kHotHeaderBytes, 16, false, true, false});
  if (below(random, 3) == 0) return;
  const uint64_t page = (text_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  const PatchOffset at(page + text_bytes % kPageBytes);
  const Bytes data = random_bytes(random, static_cast<size_t>(8 + below(random, 5000)));
  const uint64_t bss_bytes = below(random, 100000);
  image.sections.push_back({".data", at, data.size(), 8, true, false, false});
  image.sections.push_back({".bss", at + data.size(), bss_bytes, 1, true, false, true});
  image.segments.push_back({at, data.size() + bss_bytes, data, true, false});
}

void add_fixups(Random &random, HotImage &image) {
  for (uint64_t i = below(random, 4); i > 0; --i)
    image.imports.push_back({random_name(random), below(random, 2) ? "V_1" : "", below(random, 2) == 0});
  for (const HotSegment &segment : image.segments) {
    uint64_t at = segment.executable ? kHotHeaderBytes : 0;
    for (;;) {
      at += below(random, 100);
      if (at + 8 > segment.bytes.size()) break;
      Fixup fixup;
      fixup.kind = static_cast<Fixup::Kind>(below(random, image.imports.empty() ? 4 : 5));
      fixup.at = segment.address + at;
      if (fixup.kind == Fixup::Kind::import_abs64)
        fixup.import = static_cast<uint32_t>(below(random, image.imports.size()));
      image.fixups.push_back(fixup);
      at += 8;
    }
  }
  std::sort(image.fixups.begin(), image.fixups.end());
}

void add_redirects(Random &random, HotImage &image) {
  const LinkAddr base = image.base_span.begin;
  for (uint64_t i = below(random, 20); i > 0; --i) {
    const LinkAddr old = base + below(random, 60000);
    const uint64_t size_bytes = 32 + below(random, 1000);
    Validation validation;
    validation.range = {old, size_bytes};
    const uint64_t form = below(random, 3);
    if (form > 0) validation.expected = random_bytes(random, static_cast<size_t>(size_bytes));
    if (form > 1) validation.mask = random_bytes(random, static_cast<size_t>(size_bytes));
    if (form == 0) validation.digest = sha256(random_bytes(random, 8));
    image.validations.push_back(validation);
    const uint64_t room = image.segments[0].bytes.size() - kHotHeaderBytes;
    const PatchOffset target(kHotHeaderBytes + below(random, room));
    const std::string name = random_name(random);
    image.redirects.push_back({name, old, old + 4 * below(random, 2), 16, {{old, size_bytes}, {base, 5}}, target, 1});
    if (below(random, 2)) image.symbols.push_back({name, target, 1, true, false});
  }
  image.symbols.push_back({"exported", PatchOffset(kHotHeaderBytes), 16, false, true});
}

void add_author_code(Random &random, HotImage &image) {
  const auto data =
      std::find_if(image.segments.begin(), image.segments.end(), [](const HotSegment &s) { return s.writable; });
  if (data == image.segments.end() || data->memory_bytes < kHookKinds * kHookCountBytes || below(random, 2)) return;
  AuthorCode &author = image.author;
  if (below(random, 2)) author.shadow_root = data->address + below(random, data->memory_bytes - 8);
  for (uint64_t i = below(random, 5); i > 0; --i)
    author.hooks.push_back({static_cast<Hook::Kind>(below(random, kHookKinds)),
                            PatchOffset(kHotHeaderBytes + below(random, 64)), random_name(random)});
  if (author.hooks.empty()) return;
  author.hook_runner = PatchOffset(kHotHeaderBytes);
  author.hook_counts = data->address;
}

HotImage random_image(uint64_t seed) {
  Random random(seed);
  HotImage image;
  image.patch_id = random_name(random);
  image.arch = below(random, 2) ? ArchId::x86_64 : ArchId::aarch64;
  image.base_id = {ImageId::Kind::elf_build_id, random_bytes(random, 20)};
  image.base_digest = sha256(image.base_id.bytes);
  image.base_path = "/usr/bin/" + random_name(random);
  image.base_fixed = below(random, 2) == 0;
  image.base_span = {LinkAddr(image.base_fixed ? 0x400000 : 0), 100000};
  add_text_and_data(random, image);
  image.eh_frame = PatchOffset(kHotHeaderBytes);
  image.eh_frame_bytes = below(random, 64);
  add_fixups(random, image);
  add_redirects(random, image);
  add_author_code(random, image);
  image.sequence = 1 + below(random, 3);
  for (uint64_t i = below(random, 3); i > 0; --i) image.supersedes.push_back(random_name(random));
  return image;
}

void expect_same(const HotImage &a, const HotImage &b) {
  EXPECT_EQ(a.patch_id, b.patch_id);
  EXPECT_EQ(a.lineage(), b.lineage());
  EXPECT_EQ(a.arch, b.arch);
  EXPECT_EQ(a.base_id, b.base_id);
  EXPECT_EQ(a.base_digest, b.base_digest);
  EXPECT_EQ(a.base_path, b.base_path);
  EXPECT_EQ(a.base_span, b.base_span);
  EXPECT_EQ(a.base_fixed, b.base_fixed);
  EXPECT_EQ(a.eh_frame, b.eh_frame);
  EXPECT_EQ(a.eh_frame_bytes, b.eh_frame_bytes);
  EXPECT_TRUE(a.segments == b.segments);
  EXPECT_TRUE(a.sections == b.sections);
  EXPECT_TRUE(a.fixups == b.fixups);
  EXPECT_TRUE(a.imports == b.imports);
  EXPECT_TRUE(a.validations == b.validations);
  EXPECT_TRUE(a.redirects == b.redirects);
  EXPECT_TRUE(a.symbols == b.symbols);
  EXPECT_TRUE(a.author == b.author);
}

// A patch of the size the format is measured with: 20 functions, 1000 fixups.
HotImage typical_image() {
  Random random(1);
  HotImage image = random_image(1);
  image.arch = ArchId::x86_64;
  image.base_path = "/usr/bin/redis-check-rdb";
  image.patch_id = "redis-server-CVE-2024-46981";
  image.fixups.clear();
  image.imports.clear();
  image.validations.clear();
  image.redirects.clear();
  image.symbols.clear();
  image.author = {};
  image.sequence = 1;
  image.supersedes.clear();
  image.base_span = {LinkAddr(0), 1600000};
  Bytes text(kHotHeaderBytes);
  for (unsigned i = 0; i < 20; ++i) {
    const PatchOffset at(text.size());
    const LinkAddr old(0x40000 + below(random, 1000000));
    const std::string name = cat("aFunctionOfRedis", i);
    image.redirects.push_back({name, old, old + 4, 12, {{old, 900}}, at, 1000});
    image.validations.push_back({{old, 900}, {}, {}, sha256(random_bytes(random, 8))});
    image.symbols.push_back({name, at, 1000, true, false});
    const Bytes code = random_bytes(random, 1000);
    text.insert(text.end(), code.begin(), code.end());
  }
  uint64_t at = kHotHeaderBytes;
  for (unsigned i = 0; i < 1000; ++i) {
    image.fixups.push_back({Fixup::Kind::base_rel32, PatchOffset(at), 0});
    at += 4 + below(random, 32);
  }
  const Bytes constants = random_bytes(random, 2400);
  text.insert(text.end(), constants.begin(), constants.end());
  const uint64_t text_bytes = text.size();
  image.segments = {{PatchOffset(0), text_bytes, std::move(text), false, true}};
  const PatchOffset data_at((text_bytes + 4095) / 4096 * 4096 + text_bytes % 4096);
  image.segments.push_back({data_at, 3000, random_bytes(random, 1000), true, false});
  const PatchOffset start(kHotHeaderBytes);
  image.sections = {{".text", start, 20000, 16, false, true, false},
                    {".rodata", start + 20000, 2000, 16, false, false, false},
                    {".eh_frame", start + 22000, 400, 8, false, false, false},
                    {".data", data_at, 1000, 8, true, false, false},
                    {".bss", data_at + 1000, 2000, 8, true, false, true}};
  return image;
}

std::string output_of(const std::string &command) {
  std::string out;
  FILE *pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) out += line;
  if (::pclose(pipe) != 0) out += "\nexit status not 0";
  return out;
}

TEST(HotFile, ReadsBackWhatItWrote) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    const HotImage image = random_image(seed);
    const auto file = write_hot_file(image);
    ASSERT_TRUE(file) << file.error().text();
    const auto back = read_hot_file(*file);
    ASSERT_TRUE(back) << back.error().text();
    expect_same(image, *back);
  }
}

TEST(HotFile, PutsLocalSymbolsFirst) {
  HotImage image = random_image(3);
  image.symbols = {{"global", PatchOffset(kHotHeaderBytes), 1, true, true},
                   {"local", PatchOffset(kHotHeaderBytes), 1, true, false}};
  const auto back = read_hot_file(*write_hot_file(image));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->symbols[0].name, "local");
}

TEST(HotFile, SurvivesEveryTruncationAndByteChange) {
  const Bytes file = *write_hot_file(random_image(7));
  for (size_t size_bytes = 0; size_bytes < file.size(); size_bytes += 7)
    EXPECT_FALSE(read_hot_file(ByteView(file).first(size_bytes)));
  for (size_t at = 0; at < file.size(); at += 5) {
    Bytes changed = file;
    changed[at] = static_cast<uint8_t>(~changed[at]);
    const auto back = read_hot_file(changed);
    if (back) {
      EXPECT_TRUE(write_hot_file(*back)) << "accepts what it would not write, byte " << at;
    }
  }
}

TEST(HotFile, RefusesToWriteTwoFixupsOnOneField) {
  HotImage image = random_image(1);
  image.fixups = {{Fixup::Kind::base_rel32, PatchOffset(kHotHeaderBytes), 0},
                  {Fixup::Kind::base_abs64, PatchOffset(kHotHeaderBytes + 2), 0}};
  EXPECT_FALSE(write_hot_file(image));
}

HotImage image_with_a_hook() {
  HotImage image = typical_image();
  const PatchOffset data = image.segments[1].address;
  image.author.hooks = {{Hook::Kind::pre_apply, PatchOffset(kHotHeaderBytes), "migrate"}};
  image.author.hook_runner = PatchOffset(kHotHeaderBytes + 100);
  image.author.hook_counts = data;
  image.author.shadow_root = data + 64;
  return image;
}

TEST(HotFile, RefusesAuthorCodeThatIsNotInItsOwnSegments) {
  ASSERT_TRUE(write_hot_file(image_with_a_hook()));
  const auto refuses = [](auto change) {
    HotImage image = image_with_a_hook();
    change(image.author);
    return !write_hot_file(image);
  };
  const PatchOffset data = image_with_a_hook().segments[1].address;
  EXPECT_TRUE(refuses([&](AuthorCode &author) { author.hooks[0].function = data; }));
  EXPECT_TRUE(refuses([&](AuthorCode &author) { author.hook_runner = PatchOffset(8); }));
  EXPECT_TRUE(refuses([&](AuthorCode &author) { author.hook_counts = PatchOffset(kHotHeaderBytes); }));
  EXPECT_TRUE(refuses([&](AuthorCode &author) { author.hook_counts = data + 2990; }));
  EXPECT_TRUE(refuses([&](AuthorCode &author) { author.shadow_root = PatchOffset(kHotHeaderBytes); }));
  EXPECT_TRUE(refuses([](AuthorCode &author) { author.hooks.resize(65, author.hooks[0]); }));
}

// The version in the header of the `.suture` section.
uint16_t version_in(const Bytes &file) {
  const std::string_view text = as_text(file);
  return load<uint16_t>(file, text.find("SutureHP") + 8);
}

TEST(HotFile, IsReadableByOlderToolsUnlessItHasAuthorCode) {
  EXPECT_EQ(version_in(*write_hot_file(typical_image())), 1);
  EXPECT_EQ(version_in(*write_hot_file(image_with_a_hook())), 2);
}

TEST(HotFile, AddsAtMost4KiBToATypicalPatch) {
  const HotImage image = typical_image();
  const Bytes file = *write_hot_file(image);
  const size_t content = image.segments[0].bytes.size() - kHotHeaderBytes + image.segments[1].bytes.size();
  RecordProperty("overhead_bytes", static_cast<int>(file.size() - content));
  std::printf("20 functions, 1000 fixups: %zu bytes over %zu of code and data\n", file.size() - content, content);
  EXPECT_LE(file.size() - content, 4096u);
}

TEST(HotFile, IsReadByTheUsualTools) {
  const TempDir folder = *TempDir::create("suture-hp");
  const std::string path = (folder.path() / "typical.hp.so").string();
  ASSERT_TRUE(write_file_atomic(path, *write_hot_file(typical_image())));
  const std::string readelf = output_of("readelf -aW " + path);
  EXPECT_EQ(readelf.find("arning"), std::string::npos) << readelf;
  EXPECT_EQ(readelf.find("rror"), std::string::npos) << readelf;
  EXPECT_NE(readelf.find("aFunctionOfRedis7"), std::string::npos) << readelf;
  EXPECT_NE(readelf.find("Build ID: "), std::string::npos) << readelf;
  const std::string objdump = output_of("objdump -d " + path);
  EXPECT_NE(objdump.find("<aFunctionOfRedis7>:"), std::string::npos) << objdump.substr(0, 500);
  const std::string gdb = output_of("gdb -nx -batch -ex 'add-symbol-file " + path +
                                    " 0x10000000' -ex 'info symbol 0x10000000' < /dev/null");
  EXPECT_NE(gdb.find("aFunctionOfRedis0 in section .text"), std::string::npos) << gdb;
  EXPECT_EQ(output_of("eu-elflint --gnu-ld " + path), "No errors\n");
}

}  // namespace
}  // namespace suture
