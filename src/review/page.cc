#include "review/page.h"

#include <algorithm>

#include "base/cat.h"
#include "base/demangle.h"
#include "base/hash.h"
#include "review/call_graph.h"
#include "review/html.h"
#include "review/side_by_side.h"

namespace suture {

namespace {

constexpr size_t kCodeContext = 6;  // equal instructions shown on each side of a change

std::string fact(std::string_view name, const std::string &value) {
  return value.empty() ? std::string() : cat("<dt>", name, "</dt><dd>", escaped(value), "</dd>\n");
}

std::string anchor(size_t image, size_t function) {
  return cat("i", image, "f", function);
}

// What differs within two lines that stand beside each other: the middle, between the longest equal ends.
struct Middle {
  size_t front = 0, back = 0;
};
Middle differing_middle(std::string_view a, std::string_view b) {
  const size_t shorter = std::min(a.size(), b.size());
  Middle out;
  const auto is_boundary = [](std::string_view text, size_t at) {
    return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;  // not inside a UTF-8 sequence
  };
  while (out.front < shorter && a[out.front] == b[out.front]) ++out.front;
  while (out.back < shorter - out.front && a[a.size() - 1 - out.back] == b[b.size() - 1 - out.back]) ++out.back;
  while (out.front > 0 && !(is_boundary(a, out.front) && is_boundary(b, out.front))) --out.front;
  while (out.back > 0 && !(is_boundary(a, a.size() - out.back) && is_boundary(b, b.size() - out.back))) --out.back;
  return out;
}

std::string marked(const std::string &text, const Middle &middle, std::string_view tag) {
  const size_t length = text.size() - middle.front - middle.back;
  if (length == 0) return escaped(text);
  return cat(escaped(text.substr(0, middle.front)), "<", tag, ">", escaped(text.substr(middle.front, length)), "</",
             tag, ">", escaped(text.substr(middle.front + length)));
}

// One row of a two-column table.
std::string two_columns(const std::string &old_number, const std::optional<std::string> &old_text,
                        const std::string &new_number, const std::optional<std::string> &new_text, bool changed) {
  Middle middle;
  const bool both = changed && old_text && new_text;
  if (both) middle = differing_middle(*old_text, *new_text);
  const auto cell = [&](const std::optional<std::string> &text, std::string_view tag) {
    if (!text) return std::string();
    return both ? marked(*text, middle, tag) : escaped(*text);
  };
  return cat("<tr", changed ? " class=\"c\"" : "", "><td class=\"n\">", old_number, "</td><td class=\"",
             old_text ? "o" : "e", "\">", cell(old_text, "del"), "</td><td class=\"n\">", new_number,
             "</td><td class=\"", new_text ? "p" : "e", "\">", cell(new_text, "ins"), "</td></tr>\n");
}

std::string open_two_columns(std::string_view old_title, std::string_view new_title) {
  return cat(
      "<table class=\"two\"><colgroup><col style=\"width:80px\"><col><col "
      "style=\"width:80px\"><col></colgroup><thead><tr><td></td><td>",
      old_title, "</td><td></td><td>", new_title, "</td></tr></thead><tbody>\n");
}

std::string gap_row(const std::string &text) {
  return cat("<tr class=\"g\"><td></td><td colspan=\"3\">", text, "</td></tr>\n");
}

std::string code_table(const FunctionListing &function) {
  std::string out = open_two_columns("as shipped", "in the patch");
  const bool added = function.old_lines.empty();
  const std::vector<SideRow> all = align_code(function);
  const ShortRows kept = added ? ShortRows{all, {}} : shorten_rows(all, kCodeContext);
  size_t gap = 0;
  const auto put_gap = [&](size_t before) {
    if (gap < kept.gaps.size() && kept.gaps[gap].before == before)
      out += gap_row(cat(kept.gaps[gap++].rows, " equal instructions"));
  };
  const auto text = [](const std::vector<ListingLine> &lines, std::optional<size_t> index) {
    return index ? std::optional<std::string>(lines[*index].text) : std::nullopt;
  };
  const auto number = [](const std::vector<ListingLine> &lines, std::optional<size_t> index) {
    return index ? fmt::format("{:x}", lines[*index].address) : std::string();
  };
  for (size_t i = 0; i < kept.rows.size(); ++i) {
    put_gap(i);
    const SideRow &row = kept.rows[i];
    out += two_columns(number(function.old_lines, row.old_line), text(function.old_lines, row.old_line),
                       number(function.new_lines, row.new_line), text(function.new_lines, row.new_line),
                       row.changed && !added);
  }
  put_gap(kept.rows.size());
  return out + "</tbody></table>\n";
}

std::string source_table(const ReviewFile &file) {
  std::string out = open_two_columns("before", "after");
  for (const ReviewHunk &hunk : file.hunks) {
    out += gap_row(cat("line ", hunk.pre_line, " / ", hunk.post_line));
    for (const SourceRow &row : split_hunk(hunk))
      out += two_columns(row.old_number ? cat(row.old_number) : "", row.old_text,
                         row.new_number ? cat(row.new_number) : "", row.new_text, row.changed);
  }
  return out + "</tbody></table>\n";
}

class Page {
 public:
  explicit Page(const PageInput &input) : in_(input), package_(*input.package) {}

  std::string text() const {
    std::string out =
        cat("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
            "content=\"width=device-width\">\n<title>",
            escaped(package_.id), "</title><style>", page_style(), "</style></head><body><main>\n");
    out += head() + hazards() + contents();
    for (size_t i = 0; i < package_.images.size(); ++i) out += image_part(i);
    return out + sources() + "</main></body></html>\n";
  }

