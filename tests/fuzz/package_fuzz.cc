// Any bytes as a package file, as --allow-unsigned reads it: refused, or a package that can be written again.
#include "package/format.h"

#include <cstdlib>

#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto verified = verify_package(Bytes(data, data + size), TrustStore::of({}), AllowUnsigned::yes);
  if (!verified) return 0;
  auto package = parse_payload(verified->payload(), Blobs::all);
  if (!package) return 0;
  package->unknown_fields.clear();  // are not written again
  const auto once = encode_package(*package);
  if (!once) std::abort();
  const auto again = parse_payload(*once, Blobs::all);
  if (!again || again->id != package->id || again->images.size() != package->images.size()) std::abort();
  for (size_t i = 0; i < again->images.size(); ++i)
    if (again->images[i].hot != package->images[i].hot || again->images[i].cold != package->images[i].cold)
      std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  Package package;
  package.id = "seed";
  package.cves = {"CVE-2025-1"};
  package.requires_ids = {"other"};
  package.hazards = {{"layout", "struct s", "grew", true, "evidence"}};
  PackageImage image;
  image.path = "/usr/bin/seed";
  image.build_id = {ImageId::Kind::elf_build_id, Bytes(20, 7)};
  image.base_bytes = 1;
  image.functions = {{"f", 1, 2, "changed"}};
  image.hot = Bytes(300, 1);
  image.cold = Bytes(3000, 2);
  package.images = {image};
  const Bytes plain = *encode_package(package);
  const SecretKey key(KeyId{1, 2, 3, 4, 5, 6, 7, 8}, {});
  return {plain, *sign_package(plain, key, "timestamp:1")};
}
