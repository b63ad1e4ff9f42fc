// Makes requests of a client's bytes, and trusts none of them.
//
// hiredis' reader does the parsing. It reads replies, so it also knows integers, errors and nested
// arrays, which a request may not have. The callbacks here accept nothing but an array of bulk
// strings, and allocate nothing that is only announced.
//
// Half a request travels with its session, so the caller keeps the bytes until a whole one has been
// taken. Each call shows the parser all unconsumed bytes again. The parser remembers how many of
// them the reader has had: each byte is fed once, and a large string only when all of it is here.
#ifndef HANDOFF_EXAMPLES_KV_REQUEST_PARSER_H
#define HANDOFF_EXAMPLES_KV_REQUEST_PARSER_H

#include <hiredis/read.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

class RequestParser {
 public:
  enum class Status {
    kIncomplete,  // more bytes are needed
    kRequest,     // see args() and taken(); args() is empty for an empty line
    kError,       // see error(); close the connection, since the next request can't be found
  };
  static constexpr std::size_t kMaxArguments = 1024 * 1024;
  static constexpr std::size_t kMaxBulk = std::size_t{512} << 20;
  static constexpr std::size_t kMaxLine = 64 * 1024;

  RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // input has all bytes behind the requests that were taken so far.
  Status next(std::string_view input);
  // How many bytes the request took.
  std::size_t taken() const { return taken_; }
  // Valid until next(); the strings may be moved from.
  std::span<std::string> args() { return {args_.data(), count_}; }
  // "Protocol error: ...", as Redis words it.
  const std::string& error() const { return error_; }

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  // The callbacks of hiredis' reader.
  static redisReplyObjectFunctions functions_;
  static void* on_string(const redisReadTask* task, char* data, std::size_t size);
  static void* on_array(const redisReadTask* task, int elements);
  static void* on_integer(const redisReadTask* task, long long value);
  static void* on_nil(const redisReadTask* task);
  static void on_free(void*) {}

  void renew_reader();
  void forget_args();
  Status next_inline(std::string_view input);
  Status next_array(std::string_view input);
  Status complete();
  Status fail(std::string text);
  Status fail_for_type(int type);
  Status fail_as_reader_says();
  bool feed(std::string_view input);
  bool pending_is_legal();
  bool pending_string_is_legal(std::string_view pending);
  void* refuse(std::string text);
  void* refuse_type(int type);
  void add_argument(std::string_view value);

  std::unique_ptr<redisReader, FreeReader> reader_;
  bool in_array_ = false;     // a request has begun
  bool in_elements_ = false;  // its number of arguments has been read
  std::size_t fed_ = 0;       // bytes of the input that the reader has had
  std::size_t needed_ = 0;    // the reader can't go on before the input has this many bytes
  std::size_t taken_ = 0;
  std::vector<std::string> args_;  // the first count_ are the request; the others keep their memory
  std::size_t count_ = 0;
  std::string error_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_REQUEST_PARSER_H
