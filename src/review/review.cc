#include "review/review.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/cat.h"

namespace suture {

namespace {

using Json = nlohmann::json;

constexpr int kMaxReviewDepth = 8;
constexpr uint64_t kReviewSchema = 1;

Error wrong_review(std::string_view what) {
  return Error::corrupt(cat("the package's review: ", what));
}

Result<std::string> text_field(const Json &object, const char *name, size_t limit = kMaxReviewNameBytes) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return wrong_review(cat(name, " is missing or not a string"));
  const auto &text = found->get_ref<const std::string &>();
  if (text.size() > limit) return wrong_review(cat(name, " is too long"));
  return text;
}

Result<uint64_t> number_field(const Json &object, const char *name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned())
    return wrong_review(cat(name, " is missing or not a number"));
  return found->get<uint64_t>();
}

Result<bool> flag_field(const Json &object, const char *name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_boolean())
    return wrong_review(cat(name, " is missing or neither true nor false"));
  return found->get<bool>();
}

// Reads each element of an array of objects with `read`.
template <typename T, typename Read>
Result<std::vector<T>> list_field(const Json &object, const char *name, Read read) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return wrong_review(cat(name, " is missing or not a list"));
  if (found->size() > kMaxReviewEntries) return wrong_review(cat(name, " has too many entries"));
  std::vector<T> out;
  for (const Json &element : *found) {
    if (!element.is_object()) return wrong_review(cat(name, " holds something that is not an object"));
    out.push_back(TRY(read(element)));
  }
  return out;
}

Result<std::vector<std::string>> texts_field(const Json &object, const char *name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return wrong_review(cat(name, " is missing or not a list"));
  if (found->size() > kMaxReviewEntries) return wrong_review(cat(name, " has too many entries"));
  std::vector<std::string> out;
  for (const Json &element : *found) {
    if (!element.is_string()) return wrong_review(cat(name, " holds something that is not a string"));
    out.push_back(element.get<std::string>());
  }
  return out;
}

Result<ReviewReference> read_reference(const Json &object) {
  return ReviewReference{TRY(text_field(object, "to")), TRY(text_field(object, "how")),
                         TRY(flag_field(object, "in_patch"))};
}

Result<ReviewFunction> read_review_function(const Json &object) {
  ReviewFunction out;
  out.name = TRY(text_field(object, "name"));
  out.object = TRY(text_field(object, "object"));
  out.source = TRY(text_field(object, "source"));
  out.reason = TRY(text_field(object, "reason", kMaxReviewFileBytes));
  out.references = TRY(list_field<ReviewReference>(object, "references", read_reference));
  out.callers = TRY(texts_field(object, "callers"));
  return out;
}

Result<ReviewName> read_review_name(const Json &object) {
  return ReviewName{TRY(number_field(object, "address")), TRY(text_field(object, "name"))};
}

Result<ReviewImage> read_review_image(const Json &object) {
  ReviewImage out;
  out.path = TRY(text_field(object, "path"));
  out.functions = TRY(list_field<ReviewFunction>(object, "functions", read_review_function));
  out.names = TRY(list_field<ReviewName>(object, "names", read_review_name));
  if (!std::is_sorted(out.names.begin(), out.names.end())) return wrong_review("names are not in order");
  return out;
}

Result<ReviewHunk> read_review_hunk(const Json &object) {
  return ReviewHunk{TRY(number_field(object, "pre_line")), TRY(number_field(object, "post_line")),
                    TRY(text_field(object, "lines", kMaxReviewFileBytes + kMaxReviewNameBytes))};
}

Result<ReviewFile> read_review_file(const Json &object) {
  ReviewFile out;
  out.path = TRY(text_field(object, "path"));
  out.change = TRY(text_field(object, "change"));
  out.shortened = TRY(flag_field(object, "shortened"));
  out.hunks = TRY(list_field<ReviewHunk>(object, "hunks", read_review_hunk));
  return out;
}

Json to_json(const ReviewFunction &function) {
  Json references = Json::array();
  for (const ReviewReference &reference : function.references)
    references.push_back({{"to", reference.to}, {"how", reference.how}, {"in_patch", reference.in_patch}});
  return {{"name", function.name},     {"object", function.object},           {"source", function.source},
          {"reason", function.reason}, {"references", std::move(references)}, {"callers", function.callers}};
}

Json to_json(const ReviewImage &image) {
  Json functions = Json::array();
  for (const ReviewFunction &function : image.functions) functions.push_back(to_json(function));
  Json names = Json::array();
  for (const ReviewName &name : image.names) names.push_back({{"address", name.address}, {"name", name.name}});
  return {{"path", image.path}, {"functions", std::move(functions)}, {"names", std::move(names)}};
}

Json to_json(const ReviewFile &file) {
  Json hunks = Json::array();
  for (const ReviewHunk &hunk : file.hunks)
    hunks.push_back({{"pre_line", hunk.pre_line}, {"post_line", hunk.post_line}, {"lines", hunk.lines}});
  return {{"path", file.path}, {"change", file.change}, {"shortened", file.shortened}, {"hunks", std::move(hunks)}};
}

}  // namespace

const ReviewImage *Review::image(const std::string &path) const {
  const auto found = std::find_if(images.begin(), images.end(), [&](const ReviewImage &i) { return i.path == path; });
  return found == images.end() ? nullptr : &*found;
}

Bytes write_review(const Review &review) {
  Json out = {{"schema", kReviewSchema}, {"images", Json::array()}, {"files", Json::array()}};
  for (const ReviewImage &image : review.images) out["images"].push_back(to_json(image));
  for (const ReviewFile &file : review.files) out["files"].push_back(to_json(file));
  // Source text may be in any encoding: what is not UTF-8 is shown as a replacement character.
  const std::string text = out.dump(-1, ' ', false, Json::error_handler_t::replace);
  const ByteView bytes = as_bytes(text);
  return Bytes(bytes.begin(), bytes.end());
}

Result<Review> read_review(ByteView bytes) {
  if (bytes.size() > kMaxReviewBytes) return wrong_review("is too large");
  const auto limit_depth = [](int depth, Json::parse_event_t, Json &) { return depth <= kMaxReviewDepth; };
  const Json parsed = Json::parse(as_text(bytes), limit_depth, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return wrong_review("is not a JSON object");
  if (TRY(number_field(parsed, "schema")) != kReviewSchema)
    return Error::refused("the package's review has a schema that this suture does not know")
        .with_next("use the suture that made the package, or a newer one");
  Review review;
  review.images = TRY(list_field<ReviewImage>(parsed, "images", read_review_image));
  review.files = TRY(list_field<ReviewFile>(parsed, "files", read_review_file));
  return review;
}

}  // namespace suture
