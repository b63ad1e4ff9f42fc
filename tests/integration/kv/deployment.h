// kv in service: started once, and upgraded as often as one likes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace kv::test {

// How: by a supervisor in miniature that is part of the test, or by `handoff run`.
class Deployment {
 public:
  virtual ~Deployment() = default;
  // Hands over to this release; fails the test if that fails or a session is lost.
  virtual void upgrade(int release) = 0;
  // Of the listener: tcp:127.0.0.1:PORT.
  virtual std::string address() const = 0;
  // The longest blackout so far, if that is known; 0 if not.
  virtual std::uint64_t longest_blackout_us() const { return 0; }
};

std::string server_binary(int release);

std::unique_ptr<Deployment> deploy_in_miniature(int release);

}  // namespace kv::test
