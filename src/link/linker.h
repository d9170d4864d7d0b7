// PatchObject -> HotImage: lays the pieces out, resolves what is known, lists the rest as fixups. Pure: bytes in, bytes out.
#pragma once

#include "base/result.h"
#include "model/hot_image.h"
#include "model/image.h"
#include "model/patch_object.h"

namespace suture {

// `base` gives identity and span. Refused when a field cannot hold its value.
Result<HotImage> link_patch(const PatchObject &patch, const Image &base, const std::string &patch_id);

}  // namespace suture
