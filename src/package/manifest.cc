#include "package/manifest.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "base/cat.h"

namespace suture {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // for writing: fields in the order of the documentation

// Names of an object's fields so far, one set per open object, to refuse a name given twice: JSON readers differ in
// which of the two they take, and a signature must not cover two meanings.
class StructureCheck {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json &parsed) {
    if (static_cast<size_t>(depth) > kMaxManifestDepth) return note("nested too deeply");
    switch (event) {
      case Json::parse_event_t::object_start:
        open_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        open_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!open_.back().insert(parsed.get<std::string>()).second) return note("a field is given twice");
        break;
      default:
        break;
    }
    return true;
  }
  const std::string &problem() const { return problem_; }

 private:
  bool note(const char *problem) {
    if (problem_.empty()) problem_ = problem;
    return true;  // `false` would only drop the element; the caller asks problem() at the end
  }
  std::vector<std::set<std::string>> open_;
  std::string problem_;
};

Error malformed(std::string_view what) {
  return Error::corrupt(cat("manifest: ", what));
}

enum class Presence { required, optional };

// Reads the fields of one object; remembers which were asked for. The first wrong field is the Error.
class Fields {
 public:
  Fields(const Json &object, std::string where) : object_(object), where_(std::move(where)) {}

  std::string text(const char *name) {
    const Json *value = find(name);
    if (value == nullptr) return {};
    if (const auto *text = value->get_ptr<const std::string *>()) return *text;
    wrong(name, "is not a string");
    return {};
  }
  uint64_t number(const char *name) {
    const Json *value = find(name);
    if (value == nullptr) return 0;
    if (value->is_number_unsigned()) return value->get<uint64_t>();
    wrong(name, "is not a whole number that is not negative");
    return 0;
  }
  bool flag(const char *name) {
    const Json *value = find(name);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    wrong(name, "is neither true nor false");
    return false;
  }
  Bytes hex_bytes(const char *name) {
    auto bytes = from_hex(text(name));
    if (bytes) return *bytes;
    wrong(name, "is not hexadecimal");
    return {};
  }
  Digest digest(const char *name) {
    Digest digest{};
    const Bytes bytes = hex_bytes(name);
    if (bytes.size() == digest.size())
      std::copy(bytes.begin(), bytes.end(), digest.begin());
    else
      wrong(name, "is not a SHA-256");
    return digest;
  }
  // The elements of an array of at most `limit`; none if it is something else.
  const Json &array(const char *name, size_t limit) {
    static const Json kNone = Json::array();
    const Json *value = find(name);
    if (value == nullptr) return kNone;
    if (value->is_array() && value->size() <= limit) return *value;
    wrong(name, value->is_array() ? "has too many entries" : "is not an array");
    return kNone;
  }
  // An object, or nothing where the field is null or, if it may be, missing.
  const Json *object_or_null(const char *name, Presence presence = Presence::required) {
    if (presence == Presence::optional && !object_.contains(name)) return nullptr;
    const Json *value = find(name);
    if (value == nullptr || value->is_null()) return nullptr;
    if (value->is_object()) return value;
    wrong(name, "is neither an object nor null");
    return nullptr;
  }
  bool is_null(const char *name) {
    const Json *value = find(name);
    return value != nullptr && value->is_null();
  }
  std::vector<std::string> texts(const char *name) {
    std::vector<std::string> out;
    for (const Json &value : array(name, kMaxListEntries)) {
      const auto *text = value.get_ptr<const std::string *>();
      if (text == nullptr) {
        wrong(name, "holds something that is not a string");
        return {};
      }
      out.push_back(*text);
    }
    return out;
  }

  const std::string &where() const { return where_; }
  // What was not asked for goes to `unknown`.
  Status finish(std::vector<std::string> &unknown) {
    if (error_) return *error_;
    for (const auto &[name, value] : object_.items())
      if (!known_.contains(name) && unknown.size() < kMaxListEntries) unknown.push_back(where_ + name.substr(0, 64));
    return {};
  }

 private:
  const Json *find(const char *name) {
    known_.insert(name);
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    wrong(name, "is missing");
    return nullptr;
  }
  void wrong(const char *name, std::string_view how) {
    if (!error_) error_ = malformed(cat(where_, name, " ", how));
  }

