#include "models/x86/posted_descriptors.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace irqfab::x86 {
namespace {

constexpr unsigned kWords = 4;  // of a PIR

// Delays: the price of the oldest update, or of the CPU's access, has passed.
constexpr Tag kUpdated{0};
constexpr Tag kAccessed{1};

BusData word_answer(std::uint64_t word, Tag tag, SpanId span = kNoSpan) {
  BusData data{{}, tag, BusStatus::Ok, span};
  std::memcpy(data.data.data(), &word, sizeof word);
  return data;
}

}  // namespace

PostedDescriptors::PostedDescriptors(const Config& config)
    : config_(config), lines_(config.lines) {
  // As many as a remapping unit usually has under way: an interrupt on its way allocates nothing.
  for (Line& line : lines_) line.updates.reserve(16);
}

LaneId PostedDescriptors::lane_of(PortId, const Message& message) const {
  const auto lane_at = [this](std::uint64_t address) {
    return LaneId(static_cast<std::uint32_t>(line_at(address)));
  };
  if (const auto* m = std::get_if<PostInterrupt>(&message)) return lane_at(m->address);
  if (const auto* m = std::get_if<BusWrite>(&message)) return lane_at(m->address);
  if (const auto* m = std::get_if<BusRead>(&message)) return lane_at(m->address);
  if (const auto* m = std::get_if<RegisterRead>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<Inta>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<CpuLineChange>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<Elapsed>(&message)) return LaneId{m->lane};
  return LaneId{0};
}

void PostedDescriptors::receive(PortId port, const Message& message, Env& env) {
  const auto exists = [this](std::uint64_t line) { return line < lines_.size(); };
  if (const auto* post = std::get_if<PostInterrupt>(&message)) return on_post(port, *post, env);
  if (const auto* write = std::get_if<BusWrite>(&message)) return on_write(*write, env);
  if (const auto* read = std::get_if<BusRead>(&message))
    return env.send(port, answer_to(*read, env));
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    const bool update = elapsed->tag == kUpdated;
    if (exists(elapsed->lane)) {
      return update ? on_updated(elapsed->lane, env) : on_accessed(elapsed->lane, env);
    }
  } else if (const auto* access = std::get_if<RegisterRead>(&message)) {
    if (exists(raw(access->cpu))) return on_cpu_access(*access, env);
  } else if (const auto* next = std::get_if<Inta>(&message)) {
    if (exists(raw(next->cpu))) return env.send(port, next_taken(next->cpu));
  } else if (const auto* change = std::get_if<CpuLineChange>(&message)) {
    const bool init = change->line == CpuLine::Init;
    if (init && exists(raw(change->cpu))) return forget_taken(change->cpu, env);
  }
  env.guest_error(GuestFault::TableIndexOutOfRange);
}

// ---- the bus ------------------------------------------------------------------------------------

void PostedDescriptors::on_post(PortId port, const PostInterrupt& request, Env& env) {
  const std::uint64_t line = line_at(request.address);
  const bool is_line = line < lines_.size() && request.address % PostedDescriptor::kBytes == 0;
  if (!is_line) {
    env.guest_error(GuestFault::UnclaimedAddress);
    return env.send(port, BusData{{}, request.tag, BusStatus::Error, request.span});
  }
  env.note(Event::Posted, request.span, detail_of(line, request.vector));
  lines_[line].updates.push_back({port, request});
  env.after(0, kUpdated);
}

void PostedDescriptors::on_updated(std::uint32_t line, Env& env) {
  std::vector<Update>& updates = lines_[line].updates;
  if (updates.empty()) return env.guest_error(GuestFault::TableIndexOutOfRange);
  const Update done = updates.front();
  updates.erase(updates.begin());
  const PostInterrupt& request = done.request;
  const PostAnswer answer =
      lines_[line].descriptor.update(request.vector, request.urgency, request.span, env);
  env.send(done.from, encode(answer, request.tag, kNoSpan));  // it stays here, or has ended
}

