// Whether a mapped image is, byte for byte, the one the patch was made for, as far as the patch touches or relies on
// it.
#pragma once

#include "apply/session.h"
#include "model/hot_image.h"

namespace suture {

// Compares every validation with memory. Redirects that earlier patches of ours wrote count as undone (their journals
// say what was there); anybody else's bytes are a refusal that shows them.
Status validate_unit(const Session &session, const HotImage &hot, const Module &module);

}  // namespace suture
