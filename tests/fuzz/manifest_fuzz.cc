// Any text as a manifest: refused, or written again to a text that reads back the same.
#include "package/manifest.h"

#include <cstdlib>

#include "fuzz.h"
#include "package/flat.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto package = read_manifest(as_text({data, size}));
  // What the contained parser sends back is read with the same suspicion, from the same bytes.
  (void)unflatten({data, size});
  if (!package) return 0;
  const auto flat = unflatten(flatten(package));
  if (!flat || *flat != *package) std::abort();
  package->unknown_fields.clear();  // are not written again
  const auto once = write_manifest(*package);
  if (!once) std::abort();
  const auto again = read_manifest(*once);
  if (!again || *again != *package) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  Package package;
  package.id = "seed";
  package.version = "1-2";
  package.description = "two\nlines \xe2\x80\x94";
  package.cves = {"CVE-2025-1"};
  package.requires_ids = {"other"};
  package.supersedes_ids = {"older"};
  package.hazards = {{"layout", "struct s", "grew", true, "evidence"}};
  PackageImage image;
  image.path = "/usr/bin/seed";
  image.build_id = {ImageId::Kind::elf_build_id, Bytes(20, 7)};
  image.base_bytes = 1;
  image.functions = {{"f", 1, 2, "changed"}};
  image.hot_blob = {300, 30, {}};
  package.images = {image};
  const std::string text = *write_manifest(package);
  return {Bytes(text.begin(), text.end()), flatten(package), flatten(Error::refused("no").during("trying"))};
}
