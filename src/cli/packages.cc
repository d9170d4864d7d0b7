#include "cli/packages.h"

#include <nlohmann/json.hpp>

#include "base/cat.h"

namespace suture::cli {

Result<TrustStore> load_trust(const Context &context, const std::string &public_key_file) {
  return public_key_file.empty() ? TrustStore::load(context.trust_dir) : TrustStore::of_file(public_key_file);
}

Result<VerifiedBytes> open_package(const std::filesystem::path &path, const TrustStore &trust, AllowUnsigned allow) {
  auto verified = read_and_verify(path, trust, allow);
  if (!verified && verified.error().verdict() == Verdict::refused)
    for (const std::string &note : trust.notes()) warn(note);
  return verified;
}

nlohmann::json to_json(const SignatureReport &report) {
  nlohmann::json out = {{"state", name_of(report.trust)}};
  if (!report.signature) return out;
  out["key_id"] = text_of(report.signature->key_id);
  out["key_file"] = report.key_name.empty() ? nlohmann::json() : nlohmann::json(report.key_name);
  out["trusted_comment"] = report.signature->trusted_comment;
  return out;
}

std::string describe(const SignatureReport &report) {
  if (!report.signature) return "none";
  const std::string by = cat("by key ", text_of(report.signature->key_id));
  if (report.trust != Trust::trusted) return cat(by, ", which is not trusted: not checked");
  return cat("good, ", by, " (", report.key_name, "), ", report.signature->trusted_comment);
}

void warn_of_unknown_fields(const Package &package) {
  for (const std::string &field : package.unknown_fields)
    warn(cat("note: the manifest's field ", field, " is unknown to this version and ignored"));
}

}  // namespace suture::cli
