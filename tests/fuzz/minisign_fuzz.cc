// Any text as a signature, a public key and a secret key: refused, or written again to a text that reads back the same.
#include "package/minisign.h"

#include <sodium.h>

#include <cstdlib>

#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto parsed = parse_signature(text)) {
    if (parsed->size_bytes > size) std::abort();
    const auto again = parse_signature(format_signature(parsed->signature));
    if (!again || again->signature.signature != parsed->signature.signature) std::abort();
    if (again->signature.trusted_comment != parsed->signature.trusted_comment) std::abort();
    (void)check_signature(parsed->signature, as_bytes(text.substr(parsed->size_bytes)), PublicKey{});
  }
  if (const auto key = parse_public_key(text)) {
    const auto again = parse_public_key(format_public_key(*key));
    if (!again || again->key != key->key || again->id != key->id) std::abort();
  }
  // Deriving a key from a password is costly and nothing of ours.
  const AskPassword none = []() -> Result<std::string> { return Error::refused("no password here"); };
  if (const auto key = parse_secret_key(text, none)) {
    const auto again = parse_secret_key(format_secret_key(*key), none);
    if (!again || again->key() != key->key()) std::abort();
  }
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  const std::array<uint8_t, 32> seed{7};  // a run must be the same as the one before it
  std::array<uint8_t, 32> public_part{};
  std::array<uint8_t, 64> secret{};
  crypto_sign_seed_keypair(public_part.data(), secret.data(), seed.data());
  const SecretKey key(KeyId{1, 2, 3, 4, 5, 6, 7, 8}, secret);
  std::string encrypted = format_secret_key(key);
  encrypted.replace(encrypted.find("RWQAAEIy"), 8, "RWRTY0Iy");  // "Ed" "Sc" "B2": says that it has a password
  const std::string texts[] = {format_signature(*sign(as_bytes("behind"), key, "untrusted", "trusted")) + "behind",
                               format_public_key(key.public_key()), format_secret_key(key), encrypted};
  std::vector<Bytes> seeds;
  for (const std::string &text : texts) seeds.emplace_back(text.begin(), text.end());
  return seeds;
}
