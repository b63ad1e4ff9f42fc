// A handshake: OpenSSL's, over memory, until the record layer can take over.
//
// OpenSSL gets one whole record at a time. So when the handshake is over nothing of the peer's is
// in it, and the number of the peer's next record is known: 0, in TLS 1.2 as many as came behind
// its ChangeCipherSpec. The number of our own next record is proven: each protected record that
// OpenSSL has written is opened again by the keys that we have, and those under the application's
// key are counted. A session whose records can't all be opened is refused: a wrong number would be
// a nonce used twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libhandoff-tls/base/buffer.h"
#include "libhandoff-tls/core/record.h"
#include "libhandoff-tls/core/state.h"
#include "libhandoff-tls/handshake/secrets.h"
#include "libhandoff-tls/sys/arena.h"
#include "libhandoff/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace handoff::tls {

class Handshake {
 public:
  // context was prepared (prepare.h), and gets another reference. server_name: of the peer that a
  // client expects, for SNI and, where the context verifies peers, for its certificate; or NULL.
  static Result<std::unique_ptr<Handshake>> make(ssl_ctx_st* context, Role role,
                                                 const char* server_name);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Goes on with the whole records at the front of input, none beyond the handshake's last. Says
  // how much it has consumed. What the peer is to get goes to wire, an alert too. True once it is
  // over.
  Result<bool> advance(std::string_view input, std::size_t& consumed, Buffer& wire);
  // After that, once: the session goes on in record.
  Result<void> finish(Record& record, Info& info);

  ssl_st* ssl() const { return ssl_; }

 private:
  Handshake() = default;
  Result<bool> step();
  void drain(Buffer& wire);
  Result<void> finish_13(const Suite& suite, Record& record) const;
  Result<void> finish_12(const Suite& suite, Record& record) const;

  ssl_st* ssl_ = nullptr;
  Role role_ = Role::kServer;
  InArena<Secrets> secrets_;
  std::string sent_;           // all that OpenSSL has written
  bool peer_changed_ = false;  // its ChangeCipherSpec has come: TLS 1.2 protects what follows
  std::uint64_t read_ = 0;     // records behind that
};

}  // namespace handoff::tls
