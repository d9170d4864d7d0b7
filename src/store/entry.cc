#include "store/entry.h"

#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "package/manifest.h"

namespace suture {

namespace {

using Json = nlohmann::json;
constexpr uint64_t kEntrySchema = 1;

Error damaged(std::string_view what) {
  return Error::corrupt(cat("entry.json ", what));
}

// The member of that name and type, or null.
const Json *member(const Json &object, const char *name, Json::value_t type) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found != object.end() && found->type() == type ? &*found : nullptr;
}

std::optional<uint64_t> number(const Json &object, const char *name) {
  const Json *value = member(object, name, Json::value_t::number_unsigned);
  return value != nullptr ? std::optional(value->get<uint64_t>()) : std::nullopt;
}

std::optional<std::string> text(const Json &object, const char *name) {
  const Json *value = member(object, name, Json::value_t::string);
  return value != nullptr ? std::optional(value->get<std::string>()) : std::nullopt;
}

// A name in the entry's own folder.
bool is_plain_name(const std::string &name) {
  return !name.empty() && name.front() != '.' && name.find('/') == name.npos;
}

}  // namespace

Result<std::string> write_entry(const StoredPackage &stored) {
  Json out;
  out["schema"] = kEntrySchema;
  out["manifest"] = Json::parse(TRY(write_manifest(stored.package)));
  out["file"] = {
      {"name", stored.file.filename().string()}, {"size", stored.file_bytes}, {"sha256", to_hex(stored.file_digest)}};
  out["key_id"] = stored.key_id;
  out["accepted_unsigned"] = stored.accepted == AllowUnsigned::yes;
  out["added"] = stored.added_unix_s;
  return out.dump(1) + "\n";
}

Result<StoredPackage> parse_entry(std::string_view json, const std::filesystem::path &folder) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_discarded()) return damaged("is not JSON");
  const auto schema = number(parsed, "schema");
  if (!schema) return damaged("has no schema");
  if (*schema > kEntrySchema) return Error::refused("entry.json was written by a newer suture");
  const Json *manifest = member(parsed, "manifest", Json::value_t::object);
  const Json *file = member(parsed, "file", Json::value_t::object);
  const Json *accepted = member(parsed, "accepted_unsigned", Json::value_t::boolean);
  const auto key_id = text(parsed, "key_id");
  const auto added = number(parsed, "added");
  if (manifest == nullptr || file == nullptr || accepted == nullptr || !key_id || !added)
    return damaged("lacks a field");
  const auto name = text(*file, "name");
  const auto size = number(*file, "size");
  const auto digest = from_hex(text(*file, "sha256").value_or(""));
  if (!name || !is_plain_name(*name) || !size || !digest || digest->size() != Digest{}.size())
    return damaged("names its package file wrongly");

  StoredPackage stored;
  stored.package = TRY(read_manifest(manifest->dump()));
  stored.file = folder / *name;
  stored.file_bytes = *size;
  std::copy(digest->begin(), digest->end(), stored.file_digest.begin());
  stored.key_id = *key_id;
  stored.accepted = accepted->get<bool>() ? AllowUnsigned::yes : AllowUnsigned::no;
  stored.added_unix_s = *added;
  return stored;
}

}  // namespace suture
