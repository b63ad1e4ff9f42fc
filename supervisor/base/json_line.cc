#include "supervisor/base/json_line.h"

#include <nlohmann/json.hpp>

#include "libhandoff/base/text.h"

namespace handoff::supervisor {

std::string json_line(const nlohmann::json& value) {
  return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace handoff::supervisor
