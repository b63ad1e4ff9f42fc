#include "supervisor/base/utf8.h"

#include "libhandoff/base/text.h"

namespace handoff::supervisor {

Result<void> expect_utf8(const std::string& what, const std::string& text) {
  if (is_utf8(text)) return {};
  return fail(-EILSEQ, what + " \"" + printable(text) +
                           "\" is no UTF-8, so it can't be written down for the next supervisor: "
                           "use another name");
}

}  // namespace handoff::supervisor
