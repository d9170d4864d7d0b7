// The payload of a package file: header, manifest, compressed binaries (docs/formats/package.md). The payload as
// encode_package() makes it is an unsigned package file; sign_package() in verify.h puts the signature before it.
#pragma once

#include "package/package.h"
#include "package/verify.h"

namespace suture {

// What to decompress: an apply needs no coldpatch, an inspection only the review.
enum class Blobs { none, hot, cold, review, all };

// Fills the blob fields of the manifest itself.
Result<Bytes> encode_package(const Package &package);

// Content signed by a trusted key is parsed here. Any other is parsed by a child process without privileges
// (contained.h), and only its plain result is read here.
Result<Package> decode_package(const VerifiedBytes &verified, Blobs wanted = Blobs::all);

// The parser itself, for the child and the fuzzers: everybody else calls decode_package().
Result<Package> parse_payload(ByteView payload, Blobs wanted);

}  // namespace suture
