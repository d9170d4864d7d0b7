// Our keys and signatures against libsodium's own and against the minisign program, both ways.
#include "package/minisign.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/cat.h"
#include "base/file.h"
#include "package/package_test_support.h"

namespace suture {
namespace {

using testing_support::sample_key;

const AskPassword kNoPassword = []() -> Result<std::string> { return Error::failed("a password was asked for"); };
AskPassword password(std::string text) {
  return [text = std::move(text)]() -> Result<std::string> { return text; };
}

TEST(Minisign, KeysSurviveTheirTextForm) {
  const SecretKey key = sample_key();
  const auto back = parse_secret_key(format_secret_key(key), kNoPassword);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->key(), key.key());
  EXPECT_EQ(back->id(), key.id());
  const auto public_key = parse_public_key(format_public_key(key.public_key()));
  ASSERT_TRUE(public_key);
  EXPECT_EQ(public_key->key, key.public_key().key);
}

TEST(Minisign, AnEncryptedKeyOpensWithItsPasswordOnly) {
  const SecretKey key = sample_key();
  const auto text = format_encrypted_secret_key(key, "correct horse", KdfCost::interactive());
  ASSERT_TRUE(text);
  const auto back = parse_secret_key(*text, password("correct horse"));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->key(), key.key());
  const auto wrong = parse_secret_key(*text, password("battery staple"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().what(), "wrong password for the secret key");
}

TEST(Minisign, ADamagedKeyIsRefused) {
  std::string text = format_secret_key(sample_key());
  const size_t in_the_key = text.size() - 80;
  text[in_the_key] = text[in_the_key] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(parse_secret_key(text, kNoPassword));
  EXPECT_FALSE(parse_secret_key("", kNoPassword));
  EXPECT_FALSE(parse_public_key("RWQ="));
}

TEST(Minisign, ASecretKeyThatAsksForAbsurdWorkIsRefused) {
  const auto text = format_encrypted_secret_key(sample_key(), "x", KdfCost::interactive());
  ASSERT_TRUE(text);
  // Byte 38 of the record begins opslimit: 38 * 8 / 6 is base64 character 50 and 4 bits; raise the highest bits of
  // memlimit.
  const size_t line = text->find('\n') + 1;
  std::string heavy = *text;
  heavy[line + 70] = '/';
  const auto refused = parse_secret_key(heavy, password("x"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what().find("more work or memory"), std::string::npos) << refused.error().what();
}

TEST(Minisign, ASignatureCoversMessageAndTrustedComment) {
  const SecretKey key = sample_key();
  const auto signature = sign(as_bytes("message"), key, "u", "t");
  ASSERT_TRUE(signature);
  EXPECT_EQ(check_signature(*signature, as_bytes("message"), key.public_key()), SignatureMatch::good);
  EXPECT_EQ(check_signature(*signature, as_bytes("massage"), key.public_key()), SignatureMatch::bad_message);
  Signature other = *signature;
  other.trusted_comment = "T";
  EXPECT_EQ(check_signature(other, as_bytes("message"), key.public_key()), SignatureMatch::bad_comment);
  EXPECT_EQ(check_signature(*signature, as_bytes("message"), sample_key().public_key()), SignatureMatch::bad_message);
}

TEST(Minisign, ACommentOfTwoLinesIsNotSigned) {
  EXPECT_FALSE(sign(as_bytes("m"), sample_key(), "a\nb", "t"));
  EXPECT_FALSE(sign(as_bytes("m"), sample_key(), "a", "t\n"));
  EXPECT_FALSE(sign(as_bytes("m"), sample_key(), std::string(2000, 'a'), "t"));
}

TEST(Minisign, ParsesTheSignatureAndNothingBehindIt) {
  const auto signature = sign(as_bytes("m"), sample_key(), "u", "trusted");
  ASSERT_TRUE(signature);
  const std::string text = format_signature(*signature);
  const auto parsed = parse_signature(text + "payload");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size_bytes, text.size());
  EXPECT_EQ(parsed->signature.trusted_comment, "trusted");
  for (size_t size = 0; size + 1 < text.size(); ++size) EXPECT_FALSE(parse_signature(text.substr(0, size))) << size;
}

// ---- the minisign program

bool minisign_is_there() {
  return std::system("minisign -v >/dev/null 2>&1") == 0;
}

class MinisignProgram : public testing::Test {
 protected:
  void SetUp() override {
    if (!minisign_is_there()) GTEST_SKIP() << "minisign is not installed (apt install minisign): interop is NOT tested";
    auto made = TempDir::create("suture-minisign");
    ASSERT_TRUE(made);
    folder_.emplace(std::move(*made));
  }
  std::string path(const char *name) const { return (folder_->path() / name).string(); }
  void write(const char *name, ByteView bytes) { ASSERT_TRUE(write_file_atomic(path(name), bytes, 0600)); }
  std::string read(const char *name) { return read_text(path(name)).value(); }
  int shell(const std::string &command) {
    return std::system(cat("cd ", folder_->path().string(), " && { ", command, "; } >/dev/null 2>&1").c_str());
  }

