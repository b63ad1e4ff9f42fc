// What a client says, and every byte that the service must answer. Each reply is known before its
// request is sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cell.h"

namespace chaos {

struct Exchange {
  static constexpr std::size_t kNone = std::string::npos;
  std::string request;
  std::string reply;
  std::size_t any = kNone;    // this byte of the reply is the release's, and may be any
  std::uint64_t counter = 0;  // what the reply counts, if it does: tells a loss from a repeat
};

// How a reply that is not the expected one is wrong.
enum class Fault { kLost, kDuplicated, kWrong };

class Dialogue {
 public:
  virtual ~Dialogue() = default;
  virtual Exchange next() = 0;
  virtual Exchange large() = 0;  // with a reply of some 50 KB
  // got is the reply as far as it came, expected the reply that it differs from.
  Fault judge(const Exchange& expected, std::string_view got) const;

 protected:
  // The number that such a reply starts with, 0 if none.
  virtual std::uint64_t counter_of(std::string_view reply) const = 0;
};

std::unique_ptr<Dialogue> make_dialogue(Service service, std::uint64_t number);

}  // namespace chaos
