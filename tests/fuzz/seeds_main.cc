// In a libFuzzer build: SUTURE_FUZZ_SEEDS=FOLDER makes the program write its own seeds there before it fuzzes.
#include <cstdlib>
#include <filesystem>

#include "base/cat.h"
#include "base/file.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerInitialize(int * /*argc*/, char *** /*argv*/) {
  const char *folder = std::getenv("SUTURE_FUZZ_SEEDS");
  if (folder == nullptr || suture_fuzz_seeds == nullptr) return 0;
  int number = 0;
  for (const suture::Bytes &seed : suture_fuzz_seeds()) {
    const auto path = std::filesystem::path(folder) / suture::cat("seed-", number++);
    if (!suture::write_file_atomic(path, seed)) std::abort();
  }
  return 0;
}
