#include "fabric/run/kvm_steps.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "fabric/run/cpu_steps.hpp"
#include "fabric/run/observe.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"

namespace irqfab::run {
namespace {

using scenario::Step;
using scenario::ValueMap;

/// "e21" is number 21; other names have their place in the file as number.
std::uint64_t number_of(const std::string& eventfd, std::size_t place) {
  const bool numbered =
      eventfd.size() > 1 && eventfd.size() < 19 && eventfd.front() == 'e' &&
      std::all_of(eventfd.begin() + 1, eventfd.end(), [](char c) { return c >= '0' && c <= '9'; });
  return numbered ? std::stoull(eventfd.substr(1)) : place;
}

kvm::Route route_of(const ValueMap& args) {
  kvm::Route route;
  route.gsi = Gsi(static_cast<std::uint32_t>(number(args, "gsi")));
  if (const ValueMap* msi = map(args, "msi")) {
    route.target = kvm::RouteTarget::Msi;
    route.message = {number(*msi, "address"), static_cast<std::uint32_t>(number(*msi, "data"))};
  } else if (const ValueMap* pin = map(args, "irqchip")) {
    const std::string chip = text(*pin, "chip");
    route.target = chip == "ioapic"       ? kvm::RouteTarget::IoapicPin
                   : chip == "pic_master" ? kvm::RouteTarget::PicMasterPin
                                          : kvm::RouteTarget::PicSlavePin;
    route.pin = Pin(static_cast<std::uint16_t>(number(*pin, "pin")));
  }
  return route;
}

std::vector<kvm::Route> routes_of(const Step& step) {
  std::vector<kvm::Route> routes;
  for (const scenario::Value& value : *list(step.args, "routes")) {
    routes.push_back(route_of(std::get<ValueMap>(value.held)));
  }
  return routes;
}

kvm::StoreSpace space_of(const ValueMap& args) {
  return text(args, "space") == "pio" ? kvm::StoreSpace::Ports : kvm::StoreSpace::Memory;
}

/// Keys with a usual value may be absent.
std::uint32_t size_of(const ValueMap& args) {
  constexpr std::uint32_t kUsual = 4;
  const std::string word = text(args, "size");  // of a store, one of a few
  if (!word.empty()) return static_cast<std::uint32_t>(word.front() - '0');
  return static_cast<std::uint32_t>(optional_number(args, "size").value_or(kUsual));
}

std::uint64_t line_operand(const ValueMap& args) {
  const std::uint64_t level = text(args, "level") == "high" ? 1 : 0;
  return level << 32 | number(args, "gsi");
}

}  // namespace

std::optional<std::size_t> KvmNames::irqfd_named(const std::string& eventfd) const {
  const auto at = std::find(eventfds.begin(), eventfds.end(), eventfd);
  if (at == eventfds.end()) return std::nullopt;
  return static_cast<std::size_t>(at - eventfds.begin());
}

std::size_t KvmNames::add(const std::string& eventfd) {
  if (const auto known = irqfd_named(eventfd)) return *known;
  kvm::Irqfd row;
  row.number = number_of(eventfd, irqfds.size());
  irqfds.push_back(row);
  eventfds.push_back(eventfd);
  return irqfds.size() - 1;
}

std::size_t KvmNames::irqfd_numbered(std::uint64_t number) const {
  const auto at = std::find_if(irqfds.begin(), irqfds.end(),
                               [&](const kvm::Irqfd& irqfd) { return irqfd.number == number; });
  return static_cast<std::size_t>(at - irqfds.begin());
}

KvmNames names_in(const scenario::Scenario& scenario) {
  KvmNames names;
  std::vector<std::pair<std::size_t, std::string>> resamples;  // irqfd, and what its EOI signals
  std::vector<std::string> doorbells;                          // of ioeventfds
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const Step& step : *steps) {
      names.threads =
          std::max(names.threads, static_cast<unsigned>(number(step.args, "thread") + 1));
      if (step.op == "kvm.irq_line") {
        names.lines.push_back(Gsi(static_cast<std::uint32_t>(number(step.args, "gsi"))));
      }
      const std::string eventfd = text(step.args, "eventfd");
      if (step.op == "kvm.ioeventfd") doorbells.push_back(eventfd);
      if (step.op != "kvm.irqfd" || names.irqfd_named(eventfd)) continue;
      kvm::Irqfd irqfd;
      irqfd.number = number_of(eventfd, names.irqfds.size());
      irqfd.gsi = Gsi(static_cast<std::uint32_t>(number(step.args, "gsi")));
      if (has(step.args, "resample")) {
        resamples.emplace_back(names.irqfds.size(), text(step.args, "resample"));
      }
      names.irqfds.push_back(irqfd);
      names.eventfds.push_back(eventfd);
    }
  }
  for (const auto& [irqfd, eventfd] : resamples) {
    const std::size_t signalled = names.add(eventfd);
    names.irqfds[irqfd].resample = static_cast<std::uint32_t>(signalled);
  }
  for (const std::string& eventfd : doorbells) names.add(eventfd);
  return names;
}

