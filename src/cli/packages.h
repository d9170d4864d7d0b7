// What the commands that take a package file share: which keys count, opening and verifying, what went into the notes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/context.h"
#include "package/format.h"

namespace suture::cli {

// The keys of --public-key if it was given, else of the trust folder.
Result<TrustStore> load_trust(const Context &context, const std::string &public_key_file = {});

// Reads and verifies. When it is refused because no key is known, what kept keys of the folder from being trusted is
// printed as notes.
Result<VerifiedBytes> open_package(const std::filesystem::path &path, const TrustStore &trust, AllowUnsigned allow);

// {"state": "trusted|unknown-key|unsigned", "key_id", "key_file", "trusted_comment"}
nlohmann::json to_json(const SignatureReport &report);
// "by key 0123456789ABCDEF (/etc/suture/trust.d/x.pub): timestamp:..."
std::string describe(const SignatureReport &report);

// Notes about fields of the manifest that this version does not know.
void warn_of_unknown_fields(const Package &package);

}  // namespace suture::cli
