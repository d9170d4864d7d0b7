#include "build/passed_over.h"

#include <algorithm>
#include <map>

#include "base/file.h"
#include "build/line_anchor.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

bool left_out_a_compilation(const Records &pre, const Records &now, const MovedTree &tree) {
  std::set<std::string> made_now, names_now;
  for (const CompileRecord &compile : now.compiles) {
    made_now.insert(compile.output);
    for (const std::string &source : compile.sources) names_now.insert(fs::path(source).filename().string());
  }
  const std::set<std::string> moved = tree.as_seen();  // also below debian/, where rules put copies of the sources
  std::set<std::string> names;
  for (const std::string &path : tree.moved) {
    if (!is_source_path(path)) continue;
    names.insert(fs::path(path).filename().string());
    const Result<std::string> text = read_text(tree.source / path);
    if (now.compiles.empty() && text && is_anchorable(path, *text)) return true;
  }
  for (const CompileRecord &compile : pre.compiles) {
    if (!made_now.contains(compile.output) && reads_one_of(compile, moved)) return true;
    for (const std::string &source : compile.sources) {
      const std::string name = fs::path(source).filename().string();
      if (names.contains(name) && !names_now.contains(name)) return true;
    }
  }
  return false;
}

}  // namespace

bool is_source_path(const std::string &path) {
  return !path.starts_with("debian/") && !path.starts_with(".pc/");
}

std::set<std::string> outputs_with_replaced(const Records &before, const Records &now) {
  std::map<std::string, std::string> content_now;
  for (const CompileRecord &compile : now.compiles) content_now[compile.output] = compile.output_content;
  std::set<std::string> replaced;
  for (const CompileRecord &compile : before.compiles) {
    const auto made = content_now.find(compile.output);
    if (made != content_now.end() && !compile.output_content.empty() && made->second != compile.output_content)
      replaced.insert(compile.output_content);
  }
  for (const auto &[output, content] : content_now) replaced.erase(content);  // what is so still
  std::map<std::string, const LinkRecord *> last;
  for (const LinkRecord &link : before.links) last[link.output] = &link;
  const auto is_replaced = [&](const LinkInput &input) { return replaced.contains(input.content); };
  std::set<std::string> outputs;
  for (const auto &[output, link] : last)
    if (std::any_of(link->inputs.begin(), link->inputs.end(), is_replaced)) outputs.insert(output);
  return outputs;
}

std::set<std::string> links_left_out(const Records &before, const Records &now) {
  std::set<std::string> outputs = outputs_with_replaced(before, now);
  for (const LinkRecord &link : now.links) outputs.erase(link.output);
  for (const std::string &output : now.spared) outputs.erase(output);
  return outputs;
}

Result<bool> changed_by_itself(const fs::path &pre, const Records &now, const MovedTree &tree) {
  const std::set<std::string> moved = tree.as_seen();
  std::map<std::string, std::set<std::string>> made;  // of what did not move; a build may make one file several times
  for (const CompileRecord &compile : now.compiles)
    if (!compile.dependencies.empty() && !reads_one_of(compile, moved)) made[compile.output].insert(compile.output_content);
  if (made.empty()) return false;
  std::set<std::string> known;
  for (const CompileRecord &compile : TRY(read_records(pre)).compiles) {
    const auto contents = made.find(compile.output);
    if (contents == made.end()) continue;
    known.insert(compile.output);
    contents->second.erase(compile.output_content);
  }
  return std::any_of(known.begin(), known.end(), [&](const std::string &output) { return !made.at(output).empty(); });
}

bool passed_over(Records pre, Records others, const Records &now, const MovedTree &tree, const StaleCopies &copies) {
  return copies.were_read(now, tree.seen, tree.tree) || left_out_a_compilation(pre, now, tree) ||
         !links_left_out(joined(std::move(others), std::move(pre)), now).empty();
}

}  // namespace suture
