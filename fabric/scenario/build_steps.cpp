#include <set>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/language.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

constexpr std::size_t kMostInstructions = 16;

ValueMap build_fields(const Node& map, const Table& table, Building& to);

Value build_value(const Node& node, const Shape& shape, Building& to) {
  Value value;
  value.where = to.lines.range(node.place);
  switch (shape.kind) {
    case Kind::Number:
    case Kind::Bits:
      value.held = *parse_number(node.text);
      break;
    case Kind::Cpu:
      value.held = std::uint64_t{raw(resolve_cpu(node, to))};
      break;
    case Kind::Flag:
      value.held = node.text == "true";
      break;
    case Kind::LapicRegister:
      value.held = *parse_register(node.text, lapic_registers(), kLapicPage);
      break;
    case Kind::IoapicRegister:
      value.held = *parse_register(node.text, ioapic_registers(), kIoapicIndexes);
      break;
    case Kind::VtdRegister:
      value.held = *parse_register(node.text, vtd_registers(), kVtdPage);
      break;
    case Kind::HpetRegister:
      value.held = *parse_register(node.text, hpet_registers(), kHpetPage);
      break;
    case Kind::Bdf:
      value.held = std::uint64_t{raw(*parse_bdf(node.text))};
      break;
    case Kind::Answer:
      value.held = *parse_answer(node.text);
      break;
    case Kind::Function:
      resolve_function(node, to);
      value.held = node.text;
      break;
    case Kind::List: {
      ValueList list;
      for (const Node& item : node.items) list.push_back(build_value(item, *shape.item, to));
      value.held = std::move(list);
      break;
    }
    case Kind::Map:
      value.held = build_fields(node, *shape.table, to);
      break;
    default:
      value.held = node.text;
  }
  return value;
}

ValueMap build_fields(const Node& map, const Table& table, Building& to) {
  ValueMap fields;
  for (const auto& [key, value] : map.entries) {
    fields.emplace_back(key.text, build_value(value, find_key(table, key.text)->shape, to));
  }
  return fields;
}

Value plain(std::uint64_t number, const SourceRange& where) { return {number, where}; }

/// `raise: d:3` becomes { device: d, vector: 3 }, `raise: d:INTA` { device: d, intx: 0 }.
ValueMap build_raise(const Node& source, Building& to) {
  const auto sources = resolve_sources(source, to);
  if (!sources) return {};
  const Device& device = *known_device(sources->device, to);
  if (sources->size() > 1) {
    to.findings.error(
        source.place, "bad-source",
        quote(source.text) + " names a source of each of " + std::to_string(device.count) +
            " functions",
        "one of them, such as " + write_function(device, 0) + ':' +
            (sources->intx ? write_intx(sources->first) : std::to_string(sources->first)));
    return {};
  }
  return {{"device", {write_function(device, sources->first_function), sources->where}},
          {sources->intx ? "intx" : "vector", plain(sources->first, sources->where)}};
}

/// Is the entry within the device's MSI-X table?
void check_entry(const Node& fields, Building& to) {
  const Node* id = fields.find("device");
  const Node* entry = fields.find("entry");
  if (id == nullptr || entry == nullptr) return;
  const Device* device = known_device(parse_sources(id->text)->device, to);
  const std::uint64_t index = number_at(fields, "entry");
  if (device == nullptr || index < device->msix) return;
  to.findings.error(entry->place, "no-such-vector",
                    "'" + device->id + "' has no entry " + std::to_string(index),
                    device->msix == 0 ? "a device with 'msix:'"
                                      : "an entry below " + std::to_string(device->msix));
}

void refuse_device(const Node& id, const Device& device, const char* lacks, const char* expected,
                   Building& to) {
  to.findings.error(id.place, "no-such-source", "'" + device.id + "' has no " + lacks, expected);
}

