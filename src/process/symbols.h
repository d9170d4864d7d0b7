// Dynamic symbols of a running process, looked up in its memory as its own loader would: in the loader's order, version
// aware. Bounded: a hostile table costs a refusal, never unbounded work.
#pragma once

#include <string>
#include <vector>

#include "process/modules.h"

namespace suture {

struct SymbolQuery {
  std::string name;
  std::string version;  // empty: the default version
};

// Address of the symbol; nullopt when no module defines it. Refused for thread-local symbols and for IFUNC symbols that
// no module has bound yet.
Result<std::optional<RunAddr>> find_symbol(const Process &process, const std::vector<Module> &modules,
                                           const std::optional<LoaderView> &loader, const SymbolQuery &query);
// The same in one module.
Result<std::optional<RunAddr>> find_symbol_in(const Process &process, const std::vector<Module> &modules,
                                              const Module &module, const SymbolQuery &query);

}  // namespace suture
