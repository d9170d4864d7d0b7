// The `suture` program; see commands.h.
#include <malloc.h>
#include <signal.h>

#include "cli/commands.h"

int main(int argc, char **argv) {
  // A file that outgrows the limit set on this process is a failed write, after which all is put back, and no reason to
  // die.
  ::signal(SIGXFSZ, SIG_IGN);
  // One thread works at a time; an arena for each costs more than it saves.
  ::mallopt(M_ARENA_MAX, 1);
  return suture::cli::run_command_line(argc, argv);
}
