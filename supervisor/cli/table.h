// Aligned columns, and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace handoff::supervisor {

// The first row is the head. Columns are two spaces apart; no trailing blanks. Cells are
// printable() and on one line.
std::string table(std::vector<std::vector<std::string>> rows);

std::string with_commas(std::uint64_t number);  // 1,234,567
std::string short_digest(const std::string& digest);
// "12 sessions", "1 session".
std::string counted(std::uint64_t number, const std::string& noun);

}  // namespace handoff::supervisor
