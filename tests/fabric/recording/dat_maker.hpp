// Makes trace.dat files for tests: format version 6, uncompressed, as trace-cmd.dat(5) has it, with
// the KVM events of fields.hpp, a top buffer and at most one buffer instance.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fabric/recording/recorded_event.hpp"

namespace irqfab::recording::test {

enum class Buffer : std::uint8_t { Top, Instance };

class DatMaker {
 public:
  explicit DatMaker(std::string clock = "mono") : clock_(std::move(clock)) {}

  /// Appends an event of any name; of those that are understood, with its numbers. Events of one
  /// CPU and buffer come in the order of their times.
  void add(const RecordedEvent& event, Buffer buffer = Buffer::Top);
  /// The events of this CPU that come next follow a gap; 0: of unknown size.
  void lose(std::uint32_t cpu, std::uint64_t events, Buffer buffer = Buffer::Top);

  std::string file() const;

 private:
  struct Page {
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    std::string data;
    bool gap = false;
    std::uint64_t lost = 0;
  };
  using Pages = std::map<std::uint32_t, std::vector<Page>>;  // by CPU

  std::uint16_t id_of(std::string_view name);
  std::string pages_at(std::string& file, const Pages& pages) const;

  std::string clock_;
  std::map<std::string, std::uint16_t, std::less<>> others_;  // events of which nothing is known
  std::map<std::int32_t, std::string> comms_;
  Pages top_, instance_;
};

/// All of a text, with the same events.
std::string dat_of_text(const std::string& text, Buffer buffer = Buffer::Top);

}  // namespace irqfab::recording::test
