// suture-cc as a linker.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/cat.h"
#include "base/file.h"
#include "build/archive.h"
#include "build/cc_args.h"
#include "build/cc_shim/lto.h"
#include "build/cc_shim/shim.h"
#include "build/ld_args.h"
#include "build/link_map.h"
#include "build/object_store.h"
#include "build/record.h"
#include "build/subprocess.h"
#include "build/unused_outputs.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

bool is_elf(ByteView bytes) {
  return as_text(bytes).starts_with("\177ELF");
}
bool is_bitcode(ByteView bytes) {
  return as_text(bytes).starts_with("BC\xC0\xDE");
}
bool is_shared_library(ByteView bytes) {
  return is_elf(bytes) && bytes.size() > 17 && bytes[16] == 3 && bytes[17] == 0;
}
bool is_object(ByteView bytes) {
  return is_elf(bytes) && bytes.size() > 17 && bytes[16] == 1 && bytes[17] == 0;
}
// gcc's intermediate code lies in sections of this name, clang's is the whole file.
bool is_lto(ByteView bytes) {
  return is_bitcode(bytes) || as_text(bytes).find(".gnu.lto_.symtab") != std::string_view::npos;
}

// Turns the linker's inputs into the record's list of objects, with a snapshot of each.
class InputCollector {
 public:
  InputCollector(const ShimConfig &config, const LinkMap &map, const LtoObjects &lto, LinkRecord &record)
      : store_(config.store()), map_(map), lto_(lto), made_(lto.made()), record_(record), cwd_(fs::current_path()) {
    const char *folder = nullptr;
    for (const char *name : {"TMPDIR", "TMP", "TEMP"})  // gcc's order
      if (folder == nullptr) folder = ::getenv(name);
    temporary_ = (fs::path(folder == nullptr ? "/tmp" : folder) / ".").lexically_normal().parent_path();
    const char *sources = ::getenv(kSourcesVariable);
    std::string_view rest = sources == nullptr ? "" : sources;
    while (!rest.empty()) {
      sources_.emplace_back(rest.substr(0, rest.find('\n')));
      rest.remove_prefix(std::min(rest.size(), sources_.back().size() + 1));
    }
  }

  void take(const std::string &name) {
    const fs::path path = (cwd_ / name).lexically_normal();
    if (lto_.holds(path)) return;
    if (LtoObjects::is_left_over(name)) {
      ::unlink(path.c_str());
      return;
    }
    const Result<Bytes> bytes = read_file(path);
    if (!bytes) return;
    if (is_shared_library(*bytes)) {
      record_.libraries.push_back(path.string());
    } else if (is_archive(*bytes)) {
      if (std::find(archives_.begin(), archives_.end(), path) != archives_.end())
        return;  // named again: members are listed once
      archives_.push_back(path);
      take_archive(name, path, *bytes);
    } else if (is_object(*bytes) || is_bitcode(*bytes)) {
      LinkInput input;
      input.path = path.string();
      if (path.parent_path() == temporary_ && next_source_ < sources_.size()) input.source = sources_[next_source_++];
      add(std::move(input), *bytes);
    }
  }

 private:
  void take_archive(const std::string &name, const fs::path &path, ByteView bytes) {
    const Result<std::vector<ArchiveMember>> members = list_archive(bytes);
    if (!members) return;
    for (const ArchiveMember &member : *members) {
      LinkInput input;
      input.path = path.string();
      input.member = member.name;
      if (member.external.empty()) {
        if (record_.members_known && !map_.taken.contains(cat(name, "(", member.name, ")"))) continue;
        add(std::move(input), member.bytes);
        continue;
      }
      // The linker names a member of a thin archive by the archive's folder as written and the member's path from
      // there.
      const std::string external = (fs::path(name).parent_path() / member.external).string();
      if (record_.members_known && !map_.taken.contains(external) &&
          !map_.taken.contains(cat(name, "(", external, ")")))
        continue;
      if (const Result<Bytes> content = read_file(external)) add(std::move(input), *content);
    }
  }

