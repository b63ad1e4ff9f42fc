/* A user of libhandoff-tls alone, in C. */
#include <handoff/tls.h>
#include <stdio.h>

int main(void) {
  size_t bytes = 1, unlocked = 1;
  handoff_tls_key_memory(&bytes, &unlocked);
  if (handoff_tls_wipes_openssl() != 1 || bytes != 0) {
    fprintf(stderr, "OpenSSL was used before libhandoff-tls was loaded\n");
    return 1;
  }
  return handoff_tls_own(NULL) == 0;
}