/// The 64 bits around `offset`. What lies above the control word holds nothing.
std::uint64_t PostedDescriptors::word_at(const PostedDescriptor& descriptor, std::uint32_t offset) {
  if (offset < kControl) return descriptor.pir_word(offset / 8);
  return offset / 8 == kControl / 8 ? descriptor.control() : 0;
}

void PostedDescriptors::on_write(const BusWrite& write, Env& env) {
  if (!is_word(write.address, write.size)) {
    env.guest_error(GuestFault::WrongAccessSize);
  } else {
    PostedDescriptor& descriptor = lines_[line_at(write.address)].descriptor;
    const auto offset = static_cast<std::uint32_t>(write.address % PostedDescriptor::kBytes);
    const unsigned shift = offset % 8 * 8;
    const std::uint64_t mask = write.size == 8 ? ~std::uint64_t{0} : 0xFFFFFFFFull << shift;
    const std::uint64_t word = (word_at(descriptor, offset) & ~mask) | (write.data << shift & mask);
    env.note(Event::MemoryWritten, write.span, write.address);
    if (offset < kControl) descriptor.write_quarter(offset / 8, word, env);
    if (offset / 8 == kControl / 8) descriptor.write_control(word);
  }
  if (write.span != kNoSpan) env.drop(write.span, DropReason::NoDecode);
}

BusData PostedDescriptors::answer_to(const BusRead& read, Env& env) const {
  if (!is_word(read.address, read.size)) {
    env.guest_error(GuestFault::WrongAccessSize);
    return {{}, read.tag, BusStatus::Error, read.span};
  }
  env.note(Event::MemoryRead, read.span, read.address);
  return word_answer(*shown_at(read.address, read.size), read.tag, read.span);
}

std::optional<std::uint64_t> PostedDescriptors::shown_at(std::uint64_t address,
                                                         unsigned size) const {
  if (!is_word(address, size)) return std::nullopt;
  const auto offset = static_cast<std::uint32_t>(address % PostedDescriptor::kBytes);
  const std::uint64_t word = word_at(lines_[line_at(address)].descriptor, offset);
  return size == 8 ? word : word >> offset % 8 * 8 & 0xFFFFFFFF;
}

std::uint64_t PostedDescriptors::name_of(std::uint64_t line) const {
  return config_.base / PostedDescriptor::kBytes + line;
}

std::uint64_t PostedDescriptors::detail_of(std::uint64_t line, Vector vector) const {
  return name_of(line) << 8 | raw(vector);
}

std::uint64_t PostedDescriptors::line_at(std::uint64_t address) const {
  // Below the base the difference is huge.
  return std::min<std::uint64_t>((address - config_.base) / PostedDescriptor::kBytes,
                                 lines_.size());
}

bool PostedDescriptors::is_word(std::uint64_t address, unsigned size) const {
  return (size == 4 || size == 8) && address % size == 0 && line_at(address) < lines_.size();
}

// ---- the CPUs -----------------------------------------------------------------------------------

void PostedDescriptors::on_cpu_access(const RegisterRead& access, Env& env) {
  const std::uint32_t line = raw(access.cpu);
  Line& own = lines_[line];
  if (access.offset == kPir) {
    look(line, env);
  } else if (access.offset == kControl) {
    env.note(Event::NotificationCleared, kNoSpan, name_of(line));
    own.access = CpuAccess::Clear;
  } else {
    env.guest_error(GuestFault::UnknownRegister);
    return env.send(kCpus, BusData{{}, access.tag, BusStatus::Error});
  }
  own.tag = access.tag;
  env.after(0, kAccessed);
}

/// Each word that is set costs an exchange; a look that finds none costs the look.
void PostedDescriptors::look(std::uint32_t line, Env& env) {
  Line& own = lines_[line];
  own.access = CpuAccess::Take;
  if (own.descriptor.pir().empty()) env.note(Event::PirRead, kNoSpan, detail_of(line, Vector{0}));
  for (unsigned word = 0; word < kWords; ++word) {
    own.words_set[word] = own.descriptor.pir_word(word) != 0;
    const auto first = Vector(static_cast<std::uint8_t>(64 * word));
    if (own.words_set[word]) env.note(Event::PirRead, kNoSpan, detail_of(line, first));
  }
}

