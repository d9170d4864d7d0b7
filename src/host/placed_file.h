// A file on disk that is to be replaced by another, with everything that belongs to it but its content. The path is
// resolved once; from then on all steps go through the open folder, and no symbolic link is followed any more.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace suture {

// Mode, owner, times and extended attributes, which hold ACLs, file capabilities and security labels.
struct FileMetadata {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  timespec accessed{};
  timespec modified{};
  std::map<std::string, Bytes> attributes;
};
Result<FileMetadata> read_metadata(int fd);
// Sets all of it on an open file, then reads it back: refused when the file system kept something else.
Status set_metadata(int fd, const FileMetadata &metadata);

class PlacedFile {
 public:
  static Result<PlacedFile> open(const std::filesystem::path &path);

  const std::string &path() const { return path_; }  // without symbolic links
  const std::string &name() const { return name_; }
  int folder() const { return folder_.get(); }
  int file() const { return file_.get(); }
  const struct stat &info() const { return info_; }
  Result<Bytes> read() const;

  // Refused when replacing the file would change more or less than this file: other names of it, mounts over it, flags
  // that forbid it, integrity attributes that bind its content.
  Status check_replaceable() const;
  // Refused when the name stands for another file by now, or the file was written to since it was opened.
  Status check_unchanged() const;

  // Writes a new file of this name's folder: content, the given metadata, on disk when it returns.
  Status write_beside(const std::string &name, ByteView content, const FileMetadata &metadata) const;
  // Puts the file `name` of the folder in this one's place.
  Status replace_by(const std::string &name) const;

 private:
  Fd folder_;
  Fd file_;
  std::string path_;
  std::string name_;
  struct stat info_ {};
};

// Removes a name if it is there.
Status remove_if_there(int folder, const std::string &name);

}  // namespace suture
