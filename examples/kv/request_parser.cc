#include "request_parser.h"

#include <algorithm>
#include <new>
#include <optional>

#include "inline_request.h"
#include "number.h"

namespace kv {
namespace {

// After each kilobyte the reader moves the rest of its buffer to the front. So it is fed in small
// pieces, which keeps the rest short.
constexpr std::size_t kWindow = 16 * 1024;
// The memory that is kept for the next request: so many arguments of so many bytes.
constexpr std::size_t kKeepArgument = 16 * 1024;
constexpr std::size_t kKeepArguments = 64;
// Room for the digits of a length.
constexpr std::size_t kMaxDigits = 32;

// The reader wants an object for everything that it reads. Requests need none, so all get this one.
char object_mark;
void* const kObject = &object_mark;

char type_byte(int type) {
  switch (type) {
    case REDIS_REPLY_STRING:
      return '$';
    case REDIS_REPLY_ARRAY:
      return '*';
    case REDIS_REPLY_INTEGER:
      return ':';
    case REDIS_REPLY_STATUS:
      return '+';
    default:
      return '-';
  }
}

RequestParser& parser_of(const redisReadTask* task) {
  return *static_cast<RequestParser*>(task->privdata);
}

}  // namespace

redisReplyObjectFunctions RequestParser::functions_ = {
    .createString = &RequestParser::on_string,
    .createArray = &RequestParser::on_array,
    .createInteger = &RequestParser::on_integer,
    .createNil = &RequestParser::on_nil,
    .freeObject = &RequestParser::on_free,
};

RequestParser::RequestParser() { renew_reader(); }

void RequestParser::renew_reader() {
  reader_.reset(redisReaderCreateWithFunctions(&functions_));
  if (!reader_) throw std::bad_alloc();
  reader_->privdata = this;
  fed_ = 0;
  needed_ = 0;
}

void RequestParser::forget_args() {
  if (count_ > kKeepArguments) {
    args_.resize(kKeepArguments);
    args_.shrink_to_fit();
  }
  for (std::string& arg : std::span(args_).first(std::min(count_, args_.size()))) {
    if (arg.capacity() > kKeepArgument) arg = std::string();
  }
  count_ = 0;
}

RequestParser::Status RequestParser::next(std::string_view input) {
  taken_ = 0;
  if (!error_.empty()) return Status::kError;
  if (!in_array_) {
    forget_args();
    if (input.empty()) return Status::kIncomplete;
    if (input.front() != '*') return next_inline(input);
    in_array_ = true;
    in_elements_ = false;
  }
  return next_array(input);
}

RequestParser::Status RequestParser::next_inline(std::string_view input) {
  const std::size_t end = input.substr(0, kMaxLine).find('\n');
  if (end == std::string_view::npos) {
    if (input.size() >= kMaxLine) return fail("Protocol error: too big inline request");
    return Status::kIncomplete;
  }
  auto words = split_inline(input.substr(0, end));
  if (!words) return fail("Protocol error: unbalanced quotes in request");
  if (fed_ > 0) renew_reader();  // the reader has had bytes of this line
  args_ = std::move(*words);
  count_ = args_.size();
  taken_ = end + 1;
  return Status::kRequest;
}

RequestParser::Status RequestParser::next_array(std::string_view input) {
  while (true) {
    void* object = nullptr;
    if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) return fail_as_reader_says();
    if (object != nullptr) return complete();
    if (!pending_is_legal()) return Status::kError;
    if (!feed(input)) return Status::kIncomplete;
  }
}

RequestParser::Status RequestParser::complete() {
  const std::size_t left = reader_->len - reader_->pos;
  taken_ = fed_ - left;
  fed_ = left;
  needed_ = 0;
  in_array_ = false;
  if (fed_ == 0 && taken_ > kWindow) renew_reader();  // let go of a large buffer
  return Status::kRequest;
}

// Feeds the reader; false if there is no input that it could use.
bool RequestParser::feed(std::string_view input) {
  if (fed_ == input.size() || input.size() < needed_) return false;
  const std::size_t until = std::min(input.size(), std::max(fed_ + kWindow, needed_));
  if (redisReaderFeed(reader_.get(), input.data() + fed_, until - fed_) != REDIS_OK) {
    throw std::bad_alloc();
  }
  fed_ = until;
  return true;
}