void PostedDescriptors::on_accessed(std::uint32_t line, Env& env) {
  Line& own = lines_[line];
  switch (std::exchange(own.access, CpuAccess::None)) {
    case CpuAccess::None:  // the CPU was reset meanwhile
      return;
    case CpuAccess::Take:
      return env.send(kCpus, word_answer(take(line, env), own.tag));
    case CpuAccess::Clear: {
      const std::uint64_t before = own.descriptor.control();
      own.descriptor.set_on(false);
      return env.send(kCpus, word_answer(before, own.tag));
    }
  }
}

/// A vector that waits to be called already is called once.
std::uint64_t PostedDescriptors::take(std::uint32_t line, Env& env) {
  Line& own = lines_[line];
  std::uint64_t taken = 0;
  for (unsigned word = 0; word < kWords; ++word) {
    if (!own.words_set[word]) continue;
    own.descriptor.take_quarter(word, [&](Vector vector, SpanId span) {
      ++taken;
      own.taken.add(vector);
      if (span == kNoSpan) return;
      env.note(Event::PirTaken, span, detail_of(line, vector));
      SpanId& resting = own.taken_spans[raw(vector)];
      if (resting != kNoSpan) return env.coalesce(span, resting);
      resting = span;
    });
  }
  return taken;
}

IntaAnswer PostedDescriptors::next_taken(CpuId cpu) {
  Line& own = lines_[raw(cpu)];
  for (unsigned word = 0; word < 8; ++word) {
    const std::uint32_t bits = own.taken.register_word(word);
    if (bits == 0) continue;
    const unsigned lowest = 32 * word + static_cast<unsigned>(__builtin_ctz(bits));
    const auto vector = Vector(static_cast<std::uint8_t>(lowest));
    own.taken.remove(vector);
    return {cpu, vector, false, std::exchange(own.taken_spans[lowest], kNoSpan)};
  }
  return {cpu, Vector{0}, true, kNoSpan};
}

/// A CPU that is reset forgets what its handler was going through.
void PostedDescriptors::forget_taken(CpuId cpu, Env& env) {
  lines_[raw(cpu)].access = CpuAccess::None;
  for (IntaAnswer next = next_taken(cpu); !next.spurious; next = next_taken(cpu)) {
    if (next.span != kNoSpan) env.cancel(next.span, CancelOp::Reset);
  }
}

std::uint64_t PostedDescriptors::taken_in(const BusData& answer) {
  std::uint64_t count = 0;
  std::memcpy(&count, answer.data.data(), sizeof count);
  return count;
}

void PostedDescriptors::held_spans(std::vector<SpanId>& out) const {
  const auto add = [&](SpanId span) {
    if (span != kNoSpan) out.push_back(span);
  };
  for (const Line& line : lines_) {
    line.descriptor.held_spans(out);
    for (const Update& update : line.updates) add(update.request.span);
    for (const SpanId span : line.taken_spans) add(span);
  }
}

bool operator==(const PostedDescriptors& a, const PostedDescriptors& b) {
  using Line = PostedDescriptors::Line;
  using Update = PostedDescriptors::Update;
  const auto same_update = [](const Update& x, const Update& y) {
    const auto all = [](const Update& u) {
      const PostInterrupt& r = u.request;
      return std::tuple(u.from, r.address, r.tag, r.span, r.vector, r.urgency);
    };
    return all(x) == all(y);
  };
  const auto same = [&](const Line& x, const Line& y) {
    return x.descriptor == y.descriptor && x.access == y.access && x.tag == y.tag &&
           x.words_set == y.words_set && x.taken == y.taken && x.taken_spans == y.taken_spans &&
           std::equal(x.updates.begin(), x.updates.end(), y.updates.begin(), y.updates.end(),
                      same_update);
  };
  return std::equal(a.lines_.begin(), a.lines_.end(), b.lines_.begin(), b.lines_.end(), same);
}

}  // namespace irqfab::x86
