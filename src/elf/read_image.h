// ELF executable or shared object -> Image. The bytes are not trusted: every read is bounds-checked, counts are limited.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "model/image.h"

namespace suture {

// Takes ownership of the bytes (they stay in Image::bytes).
Result<Image> read_elf_image(Bytes bytes, std::string path);
Result<Image> read_elf_image_file(const std::filesystem::path &path);
// Of many files, for their names: without digest, relocations, PLT, full symbol table and unwind ranges.
Result<Image> read_elf_outline_file(const std::filesystem::path &path);

}  // namespace suture
