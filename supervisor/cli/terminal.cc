#include "supervisor/cli/terminal.h"

#include <iostream>
#include <streambuf>
#include <string>
#include <string_view>

#include "libhandoff/base/text.h"

namespace handoff::supervisor {

// Passes on whole lines, and what there is when it is flushed. No stream is flushed within a
// character.
class Terminal::Filter : public std::streambuf {
 public:
  explicit Filter(std::ostream& stream) : stream_(stream), to_(stream.rdbuf(this)) {}
  ~Filter() override {
    (void)sync();
    stream_.rdbuf(to_);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  bool put_as_it_is(std::string_view text) {
    return sync() == 0 && to_->sputn(text.data(), static_cast<std::streamsize>(text.size())) ==
                              static_cast<std::streamsize>(text.size());
  }

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    std::string_view rest(text, static_cast<std::size_t>(size));
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      waiting_ += rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (!pass_on("\n")) return 0;
    }
    waiting_ += rest;
    return size;
  }
  int overflow(int c) override {
    if (c == traits_type::eof()) return sync() == 0 ? 0 : c;
    const char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
  }
  int sync() override { return pass_on("") ? to_->pubsync() : -1; }

 private:
  bool pass_on(const char* end) {
    const std::string text = printable(waiting_) + end;
    waiting_.clear();
    return to_->sputn(text.data(), static_cast<std::streamsize>(text.size())) ==
           static_cast<std::streamsize>(text.size());
  }

  std::ostream& stream_;
  std::streambuf* to_;
  std::string waiting_;
};

Terminal::Terminal()
    : out_(std::make_unique<Filter>(std::cout)), err_(std::make_unique<Filter>(std::cerr)) {}
Terminal::~Terminal() = default;

std::ostream& clear_line(std::ostream& out) {
  constexpr std::string_view kClear = "\r\033[K";
  auto* const filter = dynamic_cast<Terminal::Filter*>(out.rdbuf());
  if (filter == nullptr) return out << kClear;
  if (!filter->put_as_it_is(kClear)) out.setstate(std::ios::badbit);
  return out;
}

}  // namespace handoff::supervisor
