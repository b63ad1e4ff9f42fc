// Keeps the configuration that is in force in the state folder, where a supervisor finds it whose
// file can't be understood any more. What somebody removes or changes there is kept again.
#pragma once

#include <uv.h>

#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/base/file_mark.h"
#include "supervisor/loop/background.h"

namespace handoff::supervisor {

class ConfigKeeper {
 public:
  // state: the state folder.
  ConfigKeeper(uv_loop_t* loop, std::string state);
  ConfigKeeper(const ConfigKeeper&) = delete;
  ConfigKeeper& operator=(const ConfigKeeper&) = delete;

  // What file says is in force from now on. It is kept before this returns, or can't be.
  void keep(std::string file, std::string text);
  // Once something may have happened to it. A disk may be slow, so it is kept again on a thread.
  void look();

 private:
  struct Kept {  // of one attempt, which a thread may make
    std::string state;
    mode_t folder_mode = 0;  // for a folder that is made anew
    std::string file;
    std::string text;
    FileMark mark{};  // of what was left
    Result<void> result;
    void write();
  };
  void told(const Kept& kept);

  Kept now_;               // what is in force, and how it was kept
  std::string complaint_;  // as it was told last
  Background thread_;
};

}  // namespace handoff::supervisor
