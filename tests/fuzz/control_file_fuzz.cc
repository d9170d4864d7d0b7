// Any text as a control file: refused, or fields that are there.
#include "debian/control_file.h"

#include <cstdlib>

#include "debian/version.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text = as_text({data, size});
  const auto stanzas = parse_control(text);
  if (stanzas)
    for (const Stanza &stanza : *stanzas) {
      if (stanza.empty()) std::abort();
      for (const std::string &word : words_of(stanza.get("binary")))
        if (word.empty()) std::abort();
    }
  const std::string_view half = text.substr(0, size / 2), rest = text.substr(size / 2);
  if ((compare_versions(half, rest) < 0) != (compare_versions(rest, half) > 0)) std::abort();
  if (const auto name = parse_source_name(text); name && name->source.find('/') != std::string::npos) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  const std::string control = "Package: redis\nBinary: a,\n b\n\nPackage: x\n", name = "redis=5:7.0.15-1~deb12u7";
  return {Bytes(control.begin(), control.end()), Bytes(name.begin(), name.end())};
}
