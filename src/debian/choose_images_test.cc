#include "debian/choose_images.h"

#include <gtest/gtest.h>

namespace suture {
namespace {

ImageFacts program(std::set<std::string> names) {
  ImageFacts facts;
  facts.executable = true;
  facts.names = std::move(names);
  return facts;
}

ImageFacts library(std::string soname, std::set<std::string> names) {
  ImageFacts facts;
  facts.soname = std::move(soname);
  facts.names = std::move(names);
  return facts;
}

TEST(ChooseOutput, TakesTheOneOfTheSameSoname) {
  const std::vector<OutputFacts> outputs = {{"debian/build/lib/.libs/libcurl.so.4.8.0", "a", library("libcurl.so.4", {"+curl", "needs libssl.so.3"})},
                                            {"debian/build-gnutls/lib/.libs/libcurl-gnutls.so.4.8.0", "b",
                                             library("libcurl-gnutls.so.4", {"+curl", "needs libgnutls.so.30"})}};
  const OutputChoice choice =
      choose_output({"/usr/lib/x86_64-linux-gnu/libcurl-gnutls.so.4.8.0", library("libcurl-gnutls.so.4", {"+curl", "needs libgnutls.so.30"})}, outputs);
  ASSERT_EQ(choice.kind, OutputChoice::Kind::found);
  EXPECT_EQ(choice.output, 1u);
}

TEST(ChooseOutput, LinksOfOneLibraryAreToldApartByTheVersionsTheyExport) {
  // As glibc's, which is linked a second time to link programs with: there, names that only old programs may use are on offer.
  ImageFacts shipped = library("libc.so.6", {"+xdr_int", "+malloc"});
  ImageFacts link_time = shipped, run_time = shipped;
  shipped.versions = run_time.versions = {"xdr_int@GLIBC_2.2.5", "malloc@@GLIBC_2.2.5"};
  link_time.versions = {"xdr_int@@GLIBC_2.2.5", "malloc@@GLIBC_2.2.5"};
  const std::vector<OutputFacts> outputs = {{"linkobj/libc.so", "a", link_time}, {"libc.so", "b", run_time}};
  const OutputChoice choice = choose_output({"/usr/lib/x86_64-linux-gnu/libc.so.6", shipped}, outputs);
  ASSERT_EQ(choice.kind, OutputChoice::Kind::found);
  EXPECT_EQ(choice.output, 1u);
}

TEST(ChooseOutput, FlavoursOfOneNameAreToldApartByWhatTheyImport) {
  const std::vector<OutputFacts> outputs = {{"b-light/exim", "a", program({"-a", "-b", "-c", "-d", "-e", "-f", "-g", "-h", "-i", "-j"})},
                                            {"b-heavy/exim", "b", program({"-a", "-b", "-c", "-d", "-e", "-f", "-g", "-h", "-i", "-j", "-mysql"})}};
  const OutputChoice choice =
      choose_output({"/usr/sbin/exim4", program({"-a", "-b", "-c", "-d", "-e", "-f", "-g", "-h", "-i", "-j", "-mysql"})}, outputs);
  ASSERT_EQ(choice.kind, OutputChoice::Kind::found);
  EXPECT_EQ(outputs[choice.output].path, "b-heavy/exim");
}

TEST(ChooseOutput, NeverPicksOneOfTwoEquals) {
  const std::vector<OutputFacts> outputs = {{"one/tool", "a", program({"-a"})}, {"two/tool", "b", program({"-a"})}};
  const OutputChoice choice = choose_output({"/usr/bin/tool", program({"-a"})}, outputs);
  EXPECT_EQ(choice.kind, OutputChoice::Kind::several);
  EXPECT_EQ(choice.equals, (std::vector<std::string>{"one/tool", "two/tool"}));
}

TEST(ChooseOutput, LinksOfTheSameObjectsAreOne) {
  const std::vector<OutputFacts> outputs = {{"one/tool", "a", program({"-a"})}, {"two/tool", "a", program({"-a"})}};
  EXPECT_EQ(choose_output({"/usr/bin/tool", program({"-a"})}, outputs).kind, OutputChoice::Kind::found);
}

TEST(ChooseOutput, FindsNothingForAFileThatNoLinkIsLike) {
  const std::vector<OutputFacts> outputs = {{"tool", "a", program({"-a", "-b", "-c"})}};
  EXPECT_EQ(choose_output({"/usr/bin/tool", program({"-x", "-y", "-z"})}, outputs).kind, OutputChoice::Kind::none);
  EXPECT_EQ(choose_output({"/usr/bin/other", program({"-a"})}, outputs).kind, OutputChoice::Kind::none);
  EXPECT_EQ(choose_output({"/usr/lib/libtool.so", library("", {"-a", "-b", "-c"})}, outputs).kind, OutputChoice::Kind::none);
}

}  // namespace
}  // namespace suture
