// Leaving a patch, and tidying what interrupted runs left: shared by revert and by every apply.
#pragma once

#include "apply/session.h"
#include "apply/stop_and_switch.h"

namespace suture {

// Back to the old code, then frees the patch's memory unless something may still point into it. `note` gets a remark
// for the operator in that case.
Result<SwitchReport> take_back(Session &session, const Transaction &transaction, const SwitchOptions &options,
                               std::string &note);
// Frees a transaction that nothing leads to (never switched to, or switched back and unused).
Status release_memory(Session &session, const Transaction &transaction);
// Completes or takes back whatever a run that died left half done; records that are whole stay.
Status repair(Session &session, const SwitchOptions &options);

}  // namespace suture
