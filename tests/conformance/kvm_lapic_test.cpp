// What a real KVM was seen to do with messages, x2APIC registers and destinations, against the bank
// of local APICs with KVM's quirks: kvm_lapic.jsonl, one case a line (`op` and its arguments in
// order, then the state observed). Only what a local APIC decides is compared; a case that needs
// the routing table, the IOAPIC or the 8259s is skipped by the op that needs them.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/x86/lapic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

using Json = nlohmann::json;
using Register = LapicRegister;

constexpr int kEinval = -22;

std::vector<Json> cases() {
  std::ifstream file(IRQFAB_SOURCE_DIR "/tests/conformance/kvm_lapic.jsonl");
  std::vector<Json> found;
  for (std::string line; std::getline(file, line);) found.push_back(Json::parse(line));
  return found;
}

/// Numbers are JSON numbers or hex strings.
std::uint64_t number(const Json& value) {
  return value.is_string() ? std::stoull(value.get<std::string>(), nullptr, 16)
                           : value.get<std::uint64_t>();
}
std::uint64_t number(const Json& op, const char* field, std::uint64_t absent) {
  return op.contains(field) ? number(op.at(field)) : absent;
}
int returned(const Json& op) {
  const Json& ret = op.at("ret");
  return ret == "-EINVAL" ? kEinval : static_cast<int>(number(ret));
}

std::vector<unsigned> list_of(const VectorSet& set) {
  std::vector<unsigned> found;
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(static_cast<Vector>(v))) found.push_back(v);
  }
  return found;
}

/// A VM, as far as its local APICs are concerned.
class Vm {
 public:
  explicit Vm(const Json& create)
      : irqchip_(create.at("irqchip") != "none"),
        x2apic_api_(number(create, "x2apic_api", 0)),
        vcpus_(create.at("apic_ids").size()),
        bank_(config_of(create)) {
    for (unsigned cpu = 1; cpu < vcpus_.size(); ++cpu) {
      const auto reset = bank_.rdmsr(CpuId{cpu}, LapicMsr::kApicBase, env_);
      EXPECT_EQ(reset.value, 0xFEE00800u);
      vcpus_[cpu].mp_state = 1;
    }
  }

  /// False for an op that no local APIC can answer.
  bool perform(const Json& op) {
    const std::string name = op.at("op");
    const CpuId cpu{static_cast<std::uint32_t>(number(op, "cpu", 0))};
    if (name == "set_lapic") {
      for (const auto& [field, offset] : kSetLapic) restore(cpu, offset, number(op.at(field)));
    } else if (name == "set_lapic_reg") {
      restore(cpu, static_cast<std::uint32_t>(number(op.at("reg"))), number(op.at("value")));
    } else if (name == "move_irr_to_isr") {
      move_to_isr(cpu, static_cast<unsigned>(number(op.at("vector"))));
    } else if (name == "set_apic_base") {
      set_apic_base(cpu, number(op.at("value")));
    } else if (name == "set_mp_state") {
      vcpus_[raw(cpu)].mp_state = static_cast<unsigned>(number(op.at("value")));
    } else if (name == "signal_msi") {
      EXPECT_EQ(signal_msi(op), returned(op)) << op;
    } else if (name == "set_msr") {
      const auto answer = bank_.wrmsr(cpu, msr_of(op), number(op.at("value")), env_);
      EXPECT_EQ(answer.status == MsrStatus::Done, number(op.at("msrs_set")) == 1) << op;
    } else if (name == "get_msr") {
      const auto answer = bank_.rdmsr(cpu, msr_of(op), env_);
      EXPECT_EQ(answer.status == MsrStatus::Done, number(op.at("msrs_got")) == 1) << op;
      EXPECT_EQ(answer.value, number(op, "value", 0)) << op;
    } else if (name == "kvm_nmi") {
      take({cpu, CpuLine::Nmi, Level::High, kNoSpan});
    } else if (name == "snapshot") {
      compare(op.at("state"));
    } else {
      return false;
    }
    settle();
    return true;
  }

  void compare(const Json& state) {
    for (unsigned cpu = 0; cpu < vcpus_.size(); ++cpu) {
      compare(CpuId{cpu}, state.at("cpu").at(cpu));
    }
  }
  /// Every span is in the bank, or was handed to a CPU.
  void check_spans() {
    EXPECT_TRUE(book_.faults().empty()) << book_.faults().front();
    EXPECT_EQ(book_.live(), test::held_by(bank_));
  }

 private:
  struct Vcpu {
    unsigned mp_state = 0, nmi_pending = 0, cs = 0xF000;
  };
  static constexpr std::array<std::pair<const char*, std::uint32_t>, 4> kSetLapic = {
      {{"svr", Register::kSvr},
       {"ldr", Register::kLdr},
       {"dfr", Register::kDfr},
       {"tpr", Register::kTpr}}};

  static LapicBank::Config config_of(const Json& create) {
    LapicBank::Config config;
    for (const Json& id : create.at("apic_ids")) {
      config.ids.push_back(ApicId{static_cast<std::uint32_t>(number(id))});
    }
    config.eoi_suppression = EoiSuppression::Absent;
    config.pic = ExternalPic::Present;
    config.quirks = quirks_of_kvm();
    return config;
  }
  static std::uint32_t msr_of(const Json& op) {
    return static_cast<std::uint32_t>(number(op.at("msr")));
  }

