// What the rules of the specification leave to the hardware: joined misses, order, caches, busy,
// snapshots, and tables and registers full of nonsense.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/support/amdvi_bench.hpp"

namespace irqfab::x86::test {
namespace {

constexpr RequesterId kOther{0x20};

std::vector<std::uint64_t> data_of(const std::vector<BusWrite>& writes) {
  std::vector<std::uint64_t> all;
  for (const BusWrite& write : writes) all.push_back(write.data);
  return all;
}

/// Answers the oldest question.
void answer_one(AmdViBench& b) {
  const BusRead read = b.open_reads().front();
  ++b.answered;
  b.answer(read);
}

TEST(AmdViUnit, AMissWalksTheDeviceTableAndThenTheInterruptTable) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.request(3);
  answer_one(b);
  EXPECT_TRUE(b.delivered().empty());
  ASSERT_EQ(b.open_reads().size(), 1u);
  EXPECT_EQ(b.open_reads()[0].address, kInterrupts + 12);
  EXPECT_EQ(b.open_reads()[0].span, make_span(SourceId{1}, 0));
  answer_one(b);
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4043}));
  std::vector<Event> path;
  for (const auto& note : b.env.notes) path.push_back(note.event);
  EXPECT_EQ(path, (std::vector<Event>{Event::DteFetched, Event::IrteFetched, Event::Remapped}));
}

TEST(AmdViUnit, AHitReadsNothing) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.serve(3);
  b.env.clear();
  b.answered = b.written = 0;
  b.request(3);
  EXPECT_TRUE(b.open_reads().empty());
  EXPECT_EQ(b.delivered().size(), 1u);
  EXPECT_TRUE(b.env.noted(Event::IrteHit));
}

TEST(AmdViUnit, WithoutCachesEveryRequestWalks) {
  AmdViUnit::Config config;
  config.dte_entries = config.irte_entries = 0;
  AmdViBench b(kOn, config);
  b.set_entry(3, interrupt_entry(0x43));
  b.serve(3);
  b.serve(3);
  EXPECT_EQ(b.env.messages<BusRead>().size(), 4u);
  EXPECT_EQ(b.delivered().size(), 2u);
}

TEST(AmdViUnit, RequestsOfOneDeviceJoinItsWalk) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.set_entry(4, interrupt_entry(0x44));
  b.request(3);
  b.request(4);
  b.request(3);
  EXPECT_EQ(b.open_reads().size(), 1u);
  answer_one(b);
  EXPECT_EQ(b.open_reads().size(), 2u);
  b.settle();
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4043, 0x4044, 0x4043}));
}

TEST(AmdViUnit, DevicesHaveTablesOfTheirOwn) {
  AmdViBench b;
  b.set_device(kOther, device_entry(kInterrupts + 0x1000, 5));
  b.set_entry(3, interrupt_entry(0x43));
  b.put(kInterrupts + 0x1000 + 12, interrupt_entry(0x53), 4);
  b.request(3);
  b.request(3, kWindow, kOther);
  b.settle();
  b.serve(3);
  b.serve(3, kWindow, kOther);
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4043, 0x4053, 0x4043, 0x4053}));
}

TEST(AmdViUnit, ARequestDoesNotOvertakeAnOlderOneOfItsInput) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.set_entry(4, interrupt_entry(0x44));
  b.serve(4);
  b.request(3);
  b.request(4);                                // a hit, behind a miss
  b.request(4, kWindow, kNic, port_of(0, 1));  // of another input
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4044, 0x4044}));
  b.settle();
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4044, 0x4044, 0x4043, 0x4044}));
  EXPECT_EQ(b.env.count(Event::HeldForOrder), 1u);
}

TEST(AmdViUnit, OtherWritesPassInOrder) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.request(3);
  b.request(0x1234, 0x1000);
  EXPECT_TRUE(b.delivered().empty());
  b.settle();
  EXPECT_EQ(data_of(b.delivered()), (std::vector<std::uint64_t>{0x4043, 0x1234}));
}

TEST(AmdViUnit, ItIsBusyWhenNoFurtherRequestCanWait) {
  AmdViUnit::Config config;
  config.requests = 2;
  AmdViBench b(kOn, config);
  b.request(3);
  EXPECT_FALSE(b.unit.busy());
  b.request(4);
  EXPECT_TRUE(b.unit.busy());
  b.settle();
  EXPECT_FALSE(b.unit.busy());
}

