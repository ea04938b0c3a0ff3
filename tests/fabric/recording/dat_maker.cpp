#include "tests/fabric/recording/dat_maker.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "fabric/recording/icr.hpp"
#include "fabric/recording/ioapic_image.hpp"
#include "fabric/recording/text_reader.hpp"

namespace irqfab::recording::test {
namespace {

constexpr std::size_t kPageSize = 4096, kPageHead = 16;
constexpr std::uint64_t kMissed = std::uint64_t{1} << 31, kMissedStored = std::uint64_t{1} << 30;
constexpr std::uint16_t kFirstKind = 300, kPrint = 5, kFirstOther = 400;

template <class N>
std::string bytes(N number) {
  std::string out(sizeof(number), '\0');
  std::memcpy(out.data(), &number, sizeof(number));
  return out;
}
std::string with_size(const std::string& data) { return bytes<std::uint64_t>(data.size()) + data; }

struct Field {
  const char* name;
  int size;
};
/// Sizes and order as the kernel has them; offsets follow, each aligned to its size.
struct Kind {
  const char* name;
  std::vector<Field> fields;
};
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"kvm_msi_set_irq", {{"address", 8}, {"data", 8}}},
      {"kvm_set_irq", {{"gsi", 4}, {"level", 4}, {"irq_source_id", 4}}},
      {"kvm_ioapic_set_irq", {{"e", 8}, {"pin", 4}, {"coalesced", 1}}},
      {"kvm_pic_set_irq", {{"chip", 1}, {"pin", 1}, {"elcr", 1}, {"imr", 1}, {"coalesced", 1}}},
      {"kvm_apic_accept_irq", {{"apicid", 4}, {"dm", 2}, {"tm", 2}, {"vec", 1}}},
      {"kvm_eoi", {{"apicid", 4}, {"vector", 4}}},
      {"kvm_apic", {{"rw", 4}, {"reg", 4}, {"val", 8}}},
      {"kvm_ack_irq", {{"irqchip", 4}, {"pin", 4}}},
      {"kvm_apic_ipi", {{"icr_low", 4}, {"dest_id", 4}}},
      {"kvm_mmio", {{"type", 4}, {"len", 4}, {"gpa", 8}, {"val", 8}}},
      {"kvm_msr", {{"write", 4}, {"ecx", 4}, {"data", 8}, {"exception", 1}}},
      {"kvm_pio", {{"rw", 4}, {"port", 4}, {"size", 4}, {"count", 4}, {"val", 4}}},
      {"kvm_entry", {{"vcpu_id", 4}, {"rip", 8}}},
      {"kvm_exit", {{"exit_reason", 4}, {"guest_rip", 8}, {"vcpu_id", 4}}},
      {"kvm_halt_poll_ns", {{"grow", 1}, {"vcpu_id", 4}, {"new", 4}, {"old", 4}}},
      {"kvm_vcpu_wakeup", {{"ns", 8}, {"waited", 1}, {"valid", 1}}},
  };
  return all;
}

constexpr int kCommonFields = 8;  // bytes
constexpr const char* kCommonFormat =
    "format:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

int aligned(int offset, int size) { return (offset + size - 1) / size * size; }

std::string format_of(const std::string& name, int id, const std::vector<Field>& fields) {
  std::string text = "name: " + name + "\nID: " + std::to_string(id) + '\n' + kCommonFormat;
  int offset = kCommonFields;
  for (const Field& field : fields) {
    offset = aligned(offset, field.size);
    text += "\tfield:u" + std::to_string(8 * field.size) + ' ' + field.name +
            ";\toffset:" + std::to_string(offset) + ";\tsize:" + std::to_string(field.size) +
            ";\tsigned:0;\n";
    offset += field.size;
  }
  return text + "\nprint fmt: \"x\"\n";
}

using Values = std::vector<std::uint64_t>;

std::string packed(const std::vector<Field>& fields, const Values& values) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const int at = aligned(static_cast<int>(out.size()) + kCommonFields, fields[i].size);
    out.resize(static_cast<std::size_t>(at - kCommonFields));
    out += bytes(values.at(i)).substr(0, static_cast<std::size_t>(fields[i].size));
  }
  return out;
}

bool level(x86::TriggerMode mode) { return mode == x86::TriggerMode::Level; }
template <class E>
std::uint64_t number(E value) {
  return static_cast<std::uint64_t>(value);
}

/// What the kernel would have recorded.
struct Encode {
  std::string_view name;

