#include "fabric/run/recorded_calls.hpp"

#include <algorithm>
#include <utility>

#include "fabric/scenario/quantities.hpp"
#include "fabric/trace/reader.hpp"
#include "fabric/trace/special_file.hpp"

namespace irqfab::run {
namespace {

bool is_call(Event event) {
  switch (event) {
    case Event::SignalMsiCalled:
    case Event::IrqLineCalled:
    case Event::EventfdWritten:
    case Event::ApicWritten:
    case Event::RteWritten:
    case Event::PortWritten:
    case Event::VcpuStopped:
      return true;
    default:
      return false;
  }
}

std::string beside(const std::string& scenario, const std::string& file) {
  if (file.empty() || file.front() == '/') return file;
  const std::size_t slash = scenario.rfind('/');
  return slash == std::string::npos ? file : scenario.substr(0, slash + 1) + file;
}

/// `what` is wrong with the file that a row names.
Diagnostic wrong_file(const scenario::Load& load, std::string code, const std::string& what,
                      std::string expected = "a file that 'import' wrote") {
  return {Severity::Error,     std::move(code),
          load.where,          "'" + load.replay_file + "' " + what,
          std::move(expected), ""};
}

Diagnostic no_call(const scenario::Load& load, const TraceRecord& record) {
  return wrong_file(
      load, "no-call",
      "holds a " + std::string(name_of(record.event)) + ", which is no call into the host");
}

Diagnostic too_late(const scenario::Load& load) {
  return wrong_file(load, "out-of-range", "has calls later than a million seconds from the start",
                    "a recording of less than that");
}

/// What is wrong with the file, and which row names it.
Diagnostics with_row(Diagnostics errors, const scenario::Load& load) {
  errors.push_back(
      {Severity::Note, "replay", load.where, "this row names '" + load.replay_file + "'", "", ""});
  return errors;
}

}  // namespace

Result<RecordedCalls> load_calls(const scenario::Scenario& scenario) {
  RecordedCalls all;
  for (const scenario::Load& load : scenario.workload) {
    if (load.kind != scenario::LoadKind::Replay) continue;
    const std::string file = beside(scenario.file, load.replay_file);
    // For a pipe one could wait without end.
    if (trace::is_special(file)) return wrong_file(load, "unreadable", "is no regular file");
    auto reader = trace::Reader::open(file);
    if (!reader) return with_row(reader.errors(), load);
    const auto base = static_cast<std::uint32_t>(all.threads.size());
    for (const std::string& name : reader->header().nodes) all.threads.push_back(name);
    std::optional<Diagnostic> wrong;
    const auto read = reader->for_each([&](TraceRecord record) {
      if (!is_call(record.event) && !wrong) wrong = no_call(load, record);
      if (record.time > scenario::kLongestDuration && !wrong) wrong = too_late(load);
      record.node = NodeId{raw(record.node) + base};
      record.time += load.start;
      all.calls.push_back(record);
    });
    if (!read) return with_row(read.errors(), load);
    if (wrong) return *wrong;
  }
  std::stable_sort(all.calls.begin(), all.calls.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  return all;
}

}  // namespace irqfab::run