 private:
  std::string head() const {
    std::string out = cat("<h1>", escaped(package_.id), "</h1>\n");
    if (!package_.description.empty()) out += cat("<p>", escaped(package_.description), "</p>\n");
    return out + "<dl>" + fact("fixes", joined(package_.cves)) + fact("version", package_.version) +
           fact("sequence", cat(package_.sequence)) + fact("requires", joined(package_.requires_ids)) +
           fact("supersedes", joined(package_.supersedes_ids)) + fact("signature", in_.signature) + "</dl>\n";
  }

  std::string hazards() const {
    HtmlTable table({"hazard", "item", "allowed", "what"});
    for (const PackageHazard &hazard : package_.hazards)
      table.add({escaped(hazard.kind), cat("<code>", escaped(hazard.item), "</code>"),
                 hazard.allowed ? cat("<span class=\"warn\">", escaped(settlement_of(hazard)), "</span>") : escaped(settlement_of(hazard)), escaped(hazard.detail)});
    return "<h2>Hazards</h2>\n" + (package_.hazards.empty() ? "<p class=\"soft\">None was found.</p>\n" : table.text());
  }

  std::string contents() const {
    std::string out = "<h2>What changes</h2>\n";
    for (size_t i = 0; i < package_.images.size(); ++i) {
      const PackageImage &image = package_.images[i];
      out += cat("<h3>", escaped(image.path), "</h3>\n<dl>", fact("build-id", image.build_id.text()),
                 fact("sha256", to_hex(image.digest)), fact("hotpatch", cat(image.hot_blob.size_bytes, " bytes")),
                 fact("coldpatch", cat(image.cold_blob.size_bytes, " bytes")),
                 fact("base", cat(image.base_bytes, " bytes")), "</dl>\n");
      HtmlTable table({"function", "old size", "new size", "why it is in"});
      for (const PackageFunction &function : image.functions)
        table.add({link_to(i, function.name), function.old_size_bytes ? cat(function.old_size_bytes) : "-",
                   function.new_size_bytes ? cat(function.new_size_bytes) : "-", escaped(with_readable_names(function.reason))});
      out += table.text();
    }
    if (in_.review != nullptr && !in_.review->files.empty())
      out += "<p><a href=\"#source\">The change in the source</a></p>\n";
    return out;
  }

  std::string link_to(size_t image, const std::string &name) const {
    const std::vector<FunctionListing> &listings = in_.listings[image];
    for (size_t f = 0; f < listings.size(); ++f)
      if (listings[f].name == name)
        return cat("<a href=\"#", anchor(image, f), "\" title=\"", escaped(name), "\"><code>", escaped(readable_name(name)), "</code></a>");
    return cat("<code>", escaped(readable_name(name)), "</code>");
  }

  std::string image_part(size_t index) const {
    const PackageImage &image = package_.images[index];
    const ReviewImage *review = in_.review ? in_.review->image(image.path) : nullptr;
    std::string out = cat("<h2>", escaped(image.path), "</h2>\n");
    if (review != nullptr) out += "<h3>Around the changed functions</h3>\n" + draw_call_graph(*review);
    for (size_t f = 0; f < in_.listings[index].size(); ++f) out += function_part(index, f, review);
    return out;
  }

  std::string function_part(size_t image, size_t index, const ReviewImage *review) const {
    const FunctionListing &listing = in_.listings[image][index];
    std::string out = cat("<h3 id=\"", anchor(image, index), "\"><code title=\"", escaped(listing.name), "\">", escaped(readable_name(listing.name)), "</code>",
                          listing.old_lines.empty() ? " <span class=\"soft\">new</span>" : "", "</h3>\n");
    if (review != nullptr)
      for (const ReviewFunction &function : review->functions)
        if (function.name == listing.name) out += function_facts(function);
    const std::vector<SideRow> rows = align_code(listing);
    const auto changed =
        static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [](const SideRow &row) { return row.changed; }));
    return out +
           cat("<details", changed <= 400 ? " open" : "", "><summary>machine code: ", listing.old_lines.size(),
               " instructions become ", listing.new_lines.size(), "</summary>\n") +
           code_table(listing) + "</details>\n";
  }

  static std::string function_facts(const ReviewFunction &function) {
    const auto list = [](const std::vector<std::string> &names) {
      std::string out;
      for (const std::string &name : names) out += cat(out.empty() ? "" : ", ", "<code>", escaped(name), "</code>");
      return out;
    };
    std::vector<std::string> calls, data, patch;
    for (const ReviewReference &reference : function.references)
      (reference.in_patch ? patch : reference.how == "call" ? calls : data).push_back(reference.to);
    std::string out =
        "<dl>" + fact("source", function.source) + fact("object", function.object) + fact("why", function.reason);
    const auto row = [&](std::string_view name, const std::vector<std::string> &names) {
      if (!names.empty()) out += cat("<dt>", name, "</dt><dd>", list(names), "</dd>\n");
    };
    row("called or pointed to by", function.callers);
    row("calls", calls);
    row("uses", data);
    row("new in the patch", patch);
    return out + "</dl>\n";
  }

  std::string sources() const {
    std::string out = "<h2 id=\"source\">Source</h2>\n";
    if (in_.review == nullptr || in_.review->files.empty())
      return out + "<p class=\"soft\">The package carries no source.</p>\n";
    for (const ReviewFile &file : in_.review->files) {
      out += cat("<h3><code>", escaped(file.path), "</code> <span class=\"soft\">", escaped(file.change),
                 "</span></h3>\n", source_table(file));
      if (file.shortened) out += "<p class=\"warn\">More of this file changes than a package keeps.</p>\n";
    }
    return out;
  }

  const PageInput &in_;
  const Package &package_;
};

}  // namespace

std::string make_page(const PageInput &input) {
  return Page(input).text();
}

}  // namespace suture
