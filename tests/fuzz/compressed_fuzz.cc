// Any bytes as compressed data with any claim about the size of what is in it: refused, or exactly that many bytes.
#include <cstdlib>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "fuzz.h"
#include "package/compress.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader reader({data, size});
  const uint64_t claimed = reader.u64();
  if (!reader.ok()) return 0;
  constexpr uint64_t kMostBytes = 8 << 20;  // a claim may be anything; what is really unpacked here must end
  const auto plain = decompress(reader.take(reader.remaining()), claimed % kMostBytes);
  if (!plain) return 0;
  if (plain->size() != claimed % kMostBytes) std::abort();
  const auto packed = compress(*plain);
  if (!packed || *decompress(*packed, plain->size()) != *plain) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  std::vector<Bytes> seeds;
  for (const size_t bytes : {0U, 1U, 300U, 200000U}) {
    ByteWriter seed;
    seed.u64(bytes);
    Bytes plain(bytes);
    for (size_t i = 0; i < bytes; ++i) plain[i] = static_cast<uint8_t>(i * i >> 7);
    seed.append(*compress(plain));
    seeds.push_back(std::move(seed).take());
  }
  return seeds;
}
