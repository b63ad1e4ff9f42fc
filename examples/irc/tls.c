#include "tls.h"

#include <errno.h>
#include <stdio.h>

#ifdef IRC_TLS
#include <handoff/tls_poll.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static struct handoff_tls_poll layer;

static SSL_CTX* load(const char* certificate, const char* key) {
  SSL_CTX* ssl = SSL_CTX_new(TLS_server_method());
  if (ssl != NULL && SSL_CTX_use_certificate_chain_file(ssl, certificate) == 1 &&
      SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1) {
    return ssl;
  }
  fprintf(stderr, "--tls-cert %s, --tls-key %s:\n", certificate, key);
  ERR_print_errors_fp(stderr);
  SSL_CTX_free(ssl);
  return NULL;
}

int tls_before(handoff_poll_t* p, const char* listener, const char* certificate, const char* key) {
  SSL_CTX* ssl = load(certificate, key);
  int result = ssl == NULL ? -EINVAL : handoff_tls_poll_open(&layer, p, ssl, NULL);
  if (result == 0) result = handoff_tls_poll_use(&layer, listener);
  SSL_CTX_free(ssl); /* the layer has its own reference */
  return result;
}

void tls_end(void) { handoff_tls_poll_close(&layer); }

#else

int tls_before(handoff_poll_t* p, const char* listener, const char* certificate, const char* key) {
  (void)p, (void)listener, (void)certificate, (void)key;
  fprintf(stderr, "--tls-cert: this irc was built without libhandoff-tls\n");
  return -ENOTSUP;
}

void tls_end(void) {}

#endif
