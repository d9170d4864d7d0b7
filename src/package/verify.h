// The signature of a package file, checked over raw bytes before anything in them is parsed. What comes out is a type
// that only this check can make, and the only thing that decode_package() takes.
//
// A signed package is the four lines of a minisign signature followed by the payload they sign; an unsigned one is the
// payload alone. So everything before the payload is the signature, and `minisign -V` can check the one from the other:
//   tail -n +5 X.hotpatch | minisign -V -m /dev/stdin -x X.hotpatch -p KEY.pub
// A detached signature (X.hotpatch.minisig, as `minisign -S` makes it) counts where the file carries none.
#pragma once

#include <optional>
#include <string>

#include "package/trust.h"

namespace suture {

enum class AllowUnsigned { no, yes };

// How far the bytes can be believed.
enum class Trust {
  trusted,      // signed by a key of the trust store
  unknown_key,  // carries a signature that nobody here can check
  unsigned_,
};
std::string_view name_of(Trust trust);

struct SignatureReport {
  Trust trust = Trust::unsigned_;
  std::optional<Signature> signature;
  std::string key_name;  // file of the trusted key that matched
};

class VerifiedBytes {
 public:
  ByteView payload() const { return ByteView(file_).subspan(payload_offset_); }
  ByteView file() const { return file_; }
  const SignatureReport &report() const { return report_; }
  bool trusted() const { return report_.trust == Trust::trusted; }

 private:
  friend Result<VerifiedBytes> verify_package(Bytes, const TrustStore &, AllowUnsigned, std::optional<std::string>);
  VerifiedBytes(Bytes file, size_t payload_offset, SignatureReport report)
      : file_(std::move(file)), payload_offset_(payload_offset), report_(std::move(report)) {}

  Bytes file_;
  size_t payload_offset_;
  SignatureReport report_;
};

inline constexpr uint64_t kMaxPackageBytes = uint64_t{2} << 30;

// With AllowUnsigned::no only a signature by a key of `trust` passes. With yes a package that is unsigned or signed by
// a key nobody here knows passes too; one whose signature is by a known key and wrong never does.
Result<VerifiedBytes> verify_package(Bytes file, const TrustStore &trust, AllowUnsigned allow,
                                     std::optional<std::string> detached_signature = std::nullopt);

// Reads the file, and the detached signature beside it if there is one, and verifies.
Result<VerifiedBytes> read_and_verify(const std::filesystem::path &path, const TrustStore &trust, AllowUnsigned allow);

// The file with `key`'s signature before its payload, in place of one it had.
Result<Bytes> sign_package(ByteView file, const SecretKey &key, std::string trusted_comment);
// Offset of the payload in a package file: 0 if it is unsigned.
Result<size_t> payload_offset(ByteView file);
// What `X.hotpatch`'s detached signature is called.
std::filesystem::path detached_signature_path(const std::filesystem::path &package);

}  // namespace suture
