// The fields of an event, from the text that the kernel's print format gave them.
//
// Formats: TP_printk of arch/x86/kvm/trace.h and include/trace/events/kvm.h (Linux). Destinations
// and APIC ids are hexadecimal without a prefix, vectors decimal. Not modelled: the raw form of
// `trace-cmd report -R`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/recording/recorded_event.hpp"

namespace irqfab::recording {

struct FieldError {
  std::size_t at = 0;  // index into the text
  std::string expected;
};

struct Fields {
  What what;                        // Other for events that are not understood
  std::optional<FieldError> error;  // of an event that is understood but does not read as one
  std::string_view rest;            // text after the last field that is known
};

Fields read_fields(std::string_view event, std::string_view text);

}  // namespace irqfab::recording
