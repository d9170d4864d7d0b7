// Any bytes as the body of a record found in a process: rejected, or a record that is written to the same bytes again.
#include <cstdlib>

#include "apply/record.h"
#include "apply/transaction.h"
#include "fuzz.h"

using namespace suture;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto record = decode_record_body({data, size});
  if (!record) return 0;
  const auto again = decode_record_body(encode_record_body(*record));
  if (!again || encode_record_body(*again) != encode_record_body(*record)) std::abort();
  // Two units that claim what they like of each other.
  std::vector<FoundRecord> found = {{*record, {}}, {*again, {}}};
  found[1].record.unit = 1;
  for (const Transaction &transaction : group_transactions(found))
    if (transaction.units.empty()) std::abort();
  return 0;
}

std::vector<Bytes> suture_fuzz_seeds() {
  Record record;
  record.patch_id = "seed";
  record.unit_count = 2;
  record.order = 3;
  record.code = {RunAddr(0x7f0000001000), 0x2000};
  record.data = {RunAddr(0x7f0000003000), 0x1000};
  record.image = RunAddr(0x7f0000002000);
  record.base_path = "/usr/bin/seed";
  record.base_id = {ImageId::Kind::elf_build_id, Bytes(20, 7)};
  record.base = RunAddr(0x555555554000);
  record.functions.push_back({"f", RunAddr(0x555555555000), RunAddr(0x555555555004), {1, 2, 3, 4, 5}, {0xe9, 0, 0, 0, 0}, {0xe9, 1, 0, 0, 0}, true,
                              {RunAddr(0x7f0000002100), 64}, {RunAddr(0x7f0000001100), 48}, {RunAddr(0x7f0000001120), 16}, RunAddr(0x7f0000001040),
                              {{RunAddr(0x555555555000), 64}, {RunAddr(0x555555556000), 16}}});
  Record bare;
  bare.patch_id = "bare";
  return {encode_record_body(record), encode_record_body(bare)};
}
