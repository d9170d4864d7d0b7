// Which version of a source package is meant: pure decisions over what was asked, what this host has installed, and
// what mirrors serve. A host runs binaries; their versions are not always the source's (a rebuild is 1.0-1+b1, of the
// source 1.0-1), and people name what `dpkg -l` shows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "debian/control_file.h"
#include "debian/version.h"

namespace suture {

struct BinaryOfSource {
  std::string package, version;
  std::string source_version;
};

struct KnownVersions {
  std::vector<std::string> served;        // of the source
  std::vector<BinaryOfSource> installed;  // on this host
  std::vector<BinaryOfSource> on_mirror;  // binaries that mirrors have
  std::string candidate;                  // of the source: what apt would install; empty: nothing
};

// The version installed here, else the one that apt would install. Refused when what is installed is not one version,
// or is not served.
Result<std::string> version_in_use(const std::string &source, const KnownVersions &known);
// The version of the source that `asked` is, as it stands or as that of one of its binaries.
Result<std::string> version_named(const SourceName &asked, const KnownVersions &known);

// "Status\tSource\tSourceVersion\tPackage\tVersion" a line, as dpkg-query is asked for it: what is installed of one
// source.
std::vector<BinaryOfSource> installed_of(const std::string &source, std::string_view listed);
// "PACKAGE:\n  Installed: ...\n  Candidate: VERSION" as `apt-cache policy` prints it, of the first package that has
// one.
BinaryOfSource first_candidate(std::string_view policy);

// "redis (5:7.0.15-1~deb12u7)" or nothing beside the binary's own name and version: the source that a binary is of.
SourceName source_of_binary(const Stanza &stanza);

}  // namespace suture
