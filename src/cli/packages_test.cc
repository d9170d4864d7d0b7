// keygen, sign, verify and inspect as a user runs them.
#include "cli/packages.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/cat.h"
#include "base/file.h"
#include "cli/cli_test_support.h"
#include "package/package_test_support.h"

namespace suture::cli {
namespace {

using testing_support::Outcome;
using testing_support::run;

class PackageCommands : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::create("suture-cli");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
    std::filesystem::create_directory(path("trust"));
    const auto package = encode_package(suture::testing_support::sample_package());
    ASSERT_TRUE(package);
    ASSERT_TRUE(write_file_atomic(path("x.hotpatch"), *package, 0640));
  }
  std::string path(const std::string &name) const { return (folder_->path() / name).string(); }
  Outcome keygen() { return run({"keygen", "-o", path("k")}); }
  Outcome sign() { return run({"sign", path("x.hotpatch"), "-k", path("k.key")}); }
  void trust_key() { std::filesystem::copy_file(path("k.pub"), path("trust/k.pub")); }
  Outcome verify(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"verify", path("x.hotpatch")});
    return run(more);
  }
  std::vector<std::string> with_trust() const { return {"--trust-dir", path("trust")}; }

  std::optional<TempDir> folder_;
};

TEST_F(PackageCommands, VerifyNeedsASignatureByATrustedKey) {
  EXPECT_EQ(verify(with_trust()).status, 3);
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(sign().status, 0);
  const Outcome untrusted = verify(with_trust());
  EXPECT_EQ(untrusted.status, 3);
  EXPECT_NE(untrusted.err.find("not trusted"), std::string::npos) << untrusted.err;
  trust_key();
  EXPECT_EQ(verify(with_trust()).status, 0);
  EXPECT_EQ(verify({"-p", path("k.pub")}).status, 0);
}

TEST_F(PackageCommands, TheSecretKeyIsForItsOwnerOnlyAndIsNotOverwritten) {
  ASSERT_EQ(keygen().status, 0);
  struct stat info {};
  ASSERT_EQ(::stat(path("k.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const std::string before = read_text(path("k.key")).value();
  EXPECT_EQ(keygen().status, 3);
  EXPECT_EQ(read_text(path("k.key")).value(), before);
  EXPECT_EQ(run({"keygen", "-o", path("k"), "--force"}).status, 0);
  EXPECT_NE(read_text(path("k.key")).value(), before);
}

TEST_F(PackageCommands, SigningKeepsTheModeAndWritesADetachedSignatureToo) {
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(sign().status, 0);
  struct stat info {};
  ASSERT_EQ(::stat(path("x.hotpatch").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
  EXPECT_TRUE(std::filesystem::exists(path("x.hotpatch.minisig")));
  if (std::system("minisign -v >/dev/null 2>&1") == 0) {
    EXPECT_EQ(std::system(cat("minisign -Vm ", path("x.hotpatch"), " -p ", path("k.pub"), " >/dev/null").c_str()), 0);
  }
}

TEST_F(PackageCommands, TheDetachedSignatureOfMinisignAloneIsEnough) {
  if (std::system("minisign -v >/dev/null 2>&1") != 0) GTEST_SKIP() << "minisign is not installed";
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(std::system(cat("minisign -Sm ", path("x.hotpatch"), " -s ", path("k.key"), " >/dev/null").c_str()), 0);
  EXPECT_EQ(verify({"-p", path("k.pub")}).status, 0);
}

TEST_F(PackageCommands, ExportWritesWhatMinisignVerifies) {
  if (std::system("minisign -v >/dev/null 2>&1") != 0) GTEST_SKIP() << "minisign is not installed";
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(sign().status, 0);
  EXPECT_EQ(verify({"-p", path("k.pub"), "--export", path("e")}).status, 0);
  EXPECT_EQ(std::system(cat("minisign -Vm ", path("e.payload"), " -p ", path("k.pub"), " >/dev/null").c_str()), 0);
}

TEST_F(PackageCommands, InspectShowsWhatNobodySignedAndItsStateOfSignature) {
  const Outcome people = run({"inspect", path("x.hotpatch"), "--trust-dir", path("trust")});
  EXPECT_EQ(people.status, 0) << people.err;
  for (const char *expected : {"redis-CVE-2025-49844", "luaY_parser", "server_defaults", "/usr/bin/redis-server"})
    EXPECT_NE(people.out.find(expected), std::string::npos) << expected;
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(sign().status, 0);
  const auto inspected = [&](const std::string &trust) {
    return nlohmann::json::parse(run({"inspect", path("x.hotpatch"), "--json", "--trust-dir", trust}).out);
  };
  EXPECT_EQ(inspected(path("trust"))["signature"]["state"], "unknown-key");
  trust_key();
  const auto json = inspected(path("trust"));
  EXPECT_EQ(json["id"], "redis-CVE-2025-49844");
  EXPECT_EQ(json["signature"]["state"], "trusted");
  EXPECT_EQ(json["images"][0]["functions"][0]["name"], "luaY_parser");
}

TEST_F(PackageCommands, AnAlteredPackageIsRefusedByAll) {
  ASSERT_EQ(keygen().status, 0);
  ASSERT_EQ(sign().status, 0);
  trust_key();
  Bytes file = read_file(path("x.hotpatch")).value();
  file[file.size() / 2] ^= 1;
  ASSERT_TRUE(write_file_atomic(path("x.hotpatch"), file));
  EXPECT_EQ(verify(with_trust()).status, 3);
  const Outcome inspected = run({"inspect", path("x.hotpatch"), "--json", "--trust-dir", path("trust")});
  EXPECT_EQ(inspected.status, 3);
  EXPECT_EQ(nlohmann::json::parse(inspected.out)["error"]["verdict"], "corrupt");
  EXPECT_EQ(sign().status, 3);
}

TEST_F(PackageCommands, AnEncryptedKeySignsWithItsPassword) {
  ASSERT_TRUE(write_file_atomic(path("pw"), as_bytes("secret\n")));
  const SecretKey key = suture::testing_support::sample_key();
  const auto text = format_encrypted_secret_key(key, "secret", KdfCost::interactive());
  ASSERT_TRUE(write_file_atomic(path("k.key"), as_bytes(*text)));
  EXPECT_EQ(run({"sign", path("x.hotpatch"), "-k", path("k.key"), "--password-file", path("pw")}).status, 0);
  ASSERT_TRUE(write_file_atomic(path("pw"), as_bytes("other\n")));
  EXPECT_EQ(run({"sign", path("x.hotpatch"), "-k", path("k.key"), "--password-file", path("pw")}).status, 3);
}

}  // namespace
}  // namespace suture::cli