TEST(AmdViUnit, WhatWaitsIsHeld) {
  AmdViBench b;
  b.request(3);
  std::vector<SpanId> held;
  b.unit.held_spans(held);
  EXPECT_EQ(held, (std::vector<SpanId>{make_span(SourceId{1}, 0)}));
  b.settle();
  held.clear();
  b.unit.held_spans(held);
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(b.dropped(), 1u);
}

TEST(AmdViUnit, EntriesThatDoNotRemapAreNotCached) {
  AmdViBench b;
  b.set_device(kOther, device_entry(kInterrupts, 5) & ~std::uint64_t{1});
  b.serve(3, kWindow, kOther);
  b.set_device(kOther, device_entry(kInterrupts, 5));
  b.serve(3, kWindow, kOther);
  EXPECT_EQ(b.dropped(), 1u) << "the device's entry became valid; the interrupt's is not";
  b.set_entry(3, interrupt_entry(0x43));
  b.serve(3, kWindow, kOther);
  EXPECT_EQ(b.delivered().back().data, 0x4043u);
}

TEST(AmdViUnit, AWaitLeavesWhenOlderRequestsHaveAndCompletesWhenTheyHaveLanded) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.request(3);
  b.queue(kWaitStore, 5);
  b.ring();
  const auto command = b.open_reads().at(1);
  b.answer(command);
  EXPECT_TRUE(b.env.messages<Marker>().empty());
  b.answer(b.open_reads().at(0));
  b.answer(b.open_reads().at(2));
  ASSERT_EQ(b.env.messages<Marker>().size(), 1u);
  ASSERT_EQ(b.delivered().size(), 1u);
  EXPECT_FALSE(b.env.noted(Event::InvalidationWaited));
  EXPECT_EQ(b.reg(0x2000), 0u);
  b.unit.receive(AmdViUnit::kOutput, MarkerDone{b.env.messages<Marker>()[0].tag}, b.env);
  EXPECT_TRUE(b.env.noted(Event::InvalidationWaited));
  EXPECT_EQ(b.reg(0x2000), 0x10u);
}

TEST(AmdViUnit, StoppingTheBufferDuringAWaitLeavesItsMarkerWithoutEffect) {
  AmdViBench b;
  b.queue(kWaitStore, 5);
  b.ring();
  answer_one(b);
  b.control(kOn & ~kCmdBufEn);
  EXPECT_EQ(b.status() & 0x10, 0u);
  b.settle();
  EXPECT_EQ(b.get(kStore), 0u);
  EXPECT_EQ(b.reg(0x2000), 0u);
  b.control(kOn);
  b.settle();
  EXPECT_EQ(b.get(kStore), 5u);
}

TEST(AmdViUnit, StoppingTheBufferDuringAFetchForgetsTheCommand) {
  AmdViBench b;
  b.queue(kWaitStore, 5);
  b.ring();
  b.control(kOn & ~kCmdBufEn);
  b.settle();
  EXPECT_FALSE(b.env.noted(Event::CommandFetched));
  b.control(kOn);
  b.settle();
  EXPECT_EQ(b.get(kStore), 5u);
}

TEST(AmdViUnit, RegistersAreReadAndWrittenByHalves) {
  AmdViBench b;
  const auto write = [&](std::uint64_t offset, std::uint64_t value, std::uint8_t size) {
    b.unit.receive(AmdViUnit::kRegisters, BusWrite{0xFEB80000 + offset, value, kNoSpan, {}, size},
                   b.env);
  };
  const auto read = [&](std::uint64_t offset, std::uint8_t size) {
    b.unit.receive(AmdViUnit::kRegisters, BusRead{0xFEB80000 + offset, Tag{9}, kNoSpan, {}, size},
                   b.env);
    const BusData answer = std::get<BusData>(b.env.sent.back().message);
    std::uint64_t value = 0;
    std::memcpy(&value, answer.data.data(), sizeof value);
    return answer.status == BusStatus::Ok ? value : ~std::uint64_t{0};
  };
  write(0x170, 0x1122334455667788, 8);
  EXPECT_EQ(read(0x170, 8), 0x1122334455667788u);
  write(0x174, 0xAABBCCDD, 4);
  EXPECT_EQ(read(0x170, 8), 0xAABBCCDD55667788u);
  write(0x170, 0x99, 4);
  EXPECT_EQ(read(0x170, 4), 0x99u);
  EXPECT_EQ(read(0x174, 4), 0xAABBCCDDu);
  write(0x2010, 0x30, 4);
  EXPECT_EQ(read(0x2010, 8), 0x30u);
  EXPECT_EQ(b.env.count(Event::GuestError), 0u);
  EXPECT_EQ(read(0x171, 4), ~std::uint64_t{0});
  EXPECT_EQ(read(0x170, 2), ~std::uint64_t{0});
  EXPECT_EQ(read(0x4000, 4), ~std::uint64_t{0});
  EXPECT_EQ(read(0x28, 8), 0u);
  write(0x28, 1, 8);
  write(0x172, 1, 4);
  write(0x4000, 1, 4);
  EXPECT_EQ(b.env.count(Event::GuestError), 7u);
}

