// The receiving end of sd_notify(3), in systemd's place: what it is told, and the fds that it is to
// keep.
#pragma once

#include <map>
#include <string>

#include "support/process/files.h"

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

class NotifySocket {
 public:
  NotifySocket();
  const std::string& path() const { return path_; }

  // Waits until this text was heard; false if it never is.
  bool hears(const std::string& text);
  // All that was heard, a line "--" after each message.
  const std::string& heard() const { return heard_; }
  void forget() { heard_.clear(); }
  std::map<std::string, UniqueFd>& store() { return store_; }

 private:
  void receive();

  TempDir dir_;
  std::string path_ = dir_ / "notify";
  UniqueFd fd_;
  std::string heard_;
  std::map<std::string, UniqueFd> store_;
};

}  // namespace handoff::test
