// What Debian's mirrors serve, asked through apt with lists and sources of our own, taken from what this host is configured to use:
// source packages are found although the host has no deb-src entry, and nothing of the host's apt is touched. What apt downloads
// it has verified against the signed index.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "debian/control_file.h"

namespace suture {

// A file of a source package as `apt-get source --print-uris` lists it.
struct SourceFile {
  std::string name;
  std::string escaped;  // the name as its URI has it
  std::string digest;   // "SHA256:..."
};
std::vector<SourceFile> source_files(const std::string &print_uris);

class Apt {
 public:
  // Uses `folder`, made if need be; asks the mirror for news when the lists are older than an hour.
  static Result<Apt> open(const std::filesystem::path &folder, const std::function<void(const std::string &)> &say);

  const std::string &release() const { return release_; }  // "bookworm"
  // One-line entries of Debian's archives, for a build root.
  const std::vector<std::string> &entries() const { return entries_; }
  // Settings of the host's apt that reaching the mirror depends on.
  const std::string &settings() const { return settings_; }

  // The stanzas of all versions of one source package.
  Result<std::vector<Stanza>> sources(const std::string &source) const;
  // The stanzas of all versions of binary packages; names that nothing has are passed over.
  Result<std::vector<Stanza>> binaries(const std::vector<std::string> &packages) const;
  // What apt would install of them, as `apt-cache policy` says it for a host that has nothing yet.
  Result<std::string> policy(std::vector<std::string> packages) const;
  // Puts the .dsc and what it names into `folder`. A .dsc that is served no more is made anew from the index, which kDscMadeMark
  // beside it then tells.
  static constexpr const char *kDscMadeMark = "dsc-is-of-the-index";
  Status download_source(const std::string &source, const std::string &version, const std::filesystem::path &folder) const;
  Status download_binary(const std::string &package, const std::string &version, const std::filesystem::path &folder) const;

 private:
  Result<std::string> run(std::vector<std::string> words, const std::filesystem::path &folder = "/") const;

  Error not_to_be_had(const std::string &source, const std::string &version, const SourceFile &file, const Error &cause) const;
  Status write_dsc(const std::string &source, const std::string &version, const std::filesystem::path &file) const;
  bool download_elsewhere(const std::string &source, const SourceFile &file, const std::filesystem::path &folder) const;

  std::filesystem::path folder_;
  std::string release_, settings_;
  std::vector<std::string> entries_;
};

// The entries of Debian's own archives among `apt-get indextargets` stanzas: "deb [signed-by=...] URI SUITE COMPONENT".
std::vector<std::string> debian_entries(const std::vector<Stanza> &targets);

}  // namespace suture
