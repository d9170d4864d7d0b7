// suture inspect: what a package says it is and does, what its functions refer to, and with --disasm their code.
// The texts are made by a child without privileges (package/contained.h): they come from binaries and documents of a
// package that perhaps nobody signed.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "cli/commands.h"
#include "cli/packages.h"
#include "cli/render.h"
#include "cli/table.h"
#include "package/manifest.h"
#include "review/side_by_side.h"

namespace suture::cli {

namespace {

struct Options {
  std::string package;
  std::string public_key;
  bool disasm = false;
  bool whole = false;
};

using nlohmann::json;

std::string indented(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += cat("  ", printable(text.substr(at, end - at)), "\n");
    at = end + 1;
  }
  return out;
}

std::string blob_text(const PackageBlob &blob) {
  if (blob.size_bytes == 0) return "none";
  return cat(human_size(blob.size_bytes), " (", human_size(blob.compressed_bytes), " in the package)");
}

std::string references_text(const ReviewFunction &function) {
  std::string calls, uses, brings;
  for (const ReviewReference &reference : function.references) {
    std::string &list = reference.in_patch ? brings : reference.how == "call" ? calls : uses;
    list += cat(list.empty() ? "" : ", ", readable(reference.to));
  }
  std::string out = cat("    ", readable(function.name),
                        function.source.empty() ? "" : cat("  (", printable(function.source), ")"), "\n");
  for (const auto &[label, list] : {std::pair("called by", joined(function.callers)), std::pair("calls", calls),
                                    std::pair("uses", uses), std::pair("brings", brings)})
    if (!list.empty()) out += cat("      ", label, ": ", readable(list), "\n");
  return out;
}

constexpr size_t kCodeColumn = 58;  // letters of one side of a disassembly

std::string clipped(std::string text) {
  text = readable(text);
  if (text.size() > kCodeColumn) text = text.substr(0, kCodeColumn - 3) + "...";
  return text;
}

std::string row_text(const FunctionListing &listing, const SideRow &row) {
  const auto side = [](const std::vector<ListingLine> &lines, std::optional<size_t> index) {
    return index ? fmt::format("{:>8x}  {:<{}}", lines[*index].address, clipped(lines[*index].text), kCodeColumn)
                 : std::string(kCodeColumn + 10, ' ');
  };
  const char mark = !row.changed ? ' ' : !row.old_line ? '>' : !row.new_line ? '<' : '|';
  std::string out =
      cat("  ", side(listing.old_lines, row.old_line), " ", mark, " ", side(listing.new_lines, row.new_line));
  out.resize(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string disassembly_text(const FunctionListing &listing, bool whole) {
  constexpr size_t kContext = 5;
  const bool added = listing.old_lines.empty();
  std::string out = cat("\n  ", readable(listing.name),
                        added ? ": new, " : cat(": ", listing.old_lines.size(), " instructions become "),
                        listing.new_lines.size(), added ? " instructions\n" : "\n");
  const std::vector<SideRow> rows = align_code(listing);
  const ShortRows kept = whole || added ? ShortRows{rows, {}} : shorten_rows(rows, kContext);
  size_t gap = 0;
  const auto put_gap = [&](size_t before) {
    if (gap < kept.gaps.size() && kept.gaps[gap].before == before)
      out += cat("        ... ", kept.gaps[gap++].rows, " equal instructions\n");
  };
  for (size_t i = 0; i < kept.rows.size(); ++i) {
    put_gap(i);
    out += row_text(listing, kept.rows[i]);
  }
  put_gap(kept.rows.size());
  return out;
}

std::string image_text(const PackageImage &image, const Reviewed &reviewed, const Options &options) {
  std::string out = cat("\nImage ", printable(image.path), "\n");
  Table facts({"  build-id", image.build_id.text()});
  facts.add({"  sha256", to_hex(image.digest)});
  facts.add({"  size", human_size(image.base_bytes)});
  facts.add({"  hotpatch", blob_text(image.hot_blob)});
  facts.add({"  coldpatch", blob_text(image.cold_blob)});
  out += facts.text();
  Table functions({"FUNCTION", "OLD", "NEW", "REASON"});
  for (const PackageFunction &function : image.functions)
    functions.add({readable(function.name), function.old_size_bytes == 0 ? "-" : cat(function.old_size_bytes),
                   function.new_size_bytes == 0 ? "-" : cat(function.new_size_bytes), readable(function.reason)});
  if (!functions.empty()) out += "\n" + functions.text(2);
  if (const ReviewImage *review = reviewed.image(image); review != nullptr && !review->functions.empty()) {
    out += "\n  References\n";
    for (const ReviewFunction &function : review->functions) out += references_text(function);
  }
  for (const FunctionListing &listing : reviewed.listings_of(image)) out += disassembly_text(listing, options.whole);
  return out;
}

std::string text_for_people(const Package &package, const VerifiedBytes &verified, const Reviewed &reviewed,
                            const Options &options) {
  Table facts({"Package", package.id});
  facts.add({"Sequence", cat(package.sequence)});
  facts.add({"Version", package.version});
  facts.add({"Fixes", package.cves.empty() ? "-" : joined(package.cves)});
  if (!package.requires_ids.empty()) facts.add({"Requires", joined(package.requires_ids)});
  if (!package.supersedes_ids.empty()) facts.add({"Supersedes", joined(package.supersedes_ids)});
  facts.add({"Signature", describe(verified.report())});
  facts.add({"Size", human_size(verified.file().size())});
  std::string out = facts.text();
  if (!package.description.empty()) out += "\n" + indented(package.description);
  for (const PackageImage &image : package.images) out += image_text(image, reviewed, options);
  Table hazards({"HAZARD", "ITEM", "ALLOWED", "DETAIL"});
  for (const PackageHazard &hazard : package.hazards)
    hazards.add({hazard.kind, readable(hazard.item), settlement_of(hazard), readable(hazard.detail)});
  if (!hazards.empty()) out += "\n" + hazards.text();
  return out;
}

json references_json(const ReviewFunction &function) {
  json references = json::array();
  for (const ReviewReference &reference : function.references)
    references.push_back({{"to", reference.to}, {"how", reference.how}, {"in_patch", reference.in_patch}});
  return {{"name", function.name},
          {"object", function.object},
          {"source", function.source},
          {"references", references},
          {"callers", function.callers}};
}

json listing_json(const FunctionListing &listing) {
  const auto lines = [](const std::vector<ListingLine> &side) {
    json out = json::array();
    for (const ListingLine &line : side) out.push_back({{"address", line.address}, {"text", line.text}});
    return out;
  };
  return {{"name", listing.name}, {"old", lines(listing.old_lines)}, {"new", lines(listing.new_lines)}};
}

// The manifest's fields, and what the review and the binaries add to them.
Result<std::string> json_text(const Package &package, const VerifiedBytes &verified, const Reviewed &reviewed,
                              const Options &options) {
  json out = json::parse(TRY(write_manifest(package)));
  out["signature"] = to_json(verified.report());
  out["file"] = {{"path", options.package}, {"size", verified.file().size()}};
  out["unknown_fields"] = package.unknown_fields;
  for (size_t i = 0; i < package.images.size(); ++i) {
    const PackageImage &image = package.images[i];
    json &entry = out["images"][i];
    if (const ReviewImage *review = reviewed.image(image)) {
      entry["references"] = json::array();
      for (const ReviewFunction &function : review->functions) entry["references"].push_back(references_json(function));
    }
    if (!options.disasm) continue;
    entry["disassembly"] = json::array();
    for (const FunctionListing &listing : reviewed.listings_of(image))
      entry["disassembly"].push_back(listing_json(listing));
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<int> inspect(const Options &options, const Context &context) {
  const TrustStore trust = TRY(load_trust(context, options.public_key));
  const VerifiedBytes verified = TRY(open_package(options.package, trust, AllowUnsigned::yes));
  const Package package = TRY(decode_package(verified, options.disasm ? Blobs::all : Blobs::review));
  warn_of_unknown_fields(package);
  const auto render = [&](const Reviewed &reviewed) -> Result<std::string> {
    if (context.json()) return json_text(package, verified, reviewed, options);
    return text_for_people(package, verified, reviewed, options);
  };
  print(TRY(render_contained(package, options.disasm ? Listings::yes : Listings::no, render)));
  return kDone;
}

}  // namespace

void add_inspect(CLI::App &app, Context &context) {
  CLI::App *command = app.add_subcommand("inspect", "show what a package holds and who signed it");
  auto options = std::make_shared<Options>();
  command->add_option("package", options->package, "the package; it need not be signed")->required()->type_name("PKG");
  command->add_flag("--disasm", options->disasm, "show the old and the new machine code side by side");
  command->add_flag("--whole", options->whole, "with --disasm: also the instructions that are equal")
      ->needs("--disasm");
  auto *key = command->add_option("-p,--public-key", options->public_key, "trust this key only")->type_name("FILE");
  add_trust_dir_option(*command, context);
  key->excludes("--trust-dir");
  add_json_option(*command, context);
  on_run(*command, context, [options, &context] { return inspect(*options, context); });
}

}  // namespace suture::cli
