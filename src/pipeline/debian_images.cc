#include "pipeline/debian_images.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/cat.h"
#include "base/file.h"
#include "base/hash.h"
#include "pipeline/which_link.h"

namespace suture {
namespace {

// None for what is of another architecture: firmware, say.
std::optional<OutputFacts> facts_of(const LinkedOutput &output) {
  Result<ImageFacts> read = read_image_facts(output.pre);
  if (!read) return std::nullopt;
  return OutputFacts{output.output_path, output.content, std::move(*read)};
}

std::vector<OutputFacts> facts_of(const std::vector<LinkedOutput> &outputs) {
  std::vector<OutputFacts> all;
  for (const LinkedOutput &output : outputs)
    if (std::optional<OutputFacts> facts = facts_of(output)) all.push_back(std::move(*facts));
  return all;
}

class ImageChooser {
 public:
  ImageChooser(const std::vector<LinkedOutput> &outputs, const std::set<std::string> &wanted, DebianReport &report)
      : outputs_(outputs), wanted_(wanted), report_(report) {
    for (const LinkedOutput &output : outputs) {
      std::optional<OutputFacts> facts = facts_of(output);
      if (!facts) continue;
      facts_.push_back(std::move(*facts));
      of_.push_back(&output);
    }
  }

  Result<std::vector<BuildRequest::Image>> choose(const Shipped &shipped) {
    for (const ShippedFile &file : shipped.files) TRY(take(file));
    for (size_t i = 0; i < of_.size(); ++i)
      if (of_[i]->changed && !used_.contains(i)) report_.unshipped.push_back(of_[i]->output_path);
    note_compilers();
    const bool any =
        std::any_of(outputs_.begin(), outputs_.end(), [](const LinkedOutput &output) { return output.changed; });
    if (!images_.empty() || !any) return std::move(images_);
    return Error::refused(cat("the fix changes only what no package ships: ", joined(report_.unshipped)));
  }

 private:
  struct Taken {
    size_t image;
    const ShippedFile *file;
  };

  Status take(const ShippedFile &file) {
    const OutputChoice choice = choose_output(file.known, facts_);
    report_.shipped.push_back(file.known.path);
    if (choice.kind == OutputChoice::Kind::none) {
      report_.unmatched.push_back(file.known.path);
      return {};
    }
    if (choice.kind == OutputChoice::Kind::several) return take_one_of(file, choice);
    return take(file, choice.output);
  }

  Status take(const ShippedFile &file, size_t output) {
    used_.insert(output);
    for (const std::string &compiler : file.known.facts.compilers)
      if (!facts_[output].facts.compilers.contains(compiler)) compilers_.insert(compiler);
    if (!of_[output]->changed) return {};
    if (is_wanted(file)) return add(file, output);
    report_.notes.push_back(cat(file.known.path, " has code that the fix changes, and is left as it is: it is not among the images that are asked for"));
    return {};
  }

  bool is_wanted(const ShippedFile &file) const { return wanted_.empty() || wanted_.contains(file.known.path); }

  // Names do not tell them apart; their code may.
  Status take_one_of(const ShippedFile &file, const OutputChoice &choice) {
    std::vector<size_t> outputs;
    std::vector<const LinkedOutput *> links;
    for (size_t i = 0; i < of_.size(); ++i) {
      if (std::find(choice.equals.begin(), choice.equals.end(), of_[i]->output_path) == choice.equals.end()) continue;
      outputs.push_back(i);
      links.push_back(of_[i]);
    }
    const bool matters = std::any_of(links.begin(), links.end(), [](const LinkedOutput *link) { return link->changed; });
    if (!matters || !is_wanted(file)) return {};
    if (const std::optional<size_t> which = TRY(which_link(file.file, links))) return take(file, outputs[*which]);
    return Error::refused(cat(file.known.path, " of ", file.package, " may be any of ", joined(choice.equals),
                              ", the fix changes some of them, and its code fits none better than the others"))
        .with_next("give trees, build command and image yourself (--pre, --post, --build, --image)");
  }

