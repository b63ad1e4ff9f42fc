#include "libhandoff-tls/crypto/aead.h"

#include <openssl/evp.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/crypto/frames.h"
#include "libhandoff-tls/sys/openssl_memory.h"

namespace handoff::tls {
namespace {

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void require(int ok) {
  if (ok != 1) throw std::runtime_error("OpenSSL can't encrypt");
}

using WipesCipher = WipesFrames<kCipherFrames>;

}  // namespace

void Aead::set_key(const Suite& suite, const std::uint8_t* key, bool seals) {
  const WipesCipher of_openssl;
  forget();
  // Fetched outside of the arena: others have it, too, and a forked child must find it whole.
  const EVP_CIPHER* const cipher = evp_cipher(suite);
  const OpensslInArena keys_in_arena;
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  if (context == nullptr) throw std::bad_alloc();
  if (EVP_CipherInit_ex2(context, cipher, key, nullptr, seals ? 1 : 0, nullptr) != 1) {
    EVP_CIPHER_CTX_free(context);
    throw std::runtime_error("OpenSSL can't set up a cipher's key");
  }
  context_ = context;
}

void Aead::forget() {
  EVP_CIPHER_CTX_free(context_);  // wipes the key
  context_ = nullptr;
}

void Aead::seal(const std::uint8_t* nonce, std::string_view aad, std::string_view plain, int tail,
                std::uint8_t* out) {
  const WipesCipher of_openssl;
  int n = 0;
  require(EVP_EncryptInit_ex2(context_, nullptr, nullptr, nonce, nullptr));
  require(EVP_EncryptUpdate(context_, nullptr, &n, bytes(aad), static_cast<int>(aad.size())));
  if (!plain.empty()) {
    require(EVP_EncryptUpdate(context_, out, &n, bytes(plain), static_cast<int>(plain.size())));
    out += plain.size();
  }
  if (tail >= 0) {
    const unsigned char last = static_cast<unsigned char>(tail);
    require(EVP_EncryptUpdate(context_, out, &n, &last, 1));
    ++out;
  }
  require(EVP_EncryptFinal_ex(context_, out, &n));
  require(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kTagSize, out));
}

bool Aead::open(const std::uint8_t* nonce, std::string_view aad, std::string_view sealed,
                std::uint8_t* out) {
  if (sealed.size() < kTagSize) return false;
  const WipesCipher of_openssl;
  const std::string_view body = sealed.substr(0, sealed.size() - kTagSize);
  // OpenSSL takes the tag by a pointer to what is not const, and copies it.
  unsigned char tag[kTagSize];
  std::memcpy(tag, sealed.data() + body.size(), kTagSize);
  int n = 0;
  require(EVP_DecryptInit_ex2(context_, nullptr, nullptr, nonce, nullptr));
  require(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag));
  require(EVP_DecryptUpdate(context_, nullptr, &n, bytes(aad), static_cast<int>(aad.size())));
  if (!body.empty()) {
    require(EVP_DecryptUpdate(context_, out, &n, bytes(body), static_cast<int>(body.size())));
  }
  return EVP_DecryptFinal_ex(context_, out + body.size(), &n) == 1;
}

}  // namespace handoff::tls
