// The rules about a package's contents that do not depend on how it is written down.
#include <algorithm>
#include <set>

#include "base/cat.h"
#include "base/utf8.h"
#include "package/manifest.h"

namespace suture {

namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxCveBytes = 64;
constexpr size_t kMaxBuildIdBytes = 64;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Error wrong(std::string_view what) {
  return Error::corrupt(cat("manifest: ", what));
}

enum class Lines { one, many };

// UTF-8 without control characters: what is printed, logged and put into JSON.
Status check_text(std::string_view text, std::string_view name, size_t limit_bytes, Lines lines = Lines::one) {
  if (text.size() > limit_bytes) return wrong(cat(name, " is longer than ", limit_bytes, " bytes"));
  while (!text.empty()) {
    const size_t length = utf8_sequence_bytes(text);
    if (length == 0) return wrong(cat(name, " is not UTF-8"));
    const bool allowed = lines == Lines::many && (text[0] == '\n' || text[0] == '\t');
    if (!allowed && is_control_sequence(text.substr(0, length))) return wrong(cat(name, " has a control character"));
    text.remove_prefix(length);
  }
  return {};
}

Status check_ids(const std::vector<std::string> &ids, std::string_view name, const std::string &own_id) {
  if (ids.size() > kMaxListEntries) return wrong(cat(name, " has too many entries"));
  for (const std::string &id : ids) {
    if (!is_package_id(id)) return wrong(cat(name, " holds something that is no package id"));
    if (id == own_id) return wrong(cat(name, " names the package itself"));
  }
  return {};
}

Status check_cve(std::string_view cve) {
  const bool ok = !cve.empty() && cve.size() <= kMaxCveBytes && std::all_of(cve.begin(), cve.end(), [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == ':' || c == '_';
  });
  if (!ok) return wrong("cves holds something that is no identifier");
  return {};
}

Status check_path(std::string_view path, std::string_view where) {
  TRY(check_text(path, cat(where, "path"), kMaxPathBytes));
  if (!path.starts_with('/')) return wrong(cat(where, "path is not absolute"));
  if (cat(path, "/").find("/../") != std::string::npos) return wrong(cat(where, "path goes up (..)"));
  return {};
}

Status check_blob(const PackageBlob &blob, std::string_view name) {
  if (blob.size_bytes > kMaxBlobBytes) return wrong(cat(name, " is larger than ", kMaxBlobBytes, " bytes"));
  if (blob.compressed_bytes > kMaxBlobBytes) return wrong(cat(name, " is too large"));
  if ((blob.size_bytes == 0) != (blob.compressed_bytes == 0)) return wrong(cat(name, " has one size only"));
  return {};
}

Status check_image(const PackageImage &image, std::string_view where) {
  TRY(check_path(image.path, where));
  const size_t id_bytes = image.build_id.bytes.size();
  const bool has_id = image.build_id.kind == ImageId::Kind::elf_build_id;
  if (has_id ? id_bytes == 0 || id_bytes > kMaxBuildIdBytes : id_bytes != 0)
    return wrong(cat(where, "build_id has an impossible length"));
  if (image.base_bytes == 0 || image.base_bytes > kMaxImageFileBytes) return wrong(cat(where, "size is impossible"));
  if (image.functions.size() > kMaxFunctionsPerImage) return wrong(cat(where, "functions has too many entries"));
  for (const PackageFunction &function : image.functions) {
    if (function.name.empty()) return wrong(cat(where, "functions holds one without a name"));
    TRY(check_text(function.name, cat(where, "functions: name"), kMaxNameBytes));
    TRY(check_text(function.reason, cat(where, "functions: reason"), kMaxTextBytes));
    if (function.old_size_bytes > kMaxImageFileBytes || function.new_size_bytes > kMaxImageFileBytes)
      return wrong(cat(where, "functions: a size is impossible"));
  }
  TRY(check_blob(image.hot_blob, cat(where, "hot")));
  TRY(check_blob(image.cold_blob, cat(where, "cold")));
  return {};
}

Status check_images(const std::vector<PackageImage> &images) {
  if (images.empty() || images.size() > kMaxImages) return wrong("images has no or too many entries");
  std::set<std::string> paths;
  std::set<Digest> digests;
  std::set<ImageId> ids;  // a process's image is known by it: both would be applied to one
  for (size_t i = 0; i < images.size(); ++i) {
    TRY(check_image(images[i], cat("images[", i, "].")));
    if (!paths.insert(images[i].path).second) return wrong(cat("two images have the path ", images[i].path));
    if (!digests.insert(images[i].digest).second) return wrong(cat("two images are the same file: ", images[i].path));
    if (images[i].build_id.kind != ImageId::Kind::none && !ids.insert(images[i].build_id).second)
      return wrong(cat("two images have the build-id ", images[i].build_id.text()));
  }
  return {};
}

}  // namespace

bool is_package_id(std::string_view text) {
  if (text.empty() || text.size() > kMaxIdBytes || !is_alphanumeric(text.front())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '+' || c == '-'; });
}

std::string settlement_of(const PackageHazard &hazard) {
  if (hazard.settled == kSettledByEvidence) return "by evidence";
  if (hazard.settled == kSettledByKeeping) return "by the author: the running value stays";
  if (hazard.settled == kSettledByBlocks) return "by the patch: it keeps one for each thread";
  if (hazard.settled == kSettledByWriting) return "by the author: the new value is written where the old one still stands";
  return hazard.allowed ? "by the author" : "no";
}

Status check_package(const Package &package) {
  if (!is_package_id(package.id))
    return wrong("id is not 1 to 128 of the characters A-Z a-z 0-9 . _ + -, beginning with a letter or digit");
  if (package.sequence == 0 || package.sequence > kMaxSequence) return wrong("sequence is not between 1 and 2^53 - 1");
  TRY(check_text(package.version, "version", kMaxNameBytes));
  TRY(check_text(package.description, "description", kMaxTextBytes, Lines::many));
  if (package.cves.size() > kMaxListEntries) return wrong("cves has too many entries");
  for (const std::string &cve : package.cves) TRY(check_cve(cve));
  TRY(check_ids(package.requires_ids, "requires", package.id));
  TRY(check_ids(package.supersedes_ids, "supersedes", package.id));
  if (package.hazards.size() > kMaxHazards) return wrong("hazards has too many entries");
  for (const PackageHazard &hazard : package.hazards) {
    TRY(check_text(hazard.kind, "hazards: kind", kMaxCveBytes));
    TRY(check_text(hazard.item, "hazards: item", kMaxNameBytes));
    TRY(check_text(hazard.detail, "hazards: detail", kMaxTextBytes));
    if (!hazard.settled.empty() && std::find(std::begin(kSettled), std::end(kSettled), hazard.settled) == std::end(kSettled))
      return wrong("hazards: settled is none of evidence, keep and write-if-old");
  }
  TRY(check_blob(package.review_blob, "review"));
  return check_images(package.images);
}

}  // namespace suture
