// Any bytes as a relocatable object: refused, or a graph that differencing can walk whatever its symbols and edges claim.
#include <cstdlib>
#include <memory>

#include "base/file.h"
#include "diff/compare.h"
#include "elf/read_object.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto graph = read_elf_object({data, size}, "fuzz.o");
  if (!graph) return 0;
  const Arch *arch = find_arch(graph->arch);
  if (arch == nullptr) return 0;
  const auto object = std::make_shared<const ObjectGraph>(std::move(*graph));
  const Program pre = Program::make({object});
  const Program post = Program::make({object});
  CodeCache pre_code(pre, *arch);
  CodeCache post_code(post, *arch);
  // Said to be changed, so that every section is compared although nothing differs.
  const Twins twins = Twins::make(pre_code, post_code, {true});
  (void)Comparison::make(pre_code, post_code, twins, {true});
  // An object that was not compiled again is its own twin, whatever is in it.
  const Twins same = Twins::make(pre_code, post_code, {false});
  if (!Comparison::make(pre_code, post_code, same, {false}).differences().empty()) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  // Start files of the C library and the compiler: real objects that are there wherever anything can be linked.
  for (const char *path : {"/usr/lib/x86_64-linux-gnu/Scrt1.o", "/usr/lib/x86_64-linux-gnu/crti.o", "/usr/lib/gcc/x86_64-linux-gnu/12/crtbeginS.o"})
    if (auto bytes = read_file(path)) seeds.push_back(std::move(*bytes));
  return seeds;
}
