#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/file.h"
#include "package/package_test_support.h"

namespace suture {
namespace {

class StoreFolder : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::create("suture-store");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
  }
  std::filesystem::path state() const { return folder_->path() / "lib" / "suture"; }
  Store store() { return Store::open(state()).value(); }
  static Package package(const std::string &id, uint64_t sequence) {
    Package out = testing_support::sample_package();
    out.id = id;
    out.sequence = sequence;
    out.images[0].cold.resize(10);
    return out;
  }
  Result<StoredPackage> add(const Package &package, Downgrade downgrade = Downgrade::refuse) {
    const Bytes file = sign_package(*encode_package(package), key_, "t").value();
    const VerifiedBytes verified = verify_package(file, testing_support::trusting(key_), AllowUnsigned::no).value();
    return store().add(verified, decode_package(verified).value(), downgrade);
  }
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    const StoreListing listing = store().list().value();
    for (const StoredPackage &stored : listing.packages) out.push_back(stored.package.id);
    return out;
  }

  std::optional<TempDir> folder_;
  SecretKey key_ = testing_support::sample_key();
};

using Ids = std::vector<std::string>;

TEST_F(StoreFolder, IsEmptyBeforeItExists) {
  EXPECT_EQ(ids(), Ids{});
  EXPECT_FALSE(store().find("a").value().has_value());
  EXPECT_EQ(store().highest_sequence("a").value(), 0U);
  EXPECT_EQ(store().remove("a").value(), Removal::was_not_there);
  EXPECT_FALSE(std::filesystem::exists(state())) << "looking must not create anything";
}

TEST_F(StoreFolder, ReturnsTheFileThatWasAddedAndWhatItHolds) {
  const auto added = add(package("a", 3));
  ASSERT_TRUE(added) << added.error().text();
  const auto found = store().find("a");
  ASSERT_TRUE(found && *found);
  const StoredPackage &stored = **found;
  EXPECT_EQ(stored.key_id, text_of(key_.id()));
  EXPECT_EQ(stored.accepted, AllowUnsigned::no);
  EXPECT_EQ(stored.package.images[0].functions, package("a", 3).images[0].functions);
  const auto file = store().read(stored);
  ASSERT_TRUE(file);
  EXPECT_TRUE(verify_package(*file, testing_support::trusting(key_), AllowUnsigned::no));
}

TEST_F(StoreFolder, FindsPackagesByTheImageTheyPatch) {
  ASSERT_TRUE(add(package("a", 1)));
  Package other = package("b", 1);
  other.images[0].build_id.bytes.assign(20, 1);
  other.images[0].digest = sha256(as_bytes("other"));
  ASSERT_TRUE(add(other));
  const auto by_build_id = store().find_for_image(other.images[0].build_id, Digest{});
  ASSERT_TRUE(by_build_id);
  ASSERT_EQ(by_build_id->size(), 1U);
  EXPECT_EQ((*by_build_id)[0].package.id, "b");
  EXPECT_EQ(store().find_for_image({}, other.images[0].digest).value().size(), 1U);
  EXPECT_EQ(store().find_for_image({}, Digest{}).value().size(), 0U);
}

TEST_F(StoreFolder, ReplacesAnEntryByANewerOneAndLeavesNoLitter) {
  ASSERT_TRUE(add(package("a", 1)));
  ASSERT_TRUE(add(package("a", 2)));
  EXPECT_EQ(ids(), Ids{"a"});
  EXPECT_EQ(store().find("a").value()->package.sequence, 2U);
  size_t files = 0;
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(state() / "packages" / "a")) ++files;
  EXPECT_EQ(files, 2U);  // entry.json and the package
}

TEST_F(StoreFolder, RefusesAnOlderSequenceEvenAfterRemoval) {
  ASSERT_TRUE(add(package("a", 5)));
  EXPECT_EQ(store().remove("a").value(), Removal::removed);
  EXPECT_EQ(ids(), Ids{});
  const auto refused = add(package("a", 4));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::refused);
  EXPECT_TRUE(add(package("a", 5)));
  EXPECT_TRUE(add(package("a", 4), Downgrade::allow));
  EXPECT_EQ(store().highest_sequence("a").value(), 5U) << "going back once is no leave to go back again";
}

TEST_F(StoreFolder, SkipsAndNamesADamagedEntryAndRemovesIt) {
  ASSERT_TRUE(add(package("a", 1)));
  ASSERT_TRUE(add(package("b", 1)));
  ASSERT_TRUE(add(package("c", 1)));
  ASSERT_TRUE(write_file_atomic(state() / "packages" / "b" / "entry.json", as_bytes("{\"schema\": 1")));
  std::filesystem::remove(store().find("c").value()->file);
  EXPECT_EQ(ids(), Ids{"a"});
  const StoreListing listing = store().list().value();
  ASSERT_EQ(listing.skipped.size(), 2U);
  EXPECT_EQ(listing.skipped[0].name, "b");
  EXPECT_EQ(listing.skipped[1].name, "c");
  EXPECT_FALSE(store().find("b"));
  EXPECT_EQ(store().remove("b").value(), Removal::removed);
  EXPECT_EQ(store().list().value().skipped.size(), 1U);
}

