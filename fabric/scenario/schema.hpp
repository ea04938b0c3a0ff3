// scenarios/schema.json, for editors: JSON Schema draft 7, which they understand best, written from
// the table of the language. It accepts what the reader accepts; what only the reader can tell
// (order of keys, references, arithmetic) it lets pass.
#pragma once

#include <string>

namespace irqfab::scenario {

std::string write_schema();

}  // namespace irqfab::scenario
