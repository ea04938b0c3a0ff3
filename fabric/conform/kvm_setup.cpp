#include "fabric/conform/kvm_setup.hpp"

#include <algorithm>
#include <array>

namespace irqfab::conform {
namespace {

using kvm::Answer;
using kvm::IrqchipKind;

constexpr std::uint64_t kUse32BitIds = 1, kDisableBroadcastQuirk = 2;
constexpr std::uint64_t kEnableEoiSuppression = 4, kDisableEoiSuppression = 8;

struct Errno {
  Answer answer;
  const char* name;
};
constexpr std::array<Errno, 7> kErrnos = {{
    {kvm::kNobody, "-EPERM"},
    {kvm::kENXIO, "-ENXIO"},
    {kvm::kEBADF, "-EBADF"},
    {kvm::kEAGAIN, "-EAGAIN"},
    {kvm::kEBUSY, "-EBUSY"},
    {kvm::kEEXIST, "-EEXIST"},
    {kvm::kEINVAL, "-EINVAL"},
}};

std::vector<Gsi> lines_of(const Case& test) {
  std::vector<Gsi> lines;
  for (const Op& op : test.ops) {
    if (op.name() == "irq_line" || op.name() == "irq_line_status") {
      lines.push_back(Gsi(low(op.number_of("gsi"))));
    }
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

IrqchipKind kind_of(const Op& create) {
  const std::string word = create.text_of("irqchip");
  if (word == "full") return IrqchipKind::Full;
  return word == "split" ? IrqchipKind::Split : IrqchipKind::None;
}

kvm::KvmHost::Config host_of(const Case& test, x86::Quirks quirks) {
  const Op& create = test.ops.front();
  kvm::KvmHost::Config config;
  config.threads = 1;
  const std::size_t eventfds = eventfds_of(test).size();
  for (std::size_t i = 0; i < eventfds; ++i) {
    kvm::Irqfd irqfd;
    irqfd.number = i;
    config.software.irqfds.push_back(irqfd);
  }
  config.software.lines = lines_of(test);
  kvm::Irqchip::Config& irqchip = config.software.irqchip;
  irqchip.kind = kind_of(create);
  for (const Json& id : create.fields.at("apic_ids")) {
    irqchip.ids.push_back(ApicId{low(number_in(id)->magnitude)});
  }
  const bool full = irqchip.kind == IrqchipKind::Full;
  irqchip.pic = full ? x86::ExternalPic::Present : x86::ExternalPic::Absent;
  const std::uint64_t api = create.number_of("x2apic_api");
  if (accepts_x2apic_api(create)) {
    if ((api & kUse32BitIds) != 0) irqchip.destination = x86::MsiDestination::Bits32;
    if ((api & kDisableBroadcastQuirk) != 0) irqchip.broadcast_quirk = kvm::BroadcastQuirk::Off;
    const bool disabled = (api & kDisableEoiSuppression) != 0;
    if (disabled) irqchip.eoi_suppression = x86::EoiSuppression::Absent;
  }
  irqchip.quirks = quirks;
  return config;
}

}  // namespace

std::vector<std::string> eventfds_of(const Case& test) {
  std::vector<std::string> names;
  for (const Op& op : test.ops) {
    if (op.name() != "eventfd") continue;
    const std::string name = op.text_of("fd");
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

/// EOI suppression is for the IOAPIC that user space has, and either on or off.
bool accepts_x2apic_api(const Op& create) {
  const std::uint64_t api = create.number_of("x2apic_api");
  const bool on = (api & kEnableEoiSuppression) != 0, off = (api & kDisableEoiSuppression) != 0;
  const std::uint64_t known =
      kUse32BitIds | kDisableBroadcastQuirk | kEnableEoiSuppression | kDisableEoiSuppression;
  return (api & ~known) == 0 && !(on && (off || kind_of(create) != IrqchipKind::Split));
}

topology::Topology topology_of(const Case& test, x86::Quirks quirks) {
  cpu::Cpus::Config vcpus;
  vcpus.cpus = static_cast<std::uint32_t>(test.ops.front().fields.at("apic_ids").size());
  vcpus.completions = cpu::Cpus::Completions::NotTold;
  return topology::join_kvm(vcpus, host_of(test, quirks));
}

kvm::Route route_of(const Json& json) {
  Op row;
  row.fields = json;
  kvm::Route route;
  route.gsi = Gsi(low(row.number_of("gsi")));
  route.flags = low(row.number_of("flags"));
  route.target = kvm::RouteTarget::Unknown;
  const Json& type = json.at("type");
  constexpr std::uint64_t kIrqchipType = 1, kMsiType = 2;  // a number stands for a zero payload
  const auto raw_type = number_in(type);
  if (type == "msi" || (raw_type && raw_type->magnitude == kMsiType)) {
    route.target = kvm::RouteTarget::Msi;
    route.message = {row.number_of("addr_hi") << 32 | row.number_of("addr_lo"),
                     low(row.number_of("data"))};
  } else if (type == "irqchip" || (raw_type && raw_type->magnitude == kIrqchipType)) {
    constexpr std::array<std::string_view, 3> kChips = {"pic_master", "pic_slave", "ioapic"};
    constexpr std::array kTargets = {kvm::RouteTarget::PicMasterPin, kvm::RouteTarget::PicSlavePin,
                                     kvm::RouteTarget::IoapicPin};
    std::size_t chip = row.number_of("chip");
    const auto named = std::find(kChips.begin(), kChips.end(), row.text_of("chip"));
    if (named != kChips.end()) chip = static_cast<std::size_t>(named - kChips.begin());
    if (chip < kTargets.size()) route.target = kTargets[chip];
    route.pin = Pin(static_cast<std::uint16_t>(std::min<std::uint64_t>(row.number_of("pin"), 255)));
  }
  return route;
}

Json ret_of(Answer answer) {
  for (const Errno& row : kErrnos) {
    if (row.answer == answer) return row.name;
  }
  return answer;
}

}  // namespace irqfab::conform
