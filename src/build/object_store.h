// Files kept by their content: a snapshot of an object, an archive member or a linked program, named by its SHA-256.
// Equal files are one file, so that "not changed by the fix" is "same name"; and no later rebuild can alter a snapshot.
#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace suture {

class ObjectStore {
 public:
  explicit ObjectStore(std::filesystem::path root) : root_(std::move(root)) {}

  // Keeps the content and returns its name (hex of SHA-256). Safe against others adding the same at the same time.
  Result<std::string> add(ByteView bytes) const;
  Result<std::string> add_file(const std::filesystem::path &path) const;
  std::filesystem::path path_of(const std::string &name) const;
  bool has(const std::string &name) const;
  // Makes `to` a fresh file with the kept content: what was there is unlinked first, as it may have further links.
  Status copy_out(const std::string &name, const std::filesystem::path &to, unsigned mode) const;

 private:
  std::filesystem::path root_;
};

// Writes through a temporary file and rename, without fsync: for records and caches, where a power cut may cost the
// whole work folder, but a killed writer must not leave half a file.
Status write_file_quick(const std::filesystem::path &path, ByteView bytes, unsigned mode = 0644);

}  // namespace suture
