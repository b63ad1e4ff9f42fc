// Replies in RESP2, written piece by piece into a connection's output.
#ifndef HANDOFF_EXAMPLES_KV_REPLY_H
#define HANDOFF_EXAMPLES_KV_REPLY_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kv {

// The place where replies go. It copies what it gets.
class Sink {
 public:
  virtual void send(std::string_view bytes) = 0;

 protected:
  ~Sink() = default;
};

// Writes replies to a sink, which it borrows. array() writes the header; the elements follow.
class Reply {
 public:
  explicit Reply(Sink& sink) : sink_(sink) {}
  void ok() { sink_.send("+OK\r\n"); }
  void status(std::string_view text);
  // text begins with a code: "ERR ...". Line breaks in it become spaces.
  void error(std::string_view text);
  void integer(std::int64_t value) { line(':', value); }
  void bulk(std::string_view value);
  void nil() { sink_.send("$-1\r\n"); }
  void nil_array() { sink_.send("*-1\r\n"); }
  void array(std::size_t elements) { line('*', static_cast<std::int64_t>(elements)); }

 private:
  void line(char type, std::int64_t value);
  Sink& sink_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_REPLY_H
