// The report's series as a chart: an SVG of lines over the number of sessions, both axes from zero.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using Lines = std::map<std::string, std::vector<std::pair<double, double>>>;
// y in microseconds, shown as milliseconds. "" if there is nothing to draw.
std::string svg(const std::string& title, const Lines& lines);

}  // namespace bench