  void add(LinkInput input, ByteView bytes) {
    if (Result<std::string> content = store_.add(bytes)) input.content = std::move(*content);
    if (is_lto(bytes)) {
      record_.lto = true;
      if (!made_.empty()) {
        input.role = LinkInput::Role::intermediate;
        if (input.member.empty()) ::unlink(cat(input.path, ".debug.temp.o").c_str());  // gold's map does not name it
        add_made();
      }
    }
    record_.inputs.push_back(std::move(input));
  }

  // In the place of the first object of intermediate code. Their own names last as long as the link: they get one by the output.
  void add_made() {
    for (size_t i = 0; i < made_.size() && !made_added_; ++i) {
      LinkInput input;
      input.path = cat(record_.output, ".lto", i, ".o");
      input.role = LinkInput::Role::made;
      if (Result<std::string> content = store_.add_file(made_[i])) input.content = std::move(*content);
      record_.inputs.push_back(std::move(input));
    }
    made_added_ = true;
  }

  ObjectStore store_;
  const LinkMap &map_;
  const LtoObjects &lto_;
  std::vector<fs::path> made_;
  bool made_added_ = false;
  LinkRecord &record_;
  fs::path cwd_, temporary_;
  std::vector<std::string> sources_;
  size_t next_source_ = 0;
  std::vector<fs::path> archives_;
};

fs::path output_path(const LdCommand &command) { return (fs::current_path() / command.output).lexically_normal(); }

void note_link(const ShimCall &call, const LdCommand &command, const std::string &map_file, const LtoObjects &lto,
               std::vector<std::string> expanded) {
  LinkRecord record;
  record.cwd = fs::current_path().string();
  record.tool = call.tool;
  record.step = get_variable(call.environment, kStepVariable);
  record.args = std::move(expanded);
  record.kind = command.kind;
  record.output = output_path(command).string();
  LinkMap map;
  record.members_known = false;
  if (!map_file.empty()) {
    if (const Result<std::string> text = read_text(map_file)) {
      map = parse_link_map(*text);
      record.members_known = true;
    }
  }
  InputCollector collector(call.config, map, lto, record);
  for (const std::string &input : map.loads.empty() ? command.inputs : map.loads) collector.take(input);
  if (Result<std::string> content = ObjectStore(call.config.store()).add_file(record.output))
    record.output_content = std::move(*content);
  mark_unread(record.output);
  (void)write_record(call.config.records(), record);  // the driver notices a link that it does not find
}

bool is_probe_output(const LdCommand &command) {
  const fs::path path = output_path(command);
  const std::string text = path.string();
  return path.filename().string().starts_with("conftest") || text.find("/CMakeTmp/") != std::string::npos ||
         text.find("/CMakeScratch/") != std::string::npos || text.find("/meson-private/") != std::string::npos ||
         text.find("/CompilerIdC") != std::string::npos || text.starts_with("/dev/");
}

// Nobody uses what it would make: true when that is brought up to date without it.
bool is_spared(const ShimCall &call, const LdCommand &command) {
  LinkRecord record;
  record.output = output_path(command).string();
  const auto unused = call.config.unused_outputs.find(record.output);
  if (unused == call.config.unused_outputs.end() || command.makes_more) return false;
  if (!spare_link(record.output, unused->second, call.config.store())) return false;
  record.kind = command.kind;
  record.output_content = unused->second;
  record.spared = true;
  return write_record(call.config.records(), record).has_value();
}

}  // namespace

int run_linker(const ShimCall &call) {
  std::vector<std::string> expanded = expand_response_files(call.args);
  const LdCommand command = parse_ld_command(expanded);
  if (!command.links || is_probe_output(command)) become_tool(call);
  if (is_spared(call, command)) return 0;
  std::vector<std::string> args = call.args;
  std::string map_file = command.map_file.value_or("");
  const std::string our_map = (call.config.tmp() / cat(::getpid(), ".map")).string();
  if (map_file.empty() && !command.prints_map) {
    map_file = our_map;
    args.push_back(cat("-Map=", our_map));
  }
  std::vector<std::string> environment = call.environment;
  set_variable(environment, kActiveVariable, "1");  // LTO calls the compiler from within the linker
  LtoObjects lto(call);
  lto.ask_for(args, environment);
  const int status = run_tool(call, args, environment, "");
  if (status == 0) note_link(call, command, map_file, lto, std::move(expanded));
  ::unlink(our_map.c_str());
  return status;
}

}  // namespace suture
