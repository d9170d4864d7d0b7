// Which files of a source tree may steer its build: what configures it, generates sources, or says what is compiled and how. make and
// ninja know of some of them; a configure script of the package's own knows of none, and nothing tells afterwards that it was not run.
#pragma once

#include <string>

namespace suture {

// By the path, relative to the tree. Not: what compilers read (their records tell), packaging without commands, documentation and tests.
bool may_steer_build(const std::string &path);

// Whether a folder of documentation, tests or examples holds the file.
bool is_beside_program(const std::string &path);

}  // namespace suture
