// The options of a fake service: how it misbehaves.
//
//   --release NAME    what it calls itself
//   --sessions N      how many it has when nobody hands over to it; an heir has what it was given
//   --owns N          an heir says that it has so many, instead
//   --fresh HOW       serve | exit=N | silent (no Register) | mute (no Owner) |
//                     crash-after-register
//   --heir HOW        serve | exit=N | silent | fail | segv-in-copy | exit-in-copy | hang-in-copy |
//                     crash-after-register | die-after-release | die-after-owner
//   --donor HOW       serve | fail | die-in-copy | hang | stay (after Retired) | stay-on-term |
//                     linger (stays, and answers)
//   --lost N          so many of what an heir was given are lost when its donor dies
//   --ignore WHAT     stop | query (may be given twice)
//   --wait-for FILE   a donor goes on with the copy once that file exists
//   --own-after FILE  an heir says Owner once that file exists, and then makes FILE.said
//   --frame TYPE:FILE sends that file's content as such a frame, once it serves
//   --flood WHAT      health | owner | progress | register: says that without end once it serves;
//                     reconnect: comes back by services.sock without end
//   --health HOW      well | ill: says so once it serves     --ill-when FILE  once that exists
//   --errors N        that it says it has counted
//   --answer TEXT     to each connection, instead
//   --orphans N       leaves N processes without a parent that end at once
//   --needs FILE      its sessions need the process whose pid is in that file
//   --workers N       starts N processes that live until they are ended, with another title as
//                     nginx's have, which overwrites their environment
//   --own-port N      listens there itself, workers too; exits with 98 if that can't be done
//
// A test that misspells a fault would test nothing, so any other option ends it with exit status 2.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace handoff::test {

class FakeOptions {
 public:
  FakeOptions(int argc, char** argv);

  // Why the options are refused; "" if they are not.
  const std::string& objection() const { return objection_; }
  const std::string& text(const std::string& name) const;
  std::uint64_t number(const std::string& name) const;
  bool ignores(const std::string& what) const { return ignored_.contains(what); }

 private:
  std::map<std::string, std::string> given_;
  std::set<std::string> ignored_;
  std::string objection_;
};

}  // namespace handoff::test
