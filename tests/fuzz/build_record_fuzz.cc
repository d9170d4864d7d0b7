// Any text as what a build left behind: the wrapper's records and a linker's map. The build ran the package's own commands,
// which may write whatever they like where the records are.
#include "build/link_map.h"
#include "build/record.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text = as_text({data, size});
  (void)parse_compile_record(text);
  (void)parse_link_record(text);
  (void)parse_step_record(text);
  (void)parse_link_map(text);
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  const std::string_view texts[] = {
      R"({"cwd": "/b", "tool": "/usr/bin/cc", "args": ["-c", "a.c"], "sources": ["/b/a.c"], "output": "/b/a.o", "lto": false})",
      R"({"cwd": "/b", "link": "shared", "inputs": [{"path": "/b/a.o", "member": "", "content": "ab", "source": ""}], "order": 17})",
      R"({"cwd": "/b", "tool": "/usr/bin/make", "args": ["-j2"], "environment": ["A=b"], "order": 3})",
      "Archive member included to satisfy reference by file (symbol)\n\n/usr/lib/libx.a(a.o)\n                              main.o (f)\n\n"
      "Memory Configuration\n\nLOAD main.o\nLOAD /usr/lib/libx.a\n",
      "             VMA              LMA     Size Align Out     In      Symbol\n          2a8244           2a8244       40     4         main.o:(.text)\n"
      "          2a8284           2a8284       40     4         libx.a(a.o):(.text)\n"};
  std::vector<Bytes> seeds;
  for (const std::string_view text : texts) seeds.emplace_back(text.begin(), text.end());
  return seeds;
}
