// Web clients in a process of their own, the same for every server that is compared: residents,
// whose connections should last, and visitors, each of which comes for one request.
//
// A resident whose connection was closed comes back on a new one, as a browser would. The lost
// connection is counted.
#pragma once

#include <cstdint>
#include <vector>

#include "partner.h"

namespace bench {

struct WebRequest {
  std::uint64_t sent_ns = 0;
  std::uint64_t answered_ns = 0;  // 0: the request failed
  std::uint32_t version = 0;      // of the server that answered
  std::uint32_t visitor = 0;
};

struct WebOutcome {
  std::vector<WebRequest> requests;
  std::size_t survivors = 0;  // residents on their first connection in the end
};

class WebClients {
 public:
  struct Load {
    std::size_t residents = 1000;
    double requests_per_second = 2000;  // of all residents together
    double visitors_per_second = 500;
  };
  WebClients(int port, const Load& load);
  void start();
  WebOutcome stop();

 private:
  Partner process_{"web-clients"};
};

int web_clients();

}  // namespace bench