  const Json &object_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

using Unknown = std::vector<std::string>;

Result<PackageBlob> read_blob(const Json *object, std::string where, Unknown &unknown) {
  PackageBlob blob;
  if (object == nullptr) return blob;
  Fields fields(*object, std::move(where));
  blob.size_bytes = fields.number("size");
  blob.compressed_bytes = fields.number("compressed_size");
  blob.digest = fields.digest("sha256");
  TRY(fields.finish(unknown));
  if (blob.size_bytes == 0 || blob.compressed_bytes == 0) return malformed(cat(fields.where(), "size is 0"));
  return blob;
}

Result<PackageFunction> read_function(const Json &object, std::string where, Unknown &unknown) {
  if (!object.is_object()) return malformed(cat(where, " is not an object"));
  Fields fields(object, where + ".");
  PackageFunction function;
  function.name = fields.text("name");
  function.old_size_bytes = fields.number("old_size");
  function.new_size_bytes = fields.number("new_size");
  function.reason = fields.text("reason");
  TRY(fields.finish(unknown));
  return function;
}

Result<PackageHazard> read_hazard(const Json &object, std::string where, Unknown &unknown) {
  if (!object.is_object()) return malformed(cat(where, " is not an object"));
  Fields fields(object, where + ".");
  PackageHazard hazard;
  hazard.kind = fields.text("kind");
  hazard.item = fields.text("item");
  hazard.detail = fields.text("detail");
  hazard.allowed = fields.flag("allowed");
  if (object.contains("settled")) hazard.settled = fields.text("settled");
  TRY(fields.finish(unknown));
  return hazard;
}

Result<PackageImage> read_image(const Json &object, const std::string &where, Unknown &unknown) {
  if (!object.is_object()) return malformed(cat(where, " is not an object"));
  Fields fields(object, where + ".");
  PackageImage image;
  image.path = fields.text("path");
  if (!fields.is_null("build_id")) {
    image.build_id.bytes = fields.hex_bytes("build_id");
    image.build_id.kind = ImageId::Kind::elf_build_id;
  }
  image.digest = fields.digest("sha256");
  image.base_bytes = fields.number("size");
  size_t index = 0;
  for (const Json &function : fields.array("functions", kMaxFunctionsPerImage))
    image.functions.push_back(TRY(read_function(function, cat(where, ".functions[", index++, "]"), unknown)));
  image.hot_blob = TRY(read_blob(fields.object_or_null("hot"), where + ".hot.", unknown));
  image.cold_blob = TRY(read_blob(fields.object_or_null("cold"), where + ".cold.", unknown));
  TRY(fields.finish(unknown));
  return image;
}

Result<Package> read_package(const Json &object) {
  if (!object.is_object()) return malformed("is not a JSON object");
  Package package;
  Fields fields(object, "");
  const uint64_t schema = fields.number("schema");
  if (schema > kManifestSchema)
    return Error::refused(
               cat("the package's manifest has schema ", schema, "; this suture knows up to ", kManifestSchema))
        .with_next("use the suture that made the package, or a newer one");
  if (schema == 0) return malformed("schema is missing or not a positive number");
  package.id = fields.text("id");
  package.sequence = fields.number("sequence");
  package.version = fields.text("version");
  package.description = fields.text("description");
  package.cves = fields.texts("cves");
  package.requires_ids = fields.texts("requires");
  package.supersedes_ids = fields.texts("supersedes");
  size_t index = 0;
  for (const Json &hazard : fields.array("hazards", kMaxHazards))
    package.hazards.push_back(TRY(read_hazard(hazard, cat("hazards[", index++, "]"), package.unknown_fields)));
  index = 0;
  for (const Json &image : fields.array("images", kMaxImages))
    package.images.push_back(TRY(read_image(image, cat("images[", index++, "]"), package.unknown_fields)));
  package.review_blob = TRY(read_blob(fields.object_or_null("review", Presence::optional), "review.", package.unknown_fields));
  TRY(fields.finish(package.unknown_fields));
  return package;
}

OrderedJson to_json(const PackageBlob &blob) {
  if (blob.size_bytes == 0) return nullptr;
  return {{"size", blob.size_bytes}, {"compressed_size", blob.compressed_bytes}, {"sha256", to_hex(blob.digest)}};
}

OrderedJson to_json(const PackageImage &image) {
  OrderedJson functions = OrderedJson::array();
  for (const PackageFunction &function : image.functions)
    functions.push_back({{"name", function.name},
                         {"old_size", function.old_size_bytes},
                         {"new_size", function.new_size_bytes},
                         {"reason", function.reason}});
  OrderedJson out;
  out["path"] = image.path;
  out["build_id"] =
      image.build_id.kind == ImageId::Kind::none ? OrderedJson() : OrderedJson(to_hex(image.build_id.bytes));
  out["sha256"] = to_hex(image.digest);
  out["size"] = image.base_bytes;
  out["functions"] = std::move(functions);
  out["hot"] = to_json(image.hot_blob);
  out["cold"] = to_json(image.cold_blob);
  return out;
}

}  // namespace

Result<Package> read_manifest(std::string_view json) {
  if (json.size() > kMaxManifestBytes) return malformed("too large");
  StructureCheck check;
  const Json parsed = Json::parse(json, std::ref(check), false);
  if (parsed.is_discarded()) return malformed("is not JSON");
  if (!check.problem().empty()) return malformed(check.problem());
  Package package = TRY(read_package(parsed));
  TRY(check_package(package));
  return package;
}

Result<std::string> write_manifest(const Package &package) {
  TRY(check_package(package));
  OrderedJson hazards = OrderedJson::array();
  for (const PackageHazard &hazard : package.hazards) {
    OrderedJson &entry = hazards.emplace_back();
    entry = {{"kind", hazard.kind}, {"item", hazard.item}, {"detail", hazard.detail}, {"allowed", hazard.allowed}};
    if (!hazard.settled.empty()) entry["settled"] = hazard.settled;
  }
  OrderedJson images = OrderedJson::array();
  for (const PackageImage &image : package.images) images.push_back(to_json(image));
  OrderedJson out;
  out["schema"] = kManifestSchema;
  out["id"] = package.id;
  out["sequence"] = package.sequence;
  out["version"] = package.version;
  out["description"] = package.description;
  out["cves"] = package.cves;
  out["requires"] = package.requires_ids;
  out["supersedes"] = package.supersedes_ids;
  out["hazards"] = std::move(hazards);
  out["images"] = std::move(images);
  out["review"] = to_json(package.review_blob);
  std::string text = out.dump(1, ' ');  // check_package() made sure that every string is UTF-8
  if (text.size() > kMaxManifestBytes) return malformed("too large");
  return text + "\n";
}

}  // namespace suture
