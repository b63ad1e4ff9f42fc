// A network of this process's own, in which only its loopback device is, with an address of one
// link beside the usual ones.
#pragma once

namespace handoff::test {

constexpr const char* kLinkLocal = "fe80::1%lo";

// For this thread, and for what it starts from then on. Throws where that is not allowed: only root
// can have one.
void enter_own_network();

}  // namespace handoff::test
