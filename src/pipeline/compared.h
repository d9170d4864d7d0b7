// The two builds of one image, side by side.
#pragma once

#include <set>
#include <string>

#include "arch/arch.h"
#include "diff/code_cache.h"
#include "diff/compare.h"
#include "diff/program.h"
#include "diff/twins.h"
#include "pipeline/load_objects.h"

namespace suture {

struct Compared {
  // `left`: names of changed functions that stay as they are.
  Compared(const LinkedObjects &objects, const Arch &arch, const std::set<std::string> &left)
      : pre(Program::make(objects.pre)),
        post(Program::make(objects.post)),
        pre_code(pre, arch),
        post_code(post, arch),
        twins(Twins::make(pre_code, post_code, objects.changed)),
        comparison(Comparison::make(pre_code, post_code, twins, objects.changed)) {
    comparison.leave(post, left);
  }
  Compared(const Compared &) = delete;  // its parts refer to each other
  Compared &operator=(const Compared &) = delete;

  const Program pre;
  const Program post;
  CodeCache pre_code;
  CodeCache post_code;
  const Twins twins;
  Comparison comparison;
};

}  // namespace suture
