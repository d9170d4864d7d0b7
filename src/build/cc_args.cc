#include "build/cc_args.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "base/file.h"

namespace suture {
namespace {

constexpr int kMaxResponseDepth = 16;
constexpr size_t kMaxArguments = 1u << 20;
constexpr uint64_t kMaxResponseBytes = 64u << 20;

// Options whose value is the next word. An option missing here would make its value look like an input file, so this
// lists those of gcc and clang together; none of them is a plain switch in the other.
constexpr std::array kSeparateValue = {"-A",
                                       "-B",
                                       "-D",
                                       "-G",
                                       "-I",
                                       "-L",
                                       "-MF",
                                       "-MJ",
                                       "-MQ",
                                       "-MT",
                                       "-R",
                                       "-T",
                                       "-U",
                                       "-V",
                                       "-Xanalyzer",
                                       "-Xassembler",
                                       "-Xclang",
                                       "-Xlinker",
                                       "-Xpreprocessor",
                                       "-arch",
                                       "-aux-info",
                                       "-b",
                                       "-cxx-isystem",
                                       "-dumpbase",
                                       "-dumpbase-ext",
                                       "-dumpdir",
                                       "-e",
                                       "-framework",
                                       "-h",
                                       "-idirafter",
                                       "-imacros",
                                       "-imultilib",
                                       "-include",
                                       "-include-pch",
                                       "-iprefix",
                                       "-iquote",
                                       "-isysroot",
                                       "-isystem",
                                       "-ivfsoverlay",
                                       "-iwithprefix",
                                       "-iwithprefixbefore",
                                       "-iwithsysroot",
                                       "-l",
                                       "-mllvm",
                                       "-o",
                                       "-rpath",
                                       "-specs",
                                       "-stdlib++-isystem",
                                       "-target",
                                       "-u",
                                       "-working-directory",
                                       "-wrapper",
                                       "-x",
                                       "-z",
                                       "--assert",
                                       "--define-macro",
                                       "--include-directory",
                                       "--output",
                                       "--param",
                                       "--prefix",
                                       "--specs",
                                       "--sysroot",
                                       "--undefine-macro",
                                       "-gcc-toolchain",
                                       "--gcc-toolchain"};

bool takes_next_word(std::string_view option) {
  return std::find(kSeparateValue.begin(), kSeparateValue.end(), option) != kSeparateValue.end();
}

InputKind kind_of_suffix(std::string_view path) {
  static const std::map<std::string, InputKind, std::less<>> kinds = [] {
    std::map<std::string, InputKind, std::less<>> map;
    for (const char *suffix :
         {"c",   "i",   "cc",  "cp",  "cxx", "cpp", "CPP", "c++", "C",   "ii",  "m",   "mi",  "mm",
          "mii", "M",   "f",   "for", "ftn", "F",   "FOR", "fpp", "FPP", "FTN", "f90", "f95", "f03",
          "f08", "F90", "F95", "F03", "F08", "go",  "d",   "adb", "ads", "bc",  "ll",  "cu",  "cppm"})
      map[suffix] = InputKind::source;
    for (const char *suffix : {"s", "S", "sx", "asm"}) map[suffix] = InputKind::assembler;
    for (const char *suffix : {"h", "H", "hh", "hp", "hxx", "hpp", "HPP", "h++", "tcc"})
      map[suffix] = InputKind::header;
    return map;
  }();
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return InputKind::linked;
  const auto found = kinds.find(name.substr(dot + 1));
  return found == kinds.end() ? InputKind::linked : found->second;
}

InputKind kind_of_language(std::string_view language, std::string_view path) {
  if (language.empty() || language == "none") return kind_of_suffix(path);
  if (language.ends_with("-header") || language.ends_with("-header-unit")) return InputKind::header;
  if (language.starts_with("assembler")) return InputKind::assembler;
  return InputKind::source;
}

// Options which make the compiler read or write files that the compile cache does not know of.
bool defeats_cache(std::string_view option) {
  for (const std::string_view prefix : {"-save-temps",
                                        "--save-temps",
                                        "-fdump-",
                                        "-fprofile-",
                                        "-fbranch-probabilities",
                                        "-fauto-profile",
                                        "-fplugin",
                                        "-load",
                                        "-fopt-info",
                                        "-fsave-optimization-record",
                                        "-ftime-",
                                        "-Wa,-a",
                                        "-MG",
                                        "-MJ",
                                        "-aux-info",
                                        "-fcallgraph-info",
                                        "-fmodules",
                                        "-fmodule",
                                        "-specs",
                                        "--specs",
                                        "-wrapper",
                                        "-fxray",
                                        "-fcs-profile",
                                        "-v",
                                        "-###",
                                        "-H",
                                        "-Q",
                                        "-include-pch",
                                        "-fpch"})
    if (option.starts_with(prefix) && !(prefix == "-v" && option != "-v") && !(prefix == "-H" && option != "-H") &&
        !(prefix == "-Q" && option != "-Q"))
      return true;
  return false;
}

std::string stem_of(const std::string &path) {
  const std::string name = std::filesystem::path(path).filename().string();
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string> &args) : args_(args) {}

