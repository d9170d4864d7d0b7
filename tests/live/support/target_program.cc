#include "support/target_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/byte_writer.h"
#include "base/file.h"
#include "elf/read_image.h"

extern char **environ;

namespace suture {

std::string TargetProgram::path_of(const std::string &name) {
  return name.starts_with('/') ? name : std::string(SUTURE_LIVE_TARGETS) + "/" + name;
}

TargetProgram::TargetProgram(const std::string &name, const std::vector<std::string> &arguments) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
  to_ = Fd(in[1]);
  from_ = Fd(out[0]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const std::string path = path_of(name);
  std::vector<char *> argv = {const_cast<char *>(path.c_str())};
  for (const std::string &argument : arguments) argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  if (::posix_spawn(&pid_, path.c_str(), &actions, nullptr, argv.data(), environ) != 0)
    std::abort();  // no pid to send signals to
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  const std::string first = read_line();
  supported_ = first != "unsupported";
  if (supported_) {
    EXPECT_EQ(first, "ready") << path;
  }
}

TargetProgram::~TargetProgram() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string TargetProgram::read_line() {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    pollfd wait{from_.get(), POLLIN, 0};
    constexpr int kPatienceMs = 20000;
    if (::poll(&wait, 1, kPatienceMs) <= 0) return {};
    char bytes[4096];
    const ssize_t got = ::read(from_.get(), bytes, sizeof bytes);
    if (got <= 0) return {};
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

std::map<std::string, long> TargetProgram::ask(const std::string &line) {
  std::map<std::string, long> out;
  const std::string text = line + "\n";
  if (::write(to_.get(), text.data(), text.size()) < 0) return out;
  std::istringstream words(read_line());
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) out[word.substr(0, equals)] = std::atol(word.c_str() + equals + 1);
  }
  return out;
}

bool TargetProgram::makes_progress() {
  const long before = ask("report")["calls"];
  constexpr int kTries = 2000;
  for (int i = 0; i < kTries; ++i) {
    if (ask("report")["calls"] > before) return true;
    ::usleep(1000);
  }
  return false;
}

bool TargetProgram::alive() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

std::string TargetProgram::maps() const {
  const Result<std::string> text = read_text("/proc/" + std::to_string(pid_) + "/maps");
  return text ? *text : std::string();
}

namespace {

Bytes return_value(int value) {
  Bytes code = {0xb8, 0, 0, 0, 0, 0xc3};  // mov eax, value; ret
  store<int32_t>(code, 1, value);
  return code;
}

const ImageSymbol *find_symbol(const Image &image, const std::string &name) {
  for (const ImageSymbol &symbol : image.symbols)
    if (symbol.name == name && symbol.defined) return &symbol;
  return nullptr;
}

struct NewFunction {
  uint64_t begin = 0;
  uint64_t size = 0;
  bool has_frame = false;  // of 8 bytes, from its first instruction (4 bytes) to the add before its last
};

// One CIE (CFA is rsp + 8) and one FDE a function.
Bytes frame_information(uint64_t at, const std::vector<NewFunction> &functions) {
  ByteWriter out;
  const Bytes cie = {0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0};
  out.u32(static_cast<uint32_t>(cie.size()));
  out.append(cie);
  for (const NewFunction &function : functions) {
    out.u32(20);
    out.u32(static_cast<uint32_t>(out.size()));  // back to the CIE at 0
    out.u32(static_cast<uint32_t>(function.begin - (at + out.size())));
    out.u32(static_cast<uint32_t>(function.size));
    // no augmentation data; advance 4, CFA offset 16; advance to the ret, CFA offset 8
    const uint8_t to_ret = static_cast<uint8_t>(0x40 | (function.size - 5));
    if (function.has_frame)
      out.append(Bytes{0, 0x44, 0x0e, 16, to_ret, 0x0e, 8, 0});
    else
      out.zeros(8);
  }
  out.u32(0);
  return std::move(out).take();
}

constexpr size_t kCallFieldOffset = 5;
// sub rsp, 8; call target; add rsp, 8; ret
Bytes call_through(uint64_t at, uint64_t target) {
  Bytes code = {0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x08, 0xc3};
  store<uint32_t>(code, kCallFieldOffset, static_cast<uint32_t>(target - (at + kCallFieldOffset + 4)));
  return code;
}

}  // namespace

HotImage make_hot_image(const std::string &target, const std::string &patch_id,
                        const std::vector<Replacement> &replacements) {
  const Result<Image> image = read_elf_image_file(TargetProgram::path_of(target));
  EXPECT_TRUE(image.has_value()) << (image ? "" : image.error().text());
  HotImage out;
  out.patch_id = patch_id;
  out.arch = ArchId::x86_64;
  out.base_id = image->id;
  out.base_digest = image->digest;
  out.base_path = image->path;
  out.base_span = image->span();
  out.base_fixed = image->fixed;
  HotSegment text;
  text.executable = true;
  text.bytes.resize(kHotHeaderBytes);
  std::vector<NewFunction> functions;
  for (const Replacement &replacement : replacements) {
    const ImageSymbol *symbol = find_symbol(*image, replacement.symbol);
    EXPECT_NE(symbol, nullptr) << replacement.symbol;
    if (symbol == nullptr) continue;
    text.bytes.resize((text.bytes.size() + 15) / 16 * 16, 0xcc);
    Bytes code = replacement.code.empty() ? return_value(replacement.value) : replacement.code;
    if (!replacement.calls.empty()) {
      const ImageSymbol *called = find_symbol(*image, replacement.calls);
      EXPECT_NE(called, nullptr) << replacement.calls;
      if (called != nullptr) code = call_through(text.bytes.size(), called->address.value);
      out.fixups.push_back({Fixup::Kind::base_rel32, PatchOffset(text.bytes.size() + kCallFieldOffset), 0});
    }
    Redirect redirect;
    redirect.name = replacement.symbol;
    redirect.old_entry = symbol->address;
    redirect.site = symbol->address;
    redirect.room_bytes = static_cast<uint32_t>((symbol->size_bytes + 15) / 16 * 16);
    redirect.old_parts = {{symbol->address, symbol->size_bytes}};
    redirect.target = PatchOffset(text.bytes.size());
    redirect.new_size_bytes = code.size();
    functions.push_back({text.bytes.size(), code.size(), !replacement.calls.empty()});
    text.bytes.insert(text.bytes.end(), code.begin(), code.end());
    Validation validation;
    validation.range = {symbol->address, symbol->size_bytes};
    const ByteView expected = image->at(symbol->address, symbol->size_bytes);
    validation.expected.assign(expected.begin(), expected.end());
    out.validations.push_back(std::move(validation));
    out.redirects.push_back(std::move(redirect));
  }
  text.bytes.resize((text.bytes.size() + 15) / 16 * 16, 0xcc);
  out.eh_frame = PatchOffset(text.bytes.size());
  const Bytes frames = frame_information(out.eh_frame.value, functions);
  out.eh_frame_bytes = frames.size();
  const ImageSymbol *add = find_symbol(*image, "__register_frame_info"), *remove = find_symbol(*image, "__deregister_frame_info");
  if (add != nullptr && remove != nullptr) out.unwinder = OwnUnwinder{add->address, remove->address};
  text.bytes.insert(text.bytes.end(), frames.begin(), frames.end());
  text.memory_bytes = text.bytes.size();
  out.segments.push_back(std::move(text));
  return out;
}

}  // namespace suture
