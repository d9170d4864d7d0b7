// Collects the refusals of parts that do not depend on each other, so that a reader learns of all of them at once
// rather than of the next one after each repair.
#pragma once

#include <vector>

#include "base/result.h"

namespace suture {

class Refusals {
 public:
  // Keeps a refusal; anything else that went wrong is returned, for the caller to give up on.
  Status keep(Status status);
  // What was kept, as one refusal; success when nothing was.
  Status all() const;

 private:
  std::vector<Error> kept_;
};

}  // namespace suture
