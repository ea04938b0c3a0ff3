// The fields of an event from the numbers of a binary recording.
//
// Models: the same events as fields.hpp, by the names and bits that the tracepoints of
// arch/x86/kvm/trace.h and include/trace/events/kvm.h (Linux) have for them. An event of a kernel
// too old to have a field that only newer ones print is Other here where it is Other in text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/recording/dat_library.h"
#include "fabric/recording/recorded_event.hpp"

namespace irqfab::recording {

constexpr std::size_t kDatKinds = 16;
/// The fields to ask for.
const std::array<irqfab_dat_kind, kDatKinds>& dat_kinds();

/// The numbers of one event, in the order of its kind's fields.
struct DatNumbers {
  std::array<std::uint64_t, IRQFAB_DAT_FIELDS> values{};
  std::uint32_t present = 0;
};

struct DatFields {
  What what;             // Other for what is of no interest
  std::string expected;  // of an event that does not read as its kind; else empty
};
/// `kind` is an index of dat_kinds().
DatFields read_dat_fields(std::size_t kind, const DatNumbers& numbers);

/// Of common_flags.
Context context_of_flags(std::uint32_t flags);

}  // namespace irqfab::recording
