#include "libhandoff/protocol/reader.h"

#include <protozero/exception.hpp>

#include "handoff/handoff.h"

namespace handoff::protocol {
namespace {

// Thrown for a broken rule of the protocol. Each message around the place puts its name in front.
struct Malformed {
  std::string what;
};

}  // namespace

Result<void> Reader::read(std::string_view body, Screen screen, Walk walk, void* message) {
  try {
    Reader(body, screen).run(walk, message);
    return {};
  } catch (const Malformed& e) {
    return fail(HANDOFF_ERR_PROTOCOL, e.what);
  }
}

void Reader::run(Walk walk, void* message) {
  try {
    do {
      walk(*this, message);
    } while (next_ != 0);
    if (wrong_ != nullptr) refuse(wrong_);
  } catch (const protozero::exception& e) {
    throw Malformed{std::string("malformed ") + name_ + ": " + e.what()};
  } catch (const Malformed& e) {
    throw Malformed{std::string("malformed ") + name_ + ": " + e.what};
  }
}

void Reader::take_text(std::string& x, std::size_t limit, const char* what) {
  const std::string_view text = view();
  if (screen_ == nullptr && text.size() > limit) {
    refuse((std::string(what) + " is too long").c_str());
  }
  x = text;
  if (screen_ != nullptr && !screen_(x)) refuse((std::string(what) + " is no UTF-8").c_str());
  advance();
}

void Reader::refuse(const char* why) { throw Malformed{why}; }

}  // namespace handoff::protocol
