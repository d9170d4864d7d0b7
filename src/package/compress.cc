#include "package/compress.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/cat.h"

namespace suture {

namespace {

// Packages are made once and sent often, but a build must not wait for it: a tenth of the time of level 17 for 4 % more
// bytes. The window stays within what kWindowLog lets a reader accept.
constexpr int kLevel = 12;
// Of 4 MiB each: the level's own take 48 MiB, as much as all objects of a middling program, for 1 % less.
constexpr int kTableLog = 20;
constexpr int kWindowLog = 27;  // 128 MiB

struct FreeContext {
  void operator()(ZSTD_CCtx *context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx *context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

Result<Bytes> compress(ByteView bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) return Error::failed("zstd: out of memory");
  (void)ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  for (const ZSTD_cParameter table : {ZSTD_c_hashLog, ZSTD_c_chainLog})
    (void)ZSTD_CCtx_setParameter(context.get(), table, kTableLog);  // only fails on nonsense constants
  const size_t size = ZSTD_compress2(context.get(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size)) return Error::failed(cat("zstd: ", ZSTD_getErrorName(size)));
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

Result<Bytes> decompress(ByteView compressed, uint64_t size_bytes) {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) return Error::failed("out of memory");
  (void)ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);  // only fails on nonsense constants
  Bytes out;
  ZSTD_inBuffer in{compressed.data(), compressed.size(), 0};
  for (size_t pending = 1; pending != 0;) {  // 0: the frame is complete
    const size_t have = out.size();
    // One byte of room beyond the declared size shows a frame that yields more.
    const uint64_t room = std::min<uint64_t>(std::max<uint64_t>(have, ZSTD_DStreamOutSize()), size_bytes + 1 - have);
    out.resize(have + static_cast<size_t>(room));
    ZSTD_outBuffer step{out.data() + have, static_cast<size_t>(room), 0};
    const size_t in_before = in.pos;
    pending = ZSTD_decompressStream(context.get(), &step, &in);
    if (ZSTD_isError(pending)) return Error::corrupt(cat("compressed data: ", ZSTD_getErrorName(pending)));
    out.resize(have + step.pos);
    if (out.size() > size_bytes) return Error::corrupt("compressed data yields more than was declared");
    if (pending != 0 && step.pos == 0 && in.pos == in_before) return Error::corrupt("compressed data is truncated");
  }
  if (out.size() != size_bytes) return Error::corrupt("compressed data yields less than was declared");
  if (in.pos != in.size) return Error::corrupt("something follows the compressed data");
  return out;
}

}  // namespace suture
