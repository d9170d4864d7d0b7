#include "pipeline/load_objects.h"

#include <filesystem>
#include <string_view>

#include "base/cat.h"
#include "base/file.h"
#include "build/static_locals.h"
#include "diff/merge_objects.h"
#include "elf/read_object.h"

namespace suture {
namespace {

constexpr std::string_view kBitcodeMagic = "BC\xC0\xDE";

Result<std::shared_ptr<const ObjectGraph>> load_object(const std::filesystem::path &snapshot, const std::string &name, bool changed) {
  if (snapshot.empty()) {
    // Only in the other build: an empty object keeps the two lists in step.
    auto empty = std::make_shared<ObjectGraph>();
    empty->path = name;
    empty->sections.emplace_back();
    empty->symbols.emplace_back();
    return std::shared_ptr<const ObjectGraph>(std::move(empty));
  }
  const Bytes bytes = TRY(read_file(snapshot));
  if (is_bitcode(bytes)) {
    auto bitcode = std::make_shared<ObjectGraph>();
    bitcode->lto = true;
    return std::shared_ptr<const ObjectGraph>(std::move(bitcode));
  }
  auto graph = std::make_shared<ObjectGraph>(TRY(read_elf_object(bytes, name)));
  if (changed) TRY(find_owners(snapshot, *graph));
  return std::shared_ptr<const ObjectGraph>(std::move(graph));
}

}  // namespace

bool is_bitcode(ByteView file) { return as_text(file).starts_with(kBitcodeMagic); }

Result<LinkedObjects> load_objects(const std::vector<ObjectPair> &pairs, const std::string &output_path) {
  LinkedObjects objects, made;
  for (const ObjectPair &pair : pairs) {
    auto pre = TRY(load_object(pair.pre, pair.name, pair.changed));
    auto post = pair.changed ? TRY(load_object(pair.post, pair.name, pair.changed)) : pre;
    if (pre->lto || post->lto)
      return Error::refused(cat(pair.name, " holds intermediate code (link-time optimisation), and the link did not show the machine code that it made of it"))
          .with_next("link with the compiler driver (gcc or clang) and GNU ld, gold or lld");
    LinkedObjects &side = pair.made_in_link ? made : objects;
    side.pre.push_back(std::move(pre));
    side.post.push_back(std::move(post));
    side.changed.push_back(pair.changed);
    side.from_tree.push_back(pair.from_tree);
  }
  if (made.pre.empty()) return objects;
  // The machine code of a link with intermediate code, as one object: partitions differ between two builds.
  const std::string name = cat(output_path, ".lto.o");
  objects.pre.push_back(std::make_shared<ObjectGraph>(merge_objects(made.pre, name)));
  objects.post.push_back(std::make_shared<ObjectGraph>(merge_objects(made.post, name)));
  objects.changed.push_back(true);
  objects.from_tree.push_back(true);
  return objects;
}

}  // namespace suture