  Status add(const ShippedFile &file, size_t output) {
    const auto [first, is_first] = path_of_content_.emplace(to_hex(TRY(sha256_of_file(file.file))), file.known.path);
    if (!is_first) {  // one image to a package, and to every process that maps either
      report_.notes.push_back(
          cat(file.known.path, " is the same as ", first->second, ": on disk, only the latter is replaced"));
      return {};
    }
    const auto [other, is_new] = taken_.emplace(file.known.path, Taken{images_.size(), &file});
    if (!is_new) return settle_flavours(file, output, other->second);
    images_.push_back({file.file.string(), of_[output]->output_path, file.known.path});
    return {};
  }

  // Packages that cannot be installed together may ship a file each under one name. On a host that has one of them, that one is meant;
  // elsewhere the one that bears the source's name.
  Status settle_flavours(const ShippedFile &file, size_t output, Taken &taken) {
    const ShippedFile &other = *taken.file;
    const auto rank = [&](const ShippedFile &one) { return std::pair(one.installed, one.package == report_.source); };
    if (rank(file) == rank(other))
      return Error::refused(cat(other.package, " and ", file.package, " ship different files as ", file.known.path, ", and the fix changes both"))
          .with_next("make a package for each: --package NAME");
    const bool is_better = rank(file) > rank(other);
    const ShippedFile &passed = is_better ? other : file;
    report_.notes.push_back(cat(passed.package, " ships another ", passed.known.path, ", which the fix changes, too; it is not ",
                                file.installed == other.installed ? "" : "installed here and not ", "in this patch: --package ", passed.package));
    if (!is_better) return {};
    images_[taken.image] = {file.file.string(), of_[output]->output_path, file.known.path};
    taken.file = &file;
    return {};
  }

  void note_compilers() {
    std::set<std::string> ours;
    for (size_t i : used_) ours.insert(facts_[i].facts.compilers.begin(), facts_[i].facts.compilers.end());
    for (const std::string &compiler : compilers_)
      report_.notes.push_back(cat("some shipped code was compiled by ", compiler, "; the root has ",
                                  joined({ours.begin(), ours.end()})));
  }

  const std::vector<LinkedOutput> &outputs_;
  const std::set<std::string> &wanted_;  // empty: all
  DebianReport &report_;
  std::vector<OutputFacts> facts_;
  std::vector<const LinkedOutput *> of_;  // beside facts_
  std::vector<BuildRequest::Image> images_;
  std::map<std::string, std::string> path_of_content_;
  std::map<std::string, Taken> taken_;  // by installed path
  std::set<size_t> used_;
  std::set<std::string> compilers_;  // of shipped files, and not of what we built
};

}  // namespace

Result<std::vector<BuildRequest::Image>> choose_debian_images(const Shipped &shipped,
                                                              const std::vector<LinkedOutput> &outputs,
                                                              const std::set<std::string> &wanted, DebianReport &report) {
  return ImageChooser(outputs, wanted, report).choose(shipped);
}

bool are_all_linked(const Shipped &shipped, const std::vector<LinkedOutput> &outputs) {
  const std::vector<OutputFacts> linked = facts_of(outputs);
  return std::all_of(shipped.files.begin(), shipped.files.end(),
                     [&](const ShippedFile &file) { return choose_output(file.known, linked).kind != OutputChoice::Kind::none; });
}

std::set<std::string> outputs_that_may_ship(const Shipped &shipped, const std::vector<LinkedOutput> &outputs) {
  const std::vector<OutputFacts> linked = facts_of(outputs);
  std::set<std::string> paths;
  for (const ShippedFile &file : shipped.files) {
    const OutputChoice choice = choose_output(file.known, linked);
    if (choice.kind == OutputChoice::Kind::found) paths.insert(linked[choice.output].path);
    if (choice.kind == OutputChoice::Kind::several) paths.insert(choice.equals.begin(), choice.equals.end());
  }
  return paths;
}

}  // namespace suture
