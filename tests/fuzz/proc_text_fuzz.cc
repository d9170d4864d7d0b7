// Any text as what /proc says of a process: its map, status and stat, all of which hold names of the target's choice.
#include <cstdlib>

#include "base/file.h"
#include "fuzz.h"
#include "process/maps.h"
#include "process/process.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text = as_text({data, size});
  (void)parse_stat(text);
  for (const char *name : {"State", "TracerPid", "x86_Thread_features", ""}) {
    (void)status_field(text, name);
    (void)status_number(text, name);
  }
  const auto maps = Maps::parse(text);
  if (!maps) return 0;
  for (const Mapping &mapping : maps->all()) {
    if (maps->at(mapping.range.begin) != &mapping || mapping.name.size() > kMaxMappingName) std::abort();
    if (!maps->covers(mapping.range)) std::abort();
  }
  constexpr uint64_t kWanted = 3 * 4096;
  const RunAddr near = maps->all().empty() ? RunAddr(0x400000) : maps->all().front().range.begin;
  const auto gap = maps->find_gap(kWanted, RunAddr(0x10000), RunAddr(uint64_t{1} << 47), near);
  if (!gap) return 0;
  for (const Mapping &mapping : maps->all())
    if (mapping.range.begin < *gap + kWanted && *gap < mapping.range.end()) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  for (const char *file : {"/proc/self/maps", "/proc/self/stat", "/proc/self/status", "/proc/1/stat", "/proc/1/status"})
    if (auto text = read_text(file)) seeds.emplace_back(text->begin(), text->end());
  const std::string odd =
      "55d0-55d1 r-xp 00000000 fe:00 9 /a (deleted)\n7f00000000-7f00001000 rw-s 00001000 00:01 1 /memfd:suture:x (deleted)\n"
      "7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0 [stack]\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
  seeds.emplace_back(odd.begin(), odd.end());
  return seeds;
}