  Values operator()(const MsiSetIrq& e) const {
    const std::uint64_t address = std::uint64_t{0xFEE00000} | (e.dst & 0xFF) << 12 |
                                  number(e.destination_mode) << 2 | number(e.hint) << 3 |
                                  std::uint64_t{e.dst >> 8} << 40;
    return {address, raw(e.vector) | number(e.mode) << 8 | number(e.trigger) << 15};
  }
  Values operator()(const SetIrq& e) const { return {raw(e.gsi), number(e.level), e.source}; }
  Values operator()(const IoapicSetIrq& e) const {
    return {entry_of(e).bits, raw(e.pin), number(e.coalesced)};
  }
  Values operator()(const PicSetIrq& e) const {
    return {number(e.chip), raw(e.pin), level(e.trigger) ? 1u << raw(e.pin) : 0u,
            e.mask == Mask::On ? 1u << raw(e.pin) : 0u, number(e.coalesced)};
  }
  Values operator()(const AcceptIrq& e) const {
    return {raw(e.apic), number(e.mode) << 8, level(e.trigger) ? 1u << 15 : 0u, raw(e.vector)};
  }
  Values operator()(const Eoi& e) const {
    return {raw(e.apic), e.vector ? raw(*e.vector) : ~std::uint64_t{0}};
  }
  Values operator()(const ApicAccess& e) const { return {number(e.access), e.offset, e.value}; }
  Values operator()(const AckIrq& e) const { return {number(e.chip), raw(e.pin)}; }
  Values operator()(const ApicIpi& e) const { return {icr_low(e), e.dst}; }
  Values operator()(const IoapicMmioWrite& e) const {
    return {2, 4, 0xFEC00000 + e.offset, e.value};
  }
  Values operator()(const ApicMsrWrite& e) const { return {1, e.index, e.value, 0}; }
  Values operator()(const PicPortWrite& e) const { return {1, e.port, 1, 1, e.value}; }
  Values operator()(const VcpuRan& e) const {
    if (name == "kvm_entry") return {raw(e.apic), 0x1000};
    if (name == "kvm_exit") return {1, 0x1000, raw(e.apic)};
    return {1, raw(e.apic), 0, 0};
  }
  Values operator()(const VcpuWoken& e) const { return {e.waited_ns, 1, 1}; }
  /// Of a kind that is understood, but of no interest: a read.
  Values operator()(const Other&) const { return {0, 0, 0, 0, 0}; }
  Values operator()(const Marker&) const { return {}; }
};

std::uint8_t flags_of(Context context) {
  constexpr std::uint8_t kHardIrq = 1 << 3, kSoftIrq = 1 << 4;
  if (context == Context::HardIrq) return kHardIrq;
  return context == Context::SoftIrq ? kSoftIrq : 0;
}

/// Of the ring buffer: a head with the length and the time since the event before, then the event.
std::string ring_event(std::string data, std::uint64_t delta) {
  constexpr unsigned kDeltaBits = 27, kExtend = 30, kWord = 4, kLongest = 28;
  std::string out;
  if (delta >> kDeltaBits != 0) {
    const std::uint64_t low = delta & ((1u << kDeltaBits) - 1);
    out += bytes(static_cast<std::uint32_t>(kExtend | low << 5)) +
           bytes(static_cast<std::uint32_t>(delta >> kDeltaBits));
    delta = 0;
  }
  data.resize((data.size() + kWord - 1) / kWord * kWord);
  const std::uint32_t words = static_cast<std::uint32_t>(data.size() / kWord);
  if (words <= kLongest) return out + bytes(words | static_cast<std::uint32_t>(delta) << 5) + data;
  return out + bytes(static_cast<std::uint32_t>(delta) << 5) +
         bytes(static_cast<std::uint32_t>(data.size() + kWord)) + data;
}

}  // namespace

std::uint16_t DatMaker::id_of(std::string_view name) {
  if (name == "print") return kPrint;
  for (std::size_t i = 0; i < kinds().size(); ++i) {
    if (kinds()[i].name == name) return static_cast<std::uint16_t>(kFirstKind + i);
  }
  const auto next = static_cast<std::uint16_t>(kFirstOther + others_.size());
  return others_.try_emplace(std::string(name), next).first->second;
}

void DatMaker::add(const RecordedEvent& event, Buffer buffer) {
  const std::uint16_t id = id_of(event.name);
  std::string data = bytes(id) + bytes(flags_of(event.context)) + '\0' + bytes(event.pid);
  if (const auto* marker = std::get_if<Marker>(&event.what)) {
    data += bytes(std::uint64_t{0}) + std::string(marker->text) + '\n' + '\0';
  } else if (id < kFirstOther) {
    const std::vector<Field>& fields = kinds()[id - kFirstKind].fields;
    data += packed(fields, std::visit(Encode{event.name}, event.what));
  }
  comms_[event.pid] = event.comm;
  std::vector<Page>& pages = (buffer == Buffer::Top ? top_ : instance_)[event.cpu];
  const bool fresh = !pages.empty() && pages.back().data.empty();
  constexpr std::size_t kRoom = kPageSize - kPageHead - 8;  // 8: the number of lost events
  if (pages.empty() || pages.back().data.size() + data.size() + 16 > kRoom) {
    pages.push_back({event.ns, event.ns, {}, false, 0});
  } else if (fresh) {
    pages.back().first_ns = pages.back().last_ns = event.ns;
  }
  Page& page = pages.back();
  page.data += ring_event(std::move(data), event.ns - page.last_ns);
  page.last_ns = event.ns;
}

