// A text of which there are many equals (the objects of a build that links them hundreds of times): each is kept once, for
// as long as the program runs.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

namespace suture {

class SharedText {
 public:
  SharedText() : SharedText(std::string_view()) {}
  SharedText(std::string_view text) : text_(keep(text)) {}                    // NOLINT(google-explicit-constructor): stands for a std::string
  SharedText(const std::string &text) : SharedText(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  SharedText(const char *text) : SharedText(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)

  const std::string &str() const { return *text_; }
  operator const std::string &() const { return *text_; }  // NOLINT(google-explicit-constructor)
  bool empty() const { return text_->empty(); }
  bool operator==(const SharedText &other) const { return text_ == other.text_; }

 private:
  static const std::string *keep(std::string_view text) {
    static std::mutex lock;
    static std::unordered_set<std::string> kept;  // its elements stay where they are
    const std::lock_guard<std::mutex> guard(lock);
    return &*kept.emplace(text).first;
  }

  const std::string *text_;
};

}  // namespace suture
