// OpenSSL's memory: wiped when it is freed, and in the arena where it holds a key of ours.
//
// OpenSSL leaves the traffic secrets of a handshake in memory that it has freed, and a cipher's
// context has the key in it. CRYPTO_set_mem_functions(3) takes our functions only before OpenSSL's
// first allocation, for the whole process. So it is tried when the library is loaded.
#pragma once

namespace handoff::tls {

// Whether OpenSSL has taken our functions. If not, somebody has used it before we were loaded: what
// it frees is not wiped, and the keys of its contexts lie in ordinary memory.
bool openssl_wipes();

// While one of these lives, what OpenSSL allocates on this thread lies in the arena.
class OpensslInArena {
 public:
  OpensslInArena();
  ~OpensslInArena();
  OpensslInArena(const OpensslInArena&) = delete;
  OpensslInArena& operator=(const OpensslInArena&) = delete;

 private:
  bool before_;
};

}  // namespace handoff::tls
