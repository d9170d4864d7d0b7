// suture keygen: a pair of minisign keys.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/password.h"
#include "package/minisign.h"

namespace suture::cli {

namespace {

struct Options {
  std::string prefix = "suture";
  std::string password_file;
  bool with_password = false;
  bool force = false;
};

Status check_free(const std::string &path) {
  std::error_code error;
  if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) return {};
  return Error::refused(cat(path, " is already there")).with_next("choose another -o PREFIX, or give --force");
}

Result<int> keygen(const Options &options, const Context &context) {
  const std::string secret_path = options.prefix + ".key";
  const std::string public_path = options.prefix + ".pub";
  if (!options.force) {
    TRY(check_free(secret_path));
    TRY(check_free(public_path));
  }
  const SecretKey key = TRY(SecretKey::generate());
  std::string secret_text = format_secret_key(key);
  if (options.with_password || !options.password_file.empty()) {
    const std::string password = TRY(read_password(options.password_file, "Password for the new key", Ask::twice));
    if (password.empty()) return Error::usage("the password is empty");
    secret_text = TRY(format_encrypted_secret_key(key, password, KdfCost::sensitive()));
  }
  TRY(write_file_atomic(secret_path, as_bytes(secret_text), 0600));
  TRY(write_file_atomic(public_path, as_bytes(format_public_key(key.public_key())), 0644));
  if (context.json())
    print_json({{"key_id", text_of(key.id())}, {"secret_key", secret_path}, {"public_key", public_path}});
  else
    print(cat("Key ", text_of(key.id()), ": secret part in ", secret_path, " (keep it so), public part in ",
              public_path, ".\nHosts trust it when ", public_path, " is in ", context.trust_dir.string(), ".\n"));
  return kDone;
}

}  // namespace

void add_keygen(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("keygen", "make a pair of keys to sign packages with");
  auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->prefix, "write PREFIX.key and PREFIX.pub")
      ->type_name("PREFIX")
      ->capture_default_str();
  command->add_flag("--password", options->with_password, "encrypt the secret key with a password that is asked for");
  command->add_option("--password-file", options->password_file, "encrypt it with the first line of FILE")
      ->type_name("FILE");
  command->add_flag("--force", options->force, "overwrite files that are there");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return keygen(*options, context); });
}

}  // namespace suture::cli