  void restore(CpuId cpu, std::uint32_t offset, std::uint64_t value) {
    bank_.restore(cpu, offset, static_cast<std::uint32_t>(value), env_);
  }
  void move_to_isr(CpuId cpu, unsigned vector) {
    const std::uint32_t at = vector / 32 * 16;
    const std::uint32_t bit = 1u << vector % 32;
    restore(cpu, Register::kIrr + at, bank_.irr(cpu).register_word(vector / 32) & ~bit);
    restore(cpu, Register::kIsr + at, bank_.isr(cpu).register_word(vector / 32) | bit);
  }
  /// The host may enter x2APIC mode from anywhere.
  void set_apic_base(CpuId cpu, std::uint64_t value) {
    const bool wants_x2apic = ApicBase::Extd::is_set(value);
    if (wants_x2apic && bank_.mode(cpu) == LapicMode::Disabled) {
      bank_.wrmsr(cpu, LapicMsr::kApicBase, ApicBase::Extd::set(value, 0), env_);
    }
    EXPECT_EQ(bank_.wrmsr(cpu, LapicMsr::kApicBase, value, env_).status, MsrStatus::Done);
  }

  int signal_msi(const Json& op) {
    const std::uint64_t high = number(op, "addr_hi", 0);
    const bool wide = (x2apic_api_ & 1) != 0;
    const bool refused = !irqchip_ || (number(op, "flags", 0) & ~std::uint64_t{1}) != 0 ||
                         (wide && (high & 0xFF) != 0);
    if (refused) return kEinval;
    const MsiMessage msi{high << 32 | number(op.at("addr_lo")),
                         static_cast<std::uint32_t>(number(op.at("data")))};
    ApicMessage message = decode(msi, wide ? MsiDestination::Bits32 : MsiDestination::Bits8);
    const bool ff_is_an_id = (x2apic_api_ & 2) != 0;
    if (ff_is_an_id) message.format = DestinationFormat::X2apic;
    return static_cast<int>(bank_.on_message(message, book_.begin(), env_));
  }

  void settle() {
    book_.read(env_);
    for (const auto& change : env_.messages<CpuLineChange>()) {
      take(change);
      if (change.span != kNoSpan) book_.handed_over(change.span);
    }
    env_.clear();
  }
  void take(const CpuLineChange& change) {
    Vcpu& vcpu = vcpus_[raw(change.cpu)];
    if (change.line == CpuLine::Nmi) vcpu.nmi_pending = std::min(vcpu.nmi_pending + 1, 2u);
    if (change.line == CpuLine::Init) {
      vcpu.mp_state = bank_.waits_for_sipi(change.cpu) ? 2 : 0;
      vcpu.cs = 0xF000;
      vcpu.nmi_pending = 0;
    }
    if (change.line == CpuLine::Sipi) {
      vcpu.mp_state = 0;
      vcpu.cs = raw(change.vector) << 8;
    }
  }

  void compare(CpuId cpu, const Json& expected) {
    SCOPED_TRACE("cpu " + std::to_string(raw(cpu)));
    const Vcpu& vcpu = vcpus_[raw(cpu)];
    EXPECT_EQ(vcpu.mp_state, number(expected.at("mp_state")));
    EXPECT_EQ(vcpu.nmi_pending, number(expected.at("nmi_pending")));
    EXPECT_EQ(vcpu.cs, number(expected.at("cs")));
    EXPECT_EQ(bank_.apic_base(cpu), number(expected.at("apic_base")));
    if (!irqchip_) return;
    EXPECT_EQ(Json(list_of(bank_.irr(cpu))), expected.at("irr"));
    EXPECT_EQ(Json(list_of(bank_.isr(cpu))), expected.at("isr"));
    EXPECT_EQ(Json(list_of(bank_.tmr(cpu))), expected.at("tmr"));
    EXPECT_EQ(bank_.tpr(cpu), number(expected.at("tpr")));
    EXPECT_EQ(bank_.ppr(cpu), number(expected.at("ppr")));
    EXPECT_EQ(bank_.esr(cpu), number(expected.at("esr")));
  }

  bool irqchip_;
  std::uint64_t x2apic_api_;
  std::vector<Vcpu> vcpus_;
  LapicBank bank_;
  test::RecordingEnv env_;
  test::SpanBook book_;
};

class KvmLapic : public ::testing::TestWithParam<Json> {};

TEST_P(KvmLapic, DoesWhatKvmDid) {
  const Json& setup = GetParam().at("setup");
  Vm vm(setup.at(0));
  std::vector<Json> ops(setup.begin() + 1, setup.end());
  for (const Json& op : GetParam().at("stimulus")) ops.push_back(op);
  for (const Json& op : ops) {
    if (!vm.perform(op)) {
      GTEST_SKIP() << "not a local APIC's to answer: " << op.at("op").get<std::string>();
    }
  }
  vm.compare(GetParam().at("observed"));
  vm.check_spans();
}

INSTANTIATE_TEST_SUITE_P(Recorded, KvmLapic, ::testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param.at("id");
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
});

}  // namespace
}  // namespace irqfab::x86
