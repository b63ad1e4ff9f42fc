/* The least that a service in C does; prints the version of the library that it runs with. */
#include <handoff/poll.h>
#include <handoff/tlv.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  handoff_t* h = NULL;
  struct handoff_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.name = "consumer";
  options.version = "1.0";
  if (handoff_open(&h, &options) != 0 || handoff_ready(h) != 0) return 1;
  puts(handoff_version());
  handoff_close(h);
  return 0;
}
