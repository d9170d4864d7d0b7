// Properties of differencing on real objects: those of the C library's and the compiler's own archives.
#include <gtest/gtest.h>

#include "base/cat.h"
#include "base/file.h"
#include "build/archive.h"
#include "diff/compare.h"
#include "elf/read_object.h"

namespace suture {
namespace {

struct RealObject {
  std::string name;
  std::shared_ptr<const ObjectGraph> graph;
};

// Every `step`-th object of an archive.
std::vector<RealObject> objects_of(const std::string &archive, size_t step) {
  std::vector<RealObject> out;
  const auto bytes = read_file(archive);
  if (!bytes) return out;
  const auto members = list_archive(*bytes);
  if (!members) return out;
  for (size_t i = 0; i < members->size(); i += step) {
    auto graph = read_elf_object((*members)[i].bytes, (*members)[i].name);
    EXPECT_TRUE(graph) << (graph ? "" : graph.error().text());
    if (graph) out.push_back({cat(archive, "(", (*members)[i].name, ")"), std::make_shared<const ObjectGraph>(std::move(*graph))});
  }
  return out;
}

std::vector<RealObject> real_objects() {
  std::vector<RealObject> out = objects_of("/usr/lib/gcc/x86_64-linux-gnu/12/libgcc.a", 4);
  for (RealObject &object : objects_of("/usr/lib/x86_64-linux-gnu/libc.a", 40)) out.push_back(std::move(object));
  return out;
}

TEST(DiffProperty, NothingDiffersFromItself) {
  const std::vector<RealObject> objects = real_objects();
  if (objects.empty()) GTEST_SKIP() << "no archives of objects here";
  EXPECT_GT(objects.size(), 50u);
  const Arch &arch = *find_arch(ArchId::x86_64);
  for (const RealObject &object : objects) {
    const Program pre = Program::make({object.graph});
    const Program post = Program::make({object.graph});
    CodeCache pre_code(pre, arch);
    CodeCache post_code(post, arch);
    const Twins twins = Twins::make(pre_code, post_code, {true});  // as if it had been compiled again
    const Comparison comparison = Comparison::make(pre_code, post_code, twins, {true});
    for (const Difference &difference : comparison.differences())
      ADD_FAILURE() << object.name << ": " << name_of(difference.change) << " " << difference.name << ": " << difference.reason;
  }
}

// A byte of code that no reference covers cannot change unseen.
TEST(DiffProperty, EveryChangedByteOfCodeIsSeen) {
  const std::vector<RealObject> objects = objects_of("/usr/lib/gcc/x86_64-linux-gnu/12/libgcc.a", 16);
  if (objects.empty()) GTEST_SKIP() << "no archives of objects here";
  const Arch &arch = *find_arch(ArchId::x86_64);
  size_t tried = 0;
  for (const RealObject &object : objects) {
    const Program pre = Program::make({object.graph});
    CodeCache pre_code(pre, arch);
    for (uint32_t s = 1; s < object.graph->sections.size(); ++s) {
      const ObjectSection &section = object.graph->sections[s];
      if (section.kind != ObjectSection::Kind::code || section.bytes.empty() || pre.section_place(0, s).section != s) continue;
      auto changed = std::make_shared<ObjectGraph>(*object.graph);
      changed->sections[s].bytes[0] ^= 0x40;  // a reference never starts an instruction
      const Program post = Program::make({changed});
      CodeCache post_code(post, arch);
      const Twins twins = Twins::make(pre_code, post_code, {true});
      const Comparison comparison = Comparison::make(pre_code, post_code, twins, {true});
      EXPECT_FALSE(comparison.differences().empty()) << object.name << " " << section.name;
      ++tried;
    }
  }
  EXPECT_GT(tried, 5u);
}

}  // namespace
}  // namespace suture
