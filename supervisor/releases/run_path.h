// Where a program looks for its libraries, as it says itself: a copy of a program that says $ORIGIN
// does not find them.
#pragma once

#include <string>

namespace handoff::supervisor {

// DT_RUNPATH, else DT_RPATH, of an ELF file; "" if it has none, or is no such file.
std::string run_path_of(int file);

}  // namespace handoff::supervisor
