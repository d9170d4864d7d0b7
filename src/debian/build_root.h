// A build root: a folder with the release's minimal system, the build dependencies of one source package, and nothing else. The
// minimal system is made once by mmdebstrap and kept; a root is a copy of it, kept with its package. Build daemons work alike, so what
// is built in there is as near to what was shipped as the mirror's present state allows.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "build/subprocess.h"
#include "debian/apt.h"
#include "debian/private_root.h"

namespace suture {

using Say = std::function<void(const std::string &)>;

class BuildRoot {
 public:
  // The root of `folder`, made if it is not there: from the minimal system kept in `cache`, with the build dependencies
  // that the given .dsc files name.
  static Result<BuildRoot> open(const Apt &apt, const std::filesystem::path &cache, const std::filesystem::path &folder,
                                const std::vector<std::filesystem::path> &dsc_files, const Say &say);

  const std::filesystem::path &folder() const { return root_; }
  bool was_there() const { return was_there_; }
  // What build daemons give a build, and no more.
  std::vector<std::string> environment() const;
  // The build dependencies that are for tests and documentation alone: a root is made without them, as few builds need them, and some
  // that need not do look for them.
  bool has_all_dependencies() const { return has_all_; }
  Status install_all_dependencies(const std::vector<std::filesystem::path> &dsc_files);
  // What a build may write to beside /tmp; all else is root's. Paths of this machine.
  struct Writable {
    std::vector<std::filesystem::path> trees;    // all below is the build user's: the source
    std::vector<std::filesystem::path> folders;  // it may add files there, which are checked afterwards (left_behind.h)
  };
  // Runs as the build user without network. `shared` is seen at the same path.
  Result<ProcessOutcome> run(const ProcessRequest &request, const std::filesystem::path &shared, const Writable &writable) const;
  // The same for a shell command whose output is wanted.
  Result<std::string> output_of(const std::vector<std::string> &words, const std::string &folder,
                                const std::filesystem::path &shared) const;
  // Where a path of the root leads when its folders are links: /lib/x to /usr/lib/x.
  std::string canonical(const std::string &path) const;
  // Installs further packages of the release.
  Status add_packages(const std::vector<std::string> &packages) const;
  // "12.2.0-14+deb12u1" of gcc-12; empty when it is not installed.
  std::string version_of(const std::string &package) const;
  std::map<std::string, std::string> installed() const;

 private:
  Status copy_base(const std::filesystem::path &base) const;
  const char *profiles() const;
  Status install(const std::vector<std::filesystem::path> &dsc_files, const char *profiles) const;
  Status run_apt(std::vector<std::string> words) const;

  std::filesystem::path root_;
  bool was_there_ = false;
  bool has_all_ = false;
};

}  // namespace suture