  CcCommand parse() {
    if (!args_.empty() && (args_[0] == "-cc1" || args_[0] == "-cc1as")) {
      command_.cc1 = true;
      return command_;
    }
    for (size_t i = 0; i < args_.size(); ++i) i = take_word(i);
    command_.step = !informs_only_ && !command_.inputs.empty() ? step_ : CcStep::none;
    return command_;
  }

 private:
  // Handles the word at `i` and its value; returns the index of the last word used.
  size_t take_word(size_t i) {
    const std::string &word = args_[i];
    if (after_options_ || word == "-" || word.empty() || word[0] != '-') {
      if (!word.empty()) command_.inputs.push_back({word, kind_of_language(language_, word)});
      return i;
    }
    if (word == "--") {
      after_options_ = true;
      return i;
    }
    const bool has_next = i + 1 < args_.size();
    if (takes_next_word(word)) {
      if (has_next) take_value(word, args_[i + 1]);
      if (defeats_cache(word)) command_.uncacheable = true;
      return has_next ? i + 1 : i;
    }
    take_option(word);
    return i;
  }

  void take_value(std::string_view option, const std::string &value) {
    if (option == "-o" || option == "--output") command_.output = value;
    if (option == "-x") language_ = value;
    if (option == "-MF") command_.dependency_file = value;
    if (option == "-Xpreprocessor" && value.starts_with("-M")) command_.uncacheable = true;
    if (option == "-Xclang") command_.uncacheable = true;  // may name any file
  }

  void take_option(std::string_view word) {
    if (word == "-E" || word == "-M" || word == "-MM") reach(CcStep::preprocess);
    if (word == "-fsyntax-only" || word == "--analyze") reach(CcStep::syntax_only);
    if (word == "-S") reach(CcStep::assembly);
    if (word == "-c") reach(CcStep::object);
    if (word == "-###" || word == "--help" || word.starts_with("--help=") || word == "--version" ||
        word.starts_with("-print-") || word.starts_with("--print-") || word == "-dumpmachine" ||
        word == "-dumpversion" || word == "-dumpspecs" || word == "-dumpfullversion")
      informs_only_ = true;
    if (word.starts_with("-o") && word.size() > 2 && !word.starts_with("-object")) command_.output = word.substr(2);
    if (word.starts_with("--output=")) command_.output = word.substr(9);
    if (word.starts_with("-x") && word.size() > 2) language_ = word.substr(2);
    if (word == "-MD" || word == "-MMD") note_dependencies(word == "-MMD");
    if (word.starts_with("-MF") && word.size() > 3) command_.dependency_file = word.substr(3);
    if (word.starts_with("-Wp,")) take_preprocessor_words(word.substr(4));
    if (word == "-flto" || (word.starts_with("-flto=") && word != "-flto=none")) command_.lto = true;
    if (word == "-fno-lto") command_.lto = false;
    if (word == "-fstack-usage") command_.stack_usage = true;
    if (word.starts_with("-gsplit-dwarf")) command_.split_dwarf = true;
    if (word == "--coverage" || word == "-coverage" || word == "-ftest-coverage") command_.coverage_notes = true;
    if (defeats_cache(word)) command_.uncacheable = true;
  }

