#include "tests/fabric/run/scenario_run.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "fabric/scenario/reader.hpp"
#include "fabric/topology/workload.hpp"

namespace irqfab::test {
namespace {

[[noreturn]] void refuse(const Diagnostics& errors) {
  std::string text;
  for (const Diagnostic& error : errors) text += format(error);
  throw std::runtime_error(text);
}

template <class T>
T value_of(Result<T> result) {
  if (!result) refuse(result.errors());
  return std::move(*result);
}

void write_result(ScenarioRun& run, std::FILE* to) {
  const std::vector<TraceRecord> records = run.sink().in_order();
  std::string names;
  for (const std::string& name : topology::node_names(run.topology())) names += name + '\n';
  const std::uint64_t count = records.size();
  std::fwrite(&count, sizeof count, 1, to);
  std::fwrite(records.data(), sizeof(TraceRecord), records.size(), to);
  std::fwrite(names.data(), 1, names.size(), to);
}

RunResult read_result(std::FILE* from) {
  RunResult result;
  std::uint64_t count = 0;
  if (std::fread(&count, sizeof count, 1, from) != 1) return result;
  result.records.resize(count);
  if (std::fread(result.records.data(), sizeof(TraceRecord), count, from) != count) return {};
  std::string names;
  for (int c = std::fgetc(from); c != EOF; c = std::fgetc(from)) names += static_cast<char>(c);
  std::istringstream lines(names);
  for (std::string name; std::getline(lines, name);) result.nodes.push_back(name);
  return result;
}

}  // namespace

std::vector<TraceRecord> MemorySink::in_order() const {
  std::vector<Taken> sorted = taken;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Taken& a, const Taken& b) { return a.key < b.key; });
  std::vector<TraceRecord> records;
  for (const Taken& item : sorted) records.push_back(item.record);
  return records;
}

ScenarioRun::ScenarioRun(const std::string& text, Begin begin)
    : prepared_(value_of(run::prepare(value_of(scenario::read(text, "test.yaml")), {}))),
      session_(value_of(run::Session::create(prepared_, &sink_))) {
  if (begin == Begin::Never) return;
  // The machine is built; from here on `until` only says how far the session goes by itself.
  prepared_.scenario.until = 1;
  value_of(session_->run());
}

Time ScenarioRun::end_of_workload() const { return topology::end_of_workload(prepared_.scenario); }

run::Outcome ScenarioRun::outcome() {
  run::Outcome outcome;
  run::collect(machine().ledger(), topology(), prepared_.profile, outcome);
  return outcome;
}

RunResult run_apart(const std::string& text) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::FILE* to = fdopen(ends[1], "wb");
    ScenarioRun run(text);
    run.run_to_end();
    write_result(run, to);
    std::fflush(to);
    _exit(0);
  }
  close(ends[1]);
  std::FILE* from = fdopen(ends[0], "rb");
  const RunResult result = read_result(from);
  std::fclose(from);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error("the run of a scenario did not end well");
  return result;
}

}  // namespace irqfab::test