void DatMaker::lose(std::uint32_t cpu, std::uint64_t events, Buffer buffer) {
  (buffer == Buffer::Top ? top_ : instance_)[cpu].push_back({0, 0, {}, true, events});
}

/// Appends the data of all CPUs to the file; their places, for the table that stands before.
std::string DatMaker::pages_at(std::string& file, const Pages& pages) const {
  std::string table;
  const std::uint32_t cpus = 1 + std::max(top_.empty() ? 0 : top_.rbegin()->first,
                                          instance_.empty() ? 0 : instance_.rbegin()->first);
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    file.resize((file.size() + kPageSize - 1) / kPageSize * kPageSize);
    const std::size_t start = file.size();
    const auto found = pages.find(cpu);
    if (found != pages.end()) {
      for (const Page& page : found->second) {
        std::uint64_t commit = page.data.size();
        std::string body = page.data;
        if (page.gap) commit |= kMissed;
        if (page.gap && page.lost > 0) {
          commit |= kMissedStored;
          body += bytes(page.lost);
        }
        body.resize(kPageSize - kPageHead);
        file += bytes(page.first_ns) + bytes(commit) + body;
      }
    }
    table += bytes<std::uint64_t>(start) + bytes<std::uint64_t>(file.size() - start);
  }
  return table;
}

std::string DatMaker::file() const {
  using namespace std::string_literals;
  const std::string page_format =
      "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
      "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
      "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
      "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
  std::string file = "\x17\x08\x44tracing6\0\0\x08"s + bytes<std::uint32_t>(kPageSize);
  file += "header_page\0"s + with_size(page_format) + "header_event\0"s + with_size("none\n");
  const std::string print = "name: print\nID: 5\n"s + kCommonFormat +
                            "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
                            "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:1;\n"
                            "\nprint fmt: \"x\"\n";
  file += bytes<std::uint32_t>(1) + with_size(print);
  const auto count = static_cast<std::uint32_t>(kinds().size() + others_.size());
  file += bytes<std::uint32_t>(1) + "kvm\0"s + bytes(count);
  for (std::size_t i = 0; i < kinds().size(); ++i) {
    const int id = static_cast<int>(kFirstKind + i);
    file += with_size(format_of(kinds()[i].name, id, kinds()[i].fields));
  }
  for (const auto& [name, id] : others_) file += with_size(format_of(name, id, {}));
  file += bytes<std::uint32_t>(0) + bytes<std::uint32_t>(0);  // kallsyms, formats of trace_printk
  std::string comms;
  for (const auto& [pid, comm] : comms_) comms += std::to_string(pid) + ' ' + comm + '\n';
  file += with_size(comms);
  std::string unused;
  const std::size_t cpus = pages_at(unused, top_).size() / 16;
  file += bytes(static_cast<std::uint32_t>(cpus)) + "options  \0"s;
  const std::string clocks = "local [" + clock_ + "] global" + '\0';
  constexpr std::uint16_t kOptionBuffer = 3, kOptionClock = 4;
  file += bytes(kOptionClock) + bytes(static_cast<std::uint32_t>(clocks.size())) + clocks;
  const bool has_instance = !instance_.empty();
  const std::string name = "kvmprobe\0"s;
  std::size_t instance_at = 0;
  if (has_instance) {
    file += bytes(kOptionBuffer) + bytes(static_cast<std::uint32_t>(8 + name.size()));
    instance_at = file.size();
    file += bytes<std::uint64_t>(0) + name;
  }
  file += bytes<std::uint16_t>(0) + "flyrecord\0"s;
  const std::size_t table_at = file.size();
  file.resize(table_at + cpus * 16);
  file += with_size(clocks);
  std::string table = pages_at(file, top_);
  file.replace(table_at, table.size(), table);
  if (!has_instance) return file;
  file.replace(instance_at, 8, bytes<std::uint64_t>(file.size()));
  file += "flyrecord\0"s;
  const std::size_t second_at = file.size();
  file.resize(second_at + cpus * 16);
  table = pages_at(file, instance_);
  file.replace(second_at, table.size(), table);
  return file;
}

std::string dat_of_text(const std::string& text, Buffer buffer) {
  std::istringstream in(text);
  TextReader reader(in);
  DatMaker maker;
  while (true) {
    const auto event = reader.next();
    if (!event || !*event) return maker.file();
    maker.add(**event, buffer);
  }
}

}  // namespace irqfab::recording::test
