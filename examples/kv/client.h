// A connection: the Stream that libhandoff moves, and the engine's Connection.
#ifndef HANDOFF_EXAMPLES_KV_CLIENT_H
#define HANDOFF_EXAMPLES_KV_CLIENT_H

#include <handoff/uv.hpp>

#include <string>
#include <string_view>

#include "engine.h"
#include "request_parser.h"

namespace kv {

class Client final : public handoff::uv::Stream, private Connection {
 public:
  explicit Client(Engine& engine) : engine_(engine), session_(*this) {}
  // For a restored session. Each newer state makes another Client, and a session may be dropped
  // again, so the engine hears of the session in on_open() only.
  Client(Engine& engine, SessionState state);
  ~Client() override { leave(); }

 private:
  std::size_t on_input(std::string_view input) override;
  std::string save() const override { return encode_session(session_.state); }
  void on_open(bool adopted) override;
  void on_closed() override { leave(); }

  void send(std::string_view bytes) override { write(bytes); }
  void hang_up() override { close(); }
  void note_change() override { changed(); }
  bool is_ending() const override { return closing(); }
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
