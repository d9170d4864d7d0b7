// suture verify: is this package whole, and signed by a key that is trusted here?
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/packages.h"

namespace suture::cli {

namespace {

struct Options {
  std::string package;
  std::string public_key;
  std::string export_prefix;
};

// The payload and its signature as two files for `minisign -Vm PREFIX.payload`; before any check, which is minisign's
// then.
Status export_for_minisign(const Options &options) {
  const Bytes file = TRY(read_file(options.package, kMaxPackageBytes));
  const size_t offset = TRY(payload_offset(file));
  if (offset == 0) return Error::refused(cat(options.package, " carries no signature that could be exported"));
  const std::string payload_path = options.export_prefix + ".payload";
  TRY(write_file_atomic(payload_path, ByteView(file).subspan(offset)));
  return write_file_atomic(payload_path + ".minisig", ByteView(file).first(offset));
}

Result<int> verify_command(const Options &options, const Context &context) {
  if (!options.export_prefix.empty()) TRY(export_for_minisign(options));
  const TrustStore trust = TRY(load_trust(context, options.public_key));
  const VerifiedBytes verified = TRY(open_package(options.package, trust, AllowUnsigned::no));
  const Package package = TRY(decode_package(verified));  // all of it: binaries have their digests
  warn_of_unknown_fields(package);
  if (context.json())
    print_json({{"id", package.id},
                {"sequence", package.sequence},
                {"file", options.package},
                {"signature", to_json(verified.report())}});
  else
    print(cat(options.package, ": ", package.id, ", sequence ", package.sequence, "; signature ",
              describe(verified.report()), "\n"));
  return kDone;
}

}  // namespace

void add_verify(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("verify", "check a package's signature and that it is whole");
  auto options = std::make_shared<Options>();
  command->add_option("package", options->package, "the package")->required()->type_name("PKG");
  auto *key = command->add_option("-p,--public-key", options->public_key, "accept this key only")->type_name("FILE");
  add_trust_dir_option(*command, context);
  key->excludes("--trust-dir");
  command
      ->add_option("--export", options->export_prefix,
                   "also write PREFIX.payload and PREFIX.payload.minisig for `minisign -Vm PREFIX.payload`")
      ->type_name("PREFIX");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return verify_command(*options, context); });
}

}  // namespace suture::cli
