#include "libhandoff/base/description.h"

#include <cstring>

#include "handoff/handoff.h"

namespace handoff {

const char* description(int result) {
  switch (result) {
    case 0:
      return "no error";
    case HANDOFF_ERR_ABORTED:
      return "the handoff was given up";
    case HANDOFF_ERR_PROTOCOL:
      return "the peer broke the protocol";
    case HANDOFF_ERR_ORDER:
      return "called in the wrong order, or inside a callback";
    case HANDOFF_ERR_DUPLICATE:
      return "that name is declared already";
    case HANDOFF_ERR_UNKNOWN:
      return "no such name or id";
    case HANDOFF_ERR_VERSION:
      return "no version in common";
    case HANDOFF_ERR_IDENTITY:
      return "a socket is not the one that it should be";
    case HANDOFF_ERR_REJECTED:
      return "the service refused";
    case HANDOFF_ERR_INTERNAL:
      return "an internal error, or an exception in a callback";
    default: {
      const char* text = result < 0 ? ::strerrordesc_np(-result) : nullptr;
      return text != nullptr ? text : "unknown error";
    }
  }
}

}  // namespace handoff
