#include "fabric/cli/trace_input.hpp"

namespace irqfab::cli {

Result<trace::Reader> open_trace(const std::string& path) {
  auto reader = trace::Reader::open(path);
  if (reader) return reader;
  Diagnostics errors = reader.errors();
  if (errors.front().code == "trace-magic") {
    errors.front().expected =
        "a trace of 'irqfab run --trace'; a recording of trace-cmd or perf is imported first: "
        "'irqfab import', then 'irqfab run --trace'";
  }
  return errors;
}

}  // namespace irqfab::cli
