#include "libhandoff-tls/handshake/certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <new>
#include <string>

#include "handoff/handoff.h"

namespace handoff::tls {
namespace {

// Empty for one that is too long: the beginning of a name is another name.
std::string subject_of(const X509* certificate) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new(BIO_s_mem()), BIO_free);
  if (text == nullptr) throw std::bad_alloc();
  constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;  // UTF-8 as it is
  if (X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, kFlags) < 0) return {};
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  if (size <= 0 || static_cast<std::size_t>(size) > kMaxSubject) return {};
  return {bytes, static_cast<std::size_t>(size)};
}

}  // namespace

Result<void> describe_certificate(const X509* certificate, Info& info) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) throw std::bad_alloc();
  const auto free_der = [](unsigned char* p) { OPENSSL_free(p); };
  const std::unique_ptr<unsigned char, decltype(free_der)> bytes(der, free_der);
  const auto length = static_cast<std::size_t>(size);
  if (length > kMaxCertificate) {
    return fail(HANDOFF_ERR_UNKNOWN, "a TLS session can't move whose peer has a certificate of " +
                                         std::to_string(length) + " bytes; " +
                                         std::to_string(kMaxCertificate) + " are the most");
  }
  unsigned char digest[kDigestSize];
  if (EVP_Digest(der, length, digest, nullptr, EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  info.peer_certificate.assign(reinterpret_cast<const char*>(der), length);
  info.peer_digest.assign(reinterpret_cast<const char*>(digest), sizeof digest);
  info.peer_subject = subject_of(certificate);
  return {};
}

}  // namespace handoff::tls
