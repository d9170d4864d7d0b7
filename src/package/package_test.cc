#include <gtest/gtest.h>

#include "base/byte_writer.h"
#include "package/compress.h"
#include "package/manifest.h"
#include "package/package_test_support.h"
#include "package/payload_header.h"

namespace suture {
namespace {

using testing_support::sample_key;
using testing_support::sample_package;
using testing_support::trusting;

Bytes encoded() {
  auto payload = encode_package(sample_package());
  EXPECT_TRUE(payload) << payload.error().text();
  return *payload;
}

Bytes signed_by(const SecretKey &key) {
  auto file = sign_package(encoded(), key, "timestamp:1");
  EXPECT_TRUE(file) << file.error().text();
  return *file;
}

// What decoding gives back, without the blob fields that encoding fills.
Package without_blobs(Package package) {
  for (PackageImage &image : package.images) image.hot_blob = image.cold_blob = {};
  return package;
}

template <typename T>
std::string error_of(const Result<T> &result) {
  return result ? "no error" : result.error().text();
}

TEST(Package, DecodesToWhatWasEncoded) {
  const SecretKey key = sample_key();
  const auto verified = verify_package(signed_by(key), trusting(key), AllowUnsigned::no);
  ASSERT_TRUE(verified) << error_of(verified);
  EXPECT_EQ(verified->report().key_name, "test.pub");
  const auto package = decode_package(*verified);
  ASSERT_TRUE(package) << error_of(package);
  EXPECT_EQ(without_blobs(*package), sample_package());
  EXPECT_EQ(package->images[0].hot_blob.size_bytes, 5000U);
  EXPECT_EQ(package->images[0].cold_blob.digest, sha256(package->images[0].cold));
}

TEST(Package, EncodesTheSamePackageToTheSameBytes) {
  EXPECT_EQ(encoded(), encoded());
}

TEST(Package, AContainedParserGivesWhatTheDirectOneGives) {
  const auto verified = verify_package(encoded(), TrustStore::of({}), AllowUnsigned::yes);
  ASSERT_TRUE(verified) << error_of(verified);
  EXPECT_FALSE(verified->trusted());
  const auto package = decode_package(*verified);
  ASSERT_TRUE(package) << error_of(package);
  const auto direct = parse_payload(encoded(), Blobs::all);
  ASSERT_TRUE(direct) << error_of(direct);
  EXPECT_EQ(*package, *direct);
}

TEST(Package, GivesOnlyTheBinariesThatAreWanted) {
  const auto hot = parse_payload(encoded(), Blobs::hot);
  ASSERT_TRUE(hot) << error_of(hot);
  EXPECT_EQ(hot->images[0].hot, sample_package().images[0].hot);
  EXPECT_TRUE(hot->images[0].cold.empty());
  const auto none = parse_payload(encoded(), Blobs::none);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->images[0].hot.empty());
  EXPECT_EQ(none->images[0].cold_blob.size_bytes, 300000U);
}

TEST(Package, RefusesOneThatNobodySignedUnlessAllowed) {
  const auto refused = verify_package(encoded(), TrustStore::of({}), AllowUnsigned::no);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::refused);
  EXPECT_EQ(exit_status(refused.error()), 3);
  EXPECT_EQ(refused.error().what(), "the package is not signed");
}

TEST(Package, RefusesAKeyThatIsNotTrustedAndNamesIt) {
  const SecretKey key = sample_key();
  const auto refused = verify_package(signed_by(key), trusting(sample_key()), AllowUnsigned::no);
  ASSERT_FALSE(refused);
  EXPECT_EQ(exit_status(refused.error()), 3);
  EXPECT_NE(refused.error().what().find(text_of(key.id())), std::string::npos);
  const auto allowed = verify_package(signed_by(key), trusting(sample_key()), AllowUnsigned::yes);
  ASSERT_TRUE(allowed);
  EXPECT_EQ(allowed->report().trust, Trust::unknown_key);
}

TEST(Package, RefusesAnotherKeyThatClaimsATrustedId) {
  const SecretKey trusted = sample_key();
  const SecretKey other = sample_key();
  const SecretKey impostor(trusted.id(), other.key());
  const auto refused = verify_package(signed_by(impostor), trusting(trusted), AllowUnsigned::yes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::corrupt);
}

TEST(Package, TriesEveryTrustedKeyThatHasTheId) {
  const SecretKey first = sample_key();
  const SecretKey other = sample_key();
  const SecretKey second(first.id(), other.key());
  const TrustStore both = TrustStore::of({{first.public_key(), "first.pub"}, {second.public_key(), "second.pub"}});
  const auto verified = verify_package(signed_by(second), both, AllowUnsigned::no);
  ASSERT_TRUE(verified) << error_of(verified);
  EXPECT_EQ(verified->report().key_name, "second.pub");
}

