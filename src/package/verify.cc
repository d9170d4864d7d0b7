#include "package/verify.h"

#include "base/cat.h"
#include "base/file.h"
#include "package/payload_header.h"

namespace suture {

namespace {

constexpr uint64_t kMaxSignatureFileBytes = 16384;

// Why a signature does not match, as far as the fixed-size header tells. Only ever used for the text of the refusal.
std::string damage(ByteView payload) {
  const auto header = read_payload_header(payload);
  if (!header) return "the package was altered after it was signed";
  if (header->payload_bytes > payload.size())
    return cat("the package is truncated: ", payload.size(), " of ", header->payload_bytes, " bytes are there");
  return "the package was altered after it was signed";
}

Result<SignatureReport> check_by_known_keys(const Signature &signature, ByteView message, const TrustStore &trust) {
  SignatureMatch worst = SignatureMatch::bad_message;
  for (const TrustedKey *key : trust.find(signature.key_id)) {
    const SignatureMatch match = check_signature(signature, message, key->key);
    if (match == SignatureMatch::good) return SignatureReport{Trust::trusted, signature, key->name};
    if (match == SignatureMatch::bad_comment) worst = match;
  }
  if (worst == SignatureMatch::bad_comment)
    return Error::corrupt(cat("the comment of the signature by key ", text_of(signature.key_id), " was altered"));
  return Error::corrupt(cat("the signature by key ", text_of(signature.key_id), " does not match: ", damage(message)));
}

Error unknown_key(const KeyId &id, const TrustStore &trust) {
  return Error::refused(cat("signed by key ", text_of(id), ", which is not trusted (not in ", trust.origin(), ")"))
      .with_next(cat("put its public key into the trust folder if you know whose it is"));
}

Error not_signed() {
  return Error::refused("the package is not signed")
      .with_next("sign it (suture sign), or give --allow-unsigned if you made it yourself");
}

}  // namespace

std::string_view name_of(Trust trust) {
  switch (trust) {
    case Trust::trusted:
      return "trusted";
    case Trust::unknown_key:
      return "unknown-key";
    case Trust::unsigned_:
      break;
  }
  return "unsigned";
}

Result<size_t> payload_offset(ByteView file) {
  if (!starts_as_signature(as_text(file))) return size_t{0};
  return TRY(parse_signature(as_text(file))).size_bytes;
}

namespace {

Result<SignatureReport> judge(const Signature &signature, ByteView message, const TrustStore &trust,
                              AllowUnsigned allow) {
  if (!trust.find(signature.key_id).empty()) return check_by_known_keys(signature, message, trust);
  if (allow == AllowUnsigned::no) return unknown_key(signature.key_id, trust);
  return SignatureReport{Trust::unknown_key, signature, {}};
}

Result<SignatureReport> judge_detached(std::string_view text, ByteView file, const TrustStore &trust,
                                       AllowUnsigned allow) {
  const auto judged = [&]() -> Result<SignatureReport> {
    return judge(TRY(parse_signature(text)).signature, file, trust, allow);
  };
  Result<SignatureReport> report = judged();
  if (report) return report;
  // Beside the package is not in it: a signature left over from before the package was built again says nothing about
  // this one, and who accepts unsigned packages could as well have deleted it.
  if (allow == AllowUnsigned::yes) return SignatureReport{};
  return std::move(report.error()).during("checking the detached signature beside it");
}

}  // namespace

Result<VerifiedBytes> verify_package(Bytes file, const TrustStore &trust, AllowUnsigned allow,
                                     std::optional<std::string> detached_signature) {
  SignatureReport report;
  size_t offset = 0;
  if (starts_as_signature(as_text(file))) {
    const ParsedSignature parsed = TRY(parse_signature(as_text(file)));
    offset = parsed.size_bytes;
    report = TRY(judge(parsed.signature, ByteView(file).subspan(offset), trust, allow));
  } else if (!looks_like_payload(file)) {
    return Error::corrupt("not a suture package (neither a signature nor the package's magic at its start)");
  } else if (detached_signature) {
    report = TRY(judge_detached(*detached_signature, file, trust, allow));
  } else if (allow == AllowUnsigned::no) {
    return not_signed();
  }
  return VerifiedBytes(std::move(file), offset, std::move(report));
}

std::filesystem::path detached_signature_path(const std::filesystem::path &package) {
  return package.string() + ".minisig";
}

Result<VerifiedBytes> read_and_verify(const std::filesystem::path &path, const TrustStore &trust, AllowUnsigned allow) {
  Bytes file = TRY(read_file(path, kMaxPackageBytes));
  std::optional<std::string> detached;
  const std::filesystem::path beside = detached_signature_path(path);
  std::error_code ignored;  // not there, or not readable: there is none
  if (!starts_as_signature(as_text(file)) && std::filesystem::is_regular_file(beside, ignored))
    detached = TRY(read_text(beside, kMaxSignatureFileBytes));
  return TRY_WHILE(verify_package(std::move(file), trust, allow, std::move(detached)),
                   cat("checking the signature of ", path.string()));
}

Result<Bytes> sign_package(ByteView file, const SecretKey &key, std::string trusted_comment) {
  const ByteView payload = file.subspan(TRY(payload_offset(file)));
  const auto header = read_payload_header(payload);
  if (!header || header->payload_bytes != payload.size())
    return Error::corrupt("not a whole suture package; it is not signed").with_next("build it again");
  const Signature signature = TRY(sign(payload, key, cat("suture hotpatch package, signed by key ", text_of(key.id())),
                                       std::move(trusted_comment)));
  const std::string block = format_signature(signature);
  Bytes out(block.begin(), block.end());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

}  // namespace suture
