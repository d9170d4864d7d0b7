// Passwords of secret keys: from a file, from the terminal without echo, or (as minisign does) a line of standard
// input.
#pragma once

#include <string>

#include "base/result.h"

namespace suture::cli {

enum class Ask { once, twice };

// `file`: where to read the first line from; empty: ask.
Result<std::string> read_password(const std::string &file, const std::string &prompt, Ask ask);

}  // namespace suture::cli