/// The device has the capability, and of it what the step writes.
void check_msi(const Node& fields, Building& to) {
  const Node& id = *fields.find("device");
  const Device* device = known_device(parse_sources(id.text)->device, to);
  if (device == nullptr) return;
  if (!device->msi) return refuse_device(id, *device, "MSI", "a device with 'msi:'", to);
  const Node* mask = fields.find("mask");
  if (mask != nullptr && !device->msi->maskable) {
    to.findings.error(mask->place, "no-such-source", "the MSI of '" + device->id + "' has no masks",
                      "a device with 'maskable: true' in its 'msi:'");
  }
  const Node* address = fields.find("address");
  if (address != nullptr && device->msi->address == 32 && *parse_number(address->text) >> 32 != 0) {
    to.findings.error(address->place, "out-of-range",
                      "'" + device->id + "' has message addresses of 32 bits",
                      "an address below 4 GiB");
  }
  const Node* vectors = fields.find("vectors");
  if (vectors == nullptr) return;
  const std::uint64_t number = *parse_number(vectors->text);
  if ((number & (number - 1)) != 0) {
    to.findings.error(vectors->place, "out-of-range",
                      "MSI does not come with " + std::to_string(number) + " vectors",
                      "1, 2, 4, 8, 16 or 32");
  }
}

/// The value of an access has no more bytes than the access.
void check_value(const Node& fields, std::uint64_t size, Building& to) {
  const Node* value = fields.find("value");
  if (value == nullptr || size > 4 || *parse_number(value->text) >> (8 * size) == 0) return;
  to.findings.error(value->place, "out-of-range",
                    quote(value->text) + " is more than an access of " + std::to_string(size) +
                        (size == 1 ? " byte holds" : " bytes holds"),
                    "a smaller value, or another 'size'");
}

/// An access of configuration space has 1, 2 or 4 bytes, and ends where that does.
void check_size(const Node& fields, Building& to) {
  constexpr std::uint64_t kConfigSpace = 0x1000;
  const std::uint64_t size = number_at(fields, "size");
  if (size == 3) {
    to.findings.error(fields.find("size")->place, "out-of-range",
                      "no access of configuration space has 3 bytes", "1, 2 or 4");
  }
  if (number_at(fields, "offset") + size > kConfigSpace) {
    to.findings.error(fields.find("offset")->place, "out-of-range",
                      "this access goes beyond the end of configuration space",
                      "an offset that leaves room below 0x1000");
  }
  check_value(fields, size, to);
}

/// The bridge below a host bridge that a Command register is of.
void check_command(const Node& fields, Building& to) {
  const Node* id = fields.find("bridge");
  if (id == nullptr) return;
  for (const HostBridge& host : to.scenario.machine.host_bridges) {
    for (const PciBridge& bridge : host.bridges) {
      if (bridge.id == id->text) return;
    }
  }
  to.findings.error(id->place, "no-such-bridge",
                    "there is no bridge " + quote(id->text) + " below a host bridge",
                    "one of the 'bridges:' of a host bridge");
}

/// A line of a device is its INTx.
void check_line(const Node& fields, Building& to) {
  const Node* id = fields.find("device");
  if (id == nullptr) return;
  const Device* device = known_device(parse_sources(id->text)->device, to);
  if (device == nullptr || device->intx) return;
  refuse_device(*id, *device, "INTx", "a device with 'intx:'", to);
}

void check_observed(const Node& fields, Building& to) {
  if (const Node* pending = fields.find("msi.pending")) check_msi(*pending, to);
  if (const Node* bytes = fields.find("pci.config")) check_size(*bytes, to);
}

void check_code(const Node& fields, Building& to) {
  const Node* code = fields.find("code");
  if (code == nullptr || code->items.size() <= kMostInstructions) return;
  to.findings.error(code->place, "out-of-range",
                    std::to_string(code->items.size()) + " instructions in one step",
                    "at most " + std::to_string(kMostInstructions));
}

/// Does the board have what a step or an observation speaks of?
void check_board(const Node& key, const Node& fields, Building& to) {
  const Machine& machine = to.scenario.machine;
  const auto starts = [&key](std::string_view start) {
    return std::string_view(key.text).substr(0, start.size()) == start;
  };
  const bool legacy = starts("pic.") || starts("isa.") || starts("pirq.");
  if (legacy && machine.interrupts != Interrupts::Pic) {
    to.findings.error(key.place, "no-pic", "this board has no 8259s",
                      "'interrupts: pic' in 'machine'");
  }
  const Node* ioapic = fields.find("ioapic");
  const Node* pin = fields.find("pin");
  const std::uint64_t which = ioapic == nullptr ? 0 : number_at(fields, "ioapic");
  const bool wire = key.text == "line" || key.text == "ioapic.rte" || key.text == "ioapic.RTE";
  if (wire && pin != nullptr && which < machine.ioapics.size() &&
      *parse_number(pin->text) >= machine.ioapics[which].pins) {
    to.findings.error(pin->place, "no-such-pin",
                      "IOAPIC " + std::to_string(which) + " has no pin " + quote(pin->text),
                      "a pin below " + std::to_string(machine.ioapics[which].pins));
  }
  if (ioapic == nullptr || which < machine.ioapics.size()) return;
  to.findings.error(
      ioapic->place, "no-such-ioapic", "there is no IOAPIC " + quote(ioapic->text),
      "a number below " + std::to_string(machine.ioapics.size()) + ", the IOAPICs of 'machine'");
}

