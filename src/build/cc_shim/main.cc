// suture-cc: see build/cc_shim/shim.h.
#include "build/cc_shim/shim.h"

int main(int argc, char **argv) {
  return suture::run_shim(argc, argv);
}
