// The listeners of both releases: "public" for lines and, where the configuration names it, "page".
#pragma once

#include <example/door.h>

#include <stdexcept>
#include <string>

#include "lines.h"
#ifdef CHAT_PAGE
#include "page.h"
#endif

namespace chat {

// Person is the Chatter of a release.
template <class Person>
struct Connections {
  template <class Base>
  using Lines = OnLines<Base, Person>;
#ifdef CHAT_PAGE
  template <class Base>
  using Page = OnPage<Base, Person>;
#endif
};

// Borrows rooms. Throws where there is a listener for a page that was left out of the build.
template <class Person>
void listen(example::Door& door, handoff::uv::Host& host, const std::string& address,
            Rooms& rooms) {
  door.listen<Connections<Person>::template Lines>(host, "public", address, {}, rooms);
  for (const auto& offer : host.service().offered()) {
    if (offer.name != "page") continue;
#ifdef CHAT_PAGE
    door.listen<Connections<Person>::template Page>(host, "page", offer.address, {}, rooms);
#else
    throw std::runtime_error(
        "there is a listener 'page', and this program was built without the page: it needs "
        "libwslay-dev, and HANDOFF_TLS");
#endif
  }
}

}  // namespace chat
