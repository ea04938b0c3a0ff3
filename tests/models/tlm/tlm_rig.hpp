// What tests of the SystemC side share: an engine with its kernel, a core that plays a script, a
// module that looks at what passes between two sockets. One rig a process, because SystemC
// elaborates once.
#pragma once

#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "models/tlm/shell.hpp"
#include "tests/support/small_cores.hpp"

namespace irqfab::tlm_test {

using sc_core::sc_time;

inline sc_time ps(Time time) { return sc_time::from_value(time); }
inline Time sc_now() { return sc_core::sc_time_stamp().value(); }

/// A HostCall `a` makes it send script[a] through port `b`. It keeps what it hears, answers reads
/// with the bytes 0xA0, 0xA1, ... and markers.
struct Probe {
  std::vector<Message> script;
  std::vector<Message> heard;

  LaneId lane_of(PortId, const Message& message) const {
    const auto* call = std::get_if<HostCall>(&message);
    return call == nullptr ? LaneId{0} : LaneId{raw(call->task)};
  }
  void receive(PortId port, const Message& message, Env& env) {
    if (const auto* call = std::get_if<HostCall>(&message)) {
      env.note(Event::MsiSent, kNoSpan, call->a);
      return env.send(PortId(static_cast<std::uint16_t>(call->b)), script[call->a]);
    }
    heard.push_back(message);
    env.note(Event::GuestError, kNoSpan, message.index());
    if (const auto* marker = std::get_if<Marker>(&message)) env.send(port, MarkerDone{marker->tag});
    if (const auto* read = std::get_if<BusRead>(&message)) {
      env.note(Event::MemoryRead, read->span, read->address);
      BusData data{{}, read->tag, BusStatus::Ok, read->span};
      for (std::size_t i = 0; i < data.data.size(); ++i) {
        data.data[i] = static_cast<std::uint8_t>(0xA0 + i);
      }
      if (read->address == 0xBAD) data.status = BusStatus::NoDecode;
      env.send(port, data);
    }
  }
  void held_spans(std::vector<SpanId>&) const {}

  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Message& m : heard) {
      if (const T* one = std::get_if<T>(&m)) found.push_back(*one);
    }
    return found;
  }
};

class Rig {
 public:
  explicit Rig(RunAhead run_ahead)
      : engine(
            [] {
              Ledger::Config config;
              config.component_of_node.assign(kNodes, 0);
              config.components = 1;
              config.path_of_source.assign(kNodes * kSourcesALane, 0);
              config.paths = 1;
              return config;
            }(),
            &records),
        kernel("kernel", engine, run_ahead) {}

  void price(Event event, Duration latency, Duration interval = 0) {
    Price& p = prices[static_cast<std::size_t>(event)];
    p.latency = latency;
    p.interval = interval;
  }
  /// Lanes are nodes in order of making; every lane has two sources.
  template <class Core>
  std::unique_ptr<Shell<Core>> make(const char* name, TieClass tie, Core core,
                                    std::uint32_t lanes = 1) {
    StationPlan plan;
    plan.name = name;
    plan.first_node = NodeId{nodes_};
    plan.lanes = lanes;
    plan.tie = tie;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      plan.first_source.push_back(kSourcesALane * (nodes_ + lane));
    }
    plan.sources = kSourcesALane * lanes;
    nodes_ += lanes;
    return std::make_unique<Shell<Core>>(name, kernel, plan, prices, std::move(core));
  }
  /// A message from outside all models.
  void put(ShellBase& shell, PortId port, const Message& message, Time time) {
    shell.station().accept(port, message, time, 0);
    kernel.disturb();
  }
  /// Makes a Probe send script[index] through `port`, from `lane`.
  void play(ShellBase& probe, std::uint64_t index, PortId port, Time time, std::uint16_t lane = 0) {
    put(probe, port_of(9), HostCall{0, TaskId{lane}, index, raw(port)}, time);
  }
  std::vector<Time> times(Event event) const {
    std::vector<Time> found;
    for (const TraceRecord& r : records.in_order()) {
      if (r.event == event) found.push_back(r.time);
    }
    return found;
  }

  PriceList prices{};
  test::Records records;
  Engine engine;
  Kernel kernel;

 private:
  static constexpr std::uint32_t kNodes = 32;
  static constexpr std::uint32_t kSourcesALane = 2;
  std::uint32_t nodes_ = 0;
};

/// One call that a Tap saw.
struct Passed {
  const char* call;
  Time made;   // sc_time_stamp()
  Time delay;  // annotated, on entry
  tlm::tlm_phase phase;
  const tlm::tlm_generic_payload* payload;
  std::uint64_t address;
  unsigned length;
  std::vector<unsigned char> data;
  SpanId span;
  Requester requester;
  tlm::tlm_sync_enum answer;
  tlm::tlm_phase phase_after;
};

/// Stands between an initiator and a target, passes every call on, and keeps what it saw.
class Tap final : public sc_core::sc_module,
                  public tlm::tlm_fw_transport_if<>,
                  public tlm::tlm_bw_transport_if<> {
 public:
  explicit Tap(sc_core::sc_module_name name)
      : sc_core::sc_module(name), target("target"), initiator("initiator") {
    target.bind(static_cast<tlm::tlm_fw_transport_if<>&>(*this));
    initiator.bind(static_cast<tlm::tlm_bw_transport_if<>&>(*this));
  }

  BusTargetSocket target;
  BusInitiatorSocket initiator;
  std::vector<Passed> seen;

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_time& delay) override {
    note("b_transport", payload, tlm::UNINITIALIZED_PHASE, delay);
    initiator->b_transport(payload, delay);
  }
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_time& delay) override {
    const std::size_t at = note("nb_transport_fw", payload, phase, delay);
    const auto answer = initiator->nb_transport_fw(payload, phase, delay);
    return conclude(at, answer, phase);
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_time& delay) override {
    const std::size_t at = note("nb_transport_bw", payload, phase, delay);
    const auto answer = target->nb_transport_bw(payload, phase, delay);
    return conclude(at, answer, phase);
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  unsigned transport_dbg(tlm::tlm_generic_payload&) override { return 0; }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}

  std::size_t note(const char* call, tlm::tlm_generic_payload& payload, tlm::tlm_phase phase,
                   const sc_time& delay) {
    const auto* extension = payload.get_extension<InterruptExtension>();
    const unsigned char* data = payload.get_data_ptr();
    seen.push_back({call,
                    sc_now(),
                    delay.value(),
                    phase,
                    &payload,
                    payload.get_address(),
                    payload.get_data_length(),
                    {data, data + payload.get_data_length()},
                    extension != nullptr ? extension->span : kNoSpan,
                    extension != nullptr ? extension->requester : Requester{},
                    tlm::TLM_ACCEPTED,
                    phase});
    return seen.size() - 1;
  }
  tlm::tlm_sync_enum conclude(std::size_t at, tlm::tlm_sync_enum answer, tlm::tlm_phase phase) {
    seen[at].answer = answer;
    seen[at].phase_after = phase;
    return answer;
  }
};

}  // namespace irqfab::tlm_test
