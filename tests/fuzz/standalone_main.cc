// Runs a fuzz target without libFuzzer, the same way each time: seeds, corpus files, and mutations of both.
// Usage: PROGRAM [CORPUS_FOLDER] [MUTATIONS]. A crash names the input by a file in the working folder.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "fuzz.h"

namespace {

using suture::Bytes;
using Random = std::mt19937_64;

Bytes current;

void save_and_die(int signal) {
  // Not async-signal-safe; the process is lost anyway and the input is what we are here for.
  if (FILE *file = std::fopen("fuzz-crash.bin", "wb")) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
    std::fputs("crashing input saved as fuzz-crash.bin\n", stderr);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

size_t below(Random &random, size_t limit) {
  return static_cast<size_t>(random() % limit);
}

// Values at which length and offset arithmetic goes wrong.
constexpr uint64_t kInteresting[] = {0,      1,          0x7f,       0x80,      0xff,      0x7fff,
                                     0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};

void mutate_once(Random &random, Bytes &bytes) {
  if (bytes.empty()) bytes.push_back(0);
  const size_t at = below(random, bytes.size());
  switch (below(random, 6)) {
    case 0:
      bytes[at] = static_cast<uint8_t>(random());
      break;
    case 1:
      bytes[at] ^= static_cast<uint8_t>(1u << below(random, 8));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
      break;
    case 4:
      bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at));
      break;
    default: {
      const uint64_t value = kInteresting[below(random, std::size(kInteresting))];
      const size_t width = size_t{1} << below(random, 4);
      for (size_t i = 0; i < width && at + i < bytes.size(); ++i)
        bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
    }
  }
}

void run(const Bytes &input) {
  current = input;
  (void)LLVMFuzzerTestOneInput(current.data(), current.size());
}

}  // namespace

int main(int argc, char **argv) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, save_and_die);
  std::vector<Bytes> inputs{{}};
  if (suture_fuzz_seeds != nullptr)
    for (Bytes &seed : suture_fuzz_seeds()) inputs.push_back(std::move(seed));
  if (argc > 1 && std::filesystem::is_directory(argv[1])) {
    for (const auto &entry : std::filesystem::directory_iterator(argv[1])) {
      auto bytes = suture::read_file(entry.path());
      if (bytes) inputs.push_back(std::move(*bytes));
    }
  }
  for (const Bytes &input : inputs) run(input);

  constexpr int kDefaultMutations = 5000;
  const int mutations = argc > 2 ? std::atoi(argv[2]) : kDefaultMutations;
  Random random(20240229);
  for (int i = 0; i < mutations; ++i) {
    Bytes input = inputs[below(random, inputs.size())];
    for (size_t count = 1 + below(random, 6); count > 0; --count) mutate_once(random, input);
    run(input);
  }
  std::printf("%zu inputs and %d mutations of them\n", inputs.size(), mutations);
  return 0;
}
