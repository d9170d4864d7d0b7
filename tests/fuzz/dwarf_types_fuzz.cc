// Any bytes as an object with debugging information: whatever happens to the contained child that reads it, the caller gets
// an answer. A child that dies is an answer too ("could not be read"), so only the caller's own faults are found here; the
// reader itself (our relocation of its sections, then libdw) runs behind the same containment as in a build.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"
#include "build/dwarf_types.h"
#include "build/type_graph.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Fd file(::memfd_create("object", MFD_CLOEXEC));
  if (!file || !write_all(file.get(), {data, size})) return 0;
  const std::string path = cat("/proc/self/fd/", file.get());
  const auto report = compare_types({{"fuzz.o", path, path}});
  // One object read twice has no differences; one that cannot be read is the only thing that may be told of it.
  if (!report || report->layouts.size() > 1 || !report->signatures.empty()) std::abort();
  if (!report->layouts.empty() && report->layouts.front().keyword != "object") std::abort();
  // The graph of its types is read by the same means; what cannot be read is named.
  const auto graph = read_type_graph({{"fuzz.o", path}});
  if (!graph || graph->unread.size() > 1) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  // Objects with debugging information have to be compiled: with the compiler that built this program, if it is here.
  const auto folder = TempDir::create("suture-fuzz-types");
  if (!folder) return {};
  const std::string base = (folder->path() / "seed").string();
  const std::string source = "struct s { int a; struct s *next; union { char c; double d; }; enum { x, y } e : 2; };\n"
                             "struct s v; int f(struct s *p, int (*g)(long), ...) { return p->a + g(2); }\n";
  if (!write_file_atomic(base + ".c", as_bytes(source))) return {};
  if (std::system(cat("cc -g -c -o ", base, ".o ", base, ".c 2>/dev/null").c_str()) != 0) return {};
  auto bytes = read_file(base + ".o");
  return bytes ? std::vector<Bytes>{std::move(*bytes)} : std::vector<Bytes>{};
}
