// pthread_cancel unwinds through the new code of a patch as it would through the old: in a process that has its unwinder
// loaded, in one that loads it only then, and in a process started from the coldpatched file.
#include "base/file.h"
#include "elf/cold_file.h"
#include "elf/read_image.h"
#include "support/outcome.h"

namespace suture {
namespace {

// The new through_pointer() calls a function that waits until it is cancelled.
HotImage patch() {
  Replacement through{"through_pointer", 0, {}};
  through.calls = "stay";
  return make_hot_image("odd_threads", "cancel", {through});
}

void expect_cancelled_once(TargetProgram &target) {
  std::map<std::string, long> now = target.ask("go");
  EXPECT_EQ(now["answer"], 1) << "it died";
  EXPECT_EQ(now["extra"], 1) << "the clean-up ran once";
  EXPECT_EQ(now["wrong"], 0);
}

TEST(Cancel, UnwindsThroughAHotpatch) {
  for (const char *mode : {"cancels", "cancels_with_unwinder"}) {
    SCOPED_TRACE(mode);
    TargetProgram target("odd_threads", {mode});
    SKIP_UNLESS_SUPPORTED(target);
    const HotImage hot = patch();
    const Result<ApplyReport> report = apply_hot({&hot}, target.pid(), {});
    ASSERT_TRUE(report.has_value()) << report.error().text();
    expect_cancelled_once(target);
  }
}

TEST(Cancel, UnwindsThroughAColdpatch) {
  const Result<TempDir> folder = TempDir::create("suture-cancel");
  ASSERT_TRUE(folder.has_value());
  const Result<Image> base = read_elf_image_file(TargetProgram::path_of("odd_threads"));
  ASSERT_TRUE(base.has_value());
  const Result<Bytes> cold = write_cold_file(*base, patch());
  ASSERT_TRUE(cold.has_value()) << cold.error().text();
  const std::string path = (folder->path() / "odd_threads").string();
  ASSERT_TRUE(write_file_atomic(path, *cold, 0755).has_value());
  TargetProgram target(path, {"cancels"});
  expect_cancelled_once(target);
}

}  // namespace
}  // namespace suture
