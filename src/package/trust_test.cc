#include "package/trust.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "package/package_test_support.h"

namespace suture {
namespace {

class TrustFolder : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::create("suture-trust");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
  }
  void write(const char *name, std::string_view text, unsigned mode = 0644) {
    ASSERT_TRUE(write_file_atomic(folder_->path() / name, as_bytes(text), mode));
  }
  std::optional<TempDir> folder_;
  SecretKey key_ = testing_support::sample_key();
};

TEST_F(TrustFolder, TrustsItsPubFilesOnly) {
  write("a.pub", format_public_key(key_.public_key()));
  write("b.pub.off", format_public_key(testing_support::sample_key().public_key()));
  const auto trust = TrustStore::load(folder_->path());
  ASSERT_TRUE(trust) << trust.error().text();
  EXPECT_EQ(trust->keys().size(), 1U);
  EXPECT_EQ(trust->find(key_.id()).size(), 1U);
  EXPECT_TRUE(trust->notes().empty());
}

TEST_F(TrustFolder, DoesNotTrustAKeyThatOthersMayWrite) {
  write("a.pub", format_public_key(key_.public_key()), 0666);
  const auto trust = TrustStore::load(folder_->path());
  ASSERT_TRUE(trust);
  EXPECT_TRUE(trust->keys().empty());
  ASSERT_EQ(trust->notes().size(), 1U);
  EXPECT_NE(trust->notes()[0].find("may be written by others"), std::string::npos) << trust->notes()[0];
}

TEST_F(TrustFolder, IsRefusedWhenOthersMayWriteIt) {
  ::chmod(folder_->path().c_str(), 0777);
  const auto trust = TrustStore::load(folder_->path());
  ASSERT_FALSE(trust);
  EXPECT_EQ(trust.error().verdict(), Verdict::refused);
}

TEST_F(TrustFolder, NamesFilesThatAreNoKeysAndKeepsTheOthers) {
  write("a.pub", "rubbish");
  write("b.pub", format_public_key(key_.public_key()));
  std::filesystem::create_directory(folder_->path() / "c.pub");
  const auto trust = TrustStore::load(folder_->path());
  ASSERT_TRUE(trust);
  EXPECT_EQ(trust->keys().size(), 1U);
  EXPECT_EQ(trust->notes().size(), 2U);
}

TEST_F(TrustFolder, IsEmptyWhenItIsNotThere) {
  const auto trust = TrustStore::load(folder_->path() / "none");
  ASSERT_TRUE(trust);
  EXPECT_TRUE(trust->keys().empty());
  EXPECT_EQ(trust->notes().size(), 1U);
}

}  // namespace
}  // namespace suture