/// A call that is only begun has not answered yet.
void check_thread(const Node& fields, Building& to) {
  const Node* answers = fields.find("answers");
  if (answers == nullptr || fields.find("thread") == nullptr) return;
  if (number_at(fields, "thread") == 0) return;
  to.findings.error(answers->place, "no-answer",
                    "a call of another thread than 0 is not waited for, so its answer is not known",
                    "'thread: 0', or no 'answers'");
}

Step build_step(const Node& map, Building& to) {
  const auto& [key, body] = map.entries.front();
  Step step;
  step.op = key.text;
  step.where = to.lines.range(key.place);
  const Shape& shape = find_key(kStepTable, key.text)->shape;
  if (shape.kind == Kind::Source) {
    step.args = build_raise(body, to);
  } else if (shape.kind == Kind::Duration) {
    step.args = {{"time", plain(*parse_duration(body.text), to.lines.range(body.place))}};
  } else {
    step.args = build_fields(body, *shape.table, to);
    if (step.op == "line") check_line(body, to);
    if (step.op == "cpu.execute") check_code(body, to);
    if (step.op == "msi.capability") check_msi(body, to);
    if (step.op == "config.write") check_size(body, to);
    if (step.op == "pci.command") check_command(body, to);
    if (step.op == "expect") check_observed(body, to);
    check_entry(body, to);
    check_thread(body, to);
    check_board(key, body, to);
    check_unit_step(key, body, to);
    if (step.op == "guest.store") check_value(body, text_at(body, "size").front() - '0', to);
    if (step.op == "io.write") check_value(body, text_at(body, "size").front() - '0', to);
    if (step.op != "expect") return step;
    for (const auto& [name, fields] : body.entries) {
      check_board(name, fields, to);
      check_unit_step(name, fields, to);
    }
  }
  return step;
}

}  // namespace

void build_steps(const Node* list, std::vector<Step>& steps, Building& to) {
  if (list == nullptr) return;
  for (const Node& map : list->items) steps.push_back(build_step(map, to));
}

void check_eventfds(const Node& root, Building& to) {
  std::set<std::string, std::less<>> bound;
  const auto each_step = [&root](auto&& visit) {
    for (const std::string_view section : {"setup", "steps", "afterwards"}) {
      const Node* list = root.find(section);
      if (list == nullptr) continue;
      for (const Node& map : list->items) visit(map.entries.front());
    }
  };
  each_step([&bound](const Entry& step) {
    if (step.key.text != "kvm.irqfd" && step.key.text != "kvm.ioeventfd") return;
    for (const std::string_view name : {"eventfd", "resample"}) {
      if (const Node* fd = step.value.find(name)) bound.insert(fd->text);
    }
  });
  const std::vector<std::string_view> names(bound.begin(), bound.end());
  const auto check = [&](const Node* fd) {
    if (fd == nullptr || to.findings.has_more() || bound.count(fd->text) > 0) return;
    to.findings.error(fd->place, "no-such-eventfd",
                      "no 'kvm.irqfd' or 'kvm.ioeventfd' of this file names the eventfd " +
                          quote(fd->text) + did_you_mean(fd->text, names),
                      "an eventfd that one of them uses");
  };
  each_step([&check](const Entry& step) {
    const bool names_one = step.key.text == "eventfd.write" || step.key.text == "eventfd.close";
    if (names_one) check(step.value.find("fd"));
    if (step.key.text != "expect") return;
    if (const Node* counter = step.value.find("eventfd.counter")) check(counter->find("fd"));
  });
}

}  // namespace irqfab::scenario
