// Bytes of a client of the kv example. The same requests must come out however the bytes arrive,
// also if another process takes over in the middle of a request.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "request_parser.h"

namespace {

using kv::RequestParser;
using Words = std::vector<std::string>;

struct Parsed {
  std::vector<Words> requests;
  std::string error;
  std::size_t used = 0;
};

// Takes the complete requests out of the bytes that have arrived; false once the client is refused.
bool take(RequestParser& parser, std::string_view arrived, Parsed& parsed) {
  while (true) {
    switch (parser.next(arrived.substr(parsed.used))) {
      case RequestParser::Status::kIncomplete:
        return true;
      case RequestParser::Status::kError:
        parsed.error = parser.error();
        CHECK_THAT(!parsed.error.empty(), "refused, and does not say why");
        return false;
      case RequestParser::Status::kRequest: {
        CHECK_THAT(parser.taken() > 0, "a request of no bytes");
        parsed.used += parser.taken();
        CHECK_THAT(parsed.used <= arrived.size(), "took more than there is");
        Words words;
        for (std::string& word : parser.args()) words.push_back(std::move(word));
        if (!words.empty()) parsed.requests.push_back(std::move(words));
      }
    }
  }
}

Parsed at_once(std::string_view bytes) {
  RequestParser parser;
  Parsed parsed;
  take(parser, bytes, parsed);
  return parsed;
}

// The pieces are first, second, first, second ... bytes long. With heirs, each piece is read by a
// new process, which gets what its predecessor has not consumed.
Parsed in_pieces(std::string_view bytes, std::size_t first, std::size_t second, bool heirs) {
  Parsed parsed;
  auto parser = std::make_unique<RequestParser>();
  for (std::size_t arrived = 0; arrived < bytes.size(); std::swap(first, second)) {
    arrived = std::min(bytes.size(), arrived + first);
    if (heirs) parser = std::make_unique<RequestParser>();
    // A copy, so that a sanitizer sees a read beyond the bytes that have arrived.
    if (!take(*parser, std::string(bytes.substr(0, arrived)), parsed)) break;
  }
  return parsed;
}

// As in Redis, a count is refused for its length while its line has no end, and for its value once
// the end has come. So these errors count as one.
std::string same_reason(const std::string& error) {
  if (error == "Protocol error: too big bulk count string") {
    return "Protocol error: invalid bulk length";
  }
  if (error == "Protocol error: too big mbulk count string") {
    return "Protocol error: invalid multibulk length";
  }
  return error;
}

void check_same(const Parsed& a, const Parsed& b, const char* what) {
  CHECK_THAT(a.requests == b.requests, what);
  CHECK_THAT(a.used == b.used, what);
  CHECK_THAT(same_reason(a.error) == same_reason(b.error),
             std::string(what) + ": \"" + a.error + "\", \"" + b.error + "\"");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return -1;
  const std::size_t first = 1 + (data[0] & 15U);
  const std::size_t second = 1 + (data[0] >> 4U) * 8U;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Parsed whole = at_once(bytes);
  check_same(whole, in_pieces(bytes, first, second, false), "in pieces");
  check_same(whole, in_pieces(bytes, 8 * first, 8 * second, true),
             "by one process after the other");
  return 0;
}
