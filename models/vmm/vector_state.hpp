// The message vectors of one function as its VMM sees them: what the guest has made of each, what
// is to carry its interrupts, and what has to be done so that it does.
//
// Models: the MSI-X table as the guest writes it (PCI Local Bus 3.0, 6.8.2), virtio's queues, which
// use a vector and release it (Virtual I/O Device 1.2, 4.1.5.1.2), and VFIO's MSI-X, whose vectors
// are in use as long as messages are enabled. A vector that is to be carried by an irqfd gets a
// GSI, a route and an irqfd; one that cannot have a GSI stays with the user-space handler. Masking:
//   emulated         the irqfd is taken away, and comes back when the vector is unmasked
//   vhost, assigned  the irqfd stays; the handler gets what is signalled and keeps one as pending
// A route is made to say what the vector says when the vector is unmasked, never while it is
// masked. Vectors of MSI, which share one message, have a row each as well (vmm_msi.cpp). Not
// modelled: vectors of INTx.
//
// An operation changes only what is wanted. next() tells, one at a time, what the VMM has to do
// about it, in an order in which no interrupt falls between; done() tells what became of it. From
// the operation until next() has no more, the VMM holds its big lock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/vmm/route_table.hpp"
#include "models/vmm/vm_plan.hpp"

namespace irqfab::vmm {

/// Who takes what a vector signals?
enum class Carrier : std::uint8_t {
  Nobody,   // nobody uses it, or messages are off
  Handler,  // the VMM itself, in user space
  Irqfd,    // the kernel
};

/// What the VMM has to do.
enum class Duty : std::uint8_t {
  Deassign,   // KVM_IRQFD: the vector's eventfd from its GSI
  Commit,     // KVM_SET_GSI_ROUTING with what the table says
  Assign,     // KVM_IRQFD: the vector's eventfd to its GSI
  ToHandler,  // the source signals the VMM's handler from now on
  ToIrqfd,    // the source signals the irqfd from now on
  Signal,     // what is pending is signalled, to whoever carries the vector: take_pending()
  Cancel,     // what is pending can never be signalled: take_pending()
};

struct VectorDuty {
  Duty duty = Duty::Commit;
  VectorIndex vector{};
  Gsi gsi{};  // of Assign and Deassign
};

class FunctionVectors {
 public:
  struct Config {
    Attach attach = Attach::Emulated;
    RoutePolicy policy = RoutePolicy::Eager;
    std::uint16_t vectors = 1;  // 1 to 2048
  };
  explicit FunctionVectors(const Config& config);

  // What the guest does. An index beyond the last vector changes nothing.
  /// A dword of the MSI-X table; `offset` from its beginning, a multiple of 4.
  void write_table(std::uint64_t offset, std::uint32_t value);
  /// The same as it reads; 0 beyond the last vector.
  std::uint32_t read_table(std::uint64_t offset) const;
  void set_message(VectorIndex index, const x86::MsiMessage& message);
  void set_mask(VectorIndex index, Mask mask);
  void set_function_mask(Mask mask);
  void enable();
  void disable();
  /// A queue uses the vector; several may use one.
  void use(VectorIndex index);
  void release(VectorIndex index);
  /// The function's reset: nobody uses a vector, all are masked with an empty message, messages are
  /// off.
  void reset();

  /// What the VMM has to do next; none if all is as it is wanted. The same until it is done.
  std::optional<VectorDuty> next(RouteTable& table);
  /// It was done; `answer` is the kernel's of Deassign, Commit and Assign.
  void done(const VectorDuty& duty, kvm::Answer answer, RouteTable& table);

  Carrier carrier(VectorIndex index) const;
  bool masked(VectorIndex index) const;
  bool enabled() const { return enabled_; }
  const x86::MsiMessage& message(VectorIndex index) const { return rows_[index].message; }
  /// Of its route; none without one.
  std::optional<Gsi> gsi(VectorIndex index) const { return rows_[index].gsi; }
  bool irqfd(VectorIndex index) const { return rows_[index].irqfd; }
  std::size_t size() const { return rows_.size(); }

  /// The vector was signalled and is masked: the interrupt stays here. The one that it joins, or
  /// kNoSpan if it is the first.
  SpanId pend(VectorIndex index, SpanId span);
  SpanId pending(VectorIndex index) const { return rows_[index].pending; }
  SpanId take_pending(VectorIndex index);
  void held_spans(std::vector<SpanId>& out) const;

 private:
  struct Row {
    x86::MsiMessage message;
    SpanId pending = kNoSpan;
    std::optional<Gsi> gsi;
    std::uint16_t users = 0;
    Mask mask = Mask::On;
    Carrier carrier = Carrier::Nobody;
    bool opened = false;   // has been unmasked since it is in use
    bool refused = false;  // no GSI was left for it, or the kernel refused it
    bool irqfd = false;
    bool queued = false;  // it is in changed_
  };

  bool masked(const Row& row) const { return row.mask == Mask::On || function_mask_ == Mask::On; }
  bool live(const Row& row) const {
    return enabled_ && (row.users > 0 || config_.attach == Attach::Assigned);
  }
  bool wants_route(const Row& row) const;
  bool wants_irqfd(const Row& row) const;
  Carrier wanted(const Row& row, const RouteTable& table) const;

  void change(VectorIndex index);
  void change_all();
  void look_again() { prepared_ = completed_ = 0; }
  std::optional<Duty> prepare(Row& row, RouteTable& table);
  std::optional<Duty> complete(const Row& row, const RouteTable& table) const;
  void commit_answered(kvm::Answer answer, RouteTable& table);

  Config config_;
  bool enabled_ = false;
  Mask function_mask_ = Mask::Off;
  Indexed<VectorIndex, Row> rows_;
  // What may not be as it is wanted; of them so many from the front are prepared and completed.
  std::vector<VectorIndex> changed_;
  std::size_t prepared_ = 0;
  std::size_t completed_ = 0;
};

}  // namespace irqfab::vmm
