// Keys and signatures in the format of minisign: Ed25519 over the BLAKE2b-512 of the message ("prehashed", which lets
// minisign read a pipe), and a second signature that binds the trusted comment. Texts in, texts out; no files, no
// policy. The old variant without prehash ("Ed") is refused: nothing that makes packages ever wrote it.
//
// All base64 is of these little-endian records (docs/formats/package.md):
//   public key   "Ed" id[8] key[32]
//   signature    "ED" id[8] ed25519[64]
//   secret key   "Ed" kdf[2] "B2" salt[32] opslimit[8] memlimit[8] { id[8] secret[64] check[32] } ^ scrypt stream
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

using KeyId = std::array<uint8_t, 8>;
// As minisign prints it: 16 capital hex digits, most significant byte first.
std::string text_of(const KeyId &id);

struct PublicKey {
  KeyId id{};
  std::array<uint8_t, 32> key{};
};

// A file's text (comment line and key line), or the key line alone.
Result<PublicKey> parse_public_key(std::string_view text);
std::string format_public_key(const PublicKey &key);

// Wiped when its owner goes.
class SecretKey {
 public:
  static Result<SecretKey> generate();
  SecretKey(const KeyId &id, const std::array<uint8_t, 64> &key) : id_(id), key_(key) {}
  SecretKey(SecretKey &&other) noexcept;
  SecretKey &operator=(SecretKey &&other) = delete;
  ~SecretKey();

  const KeyId &id() const { return id_; }
  const std::array<uint8_t, 64> &key() const { return key_; }
  PublicKey public_key() const;

 private:
  KeyId id_;
  std::array<uint8_t, 64> key_;
};

// Called only if the key is encrypted.
using AskPassword = std::function<Result<std::string>()>;
Result<SecretKey> parse_secret_key(std::string_view text, const AskPassword &ask_password);

// Work and memory that turning a password into a key costs. `sensitive` is minisign's own choice (1 GiB, seconds).
struct KdfCost {
  uint64_t ops = 0;
  uint64_t memory_bytes = 0;
  static KdfCost sensitive();
  static KdfCost interactive();
};
// Without a password.
std::string format_secret_key(const SecretKey &key);
Result<std::string> format_encrypted_secret_key(const SecretKey &key, std::string_view password, KdfCost cost);

struct Signature {
  KeyId key_id{};
  std::array<uint8_t, 64> signature{};
  std::array<uint8_t, 64> global_signature{};  // over signature and trusted comment
  std::string untrusted_comment;
  std::string trusted_comment;
};

struct ParsedSignature {
  Signature signature;
  size_t size_bytes = 0;  // length of the four lines, their newlines included
};
// Reads the four lines at the start of `text`; what follows them is the caller's.
Result<ParsedSignature> parse_signature(std::string_view text);
std::string format_signature(const Signature &signature);
// True if `text` starts as a signature does; says nothing about the rest.
bool starts_as_signature(std::string_view text);

Result<Signature> sign(ByteView message, const SecretKey &key, std::string untrusted_comment,
                       std::string trusted_comment);

enum class SignatureMatch { good, bad_message, bad_comment };
// `key` must be the one whose id the signature names.
SignatureMatch check_signature(const Signature &signature, ByteView message, const PublicKey &key);

}  // namespace suture
