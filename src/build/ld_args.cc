#include "build/ld_args.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace suture {
namespace {

namespace fs = std::filesystem;

// Options whose value is the next word; those with one or two dashes alike are listed without dashes.
constexpr std::array kSeparateValue = {"A",
                                       "F",
                                       "G",
                                       "I",
                                       "R",
                                       "T",
                                       "Tbss",
                                       "Tdata",
                                       "Tldata-segment",
                                       "Trodata-segment",
                                       "Ttext",
                                       "Ttext-segment",
                                       "Y",
                                       "a",
                                       "architecture",
                                       "assert",
                                       "auxiliary",
                                       "b",
                                       "c",
                                       "default-script",
                                       "defsym",
                                       "dT",
                                       "dynamic-linker",
                                       "dynamic-list",
                                       "e",
                                       "entry",
                                       "exclude-libs",
                                       "f",
                                       "filter",
                                       "fini",
                                       "format",
                                       "h",
                                       "init",
                                       "m",
                                       "mri-script",
                                       "oformat",
                                       "plugin",
                                       "plugin-opt",
                                       "retain-symbols-file",
                                       "rpath",
                                       "rpath-link",
                                       "script",
                                       "section-start",
                                       "soname",
                                       "sort-section",
                                       "sysroot",
                                       "undefined",
                                       "u",
                                       "require-defined",
                                       "version-script",
                                       "wrap",
                                       "y",
                                       "trace-symbol",
                                       "z",
                                       "hash-size",
                                       "just-symbols",
                                       "dependency-file",
                                       "out-implib",
                                       "thread-count",
                                       "task-link",
                                       "split-by-reloc",
                                       "split-by-file",
                                       "why-extract",
                                       "mllvm",
                                       "dyld-prefix",
                                       "image-base",
                                       "symbol-ordering-file",
                                       "version-exports-section"};

// The starts of options that make ld write more than its output, to a file or to the terminal.
constexpr std::string_view kMakesMore[] = {"dependency-file", "out-implib", "trace", "verbose", "stats", "print-", "cref", "time-", "save-temps"};

class Parser {
 public:
  explicit Parser(const std::vector<std::string> &args) : args_(args) {}

  LdCommand parse() {
    for (size_t i = 0; i < args_.size(); ++i) i = take_word(i);
    command_.links = !informs_only_ && !command_.inputs.empty();
    command_.makes_more = command_.makes_more || command_.map_file || command_.prints_map;
    return command_;
  }

 private:
  size_t take_word(size_t i) {
    const std::string &word = args_[i];
    if (word.empty()) return i;
    if (word[0] != '-' || word == "-") {
      command_.inputs.push_back(word);
      return i;
    }
    const std::string_view name = std::string_view(word).substr(word.starts_with("--") ? 2 : 1);
    const bool has_next = i + 1 < args_.size();
    if (std::any_of(std::begin(kMakesMore), std::end(kMakesMore), [&](std::string_view option) { return name.starts_with(option); }))
      command_.makes_more = true;
    if (const std::optional<std::string> joined = joined_value(name, "o", "output", word)) {
      if (!joined->empty()) return command_.output = *joined, i;
      if (has_next) command_.output = args_[i + 1];
      return i + 1;
    }
    if (name == "Map") {
      if (has_next) command_.map_file = args_[i + 1];
      return i + 1;
    }
    if (name.starts_with("Map=")) return command_.map_file = name.substr(4), i;
    if (name == "L" || name == "library-path" || name == "l" || name == "library") {
      if (has_next) take_library_word(name[0] == 'L' || name == "library-path" ? 'L' : 'l', args_[i + 1]);
      return i + 1;
    }
    if (std::find(kSeparateValue.begin(), kSeparateValue.end(), name) != kSeparateValue.end()) return i + 1;
    take_switch(word, name);
    return i;
  }

  // The value of -oX, --output=X; empty when it is the next word; nothing when `name` is another option.
  static std::optional<std::string> joined_value(std::string_view name, std::string_view brief, std::string_view full,
                                                 const std::string &word) {
    if (name == brief || name == full) return std::string();
    if (name.starts_with(std::string(full) + "=")) return std::string(name.substr(full.size() + 1));
    // ld takes -oX, except that -omagic and -oformat are options of their own.
    if (!word.starts_with("--") && name.starts_with(brief) && name != "omagic" && !name.starts_with("oformat"))
      return std::string(name.substr(brief.size()));
    return std::nullopt;
  }

  void take_switch(const std::string &word, std::string_view name) {
    if (name == "shared" || name == "Bshareable") command_.kind = LinkKind::shared;
    if (word == "-r" || word == "-i" || name == "relocatable" || name == "Ur") command_.kind = LinkKind::relocatable;
    if (word == "-M" || name == "print-map") command_.prints_map = true;
    if (name == "Bstatic" || name == "static" || name == "dn" || name == "non_shared") shared_libraries_ = false;
    if (name == "Bdynamic" || name == "dy" || name == "call_shared") shared_libraries_ = true;
    if (name == "help" || name == "version") informs_only_ = true;
    if (name.starts_with("library-path="))
      take_library_word('L', std::string(name.substr(13)));
    else if (name.starts_with("library="))
      take_library_word('l', std::string(name.substr(8)));
    else if (word.starts_with("-L"))
      take_library_word('L', word.substr(2));
    else if (word.starts_with("-l") && !word.starts_with("-lto"))
      take_library_word('l', word.substr(2));
  }

  void take_library_word(char option, const std::string &value) {
    if (option == 'L') {
      folders_.push_back(value);
      return;
    }
    // -L applies to every -l, wherever it stands (ld's manual); gcc puts its own -L first anyway, so one pass will do.
    for (const std::string &folder : folders_) {
      std::vector<std::string> names;
      if (value.starts_with(":")) {
        names = {value.substr(1)};
      } else {
        if (shared_libraries_) names.push_back("lib" + value + ".so");
        names.push_back("lib" + value + ".a");
      }
      for (const std::string &name : names) {
        std::error_code error;
        const fs::path path = fs::path(folder) / name;
        if (!fs::is_regular_file(path, error)) continue;
        command_.inputs.push_back(path.string());
        return;
      }
    }
  }

  const std::vector<std::string> &args_;
  LdCommand command_;
  std::vector<std::string> folders_;
  bool shared_libraries_ = true;
  bool informs_only_ = false;
};

}  // namespace

LdCommand parse_ld_command(const std::vector<std::string> &args) {
  return Parser(args).parse();
}

}  // namespace suture