  // -Wp,-MD,file is handed to the preprocessor, where -MD takes the file as its value.
  void take_preprocessor_words(std::string_view list) {
    std::vector<std::string> words;
    for (size_t at = 0; at <= list.size();) {
      const size_t comma = std::min(list.find(',', at), list.size());
      words.emplace_back(list.substr(at, comma - at));
      at = comma + 1;
    }
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != "-MD" && words[i] != "-MMD") continue;
      note_dependencies(words[i] == "-MMD");
      if (i + 1 < words.size()) command_.dependency_file = words[++i];
    }
  }

  // NOLINTNEXTLINE: the flag is the fact itself
  void note_dependencies(bool skips_system) {
    command_.writes_dependencies = true;
    command_.skips_system_headers = skips_system;
  }

  // The earliest step named wins, as in gcc: -E over -S over -c.
  void reach(CcStep step) { step_ = std::min(step_, step); }

  const std::vector<std::string> &args_;
  CcCommand command_;
  CcStep step_ = CcStep::link;
  std::string language_;
  bool informs_only_ = false;
  bool after_options_ = false;
};

void expand_into(const std::vector<std::string> &args, int depth, std::vector<std::string> &out) {
  for (const std::string &arg : args) {
    if (out.size() >= kMaxArguments) return;
    if (arg.size() > 1 && arg[0] == '@' && depth < kMaxResponseDepth) {
      const Result<std::string> text = read_text(arg.substr(1), kMaxResponseBytes);
      if (text) {
        expand_into(split_response_text(*text), depth + 1, out);
        continue;
      }
    }
    out.push_back(arg);
  }
}

}  // namespace

std::vector<std::string> CcCommand::sources() const {
  std::vector<std::string> out;
  for (const CcInput &input : inputs)
    if (input.kind != InputKind::linked) out.push_back(input.path);
  return out;
}

std::string CcCommand::object_path() const {
  if (output) return *output;
  for (const CcInput &input : inputs)
    if (input.kind != InputKind::linked) return stem_of(input.path) + ".o";
  return {};
}

std::string CcCommand::dependency_path() const {
  if (dependency_file) return *dependency_file;
  if (!output) return inputs.empty() ? std::string() : stem_of(inputs.front().path) + ".d";
  return (std::filesystem::path(*output).parent_path() / (stem_of(*output) + ".d")).string();
}

std::vector<std::string> split_response_text(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {  // libiberty's buildargv: a backslash quotes anything, also inside quotes
      word += text[++i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_word) words.push_back(word);
  return words;
}

std::vector<std::string> expand_response_files(const std::vector<std::string> &args) {
  std::vector<std::string> out;
  expand_into(args, 0, out);
  return out;
}

CcCommand parse_cc_command(const std::vector<std::string> &args) {
  return Parser(args).parse();
}

bool is_probe(std::string_view cwd, const CcCommand &command) {
  for (const CcInput &input : command.inputs) {
    const std::filesystem::path path = std::filesystem::path(cwd) / input.path;
    if (path.filename().string().starts_with("conftest")) return true;  // autoconf
    const std::string text = path.lexically_normal().string();
    // CMake's try_compile and compiler identification, meson's checks.
    for (const std::string_view folder :
         {"/CMakeFiles/CMakeTmp/", "/CMakeFiles/CMakeScratch/", "/CompilerIdC/", "/CompilerIdCXX/", "/meson-private/"})
      if (text.find(folder) != std::string::npos) return true;
  }
  return false;
}

}  // namespace suture
