// Who calls the functions of a patch and what they refer to, drawn in three columns (SVG).
#pragma once

#include <string>

#include "review/review.h"

namespace suture {

// Empty when the image has no functions to draw.
std::string draw_call_graph(const ReviewImage &image);

}  // namespace suture
