// The servers that are compared. Each answers GET with its version's number, on one thread, and is
// upgraded from version 1 to version 2 as its manual says.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace bench {

class WebServer {
 public:
  WebServer() = default;
  virtual ~WebServer() = default;
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  virtual int port() const = 0;
  // Returns true when the old process has gone, false if it does not go.
  virtual bool upgrade() = 0;
};

struct WebServerKind {
  std::string name;
  std::string way;      // how it is upgraded
  std::string missing;  // why it can't be run here; "" if it can
  std::unique_ptr<WebServer> (*start)();
};
std::vector<WebServerKind> web_servers();

}  // namespace bench
