// The parts the wrapper uses as a linker: command line, map, archives.
#include <gtest/gtest.h>

#include "base/cat.h"
#include "base/file.h"
#include "build/archive.h"
#include "build/ld_args.h"
#include "build/link_map.h"

namespace suture {
namespace {

using Words = std::vector<std::string>;

TEST(LdArgs, ReadsACommandAsGccGivesIt) {
  const LdCommand command =
      parse_ld_command({"-plugin", "/usr/lib/liblto_plugin.so", "-plugin-opt=-fresolution=/tmp/x.res", "--build-id",
                        "-m", "elf_x86_64", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", "-pie", "-o", "prog",
                        "crt1.o", "-L/usr/lib", "main.o", "libx.a", "--as-needed", "-lc", "-z", "now"});
  EXPECT_TRUE(command.links);
  EXPECT_EQ(command.output, "prog");
  EXPECT_EQ(command.kind, LinkKind::executable);
  EXPECT_EQ(command.inputs, (Words{"crt1.o", "main.o", "libx.a"}));
  EXPECT_FALSE(command.map_file);
}

TEST(LdArgs, TellsTheKindsOfOutputApart) {
  EXPECT_EQ(parse_ld_command({"-shared", "a.o"}).kind, LinkKind::shared);
  EXPECT_EQ(parse_ld_command({"-r", "a.o"}).kind, LinkKind::relocatable);
  EXPECT_EQ(parse_ld_command({"-rpath", "/x", "a.o"}).kind, LinkKind::executable);
  EXPECT_EQ(parse_ld_command({"a.o"}).output, "a.out");
}

TEST(LdArgs, TakesTheOutputInAllItsSpellings) {
  EXPECT_EQ(parse_ld_command({"-ox", "a.o"}).output, "x");
  EXPECT_EQ(parse_ld_command({"--output=x", "a.o"}).output, "x");
  EXPECT_EQ(parse_ld_command({"--output", "x", "a.o"}).output, "x");
  EXPECT_EQ(parse_ld_command({"-omagic", "a.o"}).output, "a.out");
  EXPECT_EQ(parse_ld_command({"-oformat", "elf64-x86-64", "a.o"}).output, "a.out");
}

TEST(LdArgs, SeesAMapThatIsAskedForAlready) {
  EXPECT_EQ(parse_ld_command({"-Map=x.map", "a.o"}).map_file, "x.map");
  EXPECT_EQ(parse_ld_command({"-Map", "x.map", "a.o"}).map_file, "x.map");
  EXPECT_TRUE(parse_ld_command({"--print-map", "a.o"}).prints_map);
}

TEST(LdArgs, SeesThatAQuestionLinksNothing) {
  EXPECT_FALSE(parse_ld_command({"-v"}).links);
  EXPECT_FALSE(parse_ld_command({"--version", "a.o"}).links);
}

TEST(LdArgs, FindsALibraryInTheFoldersGiven) {
  const Result<TempDir> folder = TempDir::create("ld-args");
  ASSERT_TRUE(folder);
  const std::string archive = (folder->path() / "libq.a").string();
  ASSERT_TRUE(write_file_atomic(archive, as_bytes("!<arch>\n")));
  EXPECT_EQ(parse_ld_command({"-L" + folder->path().string(), "a.o", "-lq", "-lnowhere"}).inputs,
            (Words{"a.o", archive}));
  EXPECT_EQ(parse_ld_command({"-L", folder->path().string(), "a.o", "-l:libq.a"}).inputs, (Words{"a.o", archive}));
}

TEST(LinkMap, ReadsWhatGnuLdOpenedAndTook) {
  const LinkMap map = parse_link_map(
      "Archive member included to satisfy reference by file (symbol)\n\n"
      "liba.a(a.o)                   m.o (a)\n"
      "/usr/lib/x86_64-linux-gnu/libc_nonshared.a(atexit.oS)\n"
      "                              m.o (atexit)\n"
      "./thin.o                      m.o (t)\n"
      "\nMerging program properties\n\nRemoved property x.o to merge y.o (not found)\n"
      "As-needed library included to satisfy reference by file (symbol)\n\n"
      "libc.so.6                     Scrt1.o (__libc_start_main)\n"
      "\nMemory Configuration\n\nLinker script and memory map\n\n"
      "LOAD m.o\nLOAD liba.a\nLOAD /lib/with space.a\n .text          0x0 0x10 m.o\n");
  EXPECT_EQ(map.loads, (Words{"m.o", "liba.a", "/lib/with space.a"}));
  EXPECT_TRUE(map.taken.contains("liba.a(a.o)"));
  EXPECT_TRUE(map.taken.contains("/usr/lib/x86_64-linux-gnu/libc_nonshared.a(atexit.oS)"));
  EXPECT_TRUE(map.taken.contains("./thin.o"));
  EXPECT_EQ(map.taken.size(), 3u);
}

TEST(LinkMap, ReadsWhatGoldTook) {
  const LinkMap map = parse_link_map(
      "Archive member included because of file (symbol)\n\n"
      "libt.a(a.o)                   m.o (a)\n"
      "liba.a(b.o)                   --whole-archive\n\nMemory map\n\n .text 0x0 0x10 libz.a(z.o)\n");
  EXPECT_EQ(map.taken, (std::set<std::string>{"libt.a(a.o)", "liba.a(b.o)"}));
}

TEST(LinkMap, ReadsWhatLldTook) {
  const LinkMap map = parse_link_map(
      "             VMA              LMA     Size Align Out     In      Symbol\n"
      "             2a8              2a8       1c     1         <internal>:(.interp)\n"
      "            1719             1719        b     1         m.o:(.text)\n"
      "            1719             1719        b     1                 main\n"
      "            1724             1724        b     1         lib/liba.a(a.o):(.text.f)\n");
  EXPECT_EQ(map.taken, std::set<std::string>{"lib/liba.a(a.o)"});
}

TEST(LinkMap, TakesAnyTextWithoutComplaint) {
  EXPECT_TRUE(parse_link_map("").taken.empty());
  EXPECT_TRUE(
      parse_link_map("Archive member included\n\n\n:(\n(((\n Align Out     In      Symbol\n:(:(\n").loads.empty());
}

std::string member(std::string name, std::string_view content) {
  name.resize(16, ' ');
  std::string size = std::to_string(content.size());
  size.resize(10, ' ');
  std::string out = name + "0           0     0     644     " + size + "`\n" + std::string(content);
  if (out.size() % 2 != 0) out += '\n';
  return out;
}

TEST(Archive, ListsMembersWithShortAndLongNames) {
  const std::string text = "!<arch>\n" + member("/", "symbols") + member("//", "a_very_long_member_name.o/\n") +
                           member("a.o/", "AAA") + member("/0", "BB");
  const Result<std::vector<ArchiveMember>> members = list_archive(as_bytes(text));
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 2u);
  EXPECT_EQ((*members)[0].name, "a.o");
  EXPECT_EQ(as_text((*members)[0].bytes), "AAA");
  EXPECT_EQ((*members)[1].name, "a_very_long_member_name.o");
  EXPECT_EQ(as_text((*members)[1].bytes), "BB");
}

TEST(Archive, FindsTheMembersOfAThinArchiveElsewhere) {
  std::string header = member("/0", "");
  header.replace(48, 4, "4096");
  const std::string text = "!<thin>\n" + member("//", "sub/c.o/\n") + header;
  const Result<std::vector<ArchiveMember>> members = list_archive(as_bytes(text));
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ((*members)[0].external, "sub/c.o");
}

TEST(Archive, RefusesWhatIsCutOffOrNoArchive) {
  const std::string text = "!<arch>\n" + member("a.o/", "AAAA");
  EXPECT_FALSE(list_archive(as_bytes(text.substr(0, text.size() - 2))));
  EXPECT_FALSE(list_archive(as_bytes("\177ELF")));
  EXPECT_FALSE(list_archive(as_bytes("!<arch>\n" + std::string(60, 'x'))));
  std::string huge = member("a.o/", "");
  huge.replace(48, 10, "9999999999");
  EXPECT_FALSE(list_archive(as_bytes("!<arch>\n" + huge)));
  EXPECT_FALSE(list_archive(as_bytes("!<arch>\n" + member("/77", "x"))));  // no table of long names
}

}  // namespace
}  // namespace suture
