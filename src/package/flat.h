// A parsed Package (or the Error instead) as plain length-prefixed fields: what the contained child sends to its
// parent. Not a file format; both ends are one program.
#pragma once

#include "package/package.h"

namespace suture {

Bytes flatten(const Result<Package> &result);
// Believes nothing: the child may have been taken over by what it parsed.
Result<Package> unflatten(ByteView bytes);

}  // namespace suture
