// A scenario and the machine that was built from it.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "fabric/scenario/reader.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::topology::test {

struct Built {
  Built(const std::string& text, Remapping remapping) {
    auto read = scenario::read(text, "test.yaml");
    if (!read) throw std::runtime_error(format(read.errors().front()));
    scenario = std::move(*read);
    auto built = build_x86(scenario, remapping, {});
    if (!built) throw std::runtime_error(format(built.errors().front()));
    machine = std::move(*built);
  }

  scenario::Scenario scenario;
  X86Machine machine;
};

}  // namespace irqfab::topology::test
