// The header that patch authors include, <suture/patch.h>, as this program was built with it: what it defines and what
// the builder and the applier expect are one version.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace suture {

// The text of include/suture/patch.h.
std::string_view author_header();

// Writes it to FOLDER/suture/patch.h, unless it is there already: a newer date would make builds compile again.
Status write_author_header(const std::filesystem::path &folder);

}  // namespace suture
