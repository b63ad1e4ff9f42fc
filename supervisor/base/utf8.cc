#include "supervisor/base/utf8.h"

#include <nlohmann/json.hpp>

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string replaced(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

bool is_utf8(const std::string& text) {
  return json::parse(replaced(text)).get_ref<const std::string&>() == text;
}

Result<void> expect_utf8(const std::string& what, const std::string& text) {
  if (is_utf8(text)) return {};
  return fail(-EILSEQ, what + " " + replaced(text) +
                           " is no UTF-8, so it can't be written down for the next supervisor: use "
                           "another name");
}

}  // namespace handoff::supervisor