TEST(AmdViUnit, ControlKeepsWhatItKnows) {
  AmdViBench b;
  b.control(~std::uint64_t{0});
  EXPECT_EQ(b.reg(0x18), kIommuEn | kEventLogEn | kEventIntEn | kComWaitIntEn | kCmdBufEn | kGAEn |
                             std::uint64_t{3} << 43 | kXTEn | kIntCapXTEn);
}

TEST(AmdViUnit, BaseRegistersKeepTheirFieldsAndEmptyTheirRings) {
  AmdViBench b;
  b.serve(3);
  b.run(kWait);
  for (const std::uint64_t offset : {0x00u, 0x08u, 0x10u}) {
    b.unit.write_register(offset, ~std::uint64_t{0}, b.env);
  }
  EXPECT_EQ(b.reg(0x00), 0x000FFFFFFFFFF1FFu);
  EXPECT_EQ(b.reg(0x08), 0x0F0FFFFFFFFFF000u);
  EXPECT_EQ(b.reg(0x10), 0x0F0FFFFFFFFFF000u);
  for (const std::uint64_t offset : {0x2000u, 0x2008u, 0x2010u, 0x2018u}) {
    EXPECT_EQ(b.reg(offset), 0u) << offset;
  }
}

TEST(AmdViUnit, TheHeadOfCommandsIsTheUnitsWhileTheyRun) {
  AmdViBench b;
  b.unit.write_register(0x2000, 0x40, b.env);
  EXPECT_EQ(b.reg(0x2000), 0u);
  b.control(kOn & ~kCmdBufEn);
  b.unit.write_register(0x2000, 0x40, b.env);
  EXPECT_EQ(b.reg(0x2000), 0x40u);
}

TEST(AmdViUnit, ATailBeyondTheBufferWraps) {
  AmdViBench b;
  b.put(kCommands, kWait);
  b.unit.write_register(0x2008, 0x1010, b.env);
  b.settle();
  EXPECT_EQ(b.reg(0x2000), 0x10u);
  EXPECT_EQ(b.env.count(Event::InvalidationWaited), 1u);
}

TEST(AmdViUnit, SoftwareSetsTheTailOfALogThatDoesNotRun) {
  AmdViBench running;
  running.unit.write_register(0x2018, 0x40, running.env);
  EXPECT_EQ(running.reg(0x2018), 0u);
  AmdViBench stopped(kIommuEn | kCmdBufEn);
  stopped.unit.write_register(0x2018, 0x1040, stopped.env);  // 256 entries are 0x1000 bytes
  EXPECT_EQ(stopped.reg(0x2018), 0x40u);
}

TEST(AmdViUnit, AReadOfAnInputIsAnsweredByNobody) {
  AmdViBench b;
  b.unit.receive(AmdViUnit::kInput, BusRead{kWindow, Tag{4}, kNoSpan, {}, 4}, b.env);
  EXPECT_EQ(std::get<BusData>(b.env.sent.back().message).status, BusStatus::NoDecode);
  EXPECT_EQ(b.env.count(Event::GuestError), 1u);
}

TEST(AmdViUnit, ARequestOfAnotherSizeIsBlocked) {
  AmdViBench b;
  b.unit.receive(AmdViUnit::kInput,
                 BusWrite{kWindow, 3, make_span(SourceId{1}, 0), {HostBridgeId{0}, kNic}, 2},
                 b.env);
  EXPECT_EQ(b.dropped(), 1u);
  EXPECT_EQ(b.env.count(Event::GuestError), 1u);
  EXPECT_TRUE(b.open_reads().empty());
}

