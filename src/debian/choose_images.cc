#include "debian/choose_images.h"

#include <filesystem>

namespace suture {
namespace {

// Below this even a file of the same name is another program.
constexpr double kLeastWithName = 0.5;
// A file that was renamed when it was installed has nothing but its names to be known by.
constexpr double kLeastWithoutName = 0.9;

struct Rank {
  bool named = false;
  double likeness = 0;
  double versions = 0;
  auto operator<=>(const Rank &) const = default;
};

bool may_be(const ShippedFacts &shipped, const OutputFacts &output, Rank &rank) {
  if (shipped.facts.executable != output.facts.executable || shipped.facts.soname != output.facts.soname) return false;
  namespace fs = std::filesystem;
  rank.likeness = likeness(shipped.facts.names, output.facts.names);
  rank.versions = likeness(shipped.facts.versions, output.facts.versions);
  rank.named = fs::path(shipped.path).filename() == fs::path(output.path).filename() || !shipped.facts.soname.empty();
  if (rank.named) return rank.likeness >= kLeastWithName;
  return !shipped.facts.names.empty() && rank.likeness >= kLeastWithoutName;
}

}  // namespace

OutputChoice choose_output(const ShippedFacts &shipped, const std::vector<OutputFacts> &outputs) {
  OutputChoice choice;
  Rank best;
  for (size_t i = 0; i < outputs.size(); ++i) {
    Rank rank;
    if (!may_be(shipped, outputs[i], rank)) continue;
    if (choice.kind != OutputChoice::Kind::none && rank < best) continue;
    const bool equal = choice.kind != OutputChoice::Kind::none && rank == best;
    if (equal && outputs[i].content == outputs[choice.output].content) continue;  // made twice, from the same
    if (!equal) choice = {OutputChoice::Kind::found, i, {}};
    if (equal) choice.kind = OutputChoice::Kind::several;
    choice.equals.push_back(outputs[i].path);
    best = rank;
  }
  return choice;
}

}  // namespace suture
