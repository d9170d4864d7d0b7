#include "package/flat.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "package/manifest.h"

namespace suture {

namespace {

constexpr uint8_t kIsError = 0;
constexpr uint8_t kIsPackage = 1;

// One description of the fields for both directions: `io(field)` writes or reads it.
template <typename Io, typename Blob>
void each_field_of_blob(Io &io, Blob &blob) {
  io.number(blob.size_bytes);
  io.number(blob.compressed_bytes);
  io.digest(blob.digest);
}

template <typename Io, typename Image>
void each_field_of_image(Io &io, Image &image) {
  io.text(image.path);
  io.kind(image.build_id.kind);
  io.bytes(image.build_id.bytes);
  io.digest(image.digest);
  io.number(image.base_bytes);
  io.list(image.functions, kMaxFunctionsPerImage, [&](auto &function) {
    io.text(function.name);
    io.number(function.old_size_bytes);
    io.number(function.new_size_bytes);
    io.text(function.reason);
  });
  io.bytes(image.hot);
  io.bytes(image.cold);
  each_field_of_blob(io, image.hot_blob);
  each_field_of_blob(io, image.cold_blob);
}

template <typename Io, typename SomePackage>
void each_field(Io &io, SomePackage &package) {
  const auto text = [&](auto &value) { io.text(value); };
  io.text(package.id);
  io.number(package.sequence);
  io.text(package.version);
  io.text(package.description);
  io.list(package.cves, kMaxListEntries, text);
  io.list(package.requires_ids, kMaxListEntries, text);
  io.list(package.supersedes_ids, kMaxListEntries, text);
  io.list(package.hazards, kMaxHazards, [&](auto &hazard) {
    io.text(hazard.kind);
    io.text(hazard.item);
    io.text(hazard.detail);
    io.flag(hazard.allowed);
    io.text(hazard.settled);
  });
  io.list(package.images, kMaxImages, [&](auto &image) { each_field_of_image(io, image); });
  io.bytes(package.review);
  each_field_of_blob(io, package.review_blob);
  io.list(package.unknown_fields, kMaxListEntries, text);
}

class Writer {
 public:
  void number(uint64_t value) { out.u64(value); }
  void flag(bool value) { out.u8(value ? 1 : 0); }
  void kind(ImageId::Kind value) { out.u8(static_cast<uint8_t>(value)); }
  void digest(const Digest &value) { out.append(value); }
  void bytes(ByteView value) {
    out.u64(value.size());
    out.append(value);
  }
  void text(const std::string &value) { bytes(as_bytes(value)); }
  template <typename T, typename Each>
  void list(const std::vector<T> &values, size_t /*limit*/, Each each) {
    out.u64(values.size());
    for (const T &value : values) each(value);
  }
  ByteWriter out;
};

class Reader {
 public:
  explicit Reader(ByteView bytes) : in(bytes) {}
  void number(uint64_t &value) { value = in.u64(); }
  void flag(bool &value) { value = in.u8() != 0; }
  void kind(ImageId::Kind &value) {
    value = in.u8() == static_cast<uint8_t>(ImageId::Kind::none) ? ImageId::Kind::none : ImageId::Kind::elf_build_id;
  }
  void digest(Digest &value) {
    const ByteView view = in.take(value.size());
    std::copy(view.begin(), view.end(), value.begin());
  }
  void bytes(Bytes &value) {
    const ByteView view = in.take(in.u64());
    value.assign(view.begin(), view.end());
  }
  void text(std::string &value) { value = std::string(as_text(in.take(in.u64()))); }
  template <typename T, typename Each>
  void list(std::vector<T> &values, size_t limit, Each each) {
    const uint64_t count = in.u64();
    if (count > limit) in.seek(~uint64_t{0});  // fails the reader
    for (uint64_t i = 0; i < count && in.ok(); ++i) each(values.emplace_back());
  }
  ByteReader in;
};

Error nonsense() {
  return Error::corrupt("the package made its parser send back nonsense");
}

Result<Package> unflatten_error(ByteReader &in) {
  const uint8_t verdict = in.u8();
  const auto text = [&] { return std::string(as_text(in.take(in.u64()))); };
  std::string what = text();
  std::string next = text();
  std::vector<std::string> steps;
  for (uint64_t count = in.u64(); count > 0 && in.ok(); --count) steps.push_back(text());
  if (!in.ok() || !in.at_end()) return nonsense();
  Error error = verdict == static_cast<uint8_t>(Verdict::refused)  ? Error::refused(std::move(what))
                : verdict == static_cast<uint8_t>(Verdict::failed) ? Error::failed(std::move(what))
                                                                   : Error::corrupt(std::move(what));
  for (std::string &step : steps) (void)std::move(error).during(std::move(step));  // adds to `error` itself
  return std::move(error).with_next(std::move(next));
}

}  // namespace

Bytes flatten(const Result<Package> &result) {
  Writer writer;
  writer.out.u8(result ? kIsPackage : kIsError);
  if (result) {
    each_field(writer, *result);
    return std::move(writer.out).take();
  }
  const Error &error = result.error();
  writer.out.u8(static_cast<uint8_t>(error.verdict()));
  writer.text(error.what());
  writer.text(error.next());
  writer.list(error.steps(), 0, [&](const std::string &step) { writer.text(step); });
  return std::move(writer.out).take();
}

Result<Package> unflatten(ByteView bytes) {
  Reader reader(bytes);
  const uint8_t tag = reader.in.u8();
  if (tag == kIsError) return unflatten_error(reader.in);
  if (tag != kIsPackage) return nonsense();
  Package package;
  each_field(reader, package);
  if (!reader.in.ok() || !reader.in.at_end()) return nonsense();
  TRY(check_package(package));
  return package;
}

}  // namespace suture
