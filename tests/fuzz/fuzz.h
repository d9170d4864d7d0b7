// What a fuzz program offers beside LLVMFuzzerTestOneInput: inputs made by the program itself, which, unlike files,
// stay valid when a format changes.
#pragma once

#include <vector>

#include "base/bytes.h"

// Weak: a fuzz program need not define it.
__attribute__((weak)) std::vector<suture::Bytes> suture_fuzz_seeds();

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
