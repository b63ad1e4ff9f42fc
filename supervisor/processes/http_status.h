// The first line of a web server's answer.
#pragma once

#include <string_view>

namespace handoff::supervisor {

// The status that it has (RFC 9112, section 4): 200 of "HTTP/1.1 200 OK". 0 if that is no answer of
// HTTP.
int http_status(std::string_view answer);

}  // namespace handoff::supervisor
