// The description of a source package (.dsc) as the mirror's signed index tells it. Mirrors drop a .dsc earlier than the files that
// it names: the index still has all that building takes from it, the digests of those files among it.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "debian/control_file.h"

namespace suture {

// Refused when the index does not say what it must; `stanza` is that of one version in the index of sources. Newer indexes leave out
// the MD5 digests that dpkg-source asks for: then `md5_of` gives that of a file by its name, which by then was verified by its SHA-256.
Result<std::string> dsc_from_index(const Stanza &stanza, const std::function<Result<std::string>(const std::string &)> &md5_of);

}  // namespace suture
