// What a web server answers to a health check. A status is what the bytes at its place say, and
// what comes behind the first line changes nothing.
#include <array>
#include <string>
#include <string_view>

#include "check.h"
#include "supervisor/processes/http_status.h"

using handoff::supervisor::http_status;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const int status = http_status(text);
  CHECK_THAT(status >= 0 && status <= 999, std::to_string(status));
  const std::string digits = std::to_string(1000 + status).substr(1);
  if (status != 0) {
    CHECK_THAT(text.starts_with("HTTP/1.") && text.substr(8, 4) == " " + digits, digits);
  }
  const std::size_t line = text.find('\n');
  if (line != text.npos) {
    CHECK_THAT(http_status(text.substr(0, line)) == status, "the body counts");
  }
  for (const std::string_view more : {"", " OK", "\r\n"}) {
    std::string whole = "HTTP/1.1 ";
    whole.append(digits).append(more);
    CHECK_THAT(http_status(whole) == status, whole);
  }
  return 0;
}