kvm::IrqLayer& KvmSteps::layer() {
  return machine_.core<kvm::KvmHost>(component_).software().layer();
}
kvm::Irqchip& KvmSteps::chip() { return layer().chip(); }

void KvmSteps::prepare(const Step& step) {
  SetupEnv env;
  const ValueMap& args = step.args;
  if (step.op == "lapic.write") {
    chip().write_apic(CpuId(static_cast<std::uint32_t>(number(args, "cpu"))),
                      static_cast<std::uint32_t>(number(args, "reg")),
                      static_cast<std::uint32_t>(number(args, "value")), env);
  } else if (step.op == "ioapic.rte") {
    chip().write_entry(Pin(static_cast<std::uint16_t>(number(args, "pin"))), entry_of(args), env);
  } else if (step.op == "io.write") {
    const auto port = static_cast<std::uint16_t>(number(args, "port"));
    chip().write_port(port, static_cast<std::uint8_t>(number(args, "value")), env);
  } else if (step.op == "kvm.irqfd" && number(args, "deassign") == 0) {
    const auto irqfd = static_cast<std::uint32_t>(*names_.irqfd_named(text(args, "eventfd")));
    machine_.core<kvm::KvmHost>(component_).assign_now(irqfd);
  } else if (step.op == "kvm.set_gsi_routing") {
    layer().set_routes_now(routes_of(step));
  } else {
    perform(step);
  }
}

std::optional<ExpectationRow> KvmSteps::perform(const Step& step) {
  if (step.op == "expect") return observe(step);
  if (step.op == "cpu.accept") return accept(step);
  const auto answered = act(step);
  const auto wanted = optional_number(step.args, "answers");
  if (!wanted || !answered) return std::nullopt;
  ExpectationRow row{place_of(step) + " " + step.op, true, ""};
  compare(row, "answers", std::to_string(static_cast<kvm::Answer>(*wanted)),
          std::to_string(*answered));
  return row;
}

/// What the step's call answered, if it is a call.
std::optional<kvm::Answer> KvmSteps::act(const Step& step) {
  const ValueMap& args = step.args;
  auto& software = machine_.core<kvm::KvmHost>(component_).software();
  if (step.op == "wait") {
    machine_.run(machine_.engine().now() + number(args, "time"));
  } else if (step.op == "lapic.write") {
    call(kvm::Call::ApicWrite, args,
         number(args, "cpu") << 48 | number(args, "reg") << 32 |
             (number(args, "value") & 0xFFFFFFFF));
  } else if (step.op == "io.write") {
    call(kvm::Call::PortWrite, args, number(args, "port") << 8 | (number(args, "value") & 0xFF));
  } else if (step.op == "ioapic.rte") {
    constexpr std::uint64_t kReserved = std::uint64_t{0xFF} << 32;  // where the call has the pin
    call(kvm::Call::RteWrite, args, (entry_of(args) & ~kReserved) | number(args, "pin") << 32);
  } else if (step.op == "kvm.set_gsi_routing") {
    call(kvm::Call::SetRouting, args, layer().stage(routes_of(step)));
    return software.last_answer();
  } else if (step.op == "kvm.irqfd") {
    bind(args);
    return software.last_answer();
  } else if (step.op == "kvm.signal_msi") {
    call(kvm::Call::SignalMsi, args, number(args, "address") << 32 | number(args, "data"));
    return software.last_answer();
  } else if (step.op == "kvm.irq_line") {
    call(kvm::Call::IrqLine, args, line_operand(args));
    return software.last_answer();
  } else if (step.op == "kvm.ioeventfd") {
    return change_ioeventfd(args);
  } else if (step.op == "guest.store") {
    return store(args);
  } else if (step.op == "eventfd.write") {
    if (const auto irqfd = names_.irqfd_named(text(args, "fd"))) {
      call(kvm::Call::EventfdWrite, args, *irqfd, 1);
    }
  } else if (step.op == "eventfd.close") {
    if (const auto irqfd = names_.irqfd_named(text(args, "fd"))) {
      call(kvm::Call::EventfdClose, args, *irqfd);
    }
  }
  return std::nullopt;
}

