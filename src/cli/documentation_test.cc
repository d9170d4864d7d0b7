// Every command has its manual page and its completions, and every option stands in them.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/cat.h"
#include "base/file.h"
#include "cli/commands.h"

namespace suture::cli {
namespace {

std::string source_text(const std::string &path) {
  const auto text = read_text(std::filesystem::path(SUTURE_SOURCE_DIR) / path);
  EXPECT_TRUE(text) << path << " is missing";
  return text ? *text : "";
}

bool has_word(const std::string &text, const std::string &word) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) return true;
  }
  return false;
}

class Documentation : public testing::Test {
 protected:
  Documentation() { add_commands(app_, context_); }
  std::vector<const CLI::App *> commands() const {
    return app_.get_subcommands([](const CLI::App *) { return true; });
  }
  template <typename Check>
  void each_long_option(const Check &check) const {
    for (const CLI::App *command : commands())
      for (const CLI::Option *option : command->get_options())
        for (const std::string &name : option->get_lnames())
          if (name != "help") check(*command, name);
  }

  Context context_ = default_context();
  CLI::App app_{"", "suture"};
};

TEST_F(Documentation, EveryCommandHasAManualPageThatTheMainOneNames) {
  const std::string overview = source_text("man/suture.1");
  for (const CLI::App *command : commands()) {
    (void)source_text(cat("man/suture-", command->get_name(), ".1"));
    EXPECT_TRUE(has_word(overview, "suture-" + command->get_name())) << command->get_name();
  }
}

TEST_F(Documentation, EveryOptionStandsInItsCommandsManualPage) {
  each_long_option([](const CLI::App &command, const std::string &option) {
    std::string page = cat("man/suture-", command.get_name(), ".1");
    if (command.get_name() == "uninstall") page = "man/suture-install.1";  // one page for both
    EXPECT_TRUE(has_word(source_text(page), "Fl Fl " + option)) << page << " lacks --" << option;
  });
}

TEST_F(Documentation, EveryCommandAndOptionIsCompleted) {
  const std::string bash = source_text("completion/suture.bash");
  const std::string zsh = source_text("completion/_suture");
  const std::string fish = source_text("completion/suture.fish");
  for (const CLI::App *command : commands())
    for (const std::string *text : {&bash, &zsh, &fish})
      EXPECT_TRUE(has_word(*text, command->get_name())) << command->get_name();
  each_long_option([&](const CLI::App &command, const std::string &option) {
    EXPECT_TRUE(has_word(bash, "--" + option))
        << "completion/suture.bash lacks " << command.get_name() << " --" << option;
    EXPECT_TRUE(has_word(zsh, "--" + option)) << "completion/_suture lacks " << command.get_name() << " --" << option;
    EXPECT_TRUE(has_word(fish, "-l " + option))
        << "completion/suture.fish lacks " << command.get_name() << " --" << option;
  });
}

}  // namespace
}  // namespace suture::cli
