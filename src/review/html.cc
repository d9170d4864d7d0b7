#include "review/html.h"

#include "base/utf8.h"

namespace suture {

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = utf8_sequence_bytes(text);
    const std::string_view sequence = text.substr(0, length == 0 ? 1 : length);
    if (sequence == "&")
      out += "&amp;";
    else if (sequence == "<")
      out += "&lt;";
    else if (sequence == ">")
      out += "&gt;";
    else if (sequence == "\"")
      out += "&quot;";
    else if (sequence == "'")
      out += "&#39;";
    else if (sequence == "\t")
      out += "        ";
    else if (length == 0 || is_control_sequence(sequence))
      out += "\xef\xbf\xbd";  // U+FFFD
    else
      out += sequence;
    text.remove_prefix(sequence.size());
  }
  return out;
}

HtmlTable::HtmlTable(const std::vector<std::string> &header) {
  body_ = "<table><thead><tr>";
  for (const std::string &cell : header) body_ += "<th>" + cell + "</th>";
  body_ += "</tr></thead><tbody>\n";
}

void HtmlTable::add(const std::vector<std::string> &cells) {
  body_ += "<tr>";
  for (const std::string &cell : cells) body_ += "<td>" + cell + "</td>";
  body_ += "</tr>\n";
  ++rows_;
}

std::string_view page_style() {
  return R"css(
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--line:#d9dbe0;--paper:#fff;--panel:#f6f7f9;--old:#ffe9e6;--new:#e3f6e5;--mark-old:#b42318;--mark-new:#1a7f37;--warn:#8a5300;--link:#0b5cad}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa1ab;--line:#33383f;--paper:#15181c;--panel:#1c2025;--old:#3a1f1d;--new:#17321d;--mark-old:#ff9a8f;--mark-new:#7ddb8f;--warn:#f0b455;--link:#7ab7ff}}
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:1500px;margin:0 auto;padding:24px 28px 80px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:40px 0 10px;border-bottom:1px solid var(--line);padding-bottom:6px}h3{font-size:16px;margin:26px 0 8px}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
.soft{color:var(--soft)}.warn{color:var(--warn);font-weight:600}
code,.code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12.5px}
table{border-collapse:collapse;width:100%;margin:8px 0}th{text-align:left;font-weight:600;color:var(--soft);font-size:13px}
th,td{padding:4px 10px 4px 0;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:14px 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.two{table-layout:fixed;border:1px solid var(--line);background:var(--panel)}.two td{border:0;padding:0 8px;white-space:pre-wrap;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12.5px;line-height:1.45}
.two td.n{width:74px;color:var(--soft);text-align:right;user-select:none;white-space:nowrap}
.two tr.c td.o{background:var(--old)}.two tr.c td.p{background:var(--new)}.two tr.g td{color:var(--soft);padding:3px 8px;border-top:1px dashed var(--line);border-bottom:1px dashed var(--line)}
.two thead td{font-weight:600;color:var(--soft);padding:4px 8px;font-family:system-ui,sans-serif}
del,ins{text-decoration:none;font-weight:700}del{color:var(--mark-old)}ins{color:var(--mark-new)}
details{margin:10px 0}summary{cursor:pointer}
svg{max-width:100%;height:auto;background:var(--panel);border:1px solid var(--line)}svg text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink)}svg rect{fill:var(--paper);stroke:var(--line)}svg .in rect{stroke:var(--mark-new);stroke-width:1.6}svg path{fill:none;stroke:var(--soft);opacity:.55}
@media print{details{display:block}main{max-width:none}}
)css";
}

}  // namespace suture
