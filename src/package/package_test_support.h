// A small package and a key for the tests of this folder, the store and the commands.
#pragma once

#include "base/cat.h"
#include "package/format.h"

namespace suture::testing_support {

inline Package sample_package() {
  Package package;
  package.id = "redis-CVE-2025-49844";
  package.sequence = 7;
  package.version = "7.0.15-1~deb12u10";
  package.description = "Frees a script \xe2\x80\x94 once.\nSee the advisory.";
  package.cves = {"CVE-2025-49844"};
  package.requires_ids = {"redis-base"};
  package.supersedes_ids = {"redis-CVE-2025-1"};
  package.hazards = {{"data", "server_defaults", "initial value changed", true, ""}, {"layout", "request", "it lives only on stacks", false, "evidence"}};
  PackageImage image;
  image.path = "/usr/bin/redis-server";
  image.build_id = {ImageId::Kind::elf_build_id, Bytes(20, 0xab)};
  image.digest = sha256(as_bytes("base"));
  image.base_bytes = 4;
  image.functions = {{"luaY_parser", 120, 160, "changed code"}, {"helper", 0, 32, "new"}};
  image.hot = Bytes(5000, 0x90);
  for (size_t i = 0; i < 300000; ++i) image.cold.push_back(static_cast<uint8_t>(i * i >> 7));
  package.images = {image};
  return package;
}

inline SecretKey sample_key() {
  auto key = SecretKey::generate();
  assert(key);
  return std::move(*key);
}

inline TrustStore trusting(const SecretKey &key) {
  return TrustStore::of({{key.public_key(), "test.pub"}});
}

}  // namespace suture::testing_support
