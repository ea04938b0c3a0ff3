// Modules that know nothing of irqfab at the edges of a fabric: plain simple_initiator_socket and
// simple_target_socket, threads, no extension.
#include <gtest/gtest.h>

#include <map>

#include "tests/models/tlm/foreign_rig.hpp"

namespace irqfab::tlm_test {
namespace {

using P = Platform;
using test::kIn;
using test::kOut;
using Times = std::vector<Time>;

/// The spans of the bridge's own source, which foreign messages begin.
SpanId foreign_span(std::uint64_t n) { return make_span(SourceId{0}, n); }

Life handled_life(Time begin) {
  return {{begin, Event::Asserted},
          {begin + P::kBridge, Event::BridgeForwarded},
          {begin + P::kBridge + P::kRouted, Event::MessageRouted},
          {begin + P::kBridge + P::kRouted, Event::Pended},
          {begin + P::kBridge + P::kRouted, Event::Accepted},
          {begin + P::kToHandler, Event::HandlerEntered},
          {begin + P::kToHandler + P::kHandler, Event::HandlerStep},
          {begin + P::kToEnd, Event::EoiWritten},
          {begin + P::kToEnd, Event::Handled}};
}

// ---- a foreign initiator ----------------------------------------------------------------------

void a_foreign_msi_is_handled(RunAhead run_ahead) {
  P p(run_ahead);
  ForeignInitiator device("device", [](ForeignInitiator& self) {
    sc_core::wait(ps(1'000'000));
    EXPECT_EQ(self.write(P::kMsi, P::kVector), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(sc_now(), 1'000'000u);  // posted: the caller does not wait
  });
  device.socket.bind(p.first_link());
  sc_core::sc_start();
  EXPECT_EQ(p.rig.records.life_of(foreign_span(0)), handled_life(1'000'000));
  p.expect_all_handled(1);
  EXPECT_TRUE(p.bridge->has_foreign());
  EXPECT_FALSE(p.lapics->has_foreign());
}
TEST(ForeignInitiator, ItsMsiIsHandledAndTheAccountingCloses) {
  a_foreign_msi_is_handled(RunAhead::Off);
}
TEST(ForeignInitiator, ItsMsiIsHandledAlikeWhenTheFabricRunsAhead) {
  a_foreign_msi_is_handled(RunAhead::On);
}

TEST(ForeignInitiator, TheDelayOfItsCallIsPartOfTheMessagesTime) {
  P p(RunAhead::Off);
  ForeignInitiator device("device", [](ForeignInitiator& self) {
    sc_core::wait(ps(1'000'000));
    sc_time delay = ps(70'000);
    self.write(P::kMsi, P::kVector, 4, delay);
    EXPECT_EQ(delay, ps(70'000));  // taken as it is, not waited for
    EXPECT_EQ(sc_now(), 1'000'000u);
  });
  device.socket.bind(p.first_link());
  sc_core::sc_start();
  EXPECT_EQ(p.rig.records.life_of(foreign_span(0)), handled_life(1'070'000));
}

TEST(ForeignInitiator, ManyMsisOfTwoAreAllHandledOrMerged) {
  P p(RunAhead::On);
  const auto storm = [](std::uint64_t vector, Time gap) {
    return [=](ForeignInitiator& self) {
      for (unsigned i = 0; i < 200; ++i) {
        sc_core::wait(ps(gap));
        sc_time delay = ps(i % 3 * 1000);
        self.write(P::kMsi, vector, 4, delay);
      }
    };
  };
  ForeignInitiator first("first", storm(0x41, 700'000)), second("second", storm(0x61, 330'000));
  first.socket.bind(p.first_link());
  second.socket.bind(p.second_link());
  sc_core::sc_start();
  const Accounting& a = p.accounting();
  EXPECT_EQ(a.asserted, 400u);
  EXPECT_EQ(a.handled + a.coalesced, 400u);
  EXPECT_GT(a.coalesced, 0u);
  EXPECT_EQ(p.rig.engine.ledger().in_flight(), 0u);
}

TEST(ForeignInitiator, ComesFromTheRequesterOfItsPort) {
  Rig rig(RunAhead::Off);
  auto probe = rig.make("probe", TieClass::Bridge, Probe{});
  ForeignInitiator first("first", [](ForeignInitiator& self) { self.write(0x10, 1); });
  ForeignInitiator second("second", [](ForeignInitiator& self) {
    self.write(0x20, 2);
    self.read(0x30);
  });
  first.socket.bind(probe->target_socket(port_of(0, 0), P::kFirst));
  second.socket.bind(probe->target_socket(port_of(0, 1), P::kSecond));
  sc_core::sc_start();
  const auto writes = probe->core().all<BusWrite>();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].requester, P::kFirst);
  EXPECT_EQ(writes[0].span, kNoSpan);
  EXPECT_EQ(writes[1].requester, P::kSecond);
  EXPECT_EQ(probe->core().all<BusRead>().at(0).requester, P::kSecond);
}

// ---- reads by a foreign initiator -------------------------------------------------------------

TEST(ForeignRead, HappensOnceAndAtItsSimulatedTime) {
  // The register's read acknowledges the device: a side effect.
  P p(RunAhead::Off);
  std::vector<std::uint64_t> values;
  Times returned;
  ForeignInitiator cpu("cpu", [&](ForeignInitiator& self) {
    sc_core::wait(ps(1'000'000));
    for (unsigned i = 0; i < 2; ++i) {
      values.push_back(self.read(P::kDeviceWindow + pci::kDeviceRegisterOffset));
      returned.push_back(sc_now());
    }
  });
  cpu.socket.bind(p.bus_port());
  p.rig.put(*p.functions, pci::PciFunctions::kStimulus,
            Raise{FunctionRow{0}, VectorIndex{0}, RaiseKind::IntxHigh}, 400'000);
  sc_core::sc_start();
  EXPECT_EQ(values, (std::vector<std::uint64_t>{1, 0}));
  const Time there_and_back = P::kDecode + P::kDeviceAnswers;
  EXPECT_EQ(returned, (Times{1'000'000 + there_and_back, 1'000'000 + 2 * there_and_back}));
  EXPECT_EQ(p.rig.times(Event::DeviceRead), returned);
  EXPECT_EQ(p.rig.times(Event::IntxDeasserted), Times{returned[0]});
}

TEST(ForeignRead, SeesTheStateOfItsTimeAndNotOfItsCall) {
  P p(RunAhead::Off);
  std::uint64_t before = 9, after = 9;
  ForeignInitiator cpu("cpu", [&](ForeignInitiator& self) {
    const std::uint64_t at = P::kDeviceWindow + pci::kDeviceRegisterOffset;
    sc_time delay = ps(300'000);  // arrives before the device asks, at 500 ns
    self.read(at, before, 4, delay);
    EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
    EXPECT_EQ(sc_now(), 300'000 + P::kDecode + P::kDeviceAnswers);
    delay = ps(400'000);  // and after
    self.read(at, after, 4, delay);
  });
  cpu.socket.bind(p.bus_port());
  p.rig.put(*p.functions, pci::PciFunctions::kStimulus,
            Raise{FunctionRow{0}, VectorIndex{0}, RaiseKind::IntxHigh}, 500'000);
  sc_core::sc_start();
  EXPECT_EQ(before, 0u);
  EXPECT_EQ(after, 1u);
}

TEST(ForeignRead, SeveralInitiatorsWaitForTheirOwnAnswers) {
  P p(RunAhead::On);
  std::map<std::string, std::uint64_t> values;
  const auto reader = [&](std::uint64_t offset) {
    return [&, offset](ForeignInitiator& self) {
      values[self.basename()] = self.read(P::kDeviceWindow + offset);
    };
  };
  ForeignInitiator a("a", reader(8)), b("b", reader(12));  // data; vector control: masked
  a.socket.bind(p.bus_port());
  b.socket.bind(p.bus->target_socket(port_of(0, 2), {}));
  test::RecordingEnv env;
  p.functions->core().write_entry(FunctionRow{0}, VectorIndex{0}, {0, 0x77, Mask::On}, env);
  sc_core::sc_start();
  EXPECT_EQ(values["a"], 0x77u);
  EXPECT_EQ(values["b"], 1u);
}

TEST(ForeignRead, OfAnAddressThatNobodyHasIsAnAddressErrorWithAllOnes) {
  P p(RunAhead::Off);
  ForeignInitiator cpu("cpu", [&](ForeignInitiator& self) {
    std::uint64_t data = 0;
    sc_time delay = sc_core::SC_ZERO_TIME;
    EXPECT_EQ(self.read(0x1000, data, 8, delay), tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(data, ~std::uint64_t{0});
    EXPECT_EQ(sc_now(), P::kDecode);
  });
  cpu.socket.bind(p.bus_port());
  sc_core::sc_start();
  EXPECT_EQ(p.accounting().guest_errors, 1u);
}

/// Reads from an SC_METHOD, which may not wait.
struct MethodReader : sc_core::sc_module {
  explicit MethodReader(sc_core::sc_module_name name) : sc_core::sc_module(name), socket("socket") {
    SC_HAS_PROCESS(MethodReader);
    SC_METHOD(read);
  }
  void read() {
    unsigned char bytes[4] = {};
    tlm::tlm_generic_payload payload;
    payload.set_read();
    payload.set_address(P::kDeviceWindow + pci::kDeviceRegisterOffset);
    payload.set_data_ptr(bytes);
    payload.set_data_length(4);
    payload.set_streaming_width(4);
    sc_time delay = sc_core::SC_ZERO_TIME;
    try {
      socket->b_transport(payload, delay);
    } catch (const sc_core::sc_report& report) {
      type = report.get_msg_type();
      message = report.get_msg();
    }
    response = payload.get_response_status();
  }
  tlm_utils::simple_initiator_socket<MethodReader, 64> socket;
  std::string type, message;
  tlm::tlm_response_status response = tlm::TLM_INCOMPLETE_RESPONSE;
};

TEST(ForeignRead, FromAMethodIsRefusedWithAMessage) {
  P p(RunAhead::Off);
  MethodReader reader("reader");
  reader.socket.bind(p.bus_port());
  sc_core::sc_start();
  EXPECT_EQ(reader.type, "irqfab/blocking-read");
  EXPECT_NE(reader.message.find("SC_THREAD"), std::string::npos);
  EXPECT_EQ(reader.response, tlm::TLM_GENERIC_ERROR_RESPONSE);
  EXPECT_TRUE(p.rig.times(Event::DeviceRead).empty());  // no side effect took place
  EXPECT_TRUE(p.rig.times(Event::BusRouted).empty());
}

// ---- payloads that are no message of the fabric -----------------------------------------------

TEST(ForeignPayload, WhatAMessageCannotHoldIsRefused) {
  Rig rig(RunAhead::Off);
  auto probe = rig.make("probe", TieClass::Bridge, Probe{});
  ForeignInitiator device("device", [](ForeignInitiator& self) {
    unsigned char bytes[64] = {};
    unsigned char enables[4] = {0xFF, 0, 0xFF, 0};
    const auto answer = [&](tlm::tlm_command command, unsigned length, unsigned width,
                            unsigned char* byte_enables) {
      tlm::tlm_generic_payload payload;
      payload.set_command(command);
      payload.set_data_ptr(bytes);
      payload.set_data_length(length);
      payload.set_streaming_width(width);
      payload.set_byte_enable_ptr(byte_enables);
      payload.set_byte_enable_length(4);
      sc_time delay = sc_core::SC_ZERO_TIME;
      self.socket->b_transport(payload, delay);
      return payload.get_response_status();
    };
    const auto write = tlm::TLM_WRITE_COMMAND, read = tlm::TLM_READ_COMMAND;
    EXPECT_EQ(answer(write, 16, 16, nullptr), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(answer(write, 0, 0, nullptr), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(answer(write, 8, 4, nullptr), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(answer(read, 64, 64, nullptr), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(answer(read, 0, 0, nullptr), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(answer(write, 4, 4, enables), tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    EXPECT_EQ(answer(read, 4, 4, enables), tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    EXPECT_EQ(answer(tlm::TLM_IGNORE_COMMAND, 0, 0, nullptr), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(sc_now(), 0u);
    EXPECT_EQ(answer(write, 8, 8, nullptr), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(answer(read, 16, 16, nullptr), tlm::TLM_OK_RESPONSE);
    EXPECT_EQ(bytes[15], 0xAF);
  });
  device.socket.bind(probe->target_socket(kIn, {}));
  sc_core::sc_start();
  EXPECT_EQ(probe->core().heard.size(), 2u);
}

// ---- a foreign initiator of the non-blocking kind ---------------------------------------------

/// Speaks the base protocol.
struct Approximate : sc_core::sc_module {
  Approximate(sc_core::sc_module_name name, bool reads)
      : sc_core::sc_module(name), socket("socket"), reads_(reads) {
    socket.register_nb_transport_bw(this, &Approximate::response);
    SC_HAS_PROCESS(Approximate);
    SC_THREAD(request);
  }
  void request() {
    sc_core::wait(ps(100'000));
    payload.set_command(reads_ ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND);
    payload.set_address(0x40);
    payload.set_data_ptr(bytes);
    payload.set_data_length(8);
    payload.set_streaming_width(8);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_time delay = ps(5000);
    answer = socket->nb_transport_fw(payload, phase, delay);
    phase_after = phase;
  }
  tlm::tlm_sync_enum response(tlm::tlm_generic_payload&, tlm::tlm_phase& phase, sc_time& delay) {
    EXPECT_EQ(phase, tlm::BEGIN_RESP);
    answered.push_back(sc_now() + delay.value());
    return tlm::TLM_COMPLETED;
  }
  tlm_utils::simple_initiator_socket<Approximate, 64> socket;
  tlm::tlm_generic_payload payload;
  unsigned char bytes[8] = {1};
  tlm::tlm_sync_enum answer = tlm::TLM_ACCEPTED;
  tlm::tlm_phase phase_after = tlm::UNINITIALIZED_PHASE;
  Times answered;

 private:
  bool reads_;
};

TEST(ForeignNonBlocking, AReadIsAnsweredOnTheBackwardPath) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MemoryRead, 200'000);
  auto probe = rig.make("probe", TieClass::Controller, Probe{});
  Approximate initiator("initiator", true);
  initiator.socket.bind(probe->target_socket(kIn, P::kSecond));
  sc_core::sc_start();
  EXPECT_EQ(initiator.answer, tlm::TLM_UPDATED);
  EXPECT_EQ(initiator.phase_after, tlm::END_REQ);
  EXPECT_EQ(initiator.answered, Times{305'000});
  EXPECT_EQ(initiator.bytes[7], 0xA7);
  EXPECT_EQ(initiator.payload.get_response_status(), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(probe->core().all<BusRead>().at(0).requester, P::kSecond);
}

TEST(ForeignNonBlocking, AWriteIsCompletedAtOnce) {
  Rig rig(RunAhead::Off);
  auto probe = rig.make("probe", TieClass::Controller, Probe{});
  Approximate initiator("initiator", false);
  initiator.socket.bind(probe->target_socket(kIn, {}));
  sc_core::sc_start();
  EXPECT_EQ(initiator.answer, tlm::TLM_COMPLETED);
  EXPECT_EQ(probe->core().all<BusWrite>().at(0).data, 1u);
  EXPECT_EQ(rig.times(Event::GuestError), Times{105'000});
}

}  // namespace
}  // namespace irqfab::tlm_test
