// Any bytes as an ar archive: refused, or members that lie within it.
#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"
#include "build/archive.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto members = list_archive({data, size});
  if (!members) return 0;
  for (const ArchiveMember &member : *members)
    if (!member.bytes.empty() && (member.bytes.data() < data || member.bytes.data() + member.bytes.size() > data + size)) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  if (auto bytes = read_file("/usr/lib/x86_64-linux-gnu/libc_nonshared.a")) seeds.push_back(std::move(*bytes));
  const auto header = [](std::string_view name, size_t bytes) { return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, 0, 0, 0, 644, bytes); };
  const std::string thin = "!<thin>\n" + header("//", 12) + "sub/file.o/\n" + header("/0", 5000) + header("short.o/", 77);
  seeds.emplace_back(thin.begin(), thin.end());
  return seeds;
}
