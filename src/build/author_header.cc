#include "build/author_header.h"

#include "base/cat.h"
#include "base/file.h"
#include "build/object_store.h"

namespace suture {

Status write_author_header(const std::filesystem::path &folder) {
  const std::filesystem::path path = folder / "suture/patch.h";
  const Result<std::string> there = read_text(path);
  if (there && *there == author_header()) return {};
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return Error::failed(cat("cannot create ", path.parent_path().string(), ": ", error.message()));
  return write_file_quick(path, as_bytes(author_header()));
}

}  // namespace suture
