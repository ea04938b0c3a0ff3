// Architectural steps on a VM: ioctls, eventfds, stores of its guest, and the registers of its
// irqchip.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "models/kvm/kvm_host.hpp"

namespace irqfab::run {

/// What the steps of a scenario name: eventfds, each with what an irqfd would bind it to, and GSIs
/// that are driven.
struct KvmNames {
  std::vector<kvm::Irqfd> irqfds;
  std::vector<std::string> eventfds;  // names, as irqfds
  std::vector<Gsi> lines;
  unsigned threads = 1;  // that make calls

  std::optional<std::size_t> irqfd_named(const std::string& eventfd) const;
  /// The same; one that nothing is to bind is added.
  std::size_t add(const std::string& eventfd);
  /// Index of irqfd "e<number>"; beyond the last if there is none, so that the write reaches
  /// nobody.
  std::size_t irqfd_numbered(std::uint64_t number) const;
};
KvmNames names_in(const scenario::Scenario& scenario);

class KvmSteps {
 public:
  KvmSteps(Machine& machine, std::size_t vcpus, std::size_t component, const KvmNames& names)
      : machine_(machine), vcpus_(vcpus), component_(component), names_(names) {}

  /// A step of `setup`: done before time 0, at no cost.
  void prepare(const scenario::Step& step);
  /// A step of `steps`, until nothing moves any more, unless it only begins a call. A row if the
  /// step expects something.
  std::optional<ExpectationRow> perform(const scenario::Step& step);

 private:
  kvm::IrqLayer& layer();
  kvm::Irqchip& chip();
  std::optional<kvm::Answer> act(const scenario::Step& step);
  void bind(const scenario::ValueMap& args);
  kvm::Answer change_ioeventfd(const scenario::ValueMap& args);
  kvm::Answer store(const scenario::ValueMap& args);
  std::optional<ExpectationRow> accept(const scenario::Step& step);
  void call(kvm::Call kind, const scenario::ValueMap& args, std::uint64_t a, std::uint64_t b = 0);
  ExpectationRow observe(const scenario::Step& step);

  Machine& machine_;
  std::size_t vcpus_, component_;
  const KvmNames& names_;
};

}  // namespace irqfab::run