TEST(Package, RefusesEveryFlippedByteOfASignedFile) {
  const SecretKey key = sample_key();
  const TrustStore trust = trusting(key);
  const Bytes good = signed_by(key);
  const size_t start = *payload_offset(good);
  // Line 1 is the untrusted comment: not signed, as its name says. All else is.
  const size_t first_signed_line = as_text(good).find('\n') + 1;
  for (size_t at = first_signed_line; at < good.size(); at += at < start + 64 ? 1 : 9973) {
    Bytes altered = good;
    altered[at] ^= 1;
    const auto refused = verify_package(altered, trust, AllowUnsigned::no);
    ASSERT_FALSE(refused) << "byte " << at;
    EXPECT_EQ(exit_status(refused.error()), 3) << "byte " << at;
  }
}

TEST(Package, RefusesATruncatedFileAndSaysSo) {
  const SecretKey key = sample_key();
  Bytes file = signed_by(key);
  file.resize(file.size() - 1000);
  const auto refused = verify_package(file, trusting(key), AllowUnsigned::no);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::corrupt);
  EXPECT_NE(refused.error().what().find("truncated"), std::string::npos) << refused.error().what();
  for (const size_t size : {size_t{0}, size_t{7}, size_t{30}, size_t{200}}) {
    file.resize(size);
    const auto shorter = verify_package(file, trusting(key), AllowUnsigned::yes);
    ASSERT_FALSE(shorter) << size;
    EXPECT_EQ(exit_status(shorter.error()), 3) << size;
  }
}

TEST(Package, RefusesEveryTruncationOfAnUnsignedFile) {
  const Bytes whole = encoded();
  for (size_t size = kPayloadMagic.size(); size < whole.size(); size += size < 3000 ? 1 : 499) {
    const auto refused = parse_payload(ByteView(whole).first(size), Blobs::all);
    ASSERT_FALSE(refused) << size;
    EXPECT_EQ(refused.error().verdict(), Verdict::corrupt) << size;
  }
}

TEST(Package, RefusesBytesBehindItsEnd) {
  Bytes file = encoded();
  file.push_back(0);
  const auto refused = parse_payload(file, Blobs::all);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what(), "the package has 1 bytes too many");
}

TEST(Package, SigningAgainReplacesTheSignature) {
  const SecretKey first = sample_key();
  const SecretKey second = sample_key();
  const auto again = sign_package(signed_by(first), second, "again");
  ASSERT_TRUE(again) << error_of(again);
  EXPECT_TRUE(verify_package(*again, trusting(second), AllowUnsigned::no));
  EXPECT_FALSE(verify_package(*again, trusting(first), AllowUnsigned::no));
}

TEST(Package, ADetachedSignatureCountsWhereTheFileCarriesNone) {
  const SecretKey key = sample_key();
  const auto signature = sign(encoded(), key, "detached", "t");
  ASSERT_TRUE(signature);
  const auto verified = verify_package(encoded(), trusting(key), AllowUnsigned::no, format_signature(*signature));
  ASSERT_TRUE(verified) << error_of(verified);
  EXPECT_TRUE(verified->trusted());
  // ... and never covers for a bad one in the file.
  Bytes altered = signed_by(key);
  altered.back() ^= 1;
  EXPECT_FALSE(verify_package(altered, trusting(key), AllowUnsigned::no, format_signature(*signature)));
}

TEST(Package, ADetachedSignatureLeftFromAnEarlierBuildDoesNotStandInTheWayOfAllowUnsigned) {
  const SecretKey key = sample_key();
  const std::string stale = format_signature(*sign(as_bytes("the build before"), key, "detached", "t"));
  const auto refused = verify_package(encoded(), trusting(key), AllowUnsigned::no, stale);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::corrupt);
  const auto allowed = verify_package(encoded(), trusting(key), AllowUnsigned::yes, stale);
  ASSERT_TRUE(allowed) << error_of(allowed);
  EXPECT_EQ(allowed->report().trust, Trust::unsigned_);
}

TEST(Package, WillNotSignWhatIsNoPackage) {
  const SecretKey key = sample_key();
  EXPECT_FALSE(sign_package(as_bytes("hello"), key, ""));
  Bytes truncated = encoded();
  truncated.pop_back();
  EXPECT_FALSE(sign_package(truncated, key, ""));
}

// ---- manifest

