#include "build/record.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "base/memory.h"
#include "build/object_store.h"

namespace suture {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr uint64_t kMaxRecordBytes = 256u << 20;
constexpr uint64_t kMaxRecordsBytes = uint64_t{2} << 30;  // of all in a folder
constexpr size_t kStoreNameBytes = 64;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);  // wall time: orders the links of builds that ran on different days
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string_view name_of(LinkKind kind) {
  switch (kind) {
    case LinkKind::executable:
      return "executable";
    case LinkKind::shared:
      return "shared";
    case LinkKind::relocatable:
      return "relocatable";
  }
  return "executable";
}

constexpr const char *kRoles[] = {"object", "intermediate", "made"};

LinkInput::Role role_from(const std::string &name) {
  const auto at = std::find(std::begin(kRoles), std::end(kRoles), name);
  return at == std::end(kRoles) ? LinkInput::Role::object : static_cast<LinkInput::Role>(at - std::begin(kRoles));
}

LinkKind link_kind(const std::string &name) {
  if (name == "shared") return LinkKind::shared;
  return name == "relocatable" ? LinkKind::relocatable : LinkKind::executable;
}

Status write_json(const fs::path &folder, const Json &json, std::string_view kind) {
  // Bytes in file names that are not UTF-8 become U+FFFD; such a file then is not found again, which is noticed later.
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file_quick(folder / cat(unique_record_id(), ".", kind, ".json"), as_bytes(text));
}

// Names of the store become paths: nothing but the digest that the wrapper makes them of may come in.
bool is_store_name(const std::string &name) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.empty() || (name.size() == kStoreNameBytes && std::all_of(name.begin(), name.end(), is_hex));
}
bool has_store_names(const CompileRecord &record) {
  return is_store_name(record.output_content);
}
bool has_store_names(const LinkRecord &record) {
  const auto named = [](const LinkInput &input) { return is_store_name(input.content); };
  return is_store_name(record.output_content) && std::all_of(record.inputs.begin(), record.inputs.end(), named);
}

bool has_store_names(const StepRecord &) {
  return true;  // none of its texts becomes a name of ours
}

CompileRecord compile_from(const Json &json) {
  CompileRecord record;
  record.cwd = json.value("cwd", "");
  record.tool = json.value("tool", "");
  record.args = json.value("args", std::vector<std::string>());
  record.sources = json.value("sources", std::vector<std::string>());
  record.dependencies = json.value("dependencies", std::vector<std::string>());
  record.output = json.value("output", "");
  record.output_content = json.value("output_content", "");
  record.from_cache = json.value("from_cache", false);
  record.lto = json.value("lto", false);
  record.step = json.value("step", "");
  return record;
}

LinkRecord link_from(const Json &json) {
  LinkRecord record;
  record.cwd = json.value("cwd", "");
  record.tool = json.value("tool", "");
  record.args = json.value("args", std::vector<std::string>());
  record.kind = link_kind(json.value("link", ""));
  record.output = json.value("output", "");
  record.output_content = json.value("output_content", "");
  record.libraries = json.value("libraries", std::vector<std::string>());
  record.lto = json.value("lto", false);
  record.members_known = json.value("members_known", true);
  record.order = json.value("order", int64_t{0});
  record.step = json.value("step", "");
  record.spared = json.value("spared", false);
  const Json inputs = json.value("inputs", Json::array());
  record.inputs.reserve(inputs.size());
  for (const Json &input : inputs)
    record.inputs.push_back(
        {input.value("path", ""), input.value("member", ""), input.value("content", ""), input.value("source", ""),
         role_from(input.value("role", ""))});
  return record;
}

StepRecord step_from(const Json &json) {
  StepRecord record;
  record.id = json.value("id", "");
  record.cwd = json.value("cwd", "");
  record.tool = json.value("tool", "");
  record.args = json.value("args", std::vector<std::string>());
  record.environment = json.value("environment", std::vector<std::string>());
  record.order = json.value("order", int64_t{0});
  return record;
}

template <typename Record>
Result<Record> parse_with(Record (*convert)(const Json &), std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error::corrupt("not a build record");
  try {  // nlohmann throws where a value has another type than asked for
    Record record = convert(json);
    if (!has_store_names(record)) return Error::corrupt("not a build record: it names content that is no digest");
    return record;
  } catch (const Json::exception &problem) {
    return Error::corrupt(cat("not a build record: ", problem.what()));
  }
}

}  // namespace

