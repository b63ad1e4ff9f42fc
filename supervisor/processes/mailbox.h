// The supervisor's side of mailboxes (libhandoff/process/mailbox.h): one is made for each process,
// in the supervisor's network namespace, under a name of its own in the abstract namespace. Nobody
// else can take that name while the process holds the mailbox.
//
// An address, "NAME:KEY", each 32 hexadecimal digits, is told to nobody but the next supervisor.
// Everybody on the host can see the names; the key is a secret.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

struct NewMailbox {
  std::string address;
  UniqueFd fd;
};
Result<NewMailbox> make_mailbox();

// Whether fd is that mailbox, and was made by this user. No other user has such a socket, whatever
// name it gives to one of its own.
bool is_mailbox(int fd, const std::string& address);

// Puts a new control socket in, and returns the supervisor's end of it. What comes from there has
// the sender's credentials (SO_PASSCRED). -ECONNREFUSED: nobody holds such a mailbox.
Result<UniqueFd> post_control_socket(const std::string& address);

}  // namespace handoff::supervisor
