// The keys whose signatures are accepted. A folder of minisign public keys (*.pub) is the whole policy: a key is
// trusted by being put there, and no longer by being taken away.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "package/minisign.h"

namespace suture {

struct TrustedKey {
  PublicKey key;
  std::string name;  // file it came from
};

class TrustStore {
 public:
  // Every readable *.pub of the folder. A key file (or the folder) that others than its owner or root may write is not
  // trusted; it, and files that are no keys, are named in notes(). A missing folder is an empty store.
  static Result<TrustStore> load(const std::filesystem::path &folder);
  // One key named by the caller.
  static Result<TrustStore> of_file(const std::filesystem::path &file);
  static TrustStore of(std::vector<TrustedKey> keys);

  // Key ids are 8 random bytes chosen by their owner, so several keys may have one id.
  std::vector<const TrustedKey *> find(const KeyId &id) const;
  const std::vector<TrustedKey> &keys() const { return keys_; }
  const std::vector<std::string> &notes() const { return notes_; }
  // Where the keys came from, for messages.
  const std::string &origin() const { return origin_; }

 private:
  std::vector<TrustedKey> keys_;
  std::vector<std::string> notes_;
  std::string origin_;
};

}  // namespace suture
