// The file of a Unix listener: whose it is, and who may connect. What takes long to find out about
// that is found out beforehand.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/config/address.h"

namespace handoff::supervisor {

// Looks up what the listener's options name, on this host (getpwnam_r(3)), and makes the number of
// an interface its name. Takes as long as a directory of users likes (LDAP): not on the loop. What
// nobody has stays unknown.
void look_up(NamedAddress& listener);

// Whose the file is to be: numbers, and names as they were looked up; -ENOENT for one that nobody
// has.
Result<SocketOwner> owner_of(const ListenerOptions& options);

// Gives the socket at that path its owner and its mode, as far as options name them; what is there
// and is no socket stays as it is, also if a link leads to one.
Result<void> dress(const std::string& path, const ListenerOptions& options);

// The most that the kernel lets wait in a listener (net.core.somaxconn); 0 if it does not say.
int longest_queue();

}  // namespace handoff::supervisor
