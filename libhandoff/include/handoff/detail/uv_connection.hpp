// One connection: the part of uv.hpp, which includes this, that authors derive from.
#ifndef HANDOFF_DETAIL_UV_CONNECTION_HPP
#define HANDOFF_DETAIL_UV_CONNECTION_HPP

#include <handoff/detail/ending.hpp>
#include <handoff/detail/on_open.hpp>
#include <handoff/handoff.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace handoff::uv {

class Engine;
class Host;

// One connection. Created by a factory given to Host::listen() and owned by the Host, which
// destroys it after the connection has ended; never destroy one yourself.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  SessionId id() const { return id_; }
  Host& host() const { return *host_; }
  int fd() const { return fd_; }  // borrowed; for getpeername() and the like
  bool closing() const { return closing_; }
  // Bytes that write() has queued and the kernel has not taken.
  std::size_t output_size() const { return output_.size() - sent_; }

  // The four that are virtual are a layer's to override, such as tls.hpp: the Host, too, closes by
  // close(), when the service stops and after on_end() and on_overflow(). So a layer writes its
  // last words there.

  // Queues a copy of bytes, sent when the loop has handled the events at hand. Any time but in
  // save(). Does nothing once closing.
  virtual void write(std::string_view bytes);
  // Sends what is queued, then ends the connection. on_input() is not called any more. What the
  // client still sends is discarded, so that it can read the last answer: the Host keeps the socket
  // until the client ends the connection too, at most Linger::kLingerMs, after on_closed(). Of
  // Host::connect(): what is queued waits for the connect, but in a service that stops; with
  // nothing queued the connect is given up.
  virtual void close();
  // Call it after changing what save() returns from anywhere but on_input(), write() or a restore.
  void changed();
  // Stops handing input to on_input(), until resume(). Input stays in the socket or waits here, and
  // is saved. The pause is not: a Stream that is restored calls pause() again, in its constructor
  // or in on_open().
  virtual void pause();
  // Hands the input that waits to on_input() again, from the loop, whether or not it was paused:
  // for a Stream that can go on with what it has left there.
  virtual void resume();
  // Sends what is queued, then ends the sending half (shutdown(2)); input comes as before. What is
  // written after it is dropped.
  void end_output();
  // The session is in the middle of something: at an upgrade it stays with this process, and moves
  // once release() was called. While nobody upgrades, hold() changes nothing. What other sessions
  // or sections share with a session that stayed is in the newer process by then.
  void hold();
  void release();
  // The session can't move, and why ("tls"): see handoff_session_stays(). nullptr takes it back.
  void stays(const char* why);

 protected:
  // All input that has arrived and was not consumed before; valid during the call. Returns how many
  // bytes of it were consumed; the rest comes again, with more behind it. Must not throw.
  virtual std::size_t on_input(std::string_view input) = 0;
  // In on_input(): that many bytes at the beginning of input are what the call before has left. A
  // search for the end of a line goes on from here; from the beginning it would be quadratic. For
  // classes that look at all input in each call. 0 where that call paused, and in a restored
  // Stream.
  std::size_t seen() const { return seen_; }
  // There are more than Host::max_input bytes of unconsumed input. The connection is closed after
  // this, so an override may write() a last answer. By default stderr gets a line.
  virtual void on_overflow();
  // The session's state in this release's own version. Must not change anything. After an exception
  // the session can't be moved: handoff_callbacks::save() says what becomes of it. Input and output
  // are no part of the state, and go along by themselves: what the heir has of them is not sent
  // again, however much waits.
  virtual std::string save() const = 0;
  // The stream has its socket and id and may write(). adopted is false for a new connection, and
  // true for a restored one, to which the donor may have written already what a new one gets first.
  // All restored streams are told before any input is looked at. This is part of the blackout, so a
  // class that has nothing to do here should not override it (see Host::listen()).
  virtual void on_open(bool /*adopted*/) {}
  // For a layer such as tls.hpp, whose own bytes move beside the state (handoff_save_layer(), which
  // says how many): no state step sees them, and the library wipes them. Memory that they grow in
  // would keep a copy, so reserve() it. A restored Stream gets them after its constructor, before
  // its input, and again with each newer state, as a new Stream; what the override throws refuses
  // the session. A class that knows of none refuses all: it could not go on where they were left.
  // begin_layer() comes before on_open(false).
  virtual void begin_layer() {}
  virtual std::string save_layer() const { return {}; }
  virtual void restore_layer(std::string_view layer);
  // In restore_layer(): on_input() comes once the session is this process's, also without input.
  void look() { looks_ = true; }
  // Calls on_deadline() at that time, in milliseconds of CLOCK_MONOTONIC, unless the connection
  // ends or another time is set before; 0: not at all. Does not move. From begin_layer() or
  // restore_layer() on.
  void set_deadline(std::uint64_t at_ms);
  virtual void on_deadline() {}
  // The peer has ended its half, and all of its input has been here: while a paused Stream has
  // some that waits, this comes after resume(). By default close(). An override may go on sending.
  // A restored Stream is told again.
  virtual void on_end() { close(); }
  // Of Host::connect(): the connection is made; or it is not, and error says why (errno(3)). After
  // on_refused() it is closed.
  virtual void on_connected() {}
  virtual void on_refused(int /*error*/) {}
  // The connection is over: the peer closed it, it failed, close() is done, or it could not be
  // moved and was reset at the switch. The Stream is destroyed after this. Not called when the
  // session goes to an heir, at the switch or later.
  virtual void on_closed() {}
  // The session is another process's now, and the connection goes on there. The Stream is destroyed
  // after this: take it out of your tables, as in on_closed(). At the switch all Streams are told
  // before any is destroyed. write(), close() and hold() do nothing here.
  virtual void on_moved() {}

 private:
  friend class Engine;
  friend class Host;
  friend class Pair;
  friend struct handoff::detail::OnOpen;
  friend class detail::Ending<Engine, Stream>;
  // The Stream of the session's second connection, which belongs to this one (uv_pair.hpp).
  virtual std::unique_ptr<Stream> make_second() { return nullptr; }
  Stream& first() { return is_second_ ? *mate_ : *this; }
  std::uint64_t key() const;
  detail::EndState<Stream> end_state() const {
    return {.fd = fd_,
            .mate = mate_,
            .is_second = is_second_,
            .connecting = connecting_,
            .closing = closing_,
            .ended = ended_,
            .told_end = told_end_,
            .shut = shut_,
            .inherited = inherited_,
            .dead = dead_,
            .output = output_size()};
  }
  void set_shut() { shut_ = shut_wanted_ = true; }

  Host* host_ = nullptr;
  SessionId id_ = 0;
  int fd_ = -1;
  std::uint32_t watched_ = 0;  // the epoll events asked for now
  bool closing_ = false;       // no more input; ends when the output is sent
  bool ended_ = false;         // the client has ended its half
  bool dead_ = false;          // over; waits to be destroyed
  bool queued_ = false;        // in the host's list of streams to flush
  bool touched_ = false;
  bool inherited_ = false;  // from another process, which may still have the socket open
  bool paused_ = false;
  bool held_ = false;
  bool connecting_ = false;   // neither connected nor refused yet
  int refused_ = 0;           // an errno that on_refused() is to be told of
  bool told_end_ = false;     // on_end() was called
  bool looks_ = false;        // see look()
  bool shut_wanted_ = false;  // the sending half ends when the output is sent
  bool shut_ = false;         // it has ended
  bool is_second_ = false;
  bool placed_ = false;     // of a second: its name is held for it, see Engine::hold_place()
  Stream* mate_ = nullptr;  // the other connection of the session
  std::unique_ptr<Stream> second_;
  bool frozen_ = false;           // on its way to or from another process: not to be touched
  std::size_t saved_output_ = 0;  // frozen: how many bytes of the output go along
  std::string input_;             // read, not consumed
  std::size_t seen_ = 0;          // of input_, what on_input() has had
  std::string output_;            // produced; sent_ of it is accepted by the kernel
  std::size_t sent_ = 0;
  // How many bytes came before input_ and output_ since this process has the session: their
  // positions, so that an heir gets no byte twice.
  std::uint64_t input_from_ = 0;
  std::uint64_t output_from_ = 0;
  std::size_t opening_ = static_cast<std::size_t>(-1);  // in the host's list of that name
  bool fresh_ = false;        // on_open(false) has yet to come, after a death
  bool unstored_ = false;     // has changed since the vault had it
  bool store_again_ = false;  // the vault wants it once all output is sent
  std::uint64_t deadline_ms_ = 0;
};

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_CONNECTION_HPP
