// The state of a TLS session. One that is read is written as it was, and the session that it makes
// survives whatever comes; one that is refused leaves an object that does nothing.
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "check.h"
#include "handoff/handoff.h"
#include "libhandoff-tls/core/state.h"

namespace {

using namespace handoff::tls;

std::string written(const Record& record, const Info& info) {
  std::string out(RecordState::size(record, info), '\0');
  RecordState::write(record, info, reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // In memory of its own, so that a read beyond the end is seen.
  const std::unique_ptr<char[]> copy(new char[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  GateWord gate;
  gate.own();
  Record record(&gate);
  Info info;
  Buffer plain, wire;
  const auto read = RecordState::read({copy.get(), size}, record, info);
  if (!read) {
    CHECK_THAT(
        read.error().code == HANDOFF_ERR_PROTOCOL || read.error().code == HANDOFF_ERR_VERSION,
        read.error().message);
    CHECK_THAT(!record.begun() && !record.check(0, 0) && !record.seal("x", wire) && wire.empty(),
               "what was refused is alive");
    return 0;
  }
  CHECK_THAT(!record.may_act(), "nobody has compared");
  const std::string first = written(record, info);
  CHECK_THAT(first.size() <= size, "more than was read");

  Record again(&gate);
  Info told;
  const auto second = RecordState::read(first, again, told);
  CHECK_THAT(second, second.error().message);
  CHECK_THAT(written(again, told) == first, "another state");

  CHECK_THAT(record.check(record.position().end(), 0), "its own position");
  record.seal("x", wire);
  record.update_key(true, wire);
  std::size_t consumed = 0;
  record.open({copy.get(), size}, consumed, plain, wire);
  record.close(wire);
  CHECK_THAT(!record.seal("x", wire), "sealed behind the end");
  return 0;
}
