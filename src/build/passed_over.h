// Whether a further build of a tree left out what it should have made again. Builds that guard their steps by stamp
// files (debian/rules often does) do nothing the second time, whatever changed; some do not know their headers, some
// compile copies of their sources, and some link in a step that is not run again. A patch of only some of the users of
// a header would be wrong without a sign.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/result.h"
#include "build/moved_tree.h"
#include "build/record.h"
#include "build/stale_copies.h"

namespace suture {

// The outputs of `before` that hold an object which a compilation of `now` made otherwise.
std::set<std::string> outputs_with_replaced(const Records &before, const Records &now);

// Of those, the ones that `now` neither linked again nor spared on purpose.
std::set<std::string> links_left_out(const Records &before, const Records &now);

// `pre` is what the first build of the tree did, `others` what was done since, `now` what the further build did. Each object that was made from a file that moved must have been made again, and from what the file holds now;
// each file that was linked from such an object must have been linked again, or spared that on purpose.
bool passed_over(Records pre, Records others, const Records &now, const MovedTree &tree, const StaleCopies &copies);

// The other way round: whether `now` made an object otherwise than the records in the folder `pre`, of nothing that moved. Then a file that a build makes anew in each
// run came out otherwise (a count of builds), which is no part of the fix. From a copy of the whole tree it comes out alike.
Result<bool> changed_by_itself(const std::filesystem::path &pre, const Records &now, const MovedTree &tree);

// Packaging and quilt's bookkeeping are compiled by nobody.
bool is_source_path(const std::string &path);

}  // namespace suture