TEST_F(StoreFolder, NoticesThatAStoredFileWasChanged) {
  ASSERT_TRUE(add(package("a", 1)));
  const StoredPackage stored = *store().find("a").value();
  Bytes file = read_file(stored.file).value();
  file.back() ^= 1;
  ASSERT_TRUE(write_file_atomic(stored.file, file));
  const auto read = store().read(stored);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().verdict(), Verdict::corrupt);
}

TEST_F(StoreFolder, IgnoresWhatACrashLeftBeforeTheEntryWasWritten) {
  ASSERT_TRUE(add(package("a", 1)));
  std::filesystem::remove(state() / "packages" / "a" / "entry.json");
  EXPECT_EQ(ids(), Ids{});
  EXPECT_TRUE(store().list().value().skipped.empty());
  EXPECT_TRUE(add(package("a", 1)));
  EXPECT_EQ(ids(), Ids{"a"});
}

TEST_F(StoreFolder, IsRefusedWhenOthersMayWriteIt) {
  ASSERT_TRUE(add(package("a", 1)));
  ::chmod((state() / "packages").c_str(), 0777);
  const auto refused = Store::open(state());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::refused);
}

TEST_F(StoreFolder, TakesNoIdThatIsAPath) {
  EXPECT_FALSE(store().find("../a"));
  EXPECT_FALSE(store().remove(".."));
  EXPECT_FALSE(store().highest_sequence("a/b"));
}

TEST_F(StoreFolder, TellsWhichPackagesWereAcceptedWithoutATrustedSignature) {
  const auto verified = verify_package(*encode_package(package("a", 1)), TrustStore::of({}), AllowUnsigned::yes);
  ASSERT_TRUE(verified);
  ASSERT_TRUE(store().add(*verified, decode_package(*verified).value(), Downgrade::refuse));
  EXPECT_EQ(store().find("a").value()->accepted, AllowUnsigned::yes);
  EXPECT_EQ(store().find("a").value()->key_id, "");
}

#ifdef SUTURE_FAULT_POINTS
// "POINT:N" for the next passage of the point in this process: earlier tests have passed it, too.
std::string next_passage(const std::filesystem::path &trace, const std::string &point) {
  const std::string text = read_text(trace).value();
  const size_t last = text.rfind(point + ":");
  return point + ":" + std::to_string(std::stoi(text.substr(last + point.size() + 1)) + 1);
}

// The work in a child that is killed at that passage.
void run_and_be_killed(const std::string &passage, const std::function<void()> &work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("SUTURE_FAULT", passage.c_str(), 1);
    work();
    ::_exit(0);  // the point was not passed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << passage;
}

TEST_F(StoreFolder, HoldsTheOldOrTheNewPackageWhereverAnAddIsKilled) {
  const auto trace = folder_->path() / "trace";
  ::setenv("SUTURE_FAULT_TRACE", trace.c_str(), 1);
  for (const std::string point : {"store.sequence_written", "store.file_written", "store.entry_written"}) {
    ASSERT_TRUE(add(package("a", 1), Downgrade::allow));
    run_and_be_killed(next_passage(trace, point), [&] { (void)add(package("a", 2)); });
    EXPECT_TRUE(store().list().value().skipped.empty()) << point;
    const auto found = store().find("a");
    ASSERT_TRUE(found && *found) << point;
    EXPECT_EQ((*found)->package.sequence, point == "store.entry_written" ? 2U : 1U) << point;
    EXPECT_TRUE(store().read(**found)) << point;
    EXPECT_TRUE(add(package("a", 2))) << point;
  }
  ::unsetenv("SUTURE_FAULT_TRACE");
}

TEST_F(StoreFolder, HoldsNothingAfterARemoveIsKilledBehindItsFirstStep) {
  const auto trace = folder_->path() / "trace";
  ::setenv("SUTURE_FAULT_TRACE", trace.c_str(), 1);
  ASSERT_TRUE(add(package("a", 1)));
  ASSERT_TRUE(store().remove("a"));
  ASSERT_TRUE(add(package("a", 1)));
  run_and_be_killed(next_passage(trace, "store.entry_removed"), [&] { (void)store().remove("a"); });
  EXPECT_EQ(ids(), Ids{});
  EXPECT_TRUE(add(package("a", 1)));
  EXPECT_EQ(ids(), Ids{"a"});
  ::unsetenv("SUTURE_FAULT_TRACE");
}
#endif

}  // namespace
}  // namespace suture