// Checks the element that the reader is in the middle of. A line without end, an element that is no
// string, and a string that is announced too long must be refused before they are complete.
bool RequestParser::pending_is_legal() {
  if (reader_->ridx < 0) return true;
  const redisReadTask& task = reader_->rstack[reader_->ridx];
  const std::string_view pending(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  if (task.parent == nullptr) {
    if (pending.size() <= kMaxLine) return true;
    fail("Protocol error: too big mbulk count string");
    return false;
  }
  if (task.type < 0) return true;  // its type byte has not come yet
  if (task.type != REDIS_REPLY_STRING) {
    fail_for_type(task.type);
    return false;
  }
  return pending_string_is_legal(pending);
}

bool RequestParser::pending_string_is_legal(std::string_view pending) {
  const std::size_t end = pending.substr(0, kMaxDigits).find('\r');
  if (end == std::string_view::npos) {
    if (pending.size() < kMaxDigits) return true;
    fail("Protocol error: too big bulk count string");
    return false;
  }
  const std::optional<std::int64_t> size = parse_integer(pending.substr(0, end));
  if (!size || *size < 0 || *size > static_cast<std::int64_t>(kMaxBulk)) {
    fail("Protocol error: invalid bulk length");
    return false;
  }
  // Without this check the reader would take the line's end further on, behind bytes that are no
  // number.
  if (end + 1 == pending.size()) return true;
  if (pending[end + 1] != '\n') {
    fail("Protocol error: invalid bulk length");
    return false;
  }
  const std::size_t whole = end + 2 + static_cast<std::size_t>(*size) + 2;
  if (whole > pending.size()) needed_ = fed_ + (whole - pending.size());
  return true;
}

RequestParser::Status RequestParser::fail(std::string text) {
  if (error_.empty()) error_ = std::move(text);
  return Status::kError;
}

RequestParser::Status RequestParser::fail_as_reader_says() {
  if (!error_.empty()) return Status::kError;  // a callback has refused the request
  const std::string_view why = reader_->errstr;
  if (why.find("type byte") != std::string_view::npos) {
    const std::size_t quote = why.find('"');
    const char got =
        quote != std::string_view::npos && quote + 1 < why.size() ? why[quote + 1] : '?';
    return fail(std::string("Protocol error: expected '$', got '") + got + "'");
  }
  const bool of_array = why.find("ulti-bulk") != std::string_view::npos;
  if (of_array && in_elements_) return fail_for_type(REDIS_REPLY_ARRAY);
  if (why.find("integer") != std::string_view::npos) return fail_for_type(REDIS_REPLY_INTEGER);
  return fail(of_array ? "Protocol error: invalid multibulk length"
                       : "Protocol error: invalid bulk length");
}

RequestParser::Status RequestParser::fail_for_type(int type) {
  return fail(std::string("Protocol error: expected '$', got '") + type_byte(type) + "'");
}

void* RequestParser::refuse(std::string text) {
  fail(std::move(text));
  return nullptr;
}

void* RequestParser::refuse_type(int type) {
  fail_for_type(type);
  return nullptr;
}

void RequestParser::add_argument(std::string_view value) {
  if (count_ < args_.size()) {
    args_[count_].assign(value);
  } else {
    args_.emplace_back(value);
  }
  ++count_;
}

// Called by C code, through which no exception may pass.
void* RequestParser::on_string(const redisReadTask* task, char* data, std::size_t size) try {
  RequestParser& self = parser_of(task);
  if (task->type != REDIS_REPLY_STRING) return self.refuse_type(task->type);
  if (size > kMaxBulk) return self.refuse("Protocol error: invalid bulk length");
  self.add_argument({data, size});
  return kObject;
} catch (const std::exception&) {
  return nullptr;
}

void* RequestParser::on_array(const redisReadTask* task, int elements) try {
  RequestParser& self = parser_of(task);
  if (task->parent != nullptr) return self.refuse_type(task->type);
  if (elements < 0 || static_cast<std::size_t>(elements) > kMaxArguments) {
    return self.refuse("Protocol error: invalid multibulk length");
  }
  self.in_elements_ = true;
  return kObject;
} catch (const std::exception&) {
  return nullptr;
}

void* RequestParser::on_integer(const redisReadTask* task, long long) try {
  return parser_of(task).refuse_type(task->type);
} catch (const std::exception&) {
  return nullptr;
}

// "*-1" asks for nothing, as "*0" does; "$-1" is no argument.
void* RequestParser::on_nil(const redisReadTask* task) try {
  RequestParser& self = parser_of(task);
  if (task->parent == nullptr) return kObject;
  if (task->type != REDIS_REPLY_STRING) return self.refuse_type(task->type);
  return self.refuse("Protocol error: invalid bulk length");
} catch (const std::exception&) {
  return nullptr;
}

}  // namespace kv
