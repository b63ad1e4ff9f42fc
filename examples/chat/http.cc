#include "http.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "page_html.h"

namespace chat {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}
std::string_view trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// The value of that header; "" if there is none.
std::string_view header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find(kLineEnd); at != std::string_view::npos;) {
    at += kLineEnd.size();
    const std::size_t end = head.find(kLineEnd, at);
    const std::string_view line = head.substr(at, end == std::string_view::npos ? end : end - at);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && same(line.substr(0, colon), name)) {
      return trim(line.substr(colon + 1));
    }
    at = end;
  }
  return {};
}

Answer page(std::string_view status, std::string_view type, std::string_view body) {
  std::string out = "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: " + std::string(type) +
                    "; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"
                    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                    "script-src 'unsafe-inline'; connect-src 'self' ws: wss:; base-uri 'none'; "
                    "form-action 'none'; frame-ancestors 'none'\r\n"
                    "Connection: close\r\n\r\n";
  return {.bytes = out.append(body)};
}
Answer refusal(std::string_view status, std::string_view why) {
  return page(status, "text/plain", std::string(why) + "\n");
}

// Sec-WebSocket-Accept for that key: the proof that the request was understood.
std::string accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-1");
  }
  std::array<unsigned char, 64> coded{};
  const int length = EVP_EncodeBlock(coded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(coded.data()), static_cast<std::size_t>(length)};
}

Answer web_socket(std::string_view head) {
  const std::string_view key = header(head, "Sec-WebSocket-Key");
  if (!same(header(head, "Upgrade"), "websocket") ||
      header(head, "Sec-WebSocket-Version") != "13" || key.size() != 24) {
    return refusal("400 Bad Request", "Here is a WebSocket of version 13, and nothing else.");
  }
  // A browser says whose page it is that wants to talk: only ours may.
  const std::string_view origin = header(head, "Origin");
  const std::size_t host = origin.find("://");
  if (!origin.empty() &&
      (host == std::string_view::npos || !same(origin.substr(host + 3), header(head, "Host")))) {
    return refusal("403 Forbidden", "Another page may not talk here.");
  }
  return {.bytes =
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
              accept(key) + "\r\n\r\n",
          .talks = true};
}

}  // namespace

Answer too_long() {
  return refusal("431 Request Header Fields Too Large", "A request has 8 KiB at most.");
}

Answer answer(std::string_view head) {
  const std::string_view request = head.substr(0, head.find(kLineEnd));
  const std::size_t space = request.find(' ');
  const std::size_t next = request.find(' ', space == std::string_view::npos ? space : space + 1);
  if (next == std::string_view::npos || !request.substr(next).starts_with(" HTTP/1.")) {
    return refusal("400 Bad Request", "Here is HTTP/1.1.");
  }
  if (request.substr(0, space) != "GET") {
    return refusal("405 Method Not Allowed", "There is nothing here but to GET.");
  }
  const std::string_view path = request.substr(space + 1, next - space - 1);
  if (path == "/") return page("200 OK", "text/html", kPage);
  if (path == "/talk") return web_socket(head);
  return refusal("404 Not Found", "The page is /, and nothing else.");
}

}  // namespace chat
