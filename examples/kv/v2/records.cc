// The formats of the section "data" that release 2 knows: versions 1 and 2.
#include "records.h"

#include "format_1.h"
#include "format_2.h"

namespace kv {

const RecordFormat& record_format(std::uint32_t version) {
  static const Format1 older;
  static const Format2 format;
  if (version == 1) return older;
  if (version == 2) return format;
  throw Malformed("data version " + std::to_string(version) + " is unknown");
}

}  // namespace kv
