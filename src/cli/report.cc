// suture report: a package as one HTML page, to be read before signing it.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/packages.h"
#include "cli/render.h"
#include "cli/table.h"
#include "review/page.h"

namespace suture::cli {

namespace {

struct Options {
  std::string package;
  std::string output;
  std::string public_key;
};

Result<int> report(const Options &options, const Context &context) {
  const TrustStore trust = TRY(load_trust(context, options.public_key));
  const VerifiedBytes verified = TRY(open_package(options.package, trust, AllowUnsigned::yes));
  const Package package = TRY(decode_package(verified, Blobs::all));
  warn_of_unknown_fields(package);
  const auto render = [&](const Reviewed &reviewed) -> Result<std::string> {
    return make_page(
        {&package, reviewed.review ? &*reviewed.review : nullptr, reviewed.listings, describe(verified.report())});
  };
  const std::string page = TRY(render_contained(package, Listings::yes, render));
  TRY(write_file_atomic(options.output, as_bytes(page)));
  if (context.json())
    print_json({{"id", package.id},
                {"output", options.output},
                {"size", page.size()},
                {"signature", to_json(verified.report())}});
  else
    print(cat("wrote ", printable(options.output), " (", human_size(page.size()), ")\n"));
  return kDone;
}

}  // namespace

void add_report(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("report", "write a page about a package, to be read before signing it");
  auto options = std::make_shared<Options>();
  command->add_option("package", options->package, "the package; it need not be signed")->required()->type_name("PKG");
  command->add_option("-o,--output", options->output, "HTML file to write")->required()->type_name("FILE");
  auto *key = command->add_option("-p,--public-key", options->public_key, "trust this key only")->type_name("FILE");
  add_trust_dir_option(*command, context);
  key->excludes("--trust-dir");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return report(*options, context); });
}

}  // namespace suture::cli
