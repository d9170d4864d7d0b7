// Any bytes as the memory of a target: an image's headers and notes, its dynamic section, the loader's list, symbol tables,
// and a record of ours, all as a hostile process would lay them out. The process that is read is this one: the input is
// placed at kBase, and what /proc says of the auxiliary vector is made to lead there.
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "apply/record.h"
#include "base/byte_writer.h"
#include "base/cat.h"
#include "base/file.h"
#include "elf/read_image.h"
#include "fuzz.h"
#include "process/modules.h"
#include "process/symbols.h"

using namespace suture;

namespace {

constexpr uint64_t kBase = 0x500000000000;
constexpr uint64_t kRegionBytes = 128 << 10;
constexpr uint64_t kLoaderAt = kRegionBytes - 4096;  // r_debug and one link_map, in seeds
const auto kRegion = reinterpret_cast<uint8_t *>(kBase);

// AT_PHDR leads to the region. Needs CAP_SYS_RESOURCE; without it the loader's list is not reached.
void lead_auxv_to_region() {
  auto auxv = read_file("/proc/self/auxv", 4096);
  if (!auxv) return;
  for (size_t at = 0; at + 16 <= auxv->size(); at += 16)
    if (load<uint64_t>(*auxv, at) == AT_PHDR) store<uint64_t>(*auxv, at + 8, kBase + 64);
  (void)::prctl(PR_SET_MM, PR_SET_MM_AUXV, auxv->data(), auxv->size(), 0);
}

const Process &this_process() {
  static const Result<Process> process = [] {
    void *got = ::mmap(kRegion, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != kRegion) std::abort();
    lead_auxv_to_region();
    return Process::open(::getpid());
  }();
  if (!process) std::abort();
  return *process;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Process &process = this_process();
  std::memset(kRegion, 0, kRegionBytes);
  std::copy_n(data, std::min<size_t>(size, kRegionBytes), static_cast<uint8_t *>(kRegion));
  const auto maps = Maps::parse(fmt::format("{:x}-{:x} r-xp 00000000 00:00 0 [anon:suture:x]\n", kBase, kBase + kRegionBytes));
  const auto records = find_records(process, *maps);
  if (!records) std::abort();
  for (const FoundRecord &found : *records)
    if (found.record.code.begin.value != kBase) std::abort();
  const auto modules = find_modules(process, *maps);
  if (!modules) return 0;
  for (const Module &module : *modules)
    if (module.base.value != kBase) std::abort();
  const auto loader = find_loader(process, *modules);
  if (!loader) return 0;
  for (const char *version : {"", "GLIBC_2.2.5"}) (void)find_symbol(process, *modules, *loader, {"dlopen", version});
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  // A real library as its loader maps it, with a list that holds just it.
  for (const char *path : {"/lib/x86_64-linux-gnu/libdl.so.2", "/bin/true"}) {
    const auto image = read_elf_image_file(path);
    if (!image || image->span().size_bytes > kLoaderAt) continue;
    Bytes seed(kRegionBytes);
    for (const Segment &segment : image->segments) {
      const ByteView bytes = image->at(segment.address, segment.file_bytes);
      std::copy(bytes.begin(), bytes.end(), seed.begin() + static_cast<ptrdiff_t>(segment.address.value));
    }
    const auto dynamic = std::find_if(image->sections.begin(), image->sections.end(), [](const ImageSection &s) { return s.name == ".dynamic"; });
    if (dynamic == image->sections.end()) continue;
    for (uint64_t at = dynamic->address.value; at < dynamic->address.value + dynamic->size_bytes; at += 16) {
      if (load<int64_t>(seed, at) == DT_DEBUG || load<int64_t>(seed, at) == DT_NULL) {
        store<int64_t>(seed, at, DT_DEBUG);
        store<uint64_t>(seed, at + 8, kBase + kLoaderAt);
        break;
      }
    }
    store<uint64_t>(seed, kLoaderAt + 8, kBase + kLoaderAt + 64);                     // r_map
    store<uint64_t>(seed, kLoaderAt + 64 + 16, kBase + dynamic->address.value);  // l_ld
    seeds.push_back(std::move(seed));
  }
  Record record;
  record.patch_id = "seed";
  record.code = {RunAddr(kBase), 4096};
  const Bytes body = encode_record_body(record);
  RecordHead head;
  head.body_bytes = static_cast<uint32_t>(body.size());
  head.checksum = record_checksum(body);
  Bytes seed(sizeof head);
  std::memcpy(seed.data(), &head, sizeof head);
  seed.insert(seed.end(), body.begin(), body.end());
  seeds.push_back(std::move(seed));
  return seeds;
}
