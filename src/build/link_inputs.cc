#include "build/link_inputs.h"

#include <functional>
#include <mutex>
#include <unordered_set>

namespace suture {

namespace {

struct HashOfInput {
  size_t operator()(const LinkInput &input) const {
    const std::hash<std::string> hash;
    return hash(input.path) ^ (hash(input.member) << 1) ^ (hash(input.content) << 2) ^ (hash(input.source) << 3);
  }
};

}  // namespace

const LinkInput *LinkInputs::keep(LinkInput input) {
  static std::mutex lock;
  static std::unordered_set<LinkInput, HashOfInput> kept;  // its elements stay where they are
  const std::lock_guard<std::mutex> guard(lock);
  return &*kept.insert(std::move(input)).first;
}

}  // namespace suture
