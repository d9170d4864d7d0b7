#include "build/linked_outputs.h"

#include <algorithm>
#include <map>

#include "base/cat.h"
#include "base/hash.h"
#include "build/object_store.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const LinkView &view, const std::vector<LinkInput> &inputs) {
  std::vector<std::string> names;
  std::map<std::string, int> uses;
  for (const LinkInput &input : inputs) {
    // An object the compiler driver made and removed within one command is named by its source.
    std::string name = input.source.empty() ? view.relative(input.path) : cat(view.relative(input.source), ".o");
    if (!input.member.empty()) name += cat("(", input.member, ")");
    if (const int use = ++uses[name]; use > 1) name += cat("#", use);  // equal member names are legal
    names.push_back(std::move(name));
  }
  return names;
}

bool is_changed(const std::vector<ObjectPair> &objects) {
  return std::any_of(objects.begin(), objects.end(), [](const ObjectPair &pair) { return pair.changed && pair.from_tree; });
}

std::string content_of(const std::vector<ObjectPair> &objects) {
  std::string names;
  for (const ObjectPair &pair : objects) names += cat(pair.pre.string(), "\n");
  return to_hex(sha256(as_bytes(names)));
}

}  // namespace

Result<PairedObjects> pair_objects(const LinkView &pre, const LinkRecord &pre_link, const LinkView &post,
                                             const LinkRecord &post_link, const fs::path &store_folder) {
  const ObjectStore store(store_folder);
  const std::vector<LinkInput> before = pre.objects_of(pre_link), after = post.objects_of(post_link);
  for (const auto *inputs : {&before, &after})
    for (const LinkInput &input : *inputs)
      if (input.content.empty()) return Error::failed(cat("there is no snapshot of ", input.path, " ", input.member));
  const std::vector<std::string> before_names = names_of(pre, before), after_names = names_of(post, after);
  std::map<std::string, size_t> unpaired;
  for (size_t i = 0; i < before.size(); ++i) unpaired[before_names[i]] = i;
  PairedObjects paired;
  for (size_t i = 0; i < after.size(); ++i) {
    ObjectPair pair;
    pair.name = after_names[i];
    pair.post = store.path_of(after[i].content);
    pair.source_file = post.source_of(after[i]);
    pair.from_tree = !pair.name.starts_with("/");
    pair.changed = true;
    pair.made_in_link = after[i].role == LinkInput::Role::made;
    if (const auto twin = unpaired.find(pair.name); twin != unpaired.end()) {
      pair.pre = store.path_of(before[twin->second].content);
      pair.changed = pair.pre != pair.post;
      unpaired.erase(twin);
    }
    (after[i].role == LinkInput::Role::intermediate ? paired.intermediate : paired.objects).push_back(std::move(pair));
  }
  for (const auto &[name, index] : unpaired) {
    if (before[index].role == LinkInput::Role::intermediate) continue;  // only types that are in both can be compared
    const bool made = before[index].role == LinkInput::Role::made;
    paired.objects.push_back({name, store.path_of(before[index].content), {}, true, !name.starts_with("/"), made, pre.source_of(before[index])});
  }
  return paired;
}

Result<std::vector<LinkedOutput>> linked_outputs(const LinkView &pre, const LinkView &post,
                                                 const fs::path &store_folder) {
  const auto last_links = [](const LinkView &view) {
    std::map<std::string, const LinkRecord *> links;
    for (const LinkRecord &link : view.records().links)
      if (link.kind != LinkKind::relocatable && !link.output_content.empty()) links[view.relative(link.output)] = &link;
    return links;
  };
  const ObjectStore store(store_folder);
  const auto after = last_links(post);
  std::vector<LinkedOutput> outputs;
  for (const auto &[path, link] : last_links(pre)) {
    const auto twin = after.find(path);
    if (twin == after.end()) continue;
    const auto objects = [&pre, &post, link = link, post_link = twin->second, store_folder, path = path]() -> Result<std::vector<ObjectPair>> {
      return TRY_WHILE(pair_objects(pre, *link, post, *post_link, store_folder), cat("looking at the link of ", path)).objects;
    };
    const std::vector<ObjectPair> now = TRY(objects());
    outputs.push_back({path, link->kind, store.path_of(link->output_content), is_changed(now), content_of(now), objects});
  }
  return outputs;
}

}  // namespace suture
