// A client of kv that controls every byte: a test may send half a request, or leave replies unread.
#pragma once

#include <hiredis/read.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

// A request in RESP2.
std::string request(const std::vector<std::string>& words);

class RespClient {
 public:
  // To 127.0.0.1. receive_buffer: SO_RCVBUF, 0 for the usual.
  explicit RespClient(int port, int receive_buffer = 0);

  void send(std::string_view bytes);
  // The next reply as text: OK, :1, "bulk", (nil), [a, b], -ERR ...; "closed" at the end.
  std::string reply();
  std::string ask(const std::vector<std::string>& words);
  std::string ask(const std::string& line);  // words without quotes
  // The next bytes as they are. Not after reply() has read beyond them.
  std::string bytes(std::size_t n);

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  std::string receive(std::size_t limit);  // empty at the end

  UniqueFd fd_;
  std::unique_ptr<redisReader, FreeReader> reader_;
};

}  // namespace handoff::test
