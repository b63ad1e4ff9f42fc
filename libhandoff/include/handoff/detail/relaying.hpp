// What a Pair does with its two connections unless its class says otherwise: the part of
// uv_pair.hpp and asio_pair.hpp, which include this, that authors override.
#ifndef HANDOFF_DETAIL_RELAYING_HPP
#define HANDOFF_DETAIL_RELAYING_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace handoff::detail {

// Pair has the functions of the upstream, Stream those of the client's connection.
template <class Pair, class Stream>
class Relaying : public Stream {
 protected:
  std::size_t on_input(std::string_view input) override {
    self().write_upstream(input);
    return input.size();
  }
  // Input of the upstream; as on_input().
  virtual std::size_t on_upstream(std::string_view input) {
    this->write(input);
    return input.size();
  }
  // The client has ended its half; the upstream has. A client that ends it before there is an
  // upstream, or anything for one, asks for nothing: by default close(). An on_input() that still
  // waits for the client's first line has heard all that comes.
  void on_end() override { self().names_upstream() ? self().end_upstream() : this->close(); }
  virtual void on_upstream_end() { this->end_output(); }
  virtual void on_upstream_connected() {}
  // The upstream could not be connected; error is an errno(3). After it the session ends with a
  // reset, unless it has called connect() again, or close() after a last answer.
  virtual void on_upstream_refused(int /*error*/) {}
  // A relay has no state but its connections.
  std::string save() const override { return {}; }

 private:
  Pair& self() { return static_cast<Pair&>(*this); }
};

}  // namespace handoff::detail

#endif  // HANDOFF_DETAIL_RELAYING_HPP
