// suture sign: puts a signature into a package file, and a detached one beside it.
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/packages.h"
#include "cli/password.h"

namespace suture::cli {

namespace {

constexpr uint64_t kMaxKeyFileBytes = 4096;

struct Options {
  std::string package;
  std::string key = "suture.key";  // what keygen writes
  std::string output;
  std::string comment;
  std::string password_file;
  bool detached = true;
};

Result<SecretKey> read_secret_key(const Options &options) {
  const std::string text = TRY_WHILE(read_text(options.key, kMaxKeyFileBytes), "reading the secret key (-k)");
  const auto ask = [&] { return read_password(options.password_file, cat("Password for ", options.key), Ask::once); };
  return TRY_WHILE(parse_secret_key(text, ask), cat("reading the secret key ", options.key));
}

std::string default_comment(const std::filesystem::path &output) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return cat("timestamp:", std::chrono::duration_cast<std::chrono::seconds>(now).count(),
             " file:", output.filename().string());
}

unsigned mode_of(const std::string &file) {
  struct stat info {};
  return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 07777 : 0644;
}

// With the detached signature, `minisign -Vm X.hotpatch -p KEY.pub` works on the package as it is.
Status write_detached(const std::string &output, ByteView file, const SecretKey &key, const std::string &comment) {
  const std::string untrusted = cat("signature of a suture hotpatch package, by key ", text_of(key.id()));
  const Signature signature = TRY(sign(file, key, untrusted, comment));
  return write_file_atomic(detached_signature_path(output), as_bytes(format_signature(signature)), 0644);
}

Result<int> sign_command(const Options &options, const Context &context) {
  const SecretKey key = TRY(read_secret_key(options));
  const std::string output = options.output.empty() ? options.package : options.output;
  const std::string comment = options.comment.empty() ? default_comment(output) : options.comment;
  // Whoever signs vouches for the whole: read all of it first. What it was signed with before does not matter.
  Bytes input = TRY(read_file(options.package, kMaxPackageBytes));
  const VerifiedBytes before = TRY(verify_package(std::move(input), TrustStore::of({}), AllowUnsigned::yes));
  const Package package = TRY_WHILE(decode_package(before), cat("checking ", options.package, " before it is signed"));
  const Bytes file = TRY(sign_package(before.file(), key, comment));
  TRY(write_file_atomic(output, file, mode_of(options.package)));
  if (options.detached) TRY(write_detached(output, file, key, comment));
  if (context.json())
    print_json({{"id", package.id},
                {"sequence", package.sequence},
                {"file", output},
                {"detached_signature",
                 options.detached ? nlohmann::json(detached_signature_path(output).string()) : nlohmann::json()},
                {"key_id", text_of(key.id())}});
  else
    print(cat("Signed ", output, " (", package.id, ", sequence ", package.sequence, ") by key ", text_of(key.id()),
              ".\n"));
  return kDone;
}

}  // namespace

void add_sign(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("sign", "sign a package");
  auto options = std::make_shared<Options>();
  command->add_option("package", options->package, "the package")->required()->type_name("PKG");
  command->add_option("-k,--key", options->key, "secret key, minisign's or suture's")
      ->type_name("FILE")
      ->envname("SUTURE_KEY")
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "write the signed package there instead of in place")
      ->type_name("FILE");
  command->add_option("-c,--comment", options->comment, "trusted comment instead of time and file name")
      ->type_name("TEXT");
  command->add_option("--password-file", options->password_file, "the secret key's password is the first line of FILE")
      ->type_name("FILE");
  command->add_flag_callback(
      "--no-detached", [options] { options->detached = false; }, "do not write PKG.minisig beside the package");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return sign_command(*options, context); });
}

}  // namespace suture::cli
