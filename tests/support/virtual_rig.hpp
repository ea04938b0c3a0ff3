// Virtual local APICs with software enabled, all in their guests, and the words a test of them
// speaks in.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "models/x86/apicv.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {

using Control = ApicvControl;

inline ::testing::AssertionResult exits_as(const VirtualAccess& access, ExitReason reason,
                                           std::uint64_t qualification) {
  if (!access.exit) return ::testing::AssertionFailure() << "no exit";
  if (access.exit->reason == reason && access.exit->qualification == qualification) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << name_of(access.exit->reason) << ' ' << std::hex << access.exit->qualification;
}
inline bool faults(const VirtualAccess& access) {
  return !access.exit && access.status == MsrStatus::GeneralProtection;
}
/// Takes effect: no exit, no fault.
inline bool is_done(const VirtualAccess& access) {
  return !access.exit && access.status == MsrStatus::Done;
}

class VirtualRig {
 public:
  using Register = LapicRegister;

  static VirtualApics::Config config_of(Virtualization virtualization, unsigned vcpus) {
    VirtualApics::Config config;
    for (unsigned i = 0; i < vcpus; ++i) config.lapics.ids.push_back(ApicId{i});
    config.virtualization = virtualization;
    config.controls = ApicvControls::all();
    return config;
  }
  static VirtualApics::Config apicv(ApicvControls controls = ApicvControls::all()) {
    VirtualApics::Config config = config_of(Virtualization::Apicv, 4);
    config.controls = controls;
    return config;
  }
  static VirtualApics::Config avic(X2avic x2avic = X2avic::Absent) {
    VirtualApics::Config config = config_of(Virtualization::Avic, 4);
    config.x2avic = x2avic;
    return config;
  }
  explicit VirtualRig(const VirtualApics::Config& config) : apics(config) {
    for (unsigned v = 0; v < config.lapics.ids.size(); ++v) {
      apics.lapics().write(CpuId{v}, Register::kSvr, 0x1FF, env);
      apics.descriptor(CpuId{v}).set_nv(Vector{0xF2});
      apics.descriptor(CpuId{v}).set_ndst(0x10 + v);
      apics.avic_load(CpuId{v}, ApicId{0x10 + v});
      apics.enter(CpuId{v}, env);
    }
    env.clear();
  }

  /// All of them in x2APIC mode.
  static VirtualRig by_msr(const VirtualApics::Config& config) {
    VirtualRig rig(config);
    for (unsigned v = 0; v < config.lapics.ids.size(); ++v) rig.enter_x2apic(v);
    rig.env.clear();
    return rig;
  }

  VirtualAccess write(unsigned v, std::uint32_t offset, std::uint32_t value) {
    return apics.write(CpuId{v}, offset, value, env);
  }
  VirtualAccess read(unsigned v, std::uint32_t offset) { return apics.read(CpuId{v}, offset, env); }
  VirtualAccess wrmsr(unsigned v, std::uint32_t msr, std::uint64_t value) {
    return apics.wrmsr(CpuId{v}, msr, value, env);
  }
  VirtualAccess rdmsr(unsigned v, std::uint32_t msr) { return apics.rdmsr(CpuId{v}, msr, env); }
  VirtualAccess eoi(unsigned v) { return write(v, Register::kEoi, 0); }
  VirtualAccess ipi(unsigned v, std::uint32_t destination, std::uint32_t low) {
    apics.lapics().write(CpuId{v}, Register::kIcrHigh, destination << 24, env);
    return write(v, Register::kIcrLow, low);
  }
  /// The host carries the exit out, and the guest goes on.
  MsrAnswer complete(const VirtualAccess& access) {
    if (!access.exit) {
      ADD_FAILURE() << "there was no exit";
      return {};
    }
    const MsrAnswer answer = apics.complete(*access.exit, env);
    apics.enter(access.exit->vcpu, env);
    return answer;
  }
  void enter_x2apic(unsigned v) {
    const std::uint64_t bootstrap = v == 0 ? 0x100 : 0;
    complete(wrmsr(v, LapicMsr::kApicBase, 0xFEE00C00 | bootstrap));
  }
  PostAnswer post(unsigned v, unsigned vector, Urgency urgency = Urgency::Normal) {
    return apics.post(CpuId{v}, Vector(static_cast<std::uint8_t>(vector)), urgency, book.begin(),
                      env);
  }
  ApicMessage fixed(unsigned destination, unsigned vector) const {
    ApicMessage m;
    m.destination = ApicId{destination};
    m.vector = Vector(static_cast<std::uint8_t>(vector));
    return m;
  }
  ApicMessage level(unsigned destination, unsigned vector) const {
    ApicMessage m = fixed(destination, vector);
    m.trigger_mode = TriggerMode::Level;
    return m;
  }
  unsigned send(const ApicMessage& m) { return apics.on_message(m, book.begin(), env); }
  /// Posts, moves it to the IRR, takes it.
  void in_service(unsigned v, unsigned vector) {
    post(v, vector);
    apics.sync(CpuId{v}, env);
    take(v);
  }
  void level_in_service(unsigned v, unsigned vector) {
    send(level(v, vector));
    apics.sync(CpuId{v}, env);
    signals();
    take(v);
  }
  unsigned take(unsigned v) { return raw(apics.take(CpuId{v}, env).vector); }
  bool line(unsigned v) const { return apics.deliverable(CpuId{v}); }
  bool irr(unsigned v, unsigned vector) const {
    return apics.lapics().irr(CpuId{v}).has(Vector(static_cast<std::uint8_t>(vector)));
  }
  bool isr(unsigned v, unsigned vector) const {
    return apics.lapics().isr(CpuId{v}).has(Vector(static_cast<std::uint8_t>(vector)));
  }
  bool pir(unsigned v, unsigned vector) const {
    return apics.descriptor(CpuId{v}).pir().has(Vector(static_cast<std::uint8_t>(vector)));
  }
  std::vector<VirtualSignal> signals() {
    std::vector<VirtualSignal> taken;
    apics.take_signals([&](const VirtualSignal& signal) { taken.push_back(signal); });
    return taken;
  }
  std::vector<unsigned> broadcasts() const {
    std::vector<unsigned> found;
    for (const auto& eoi : env.messages<EoiMessage>()) found.push_back(raw(eoi.vector));
    return found;
  }

  test::RecordingEnv env;
  test::SpanBook book;
  VirtualApics apics;
};

}  // namespace irqfab::x86
