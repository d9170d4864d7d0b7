#include "build/image_links.h"

#include "base/cat.h"
#include "build/linked_outputs.h"
#include "build/object_store.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr const char *kLookingBefore = "looking for the image in the build before the fix";

Result<const LinkRecord *> find_link(const BuiltLinks &links, const BuildRequest::Image &image) {
  if (!image.output_path) return links.view.link_of_shipped(image.shipped_path, links.index);
  if (const LinkRecord *link = links.view.link_of(*image.output_path, links.index)) return link;
  return Error::refused(cat("no link that made ", *image.output_path, " was seen in the build"))
      .with_next("the path is relative to the source tree; a linker called by absolute path or with -B is not seen");
}

}  // namespace

Result<std::optional<std::set<std::string>>> outputs_of_images(const BuildRequest &request, const LinkView &pre, const OutputIndex &index,
                                                               const fs::path &seen, const fs::path &store) {
  std::set<std::string> outputs;
  if (!request.choose_images) {
    for (const BuildRequest::Image &image : request.images) {
      const LinkRecord *link = TRY_WHILE(find_link({pre, index}, image), kLookingBefore);
      outputs.insert(link->output);
    }
    return std::optional(std::move(outputs));
  }
  if (!request.shipped_outputs) return std::optional<std::set<std::string>>();
  const std::vector<LinkedOutput> linked = TRY(linked_outputs(pre, pre, store));
  for (const std::string &output : TRY(request.shipped_outputs(linked))) outputs.insert((seen / output).lexically_normal().string());
  return std::optional(std::move(outputs));
}

Result<LinkedImage> link_image(const BuildRequest::Image &image, const BuiltLinks &pre, const BuiltLinks &post, const fs::path &store_folder) {
  const LinkRecord *before = TRY_WHILE(find_link(pre, image), kLookingBefore);
  BuildRequest::Image known = image;
  if (!known.output_path) known.output_path = pre.view.relative(before->output);
  const LinkRecord *after = TRY_WHILE(find_link(post, known), "looking for the image in the build after the fix");
  const ObjectStore store(store_folder);
  LinkedImage linked;
  linked.shipped_path = known.shipped_path;
  linked.installed_path = known.installed_path;
  linked.output_path = *known.output_path;
  linked.kind = after->kind;
  linked.libraries = after->libraries;
  linked.lto = before->lto || after->lto;
  linked.pre = store.path_of(before->output_content);
  linked.post = store.path_of(after->output_content);
  PairedObjects paired = TRY(pair_objects(pre.view, *before, post.view, *after, store_folder));
  linked.objects = std::move(paired.objects);
  linked.intermediate = std::move(paired.intermediate);
  return linked;
}

}  // namespace suture