std::string manifest() {
  Package package = sample_package();
  package.images[0].hot_blob = {10, 5, {}};
  auto text = write_manifest(package);
  EXPECT_TRUE(text) << error_of(text);
  return *text;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(Manifest, ReadsWhatItWrites) {
  const auto package = read_manifest(manifest());
  ASSERT_TRUE(package) << error_of(package);
  EXPECT_EQ(package->hazards, sample_package().hazards);
  EXPECT_EQ(package->images[0].hot_blob.compressed_bytes, 5U);
  EXPECT_EQ(package->images[0].cold_blob, PackageBlob{});
  EXPECT_TRUE(package->unknown_fields.empty());
}

TEST(Manifest, NamesUnknownFieldsAndLeavesThemAlone) {
  const auto package = read_manifest(replaced(manifest(), "\"path\":", "\"flavour\": {\"a\": [1, null]}, \"path\":"));
  ASSERT_TRUE(package) << error_of(package);
  EXPECT_EQ(package->unknown_fields, std::vector<std::string>{"images[0].flavour"});
}

TEST(Manifest, RefusesASchemaFromTheFuture) {
  const auto refused = read_manifest(replaced(manifest(), "\"schema\": 1", "\"schema\": 2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().verdict(), Verdict::refused);
}

TEST(Manifest, RefusesWhatIsWrongAndNamesTheField) {
  const struct {
    const char *what, *with, *message;
  } cases[] = {
      {"\"sequence\": 7", "\"sequence\": -7", "sequence"},
      {"\"sequence\": 7", "\"sequence\": 0", "sequence"},
      {"\"sequence\": 7", "\"sequence\": 9007199254740992", "sequence"},
      {"\"sequence\": 7", "\"sequence\": \"7\"", "sequence"},
      {"\"id\": \"redis", "\"id\": \"../redis", "id is not"},
      {"\"id\": \"redis", "\"id\": \".redis", "id is not"},
      {"\"id\": ", "\"id\": \"x\", \"id\": ", "given twice"},
      {"\"version\": ", "\"vversion\": ", "version is missing"},
      {"/usr/bin/redis", "usr/bin/redis", "path is not absolute"},
      {"/usr/bin/redis", "/usr/../redis", "path goes up"},
      {"/usr/bin/redis", "/usr/\\u001b[2J/redis", "control character"},
      {"\"build_id\": \"ab", "\"build_id\": \"xb", "images[0].build_id is not hexadecimal"},
      {"\"old_size\": 120", "\"old_size\": 1.5", "images[0].functions[0].old_size"},
      {"\"allowed\": true", "\"allowed\": 1", "hazards[0].allowed"},
      {"\"settled\": \"evidence\"", "\"settled\": \"hearsay\"", "settled is none of"},
      {"\"size\": 10", "\"size\": 1073741825", "hot is larger"},
      {"\"size\": 10", "\"size\": 0", "hot.size is 0"},
      {"\"requires\": [", "\"requires\": [1, ", "requires"},
      {"\"requires\": [", "\"requires\": [\"redis-CVE-2025-49844\", ", "names the package itself"},
  };
  for (const auto &[what, with, message] : cases) {
    const auto refused = read_manifest(replaced(manifest(), what, with));
    ASSERT_FALSE(refused) << with;
    EXPECT_EQ(refused.error().verdict(), Verdict::corrupt) << with;
    EXPECT_NE(refused.error().what().find(message), std::string::npos) << with << ": " << refused.error().what();
  }
}

TEST(Manifest, RefusesDeepNestingAndRubbish) {
  EXPECT_FALSE(read_manifest(std::string(1000000, '[')));
  EXPECT_FALSE(read_manifest(replaced(manifest(), "\"path\":", "\"x\": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]], \"path\":")));
  EXPECT_FALSE(read_manifest(""));
  EXPECT_FALSE(read_manifest("null"));
  EXPECT_FALSE(read_manifest("[]"));
  EXPECT_FALSE(read_manifest(replaced(manifest(), "redis", "\xff\xfe")));
}

TEST(Manifest, WillNotWriteWhatItWouldNotRead) {
  Package package = sample_package();
  package.id = "a b";
  EXPECT_FALSE(write_manifest(package));
  package = sample_package();
  package.description = "\xff";
  EXPECT_FALSE(write_manifest(package));
  package = sample_package();
  package.images.push_back(package.images[0]);
  EXPECT_FALSE(write_manifest(package));
  package.images[1].path += "-stripped-otherwise";
  package.images[1].digest = sha256(as_bytes("other bytes of the same link"));
  const auto one_link = write_manifest(package);
  ASSERT_FALSE(one_link);
  EXPECT_NE(one_link.error().what().find("two images have the build-id"), std::string::npos);
  package.images[1].build_id.bytes[0] ^= 1;
  EXPECT_TRUE(write_manifest(package));
  package = sample_package();
  package.images.clear();
  EXPECT_FALSE(write_manifest(package));
}

// ---- compression

TEST(Compress, GivesBackWhatWentIn) {
  for (const size_t size : {size_t{1}, size_t{131072}, size_t{131073}, size_t{3000000}}) {
    const Bytes bytes(size, 0x41);
    const auto compressed = compress(bytes);
    ASSERT_TRUE(compressed);
    const auto back = decompress(*compressed, size);
    ASSERT_TRUE(back) << error_of(back);
    EXPECT_EQ(*back, bytes);
  }
}

TEST(Compress, RefusesAnotherSizeThanDeclared) {
  const auto compressed = compress(Bytes(1 << 20, 0x41));
  ASSERT_TRUE(compressed);
  EXPECT_FALSE(decompress(*compressed, (1 << 20) - 1));
  EXPECT_FALSE(decompress(*compressed, (1 << 20) + 1));
  Bytes longer = *compressed;
  longer.push_back(0);
  EXPECT_FALSE(decompress(longer, 1 << 20));
  Bytes shorter = *compressed;
  shorter.pop_back();
  EXPECT_FALSE(decompress(shorter, 1 << 20));
}

}  // namespace
}  // namespace suture
