#include "package/minisign.h"

#include <sodium.h>

#include <algorithm>
#include <optional>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/cat.h"

namespace suture {

namespace {

constexpr std::string_view kUntrustedPrefix = "untrusted comment: ";
constexpr std::string_view kTrustedPrefix = "trusted comment: ";
constexpr std::string_view kKeyAlgorithm = "Ed";
constexpr std::string_view kPrehashedAlgorithm = "ED";
// minisign's own buffers; a longer line would be cut by it and then not verify.
constexpr size_t kMaxUntrustedLineBytes = 1024;
constexpr size_t kMaxTrustedLineBytes = 8192;
constexpr size_t kMaxBase64LineBytes = 512;

Status start_sodium() {
  static const bool started = sodium_init() >= 0;  // 1 when it had been started before
  if (!started) return Error::failed("the cryptographic library could not be started (no source of random numbers)");
  return {};
}

std::string to_base64(ByteView bytes) {
  std::string out(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // its NUL
  return out;
}

// Exactly `size_bytes` of data or nothing.
std::optional<Bytes> from_base64(std::string_view text, size_t size_bytes) {
  Bytes out(size_bytes);
  size_t length = 0;
  const char *end = nullptr;
  const int status = sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, &end,
                                       sodium_base64_VARIANT_ORIGINAL);
  if (status != 0 || length != size_bytes || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// Takes one line off the front of `text`; its newline (also CR LF) is dropped. Nothing if it is longer than the limit.
std::optional<std::string_view> take_line(std::string_view &text, size_t limit_bytes) {
  const size_t newline = text.substr(0, limit_bytes).find('\n');
  if (newline == std::string_view::npos && text.size() > limit_bytes) return std::nullopt;
  std::string_view line = text.substr(0, newline);
  text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool take_tag(ByteReader &reader, std::string_view tag) {
  return as_text(reader.take(2)) == tag;
}

// The key line of a key file: the second line, or the only one.
std::optional<std::string_view> key_line(std::string_view text) {
  if (text.starts_with("untrusted comment:") && !take_line(text, kMaxUntrustedLineBytes)) return std::nullopt;
  return take_line(text, kMaxBase64LineBytes);
}

std::array<uint8_t, 64> prehash(ByteView message) {
  std::array<uint8_t, 64> hash{};
  crypto_generichash(hash.data(), hash.size(), message.data(), message.size(), nullptr, 0);  // BLAKE2b-512
  return hash;
}

Bytes signed_comment(const Signature &signature) {
  Bytes out(signature.signature.begin(), signature.signature.end());
  const ByteView comment = as_bytes(signature.trusted_comment);
  out.insert(out.end(), comment.begin(), comment.end());
  return out;
}

}  // namespace

std::string text_of(const KeyId &id) {
  std::string out;
  for (auto byte = id.rbegin(); byte != id.rend(); ++byte) out += fmt::format("{:02X}", *byte);
  return out;
}

Result<PublicKey> parse_public_key(std::string_view text) {
  const auto line = key_line(text);
  const auto bytes = line ? from_base64(*line, 2 + 8 + 32) : std::nullopt;
  if (!bytes) return Error::corrupt("not a minisign public key (a line of 56 base64 characters that begins with RW)");
  ByteReader reader(*bytes);
  if (!take_tag(reader, kKeyAlgorithm)) return Error::corrupt("a public key of an unknown algorithm");
  PublicKey key;
  reader.take_into(key.id);
  reader.take_into(key.key);
  return key;
}

std::string format_public_key(const PublicKey &key) {
  ByteWriter writer;
  writer.append(as_bytes(kKeyAlgorithm));
  writer.append(key.id);
  writer.append(key.key);
  return cat(kUntrustedPrefix, "minisign public key ", text_of(key.id), "\n", to_base64(writer.bytes()), "\n");
}

Result<SecretKey> SecretKey::generate() {
  TRY(start_sodium());
  KeyId id{};
  randombytes_buf(id.data(), id.size());
  std::array<uint8_t, 32> public_part{};
  std::array<uint8_t, 64> secret{};
  crypto_sign_keypair(public_part.data(), secret.data());
  SecretKey key(id, secret);
  sodium_memzero(secret.data(), secret.size());
  return key;
}

SecretKey::SecretKey(SecretKey &&other) noexcept : id_(other.id_), key_(other.key_) {
  sodium_memzero(other.key_.data(), other.key_.size());
}

SecretKey::~SecretKey() {
  sodium_memzero(key_.data(), key_.size());
}

PublicKey SecretKey::public_key() const {
  PublicKey key;
  key.id = id_;
  crypto_sign_ed25519_sk_to_pk(key.key.data(), key_.data());
  return key;
}

bool starts_as_signature(std::string_view text) {
  return text.starts_with(kUntrustedPrefix);
}

Result<ParsedSignature> parse_signature(std::string_view text) {
  const auto malformed = [](std::string_view what) { return Error::corrupt(cat("malformed signature: ", what)); };
  std::string_view rest = text;
  const auto untrusted = take_line(rest, kMaxUntrustedLineBytes);
  if (!untrusted || !untrusted->starts_with(kUntrustedPrefix)) return malformed("line 1 is not an untrusted comment");
  const auto signature_line = take_line(rest, kMaxBase64LineBytes);
  const auto record = signature_line ? from_base64(*signature_line, 2 + 8 + 64) : std::nullopt;
  if (!record) return malformed("line 2 is not a signature");
  const auto trusted = take_line(rest, kMaxTrustedLineBytes);
  if (!trusted || !trusted->starts_with(kTrustedPrefix)) return malformed("line 3 is not a trusted comment");
  const auto global_line = take_line(rest, kMaxBase64LineBytes);
  const auto global = global_line ? from_base64(*global_line, 64) : std::nullopt;
  if (!global) return malformed("line 4 is not a signature");

  ParsedSignature parsed;
  ByteReader reader(*record);
  if (!take_tag(reader, kPrehashedAlgorithm))
    return malformed("not of the prehashed kind (sign with `suture sign`, or with minisign 0.8 or newer)");
  reader.take_into(parsed.signature.key_id);
  reader.take_into(parsed.signature.signature);
  std::copy(global->begin(), global->end(), parsed.signature.global_signature.begin());
  parsed.signature.untrusted_comment = untrusted->substr(kUntrustedPrefix.size());
  parsed.signature.trusted_comment = trusted->substr(kTrustedPrefix.size());
  parsed.size_bytes = text.size() - rest.size();
  return parsed;
}

std::string format_signature(const Signature &signature) {
  ByteWriter writer;
  writer.append(as_bytes(kPrehashedAlgorithm));
  writer.append(signature.key_id);
  writer.append(signature.signature);
  return cat(kUntrustedPrefix, signature.untrusted_comment, "\n", to_base64(writer.bytes()), "\n", kTrustedPrefix,
             signature.trusted_comment, "\n", to_base64(signature.global_signature), "\n");
}

Result<Signature> sign(ByteView message, const SecretKey &key, std::string untrusted_comment,
                       std::string trusted_comment) {
  TRY(start_sodium());
  for (const std::string *comment : {&untrusted_comment, &trusted_comment})
    if (comment->find_first_of("\r\n") != std::string::npos) return Error::usage("a signature's comment is one line");
  if (untrusted_comment.size() + kUntrustedPrefix.size() + 2 > kMaxUntrustedLineBytes ||
      trusted_comment.size() + kTrustedPrefix.size() + 2 > kMaxTrustedLineBytes)
    return Error::usage("a signature's comment is too long");
  Signature signature;
  signature.key_id = key.id();
  signature.untrusted_comment = std::move(untrusted_comment);
  signature.trusted_comment = std::move(trusted_comment);
  const auto hash = prehash(message);
  crypto_sign_detached(signature.signature.data(), nullptr, hash.data(), hash.size(), key.key().data());
  const Bytes comment = signed_comment(signature);
  crypto_sign_detached(signature.global_signature.data(), nullptr, comment.data(), comment.size(), key.key().data());
  return signature;
}

SignatureMatch check_signature(const Signature &signature, ByteView message, const PublicKey &key) {
  const auto hash = prehash(message);
  if (crypto_sign_verify_detached(signature.signature.data(), hash.data(), hash.size(), key.key.data()) != 0)
    return SignatureMatch::bad_message;
  const Bytes comment = signed_comment(signature);
  if (crypto_sign_verify_detached(signature.global_signature.data(), comment.data(), comment.size(), key.key.data()) !=
      0)
    return SignatureMatch::bad_comment;
  return SignatureMatch::good;
}

// ---- secret key files

namespace {

constexpr std::string_view kCheckAlgorithm = "B2";
constexpr std::string_view kScrypt = "Sc";
constexpr std::string_view kNoKdf{"\0\0", 2};
constexpr size_t kSealedBytes = 8 + 64 + 32;
constexpr size_t kSecretRecordBytes = 2 + 2 + 2 + 32 + 8 + 8 + kSealedBytes;
// Twice minisign's "sensitive": a key file that asks for more is an attack on the machine that reads it.
constexpr uint64_t kMaxKdfOps = uint64_t{2} * 33554432;
constexpr uint64_t kMaxKdfMemoryBytes = uint64_t{2} << 30;

// Bytes that are wiped when they go out of scope.
struct Wiped {
  Bytes bytes;
  explicit Wiped(size_t size_bytes) : bytes(size_bytes) {}
  explicit Wiped(Bytes from) : bytes(std::move(from)) {}
  Wiped(const Wiped &) = delete;
  Wiped &operator=(const Wiped &) = delete;
  ~Wiped() { sodium_memzero(bytes.data(), bytes.size()); }
};

std::array<uint8_t, 32> key_check(ByteView id, ByteView secret) {
  std::array<uint8_t, 32> check{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, check.size());
  crypto_generichash_update(&state, as_bytes(kKeyAlgorithm).data(), kKeyAlgorithm.size());
  crypto_generichash_update(&state, id.data(), id.size());
  crypto_generichash_update(&state, secret.data(), secret.size());
  crypto_generichash_final(&state, check.data(), check.size());
  return check;
}

Status apply_password(std::span<uint8_t> sealed, std::string_view password, ByteView salt, KdfCost cost) {
  Wiped stream(sealed.size());
  if (crypto_pwhash_scryptsalsa208sha256(stream.bytes.data(), stream.bytes.size(), password.data(), password.size(),
                                         salt.data(), cost.ops, static_cast<size_t>(cost.memory_bytes)) != 0)
    return Error::failed(cat("deriving a key from the password needs ", cost.memory_bytes >> 20, " MiB of memory"));
  for (size_t i = 0; i < sealed.size(); ++i) sealed[i] = static_cast<uint8_t>(sealed[i] ^ stream.bytes[i]);
  return {};
}

// libsodium's 64-byte secret key is seed and public key, so a flipped bit shows. minisign 0.11 leaves the checksum of a
// key without password zero, hence this instead.
bool halves_agree(const SecretKey &key) {
  std::array<uint8_t, 32> public_part{};
  std::array<uint8_t, 64> secret{};
  crypto_sign_seed_keypair(public_part.data(), secret.data(), key.key().data());
  const bool agree = sodium_memcmp(secret.data(), key.key().data(), secret.size()) == 0;
  sodium_memzero(secret.data(), secret.size());
  return agree;
}

std::string format_secret_record(std::string_view kdf, ByteView salt, KdfCost cost, ByteView sealed) {
  ByteWriter writer;
  writer.append(as_bytes(kKeyAlgorithm));
  writer.append(as_bytes(kdf));
  writer.append(as_bytes(kCheckAlgorithm));
  writer.append(salt);
  writer.u64(cost.ops);
  writer.u64(cost.memory_bytes);
  writer.append(sealed);
  const Wiped record(std::move(writer).take());
  return cat(kUntrustedPrefix, "minisign encrypted secret key\n",  // minisign says so of every key
             to_base64(record.bytes), "\n");
}

Bytes sealed_part(const SecretKey &key) {
  ByteWriter writer;
  writer.append(key.id());
  writer.append(key.key());
  writer.append(key_check(key.id(), key.key()));
  return std::move(writer).take();
}

}  // namespace

KdfCost KdfCost::sensitive() {
  return {crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE, crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE};
}
KdfCost KdfCost::interactive() {
  return {crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_INTERACTIVE,
          crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_INTERACTIVE};
}

Result<SecretKey> parse_secret_key(std::string_view text, const AskPassword &ask_password) {
  TRY(start_sodium());
  const auto line = key_line(text);
  auto record = line ? from_base64(*line, kSecretRecordBytes) : std::nullopt;
  if (!record) return Error::corrupt("not a minisign secret key");
  const Wiped wiped(std::move(*record));
  ByteReader reader(wiped.bytes);
  if (!take_tag(reader, kKeyAlgorithm)) return Error::corrupt("a secret key of an unknown algorithm");
  const std::string_view kdf = as_text(reader.take(2));
  if (kdf != kScrypt && kdf != kNoKdf) return Error::corrupt("a secret key encrypted in an unknown way");
  if (!take_tag(reader, kCheckAlgorithm)) return Error::corrupt("a secret key with an unknown checksum");
  const ByteView salt = reader.take(32);
  KdfCost cost;
  cost.ops = reader.u64();
  cost.memory_bytes = reader.u64();
  const ByteView stored = reader.take(kSealedBytes);
  Wiped sealed(Bytes(stored.begin(), stored.end()));
  if (kdf == kScrypt) {
    if (cost.ops > kMaxKdfOps || cost.memory_bytes > kMaxKdfMemoryBytes)
      return Error::refused("the secret key asks for more work or memory than any minisign key needs");
    std::string password = TRY(ask_password());
    const Status derived = apply_password(sealed.bytes, password, salt, cost);
    sodium_memzero(password.data(), password.size());
    if (!derived) return derived.error();
  }
  ByteReader parts(sealed.bytes);
  KeyId id{};
  parts.take_into(id);
  std::array<uint8_t, 64> secret{};
  parts.take_into(secret);
  SecretKey key(id, secret);
  sodium_memzero(secret.data(), secret.size());
  const auto check = key_check(key.id(), key.key());
  const bool check_matches = sodium_memcmp(check.data(), parts.take(check.size()).data(), check.size()) == 0;
  if (kdf == kScrypt && !check_matches) return Error::refused("wrong password for the secret key");
  if (!halves_agree(key)) return Error::corrupt("the secret key is damaged");
  return key;
}

std::string format_secret_key(const SecretKey &key) {
  Wiped sealed(sealed_part(key));
  std::fill_n(sealed.bytes.end() - 32, 32, uint8_t{0});
  const std::array<uint8_t, 32> no_salt{};
  return format_secret_record(kNoKdf, no_salt, KdfCost{}, sealed.bytes);
}

Result<std::string> format_encrypted_secret_key(const SecretKey &key, std::string_view password, KdfCost cost) {
  TRY(start_sodium());
  Wiped sealed(sealed_part(key));
  std::array<uint8_t, 32> salt{};
  randombytes_buf(salt.data(), salt.size());
  TRY(apply_password(sealed.bytes, password, salt, cost));
  return format_secret_record(kScrypt, salt, cost, sealed.bytes);
}

}  // namespace suture