void KvmSteps::bind(const ValueMap& args) {
  const std::size_t irqfd = *names_.irqfd_named(text(args, "eventfd"));
  const std::optional<std::uint32_t> resample = names_.irqfds[irqfd].resample;
  std::uint64_t flags = 0;
  if (number(args, "deassign") != 0) flags |= static_cast<std::uint64_t>(kvm::IrqfdFlag::Deassign);
  if (resample) flags |= static_cast<std::uint64_t>(kvm::IrqfdFlag::Resample);
  call(kvm::Call::Irqfd, args, number(args, "gsi") << 32 | irqfd,
       std::uint64_t{resample.value_or(0)} << 32 | flags);
}

kvm::Answer KvmSteps::change_ioeventfd(const ValueMap& args) {
  kvm::IoEventfd wanted;
  wanted.address = number(args, "address");
  wanted.length = size_of(args);
  wanted.datamatch = number(args, "data");
  wanted.eventfd = static_cast<std::uint32_t>(*names_.irqfd_named(text(args, "eventfd")));
  const auto set = [&wanted](kvm::IoEventfdFlag flag, bool whether) {
    if (whether) wanted.flags |= static_cast<std::uint32_t>(flag);
  };
  set(kvm::IoEventfdFlag::Datamatch, has(args, "data"));
  set(kvm::IoEventfdFlag::Pio, space_of(args) == kvm::StoreSpace::Ports);
  set(kvm::IoEventfdFlag::Deassign, number(args, "deassign") != 0);
  return layer().ioeventfd(wanted, machine_.core<kvm::KvmHost>(component_).machine());
}

kvm::Answer KvmSteps::store(const ValueMap& args) {
  const kvm::StoreSpace space = space_of(args);
  const auto eventfd =
      layer().guest_store(space, number(args, "address"), size_of(args), number(args, "value"));
  const ExitReason reason = space == kvm::StoreSpace::Ports ? ExitReason::Io : ExitReason::Mmio;
  call(kvm::Call::GuestStore, args, eventfd ? *eventfd : kvm::kNoEventfd,
       static_cast<std::uint64_t>(reason));
  return eventfd ? 0 : kvm::kEOPNOTSUPP;
}

std::optional<ExpectationRow> KvmSteps::accept(const Step& step) {
  const HostCall made{
      static_cast<std::uint16_t>(cpu::Call::Accept), {}, number(step.args, "cpu"), 0};
  machine_.put(vcpus_, cpu::Cpus::kController, made);
  machine_.run();
  return accepted_row(step, machine_.core<cpu::Cpus>(vcpus_));
}

/// Only what thread 0 calls is waited for, and with it all that is under way.
void KvmSteps::call(kvm::Call kind, const ValueMap& args, std::uint64_t a, std::uint64_t b) {
  const bool by_guest =
      kind == kvm::Call::ApicWrite || kind == kvm::Call::RteWrite || kind == kvm::Call::PortWrite;
  const std::uint64_t thread = number(args, "thread");
  const HostCall made{static_cast<std::uint16_t>(kind), TaskId(by_guest ? 0xFFFF : thread), a, b};
  machine_.put(component_, kvm::KvmHost::kCalls, made);
  if (thread == 0) machine_.run();
}

ExpectationRow KvmSteps::observe(const Step& step) {
  ExpectationRow row{"", true, ""};
  auto& host = machine_.core<kvm::KvmHost>(component_);
  observe_x86(step.args, chip().lapics(), chip().ioapic(), row);
  observe_ioapic_register(step.args, chip().ioapic(), row);
  observe_pic(step.args, chip().pic(), row);
  if (const ValueMap* fields = map(step.args, "eventfd.counter")) {
    const auto irqfd = names_.irqfd_named(text(*fields, "fd"));
    const std::uint64_t found = irqfd ? host.counter(static_cast<std::uint32_t>(*irqfd)) : 0;
    compare(row, "eventfd.counter", std::to_string(number(*fields, "value")),
            std::to_string(found));
  }
  row.text = place_of(step) + " " + row.text;
  return row;
}

}  // namespace irqfab::run
