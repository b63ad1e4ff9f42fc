// What this process is short of, by an error of the kernel, and what helps.
#pragma once

#include <string>

namespace handoff::supervisor {

// code: a negative errno. "" if it is no shortage.
std::string remedy_for_shortage(int code);

}  // namespace handoff::supervisor
