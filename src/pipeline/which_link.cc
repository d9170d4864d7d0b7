#include "pipeline/which_link.h"

#include <algorithm>

#include "diff/run_pre.h"
#include "elf/read_image.h"
#include "pipeline/compared.h"
#include "pipeline/load_objects.h"

namespace suture {
namespace {

struct Link {
  LinkedObjects objects;
  MatchTotals found;

  // Of the link's code, not of the file's.
  double share() const { return found.code_bytes == 0 ? 0 : static_cast<double>(found.located_bytes) / static_cast<double>(found.code_bytes); }
};

Result<Link> look_for(const LinkedOutput &output, const Image &image, const Arch &arch) {
  const std::vector<ObjectPair> pairs = TRY(output.objects());
  Link link{TRY(load_objects(pairs, output.output_path)), {}};
  const Program pre = Program::make(link.objects.pre);
  CodeCache code(pre, arch);
  link.found = locate_in_image(code, image, link.objects.from_tree).totals();
  return link;
}

enum class Side { pre, post };

bool same_code(const Link &a, const Link &b, const Arch &arch, Side side) {
  LinkedObjects both;
  both.pre = side == Side::pre ? a.objects.pre : a.objects.post;
  both.post = side == Side::pre ? b.objects.pre : b.objects.post;
  if (both.pre.size() != both.post.size()) return false;
  both.changed.assign(both.pre.size(), true);
  both.from_tree = a.objects.from_tree;
  const Compared compared(both, arch, {});
  return compared.comparison.differences().empty();
}

}  // namespace

Result<std::optional<size_t>> which_link(const std::filesystem::path &shipped, const std::vector<const LinkedOutput *> &outputs) {
  const Image image = TRY(read_elf_image_file(shipped));
  const Arch *arch = find_arch(image.arch);
  if (arch == nullptr) return std::optional<size_t>();
  std::vector<Link> links;
  for (const LinkedOutput *output : outputs) links.push_back(TRY(look_for(*output, image, *arch)));
  const auto equal = [](const Link &a, const Link &b) { return a.share() == b.share() && a.found.located_bytes == b.found.located_bytes; };
  const auto better = [&](const Link &a, const Link &b) {
    return a.share() >= b.share() && a.found.located_bytes >= b.found.located_bytes && !equal(a, b);
  };
  for (size_t best = 0; best < links.size(); ++best) {
    const bool is_best = std::all_of(links.begin(), links.end(), [&](const Link &other) {
      if (&other == &links[best] || better(links[best], other)) return true;
      return equal(links[best], other) && same_code(links[best], other, *arch, Side::pre) && same_code(links[best], other, *arch, Side::post);
    });
    if (is_best) return std::optional<size_t>(best);
  }
  return std::optional<size_t>();
}

}  // namespace suture
