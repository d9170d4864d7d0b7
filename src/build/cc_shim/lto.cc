#include "build/cc_shim/lto.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "base/cat.h"
#include "build/subprocess.h"

namespace suture {
namespace {

namespace fs = std::filesystem;

constexpr const char *kGccOptions = "COLLECT_GCC_OPTIONS";
constexpr std::string_view kLtoOption = "'-flto";
constexpr std::string_view kDumpFolder = "'-dumpdir' '";
constexpr std::string_view kClangObject = "object";

// The number in "ltrans12.ltrans.o" or "object12": names are made by counting, and 10 comes after 9.
uint64_t number_in(const std::string &name) {
  const size_t digit = name.find_first_of("0123456789");
  uint64_t number = 0;
  for (size_t i = digit; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i) number = number * 10 + static_cast<uint64_t>(name[i] - '0');
  return number;
}

// gcc: ltransN.ltrans.o of a partition, lto.o where there are none (-flto-partition=none); clang: what we called it.
bool is_machine_code(const std::string &name) {
  return name.ends_with(".ltrans.o") || name == "lto.o" || name == ".lto.o" || name.starts_with(kClangObject);
}

}  // namespace

LtoObjects::LtoObjects(const ShimCall &call) : call_(call), folder_(call.config.tmp() / cat("lto-", ::getpid())) {}

LtoObjects::~LtoObjects() {
  std::error_code ignored;  // what cannot be removed lies in our own folder
  fs::remove_all(folder_, ignored);
}

void LtoObjects::ask_for(std::vector<std::string> &args, std::vector<std::string> &environment) {
  bool gcc_plugin = false, clang_plugin = false, clang_options = false, placed = false;
  for (const std::string &word : args) {
    gcc_plugin |= word.find("liblto_plugin") != std::string::npos;
    clang_plugin |= word.find("LLVMgold") != std::string::npos;
    clang_options |= word.find("plugin-opt=mcpu=") != std::string::npos || word.find("plugin-opt=O") != std::string::npos;
    placed |= word.find("obj-path=") != std::string::npos;
  }
  const bool clang = (clang_plugin || clang_options) && !placed;
  if (!gcc_plugin && !clang) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return;  // the link is made all the same; its objects are then found to be missing
  if (clang) ask_clang(args, clang_plugin);
  else ask_gcc(environment);
}

// The plugin and lto-wrapper read the driver's options there. Both look at the last -dumpdir, and the plugin only where it ends the list.
void LtoObjects::ask_gcc(std::vector<std::string> &environment) {
  std::string options = get_variable(environment, kGccOptions);
  if (options.empty()) return;
  if (options.find(kLtoOption) != std::string::npos) wait_for_turn();
  const size_t last = options.rfind(kDumpFolder);
  if (last != std::string::npos) options.resize(last);
  for (const char *flag : kSectionFlags) options += cat(" '", flag, "'");
  options += cat(" '-save-temps' ", kDumpFolder, folder_.string(), "/'");
  set_variable(environment, kGccOptions, options);
  set_variable(environment, "TMPDIR", folder_.string());  // where lto-wrapper now keeps its makefiles, too
}

// A lto-wrapper that keeps its files keeps some beside the objects, named by them: two links of one object at a time would take them
// away from each other. Such a link uses all processors by itself.
void LtoObjects::wait_for_turn() {
  turn_ = Fd(::open((call_.config.tmp() / "lto.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (turn_) (void)::flock(turn_.get(), LOCK_EX);
}

void LtoObjects::ask_clang(std::vector<std::string> &args, bool own_plugin) {
  args.push_back(cat("-plugin-opt=obj-path=", (folder_ / kClangObject).string()));
  // lld does so by itself.
  if (own_plugin) args.insert(args.end(), {"-plugin-opt=-function-sections", "-plugin-opt=-data-sections"});
}

std::vector<fs::path> LtoObjects::made() const {
  std::vector<fs::path> out;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder_, error))
    if (is_machine_code(entry.path().filename().string())) out.push_back(entry.path());
  std::sort(out.begin(), out.end(), [](const fs::path &a, const fs::path &b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return std::pair(number_in(x), x) < std::pair(number_in(y), y);
  });
  return out;
}

bool LtoObjects::is_left_over(const std::string &path) { return path.ends_with(".debug.temp.o"); }

bool LtoObjects::holds(const fs::path &path) const { return path.parent_path() == folder_; }

}  // namespace suture
