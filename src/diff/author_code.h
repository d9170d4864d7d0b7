// What a patch's author declared with suture/patch.h: hooks are pointers in sections of a fixed name, what the header itself
// defines has fixed names. Hooks come along although nothing in the patch refers to them.
#pragma once

#include "diff/binder.h"

namespace suture {

// What runs hooks and what it counts in, as suture/patch.h names them.
inline constexpr const char *kHookRunner = "suture_run_hook_";
inline constexpr const char *kHookCounts = "suture_hook_counts_";

struct AuthorHook {
  Hook::Kind kind = Hook::Kind::pre_apply;
  Place function;  // in post
  uint64_t offset = 0;
};

// The hooks that the fix declares, in link order. Refused when a declaration is not understood.
Result<std::vector<AuthorHook>> find_hooks(const DiffInput &input);

// Makes the binder carry them and what runs them; before it binds.
Status carry_hooks(const DiffInput &input, const std::vector<AuthorHook> &hooks, Binder &binder);

// How the patch's pieces serve as author code; when all is bound.
PatchAuthorCode describe_author_code(const DiffInput &input, const std::vector<AuthorHook> &hooks, const Binder &binder);

// "a pre-apply hook", for a function that is one; else empty.
std::string hook_reason(const std::vector<AuthorHook> &hooks, const Place &function);

}  // namespace suture
