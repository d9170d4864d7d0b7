// suture inspect: what a package says it is and does.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "cli/commands.h"
#include "cli/packages.h"
#include "cli/table.h"
#include "package/manifest.h"

namespace suture::cli {

namespace {

struct Options {
  std::string package;
  std::string public_key;
};

std::string joined(const std::vector<std::string> &texts) {
  std::string out;
  for (const std::string &text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string indented(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += cat("  ", printable(text.substr(at, end - at)), "\n");
    at = end + 1;
  }
  return out;
}

std::string blob_text(const PackageBlob &blob) {
  if (blob.size_bytes == 0) return "none";
  return cat(human_size(blob.size_bytes), " (", human_size(blob.compressed_bytes), " in the package)");
}

std::string image_text(const PackageImage &image) {
  std::string out = cat("\nImage ", printable(image.path), "\n");
  Table facts({"  build-id", image.build_id.text()});
  facts.add({"  sha256", to_hex(image.digest)});
  facts.add({"  size", human_size(image.base_bytes)});
  facts.add({"  hotpatch", blob_text(image.hot_blob)});
  facts.add({"  coldpatch", blob_text(image.cold_blob)});
  out += facts.text();
  Table functions({"FUNCTION", "OLD", "NEW", "REASON"});
  for (const PackageFunction &function : image.functions)
    functions.add({function.name, function.old_size_bytes == 0 ? "-" : cat(function.old_size_bytes),
                   function.new_size_bytes == 0 ? "-" : cat(function.new_size_bytes), function.reason});
  if (!functions.empty()) out += "\n" + functions.text(2);
  return out;
}

std::string text_for_people(const Package &package, const VerifiedBytes &verified) {
  Table facts({"Package", package.id});
  facts.add({"Sequence", cat(package.sequence)});
  facts.add({"Version", package.version});
  facts.add({"Fixes", package.cves.empty() ? "-" : joined(package.cves)});
  if (!package.requires_ids.empty()) facts.add({"Requires", joined(package.requires_ids)});
  if (!package.supersedes_ids.empty()) facts.add({"Supersedes", joined(package.supersedes_ids)});
  facts.add({"Signature", describe(verified.report())});
  facts.add({"Size", human_size(verified.file().size())});
  std::string out = facts.text();
  if (!package.description.empty()) out += "\n" + indented(package.description);
  for (const PackageImage &image : package.images) out += image_text(image);
  Table hazards({"HAZARD", "ITEM", "ALLOWED", "DETAIL"});
  for (const PackageHazard &hazard : package.hazards)
    hazards.add({hazard.kind, hazard.item, hazard.allowed ? "by the author" : "no", hazard.detail});
  if (!hazards.empty()) out += "\n" + hazards.text();
  return out;
}

Result<int> inspect(const Options &options, const Context &context) {
  const TrustStore trust = TRY(load_trust(context, options.public_key));
  const VerifiedBytes verified = TRY(open_package(options.package, trust, AllowUnsigned::yes));
  const Package package = TRY(decode_package(verified, Blobs::none));
  warn_of_unknown_fields(package);
  if (!context.json()) {
    print(text_for_people(package, verified));
    return kDone;
  }
  nlohmann::json out = nlohmann::json::parse(TRY(write_manifest(package)));  // the fields are those of the manifest
  out["signature"] = to_json(verified.report());
  out["file"] = {{"path", options.package}, {"size", verified.file().size()}};
  out["unknown_fields"] = package.unknown_fields;
  print_json(out);
  return kDone;
}

}  // namespace

void add_inspect(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("inspect", "show what a package holds and who signed it");
  auto options = std::make_shared<Options>();
  command->add_option("package", options->package, "the package; it need not be signed")->required()->type_name("PKG");
  auto *key = command->add_option("-p,--public-key", options->public_key, "trust this key only")->type_name("FILE");
  add_trust_dir_option(*command, context);
  key->excludes("--trust-dir");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return inspect(*options, context); });
}

}  // namespace suture::cli
