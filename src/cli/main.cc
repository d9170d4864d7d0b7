// The `suture` program; see commands.h.
#include "cli/commands.h"

int main(int argc, char **argv) {
  return suture::cli::run_command_line(argc, argv);
}
