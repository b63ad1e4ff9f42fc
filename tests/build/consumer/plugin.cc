// A shared object that has libhandoff inside and exports a function of its own.
#include <handoff/handoff.h>

extern "C" int plugin_open(handoff_t** out) { return handoff_open(out, nullptr); }