TEST(AmdViUnit, AnswersToNoQuestionAreIgnored) {
  AmdViBench b;
  const AmdViUnit before = b.unit;
  for (const std::uint32_t tag : {0u, 3u, 8u, 9u, ~0u}) {
    b.unit.receive(AmdViUnit::kMemory, BusData{{}, Tag{tag}, BusStatus::Ok}, b.env);
  }
  b.unit.receive(AmdViUnit::kOutput, MarkerDone{Tag{0}}, b.env);
  EXPECT_TRUE(b.unit == before);
  EXPECT_TRUE(b.env.sent.empty());
}

TEST(AmdViUnit, ItsMessageIsASpanOfItsOwn) {
  AmdViBench b(kOn | kEventIntEn);
  b.unit.write_register(0x158, 1 << 16 | std::uint64_t{0xFEE02000} << 32, b.env);
  b.serve(3);
  EXPECT_EQ(b.env.count(Event::Asserted), 1u);
  EXPECT_EQ(b.env.count(Event::UnitEventSent), 1u);
  EXPECT_NE(b.delivered().at(0).span, make_span(SourceId{1}, 0));
}

TEST(AmdViUnit, EnablingAnInterruptThatIsDueSendsIt) {
  AmdViBench b;
  b.unit.write_register(0x158, 1 << 16 | std::uint64_t{0xFEE02000} << 32, b.env);
  b.serve(3);
  EXPECT_TRUE(b.delivered().empty());
  b.control(kOn | kEventIntEn);
  EXPECT_EQ(b.delivered().size(), 1u);
  b.control(kOn | kEventIntEn);
  EXPECT_EQ(b.delivered().size(), 1u);
}

/// Each change makes a difference that equality sees.
TEST(AmdViUnit, EqualityComparesAllOfTheState) {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  const AmdViUnit start = b.unit;
  const auto differs = [&](auto&& change) {
    AmdViBench other = b;
    change(other);
    return !(other.unit == start);
  };
  EXPECT_FALSE(differs([](AmdViBench&) {}));
  for (const std::uint64_t offset : {0x00u, 0x08u, 0x10u, 0x18u, 0x158u, 0x160u, 0x170u, 0x2010u}) {
    EXPECT_TRUE(differs([&](AmdViBench& o) { o.unit.write_register(offset, 0x11000, o.env); }))
        << offset;
  }
  EXPECT_TRUE(differs([](AmdViBench& o) { o.request(3); }));
  EXPECT_TRUE(differs([](AmdViBench& o) { o.serve(3); }));
  EXPECT_TRUE(differs([](AmdViBench& o) { o.run(kWait); }));
  EXPECT_TRUE(differs([](AmdViBench& o) { o.run(0); }));
}

/// Tables, commands, registers and messages at random: whatever the guest does, every request has
/// an end, nothing is asked without bound, and the unit does not stop.
TEST(AmdViUnit, NonsenseNeitherCrashesNorHangs) {
  std::mt19937_64 random(48882);
  for (unsigned round = 0; round < 300; ++round) {
    const std::uint64_t modes = kGAEn | kXTEn | k2048 | kEventIntEn | kComWaitIntEn;
    AmdViBench b((random() & modes) | kOn);
    for (std::uint64_t at = 0; at < 0x2000; at += 8) {
      b.put(kDevices + at, random() & random());
      b.put(kInterrupts + at, random() & random());
      b.put(kCommands + at, (random() & ~(std::uint64_t{0xF} << 60)) | (random() % 9) << 60);
    }
    for (unsigned step = 0; step < 60; ++step) {
      switch (random() % 4) {
        case 0:
          b.unit.write_register((random() % 0x2030) & ~std::uint64_t{7}, random(), b.env);
          break;
        case 1:
          b.unit.receive(AmdViUnit::kMemory,
                         BusData{{},
                                 Tag(static_cast<std::uint32_t>(random() % 10)),
                                 BusStatus(static_cast<std::uint8_t>(random() % 3))},
                         b.env);
          break;
        default:
          if (!b.unit.busy()) {
            b.request(random() & 0xFFFF, kWindow | (random() & 0xFFFFC),
                      RequesterId(static_cast<std::uint16_t>(random() % 0x120)));
          }
      }
      if (random() % 3 == 0) b.settle();
    }
    b.settle();
    std::vector<SpanId> held;
    b.unit.held_spans(held);
    const std::size_t own = b.env.count(Event::UnitEventSent);
    EXPECT_EQ(b.delivered().size() - own + b.dropped() + held.size(), b.spans);
    EXPECT_FALSE(b.unit.busy());
  }
}

}  // namespace
}  // namespace irqfab::x86::test
