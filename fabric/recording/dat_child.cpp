#include "fabric/recording/dat_child.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "fabric/recording/dat_wire.hpp"

namespace irqfab::recording {
namespace {

constexpr std::size_t kBatch = 64 * 1024;  // bytes a write

class Sender {
 public:
  explicit Sender(ChildOutput& output) : output_(output) {
    buffer_.reserve(kBatch + kLongestDatMessage);
  }

  void clock(const char* name) {
    DatHead head;
    head.message = DatMessage::Clock;
    const std::string_view text = view(name, kLongestName);
    head.text_length = static_cast<std::uint16_t>(text.size());
    add(&head, sizeof(head));
    add(text.data(), text.size());
  }

  void event(const irqfab_dat_event& event) {
    const std::string_view comm = view(event.comm, kLongestComm);
    const std::string_view name = view(event.name, kLongestName);
    const std::string_view text(event.text, std::min(event.text_length, kLongestMarker));
    DatHead head;
    head.message = DatMessage::Event;
    head.kind = event.kind < 0 ? kNoKind : static_cast<std::uint8_t>(event.kind);
    head.is_marker = event.text != nullptr ? 1 : 0;
    head.comm_length = static_cast<std::uint16_t>(comm.size());
    head.name_length = static_cast<std::uint16_t>(name.size());
    head.text_length = static_cast<std::uint16_t>(text.size());
    head.flags = event.flags;
    head.cpu = event.cpu;
    head.pid = event.pid;
    head.time = event.time;
    head.lost = event.lost;
    head.numbers.present = event.present;
    std::copy(std::begin(event.values), std::end(event.values), head.numbers.values.begin());
    add(&head, sizeof(head));
    for (const std::string_view part : {comm, name, text}) add(part.data(), part.size());
    if (buffer_.size() >= kBatch) flush();
  }

  void end(irqfab_dat_status status) {
    DatHead head;
    head.message = DatMessage::End;
    head.number = status;
    add(&head, sizeof(head));
    flush();
  }

 private:
  static std::string_view view(const char* text, std::size_t longest) {
    return text == nullptr ? std::string_view{} : std::string_view(text, ::strnlen(text, longest));
  }
  void add(const void* data, std::size_t size) {
    const char* bytes = static_cast<const char*>(data);
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
  void flush() {
    output_.write(buffer_.data(), buffer_.size());
    buffer_.clear();
  }

  ChildOutput& output_;
  std::vector<char> buffer_;
};

}  // namespace

void send_recording(int file, ChildOutput& output) {
  Sender sender(output);
  const auto clock = [](void* to, const char* name) { static_cast<Sender*>(to)->clock(name); };
  const auto event = [](void* to, const irqfab_dat_event* found) {
    static_cast<Sender*>(to)->event(*found);
  };
  sender.end(irqfab_dat_read(file, dat_kinds().data(), dat_kinds().size(), clock, event, &sender));
}

}  // namespace irqfab::recording
