// The child's end of reading a trace.dat: the libraries, and nothing of what they find is
// understood.
#pragma once

#include "fabric/recording/confined_child.hpp"

namespace irqfab::recording {

/// Sends all of the recording in the file, message by message (dat_wire.hpp), in bounded memory.
void send_recording(int file, ChildOutput& output);

}  // namespace irqfab::recording
