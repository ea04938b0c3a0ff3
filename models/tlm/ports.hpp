// The ends of edges in SystemC. A bus edge is a pair of TLM-2.0 sockets; wire, cpu and fabric edges
// are sc_port/sc_export of a small interface. Each end is a Link (what leaves) and calls accept()
// of its station (what arrives).
//
// Posted writes are b_transport calls with an annotated delay; reads and markers, whose answers
// come later, and posts, are nb_transport transactions with the phases BEGIN_REQ and BEGIN_RESP
// (base protocol). Modules that know nothing of irqfab may stand at either end of a bus edge.
#pragma once

#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "models/sim/station.hpp"
#include "models/tlm/extension.hpp"
#include "models/tlm/kernel.hpp"

namespace irqfab {

/// One end of one edge.
class PortEnd : public Link {
 public:
  PortEnd(Kernel& kernel, StationBase& station, PortId port)
      : kernel_(kernel), station_(station), port_(port) {}

 protected:
  Kernel& kernel_;
  StationBase& station_;
  PortId port_;
};

using BusInitiatorSocket = tlm::tlm_initiator_socket<64>;
using BusTargetSocket = tlm::tlm_target_socket<64>;

/// Payload, extension and data of one transaction, reused for life.
struct Transaction {
  tlm::tlm_generic_payload payload;
  InterruptExtension extension;
  std::array<unsigned char, 16> data{};
  Transaction() { payload.set_extension(&extension); }
  ~Transaction() { payload.clear_extension(&extension); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
};

class BusInitiatorEnd final : public PortEnd, public tlm::tlm_bw_transport_if<> {
 public:
  BusInitiatorEnd(Kernel& kernel, StationBase& station, PortId port, const std::string& name);

  BusInitiatorSocket socket;

  void carry(const Message& message, Time departure, std::uint16_t round) override;

  /// A question, without the answer, which is delivered as soon as it is written.
  struct Question {
    bool under_way = false;
    tlm::tlm_command command = tlm::TLM_IGNORE_COMMAND;
    std::uint64_t address = 0;
    unsigned size = 0;
    Requester requester;
    SpanId span = kNoSpan;
    Tag tag{};
    std::uint16_t round = 0;
    InterruptExtension::Question kind = InterruptExtension::Question::None;
    Vector vector{};
    Urgency urgency = Urgency::Normal;
  };
  /// Every transaction of the pool. Payloads live as long as the process, so restoring fills the
  /// same ones again and pointers to them hold.
  using Saved = std::vector<Question>;
  Saved save() const;
  void restore(const Saved& saved);

 private:
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}

  void post(const BusWrite& write, Time departure, std::uint16_t round);
  void request(Transaction& transaction, Time departure, std::uint16_t round);
  void answered(tlm::tlm_generic_payload& payload, Time time);
  /// A transaction for a question whose answer comes later; back in the pool after answered().
  struct Pooled : Transaction, tlm::tlm_mm_interface {
    explicit Pooled(BusInitiatorEnd& end_) : end(end_) { payload.set_mm(this); }
    void free(tlm::tlm_generic_payload*) override { end.free_.push_back(this); }
    BusInitiatorEnd& end;
  };
  Pooled& take_transaction();

  Transaction post_;
  std::vector<std::unique_ptr<Pooled>> pool_;
  std::vector<Pooled*> free_;
};

class BusTargetEnd final : public PortEnd, public tlm::tlm_fw_transport_if<> {
 public:
  BusTargetEnd(Kernel& kernel, StationBase& station, PortId port, const std::string& name);

  BusTargetSocket socket;
  /// Who a write without our extension comes from.
  void set_default_requester(Requester requester) { default_requester_ = requester; }

  void carry(const Message& message, Time departure, std::uint16_t round) override;

  /// Payloads of the questions that wait for an answer, by the tag the core sees; null: none. Not
  /// with a foreign initiator: a thread may wait for it.
  using Saved = std::vector<tlm::tlm_generic_payload*>;
  Saved save() const;
  void restore(const Saved& saved);

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
  unsigned transport_dbg(tlm::tlm_generic_payload&) override { return 0; }

  struct Asked {
    tlm::tlm_generic_payload* payload = nullptr;  // null: the slot is free
    sc_core::sc_event* done = nullptr;            // set: a thread waits in b_transport
  };
  static bool refuse(tlm::tlm_generic_payload& payload);
  void put_write(tlm::tlm_generic_payload& payload, Time time);
  void put_question(tlm::tlm_generic_payload& payload, Time time, sc_core::sc_event* done);
  Requester requester_of(const tlm::tlm_generic_payload& payload) const;
  Tag remember(const Asked& asked);
  void wait_for_answer(tlm::tlm_generic_payload& payload, Time time);

  Requester default_requester_;
  std::vector<Asked> asked_;  // by the tag the core sees
};

/// An initiator's edge whose target knows nothing of irqfab. Each call is made at its own simulated
/// time with zero delay, from a thread, because the target may wait.
class ForeignTargetEnd final : public sc_core::sc_module, public Link {
 public:
  ForeignTargetEnd(sc_core::sc_module_name name, Kernel& kernel, StationBase& station, PortId port);

  BusInitiatorSocket socket;

  void carry(const Message& message, Time departure, std::uint16_t round) override;

 private:
  struct Bw final : tlm::tlm_bw_transport_if<> {
    tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload&, tlm::tlm_phase&,
                                       sc_core::sc_time&) override {
      return tlm::TLM_COMPLETED;
    }
    void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}
  };
  struct Call {
    Message message;
    Time departure;
  };
  void make_calls();
  void make(const Call& call);

  Kernel& kernel_;
  StationBase& station_;
  PortId port_;
  Bw bw_;
  Transaction transaction_;
  std::vector<Call> calls_;
  sc_core::sc_event called_;
};

/// What wire, cpu and fabric edges call. One type a kind, so that a pin cannot be bound to a CPU.
template <EdgeKind Kind>
class MessageIf : public virtual sc_core::sc_interface {
 public:
  virtual void put(const Message& message, Time time, std::uint16_t round) = 0;
};

template <EdgeKind Kind>
class MessageEnd final : public PortEnd, public MessageIf<Kind> {
 public:
  MessageEnd(Kernel& kernel, StationBase& station, PortId port, const std::string& name)
      : PortEnd(kernel, station, port), out((name + "_out").c_str()), in((name + "_in").c_str()) {
    in.bind(*this);
  }

  sc_core::sc_port<MessageIf<Kind>> out;
  sc_core::sc_export<MessageIf<Kind>> in;

  void carry(const Message& message, Time departure, std::uint16_t round) override {
    out->put(message, departure, round);
  }
  void put(const Message& message, Time time, std::uint16_t round) override {
    station_.accept(port_, message, time, round);
  }
};

}  // namespace irqfab
