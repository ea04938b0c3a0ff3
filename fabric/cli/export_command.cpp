#include <csignal>
#include <optional>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/trace_input.hpp"
#include "fabric/trace/csv.hpp"
#include "fabric/trace/failure.hpp"
#include "fabric/trace/output_file.hpp"
#include "fabric/trace/text.hpp"

namespace irqfab::cli {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 18;  // bytes that are written at once

/// Lines on their way to a file.
class Lines {
 public:
  explicit Lines(trace::OutputFile file) : file_(std::move(file)) { text_.reserve(2 * kChunk); }

  std::string& text() { return text_; }
  /// To be called after each line. False once the host has refused to take more.
  bool flush_if_long() { return text_.size() < kChunk || flush(); }
  bool flush() {
    const auto written = file_.write(text_.data(), text_.size());
    text_.clear();
    if (!written) failure_ = written.errors().front();
    return static_cast<bool>(written);
  }
  bool commit() {
    const auto written = file_.commit();
    if (!written) failure_ = written.errors().front();
    return static_cast<bool>(written);
  }
  const std::optional<Diagnostic>& failure() const { return failure_; }

 private:
  trace::OutputFile file_;
  std::string text_;
  std::optional<Diagnostic> failure_;
};

/// Appends every record that can be read; what is wrong with the trace, or nothing.
template <class Format>
Diagnostics append_records(trace::Reader& reader, const Format& format, Lines& lines) {
  for (;;) {
    const auto frame = reader.next_frame();
    if (!frame) return frame.errors();
    if (frame->empty()) return {};
    for (const TraceRecord& record : *frame) {
      format.append(record, lines.text());
      if (!lines.flush_if_long()) return {};
    }
  }
}

Diagnostics append_all(const Options& options, trace::Reader& reader, Lines& lines) {
  if (options.format == "text") {
    return append_records(reader, trace::TextFormat(reader.header()), lines);
  }
  const trace::CsvFormat csv(reader.header());
  csv.append_head(lines.text());
  return append_records(reader, csv, lines);
}

/// A reader of ours that went away wants no more: that is no failure.
int end_of_output(const Diagnostic& failure) {
  if (failure.code == trace::kReaderGone) return kHeld;
  fail({failure});
  return kCannot;
}

Diagnostics nothing_written(Diagnostics damage, const std::string& output) {
  damage.front().message += "; nothing was written to '" + output + "'";
  return damage;
}

}  // namespace

int export_trace(const Options& options) {
  const bool standard = options.output.empty() || options.output == "-";
  if (!standard && is_input(options.output, options.input)) return kWrong;
  auto reader = open_trace(options.input);
  if (!reader) return fail(reader.errors());
  auto file = trace::OutputFile::create(standard ? "-" : options.output);
  if (!file) return fail(file.errors()), kCannot;
  std::signal(SIGPIPE, SIG_IGN);  // a pipe that nobody reads any more is an error of write()
  Lines lines(std::move(*file));
  const Diagnostics wrong = append_all(options, *reader, lines);
  if (lines.failure()) return end_of_output(*lines.failure());
  if (!wrong.empty() && !standard) return fail(nothing_written(wrong, options.output));
  if (!lines.flush() || !lines.commit()) return end_of_output(*lines.failure());
  return wrong.empty() ? kHeld : fail(wrong);
}

}  // namespace irqfab::cli
