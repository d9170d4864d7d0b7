#include "cli/render.h"

#include <algorithm>

#include "base/cat.h"
#include "package/contained.h"

namespace suture::cli {

namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;
// First byte of what the child sends.
constexpr uint8_t kIsText = 1;
constexpr uint8_t kIsRefusal = 2;
constexpr uint8_t kIsCorruption = 3;

Result<Reviewed> read_reviewed(const Package &package, Listings listings) {
  Reviewed out;
  out.package = &package;
  if (!package.review.empty()) out.review = TRY(read_review(package.review));
  if (listings == Listings::no) return out;
  for (const PackageImage &image : package.images) out.listings.push_back(TRY(list_functions(image, out.image(image))));
  return out;
}

Bytes tagged(uint8_t tag, std::string_view text) {
  Bytes out(1 + text.size(), tag);
  std::copy(text.begin(), text.end(), out.begin() + 1);
  return out;
}

}  // namespace

const std::vector<FunctionListing> &Reviewed::listings_of(const PackageImage &image) const {
  static const std::vector<FunctionListing> kNone;
  const auto index = static_cast<size_t>(&image - package->images.data());
  return index < listings.size() ? listings[index] : kNone;
}

Result<std::string> render_contained(const Package &package, Listings listings,
                                     const std::function<Result<std::string>(const Reviewed &)> &render) {
  const auto work = [&]() -> Bytes {
    const Result<Reviewed> reviewed = read_reviewed(package, listings);
    const Result<std::string> text = reviewed ? render(*reviewed) : Result<std::string>(reviewed.error());
    if (text) return tagged(kIsText, *text);
    return tagged(text.error().verdict() == Verdict::refused ? kIsRefusal : kIsCorruption, text.error().text());
  };
  const Bytes answer =
      TRY_WHILE(run_contained(work, kMaxTextBytes), "reading what the package holds, in a process without privileges");
  if (answer.empty()) return Error::corrupt("the package made its reader send back nonsense");
  std::string text(as_text(ByteView(answer).subspan(1)));
  if (answer[0] == kIsText) return text;
  return answer[0] == kIsRefusal ? Error::refused(std::move(text)) : Error::corrupt(std::move(text));
}

}  // namespace suture::cli
