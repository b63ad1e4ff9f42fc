// The path of a Unix listener, and a second name of the same socket. A socket whose path somebody
// has removed listens on, and nobody can reach it: the kernel binds no socket twice. A second name
// (a hard link) keeps the file of the socket alive, so that the path can be made again: the same
// socket, with all connections that wait in it, and no process has to know.
//
// The second name lies in the runtime folder, else (another file system) hidden beside the path.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

class SocketPath {
 public:
  SocketPath() = default;  // of a listener that has none
  // Of a socket that is bound there. spare: what its second name begins with, "" for nowhere but
  // beside the path; a number of the path follows. fresh: it has just been bound, so that what lies
  // there is its own.
  SocketPath(std::string path, const std::string& spare, bool fresh);
  SocketPath(SocketPath&& other) noexcept;
  SocketPath& operator=(SocketPath&& other) noexcept;
  ~SocketPath();  // removes both names, as far as they are still its own

  const std::string& path() const { return path_; }
  // The path is there, and leads to the socket.
  bool names_socket() const { return !path_.empty() && problem().empty(); }
  // Why nobody gets to the socket by its path; "" if all is well.
  std::string problem() const;
  // No name of the socket is left: nobody will ever reach it again.
  bool lost() const;
  // Makes the path again. true: it was gone. A socket that nobody listens on any more makes way,
  // nothing else does.
  Result<bool> mend();

 private:
  struct File {
    ino_t inode = 0;
    dev_t device = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  static File file_at(const std::string& path);
  std::string spare() const;  // the one that is there, or ""
  void make_spare();
  void remove();

  std::string path_;                 // "" for none
  std::vector<std::string> spares_;  // where its second name may be
  File file_;                        // of the socket; none: nothing is known of it any more
};

}  // namespace handoff::supervisor
