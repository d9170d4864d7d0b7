// The program that is patched: threads that parse documents with jsoncpp and check each, among them ones nested too deep, which the parser
// answers with an exception thrown through as many frames of itself. The main thread answers questions on standard input:
//   probe    "value" if a document nested just as deep as the limit is parsed, "exception" if the parser throws
//   report   how many documents and exceptions there were, and how many came out wrong, as JSON
#include <json/json.h>

#include <atomic>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

namespace {

constexpr int kLimit = 64;
constexpr int kThreads = 4;
std::atomic<long> documents, exceptions, errors;

enum class Outcome { value, exception, refusal };

// Left on each way out of a parse, also by an exception.
struct Open {
  static thread_local int depth;
  Open() { ++depth; }
  ~Open() { --depth; }
};
thread_local int Open::depth = 0;

Outcome parse(const std::string &text, Json::Value &value) {
  Json::CharReaderBuilder builder;
  builder["stackLimit"] = kLimit;
  const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
  try {
    const Open open;
    std::string problem;
    return reader->parse(text.data(), text.data() + text.size(), &value, &problem) ? Outcome::value : Outcome::refusal;
  } catch (const Json::RuntimeError &error) {
    return std::string(error.what()).find("stackLimit") != std::string::npos ? Outcome::exception : Outcome::refusal;
  }
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
}

void work() {
  for (int number = 0;; ++number) {
    Json::Value value;
    const std::string text = "{\"n\": " + std::to_string(number) + ", \"list\": [1, [2, {\"x\": \"y\"}]]}";
    const bool right = parse(text, value) == Outcome::value && value["n"].asInt() == number && value["list"][1][1]["x"] == "y";
    const bool thrown = parse(nested(kLimit + 1 + number % kLimit), value) == Outcome::exception;
    ++documents;
    exceptions += thrown ? 1 : 0;
    errors += right && thrown && Open::depth == 0 ? 0 : 1;
  }
}

}  // namespace

int main() {
  for (int i = 0; i < kThreads; ++i) std::thread(work).detach();
  for (std::string line; std::getline(std::cin, line);) {
    Json::Value value;
    if (line == "probe") std::cout << (parse(nested(kLimit), value) == Outcome::exception ? "\"exception\"" : "\"value\"") << std::endl;
    if (line == "report")
      std::cout << "{\"documents\": " << documents << ", \"exceptions\": " << exceptions << ", \"errors\": " << errors << "}" << std::endl;
  }
  std::_Exit(0);
}
