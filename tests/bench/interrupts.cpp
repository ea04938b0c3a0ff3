// One measurement: `interrupts MODE LOAD COUNT` simulates about COUNT interrupts of a load and
// prints how many there were and how long it took. README.md says how to read it.
//
//   direct  the cores alone, called directly
//   tlm     the reference engine, without a trace
//   trace   the same, with the trace written to /dev/null

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <systemc>

#include "fabric/run/machine.hpp"
#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/trace/sink.hpp"
#include "tests/bench/direct_machine.hpp"
#include "tests/bench/loads.hpp"

namespace irqfab::bench {
namespace {

struct Measured {
  std::uint64_t interrupts = 0;
  std::uint64_t handled = 0;
  double ns = 0;  // of the host's time
};

[[noreturn]] void refuse(const Diagnostics& errors) {
  for (const Diagnostic& error : errors) std::fputs(format(error).c_str(), stderr);
  std::exit(2);
}
template <class T>
T value_of(Result<T> result) {
  if (!result) refuse(result.errors());
  return std::move(*result);
}

template <class Fn>
double time_of(Fn&& fn) {
  const auto start = std::chrono::steady_clock::now();
  fn();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

Measured direct(run::Session& session, std::uint64_t count) {
  DirectMachine machine(session.machine(), session.topology());
  Measured measured;
  measured.interrupts = count;
  measured.ns = time_of([&] {
    std::uint32_t generator = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      machine.ask(generator);
      if (++generator == machine.generators()) generator = 0;
    }
  });
  measured.handled = machine.handled();
  return measured;
}

Measured simulated(run::Session& session) {
  Measured measured;
  measured.ns = time_of([&] {
    const run::Outcome outcome = value_of(session.run());
    measured.interrupts = outcome.accounting.asserted;
    measured.handled = outcome.accounting.handled;
  });
  return measured;
}

int measure(const std::string& mode, const std::string& load, std::uint64_t count) {
  const std::string text = scenario_of(load, count);
  if (text.empty()) return 2;
  const auto prepared = value_of(run::prepare(value_of(scenario::read(text, load)), {}));
  std::optional<trace::FileSink> sink;
  if (mode == "trace") sink.emplace(value_of(trace::Writer::create("/dev/null", {})));
  const auto session = value_of(run::Session::create(prepared, sink ? &*sink : nullptr));
  if (sink) sink->follow(session->machine().engine());
  const Measured measured = mode == "direct" ? direct(*session, count) : simulated(*session);
  if (sink)
    value_of(
        sink->finish({session->machine().engine().now(), trace::RunEnd::How::Well}, NodeId{0}));
  std::printf("%s %s interrupts=%llu handled=%llu ns=%.1f\n", mode.c_str(), load.c_str(),
              static_cast<unsigned long long>(measured.interrupts),
              static_cast<unsigned long long>(measured.handled),
              measured.ns / static_cast<double>(measured.interrupts));
  return 0;
}

int usage() {
  std::fputs("interrupts direct|tlm|trace LOAD COUNT; the loads are:\n", stderr);
  for (const Load& load : loads()) {
    std::fprintf(stderr, "  %-16s %s\n", load.name.data(), load.summary.data());
  }
  return 2;
}

}  // namespace
}  // namespace irqfab::bench

int sc_main(int argc, char** argv) {
  using namespace irqfab::bench;
  if (argc != 4) return usage();
  const std::string mode = argv[1];
  if (mode != "direct" && mode != "tlm" && mode != "trace") return usage();
  const int code = measure(mode, argv[2], std::strtoull(argv[3], nullptr, 10));
  return code == 2 ? usage() : code;
}

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
