// What a file was linked from. A build that links hundreds of programs from one library lists the same objects hundreds of times, so each
// is kept once, for as long as the program runs, and a list holds places.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace suture {

struct LinkInput {
  enum class Role {
    object,
    intermediate,  // an object of intermediate code: the source of machine code that the link itself made
    made,          // an object of that machine code, which only the linker ever saw
  };
  std::string path;     // the file the linker opened: an object, or the archive
  std::string member;   // within an archive
  std::string content;  // snapshot of the object
  std::string source;   // known when the compiler driver compiled and linked in one go: the object was temporary
  Role role = Role::object;
  bool operator==(const LinkInput &) const = default;
};

class LinkInputs {
 public:
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = LinkInput;
    using pointer = const LinkInput *;
    using reference = const LinkInput &;
    using iterator_category = std::input_iterator_tag;
    explicit Iterator(const LinkInput *const *at = nullptr) : at_(at) {}
    const LinkInput &operator*() const { return **at_; }
    const LinkInput *operator->() const { return *at_; }
    Iterator &operator++() { return ++at_, *this; }
    Iterator operator++(int) { return Iterator(at_++); }
    bool operator==(const Iterator &) const = default;

   private:
    const LinkInput *const *at_;
  };

  void reserve(size_t count) { inputs_.reserve(count); }
  void push_back(LinkInput input) { inputs_.push_back(keep(std::move(input))); }
  bool empty() const { return inputs_.empty(); }
  size_t size() const { return inputs_.size(); }
  const LinkInput &operator[](size_t i) const { return *inputs_[i]; }
  Iterator begin() const { return Iterator(inputs_.data()); }
  Iterator end() const { return Iterator(inputs_.data() + inputs_.size()); }

 private:
  static const LinkInput *keep(LinkInput input);

  std::vector<const LinkInput *> inputs_;
};

}  // namespace suture
