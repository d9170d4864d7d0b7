#include "package/format.h"

#include "base/byte_writer.h"
#include "base/cat.h"
#include "package/compress.h"
#include "package/contained.h"
#include "package/manifest.h"
#include "package/payload_header.h"

namespace suture {

namespace {

struct StoredBlob {
  PackageBlob entry;
  Bytes compressed;
};

Result<StoredBlob> store_blob(ByteView bytes) {
  StoredBlob blob;
  if (bytes.empty()) return blob;
  blob.compressed = TRY(compress(bytes));
  blob.entry = PackageBlob{bytes.size(), blob.compressed.size(), sha256(bytes)};
  return blob;
}

// Takes the next stored blob off the payload, and decompresses it if it is wanted.
Result<Bytes> take_blob(ByteReader &reader, const PackageBlob &entry, bool wanted) {
  const ByteView compressed = reader.take(entry.compressed_bytes);
  if (!reader.ok()) return Error::corrupt("the package ends within a binary");
  if (!wanted || entry.size_bytes == 0) return Bytes();
  Bytes bytes = TRY(decompress(compressed, entry.size_bytes));
  if (sha256(bytes) != entry.digest) return Error::corrupt("a binary does not have the digest that the manifest gives");
  return bytes;
}

}  // namespace

Result<Bytes> encode_package(const Package &package) {
  Package filled = package;  // the manifest with the blobs' entries
  std::vector<Bytes> blobs;
  for (PackageImage &image : filled.images) {
    StoredBlob hot = TRY(store_blob(image.hot));
    StoredBlob cold = TRY(store_blob(image.cold));
    image.hot_blob = hot.entry;
    image.cold_blob = cold.entry;
    blobs.push_back(std::move(hot.compressed));
    blobs.push_back(std::move(cold.compressed));
  }
  StoredBlob review = TRY(store_blob(filled.review));
  filled.review_blob = review.entry;
  blobs.push_back(std::move(review.compressed));
  const std::string manifest = TRY_WHILE(write_manifest(filled), "writing the package's manifest");
  uint64_t payload_bytes = kPayloadHeaderBytes + manifest.size();
  for (const Bytes &blob : blobs) payload_bytes += blob.size();
  if (payload_bytes > kMaxPackageBytes) return Error::refused("the package would be larger than 2 GiB");

  ByteWriter writer;
  writer.append(as_bytes(kPayloadMagic));
  writer.u32(static_cast<uint32_t>(manifest.size()));
  writer.u32(0);
  writer.u64(payload_bytes);
  writer.append(as_bytes(manifest));
  for (const Bytes &blob : blobs) writer.append(blob);
  return std::move(writer).take();
}

Result<Package> parse_payload(ByteView payload, Blobs wanted) {
  const auto header = read_payload_header(payload);
  if (!header) return Error::corrupt("the package is of an unknown version of the format, or damaged");
  if (header->payload_bytes != payload.size())
    return Error::corrupt(
        header->payload_bytes > payload.size()
            ? cat("the package is truncated: ", payload.size(), " of ", header->payload_bytes, " bytes")
            : cat("the package has ", payload.size() - header->payload_bytes, " bytes too many"));
  ByteReader reader(payload);
  reader.skip(kPayloadHeaderBytes);
  const ByteView manifest = reader.take(header->manifest_bytes);
  if (!reader.ok()) return Error::corrupt("the package ends within its manifest");
  Package package = TRY(read_manifest(as_text(manifest)));
  for (PackageImage &image : package.images) {
    const bool want_hot = wanted == Blobs::hot || wanted == Blobs::all;
    const bool want_cold = wanted == Blobs::cold || wanted == Blobs::all;
    image.hot = TRY_WHILE(take_blob(reader, image.hot_blob, want_hot), cat("reading the hot patch of ", image.path));
    image.cold = TRY_WHILE(take_blob(reader, image.cold_blob, want_cold), cat("reading the coldpatch of ", image.path));
  }
  package.review = TRY_WHILE(take_blob(reader, package.review_blob, wanted == Blobs::review || wanted == Blobs::all),
                             "reading the review");
  if (!reader.at_end()) return Error::corrupt("the package holds more than its manifest names");
  return package;
}

Result<Package> decode_package(const VerifiedBytes &verified, Blobs wanted) {
  const auto parse = [&] { return parse_payload(verified.payload(), wanted); };
  return TRY_WHILE(verified.trusted() ? parse() : parse_contained(verified.payload(), wanted), "reading the package");
}

}  // namespace suture