  std::optional<TempDir> folder_;
};

TEST_F(MinisignProgram, VerifiesAPackagesPayloadAgainstThePackageItself) {
  const SecretKey key = sample_key();
  const auto file = sign_package(*encode_package(testing_support::sample_package()), key, "timestamp:1");
  ASSERT_TRUE(file);
  write("x.hotpatch", *file);
  write("key.pub", as_bytes(format_public_key(key.public_key())));
  EXPECT_EQ(shell("tail -n +5 x.hotpatch | minisign -V -m /dev/stdin -x x.hotpatch -p key.pub"), 0);
  EXPECT_EQ(shell("tail -n +5 x.hotpatch > payload && minisign -V -m payload -x x.hotpatch -p key.pub"), 0);
  EXPECT_NE(shell("tail -n +6 x.hotpatch > payload && minisign -V -m payload -x x.hotpatch -p key.pub"), 0);
}

TEST_F(MinisignProgram, VerifiesOurDetachedSignature) {
  const SecretKey key = sample_key();
  write("m", as_bytes("message"));
  write("m.minisig", as_bytes(format_signature(*sign(as_bytes("message"), key, "u", "t"))));
  write("key.pub", as_bytes(format_public_key(key.public_key())));
  EXPECT_EQ(shell("minisign -Vm m -p key.pub"), 0);
}

TEST_F(MinisignProgram, SignsWithOurKeysAndWeVerify) {
  const SecretKey key = sample_key();
  write("m", as_bytes("message"));
  write("plain.key", as_bytes(format_secret_key(key)));
  ASSERT_EQ(shell("minisign -Sm m -s plain.key"), 0);
  auto signature = parse_signature(read("m.minisig"));
  ASSERT_TRUE(signature) << signature.error().text();
  EXPECT_EQ(check_signature(signature->signature, as_bytes("message"), key.public_key()), SignatureMatch::good);

  write("encrypted.key", as_bytes(*format_encrypted_secret_key(key, "pass word", KdfCost::interactive())));
  ASSERT_EQ(shell("rm m.minisig; echo 'pass word' | minisign -Sm m -s encrypted.key"), 0);
  signature = parse_signature(read("m.minisig"));
  ASSERT_TRUE(signature) << signature.error().text();
  EXPECT_EQ(check_signature(signature->signature, as_bytes("message"), key.public_key()), SignatureMatch::good);
}

TEST_F(MinisignProgram, MakesKeysThatWeSignWith) {
  ASSERT_EQ(shell("minisign -G -W -p key.pub -s key.key"), 0);
  const auto key = parse_secret_key(read("key.key"), kNoPassword);
  ASSERT_TRUE(key) << key.error().text();
  const auto public_key = parse_public_key(read("key.pub"));
  ASSERT_TRUE(public_key) << public_key.error().text();
  EXPECT_EQ(public_key->key, key->public_key().key);
  // minisign prints a key id with %lX, so one key in sixteen has leading zeros that its comment lacks.
  const std::string id = text_of(key->id());
  const std::string printed = id.substr(std::min(id.find_first_not_of('0'), id.size()));
  EXPECT_NE(read("key.pub").find(cat(" ", printed, "\n")), std::string::npos) << read("key.pub") << id;
  write("m", as_bytes("message"));
  write("m.minisig", as_bytes(format_signature(*sign(as_bytes("message"), *key, "u", "t"))));
  EXPECT_EQ(shell("minisign -Vm m -p key.pub"), 0);
}

}  // namespace
}  // namespace suture
