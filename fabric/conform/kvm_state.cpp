#include "fabric/conform/kvm_state.hpp"

#include <algorithm>

namespace irqfab::conform {
namespace {

void compare_cpu(const std::string& where, CpuId cpu, const Json& recorded,
                 const kvm::KvmSoftware& vm, Comparison& comparison) {
  const std::string path = "cpu[" + std::to_string(raw(cpu)) + ']';
  const kvm::VcpuEvents& vcpu = vm.vcpu(cpu);
  const kvm::Irqchip& chip = vm.chip();
  const auto member = [&](const char* field, const Json& got) {
    comparison.member(where, path, recorded, field, got);
  };
  member("mp_state", static_cast<unsigned>(vcpu.mp_state));
  if (chip.config().kind != kvm::IrqchipKind::None) {
    member("irr", list_of(chip.lapics().irr(cpu)));
    member("isr", list_of(chip.lapics().isr(cpu)));
    member("tmr", list_of(chip.lapics().tmr(cpu)));
    member("tpr", chip.lapics().tpr(cpu));
    member("ppr", chip.ppr_image(cpu));
    member("esr", chip.lapics().esr(cpu));
  }
  member("cs", vcpu.cs);
  member("apic_base", chip.lapics().apic_base(cpu));
  member("nmi_pending", vcpu.nmis);
  member("smi_pending", 0);
  member("latched_init", 0);  // looking at it has taken it
  member("sipi_vector", 0);   // KVM does not tell
  member("intr_injected", vcpu.injected ? 1 : 0);
}

void compare_ioapic(const std::string& where, const Json& recorded, const kvm::Irqchip& chip,
                    const std::vector<Pin>& entries, Comparison& comparison) {
  Json shown = Json::object();
  Json remote = Json::array();
  for (std::uint16_t n = 0; n < chip.ioapic().pins(); ++n) {
    const x86::Rte entry = chip.ioapic().rte(Pin{n});
    const bool set = std::find(entries.begin(), entries.end(), Pin{n}) != entries.end();
    if (set) shown[std::to_string(n)] = entry.bits;
    if (entry.remote_irr()) remote.push_back(n);
  }
  comparison.member(where, "ioapic", recorded, "irr", chip.ioapic_irr());
  comparison.member(where, "ioapic", recorded, "rte", shown);
  comparison.member(where, "ioapic", recorded, "remote_irr", remote);
}

void compare_pic(const std::string& where, const std::string& name, const Json& recorded,
                 const x86::PicChip& chip, Comparison& comparison) {
  if (!recorded.contains(name)) return;
  const auto member = [&](const char* field, const Json& got) {
    comparison.member(where, "pic." + name, recorded.at(name), field, got);
  };
  member("irr", chip.irr());
  member("isr", chip.isr());
  member("imr", chip.imr());
  member("last_irr", chip.lines());
  member("elcr", chip.elcr());
}

}  // namespace

void compare_vm(const std::string& where, const Json& recorded, const kvm::KvmSoftware& vm,
                const std::vector<Pin>& entries, Comparison& comparison) {
  const kvm::Irqchip& chip = vm.chip();
  for (std::uint32_t cpu = 0; cpu < chip.lapics().cpus(); ++cpu) {
    compare_cpu(where, CpuId{cpu}, recorded.at("cpu").at(cpu), vm, comparison);
  }
  const bool has_chips = chip.config().kind == kvm::IrqchipKind::Full;
  for (const char* part : {"ioapic", "pic"}) {
    comparison.value(where, part, recorded.contains(part) ? "present" : "absent",
                     has_chips ? "present" : "absent");
  }
  if (!has_chips || comparison.difference()) return;
  compare_ioapic(where, recorded.at("ioapic"), chip, entries, comparison);
  const Json& pics = recorded.at("pic");
  compare_pic(where, "master", pics, chip.pic().chip(x86::PicRole::Master), comparison);
  compare_pic(where, "slave", pics, chip.pic().chip(x86::PicRole::Slave), comparison);
}

}  // namespace irqfab::conform
