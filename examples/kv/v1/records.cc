// The formats of the section "data" that release 1 knows: version 1.
#include "records.h"

#include "format_1.h"

namespace kv {

const RecordFormat& record_format(std::uint32_t version) {
  static const Format1 format;
  if (version != 1) throw Malformed("data version " + std::to_string(version) + " is unknown");
  return format;
}

}  // namespace kv