std::string unique_record_id() {
  return cat(now_ns(), "-", ::getpid());
}

Result<CompileRecord> parse_compile_record(std::string_view text) {
  return parse_with(compile_from, text);
}

Result<LinkRecord> parse_link_record(std::string_view text) {
  return parse_with(link_from, text);
}

Result<StepRecord> parse_step_record(std::string_view text) {
  return parse_with(step_from, text);
}

Status write_record(const fs::path &folder, const StepRecord &record) {
  const Json json = {{"id", record.id},
                     {"cwd", record.cwd},
                     {"tool", record.tool},
                     {"args", record.args},
                     {"environment", record.environment},
                     {"order", now_ns()}};
  return write_json(folder, json, "step");
}

Status write_record(const fs::path &folder, const CompileRecord &record) {
  const Json json = {{"cwd", record.cwd},
                     {"tool", record.tool},
                     {"args", record.args},
                     {"sources", record.sources},
                     {"output", record.output},
                     {"output_content", record.output_content},
                     {"lto", record.lto},
                     {"from_cache", record.from_cache},
                     {"step", record.step},
                     {"dependencies", record.dependencies}};
  return write_json(folder, json, "compile");
}

Status write_record(const fs::path &folder, const LinkRecord &record) {
  Json inputs = Json::array();
  for (const LinkInput &input : record.inputs)
    inputs.push_back(
        {{"path", input.path}, {"member", input.member}, {"content", input.content}, {"source", input.source},
         {"role", kRoles[static_cast<size_t>(input.role)]}});
  const Json json = {{"cwd", record.cwd},       {"tool", record.tool},
                     {"args", record.args},     {"link", name_of(record.kind)},
                     {"output", record.output}, {"output_content", record.output_content},
                     {"inputs", inputs},        {"libraries", record.libraries},
                     {"lto", record.lto},       {"members_known", record.members_known},
                     {"step", record.step},     {"order", now_ns()},
                     {"spared", record.spared}};
  return write_json(folder, json, "link");
}

Status mark_probe(const fs::path &folder, const std::string &step) {
  return write_file_quick(folder / (step + kProbeMarkEnd), {});
}

namespace {

void sort_by_order(Records &records) {
  const auto earlier = [](const auto &a, const auto &b) { return a.order < b.order; };
  std::sort(records.links.begin(), records.links.end(), earlier);
  std::sort(records.steps.begin(), records.steps.end(), earlier);
}

}  // namespace

Result<Records> read_records(const fs::path &folder) {
  Records records;
  uint64_t total = 0;
  std::error_code error;
  if (!fs::exists(folder, error)) return records;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kProbeMarkEnd)) records.probing.insert(name.substr(0, name.size() - std::string_view(kProbeMarkEnd).size()));
    const bool compile = name.ends_with(".compile.json"), link = name.ends_with(".link.json");
    if (name.starts_with(".") || (!compile && !link && !name.ends_with(kStepRecordEnd))) continue;
    const std::string text = TRY(read_text(entry.path(), kMaxRecordBytes));
    total += text.size();
    if (total > kMaxRecordsBytes) return Error::refused(cat("more records than a build makes: ", folder.string()));
    const std::string doing = cat("reading ", entry.path().string());
    if (compile) {
      records.compiles.push_back(TRY_WHILE(parse_compile_record(text), doing));
      records.compiles.back().args = std::vector<std::string>();  // `{}` would keep the room
    } else if (link) {
      LinkRecord record = TRY_WHILE(parse_link_record(text), doing);
      record.args = std::vector<std::string>();
      if (record.spared) records.spared.push_back(std::move(record.output));
      else records.links.push_back(std::move(record));
    } else {
      records.steps.push_back(TRY_WHILE(parse_step_record(text), doing));
    }
  }
  if (error) return Error::failed(cat("cannot list ", folder.string(), ": ", error.message()));
  sort_by_order(records);
  give_back_free_memory();  // of the parser
  return records;
}

Records joined(Records some, Records more) {
  const auto move_to_end = [](auto &from, auto &to) { to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end())); };
  move_to_end(more.compiles, some.compiles);
  move_to_end(more.links, some.links);
  move_to_end(more.steps, some.steps);
  move_to_end(more.spared, some.spared);
  some.probing.merge(more.probing);
  sort_by_order(some);
  return some;
}

}  // namespace suture
