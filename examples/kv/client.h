// A connection: the Stream that libhandoff moves, and the engine's Connection. Base is what is
// below it, see example/door.h.
#ifndef HANDOFF_EXAMPLES_KV_CLIENT_H
#define HANDOFF_EXAMPLES_KV_CLIENT_H

#include <example/door.h>

#include <string>
#include <string_view>

#include "engine.h"
#include "request_parser.h"

namespace kv {

template <class Base>
class Client final : public Base, private Connection {
 public:
  template <class... Below>
  explicit Client(Engine& engine, Below&... below)
      : Base(below...), engine_(engine), session_(*this) {}
  ~Client() override { leave(); }
  // For a session that another process had. Each newer state makes another Client, and a session
  // may be dropped again, so the engine hears of the session in on_open() only.
  void restore(std::string_view state) { session_.state = decode_session(state); }

 private:
  std::size_t on_plain(std::string_view input) override;
  std::string save_plain() const override { return encode_session(session_.state); }
  void on_open(bool adopted) override;
  void on_closed() override { leave(); }

  void send(std::string_view bytes) override { this->write(bytes); }
  void hang_up() override { this->close(); }
  void note_change() override { this->changed(); }
  bool is_ending() const override { return this->closing(); }
  std::string peer() const override;

  std::size_t serve(std::string_view input);
  void leave();

  Engine& engine_;
  Session session_;
  RequestParser parser_;
  bool attached_ = false;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_CLIENT_H
