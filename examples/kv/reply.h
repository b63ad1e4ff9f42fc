// Replies in RESP2, written piece by piece to where they are sent from.
#ifndef HANDOFF_EXAMPLES_KV_REPLY_H
#define HANDOFF_EXAMPLES_KV_REPLY_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kv {

// Where replies go. Takes a copy.
class Sink {
 public:
  virtual void send(std::string_view bytes) = 0;

 protected:
  ~Sink() = default;
};

// Borrows its sink. An array is its header and then its elements.
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
