#!/usr/bin/env python3
"""The tree keeps to its layers, and every kind of forbidden include is refused where it stands."""

import graphlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # leaves the tree as it was
import check_layers  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# A file, and what it may not include.
FORBIDDEN = (
    # the vocabulary knows nobody, time knows only the vocabulary
    ("models/base/event.hpp", '"models/sim/key.hpp"'),
    ("models/base/event.hpp", '"models/x86/rte.hpp"'),
    ("models/sim/station.hpp", '"models/x86/lapic.hpp"'),
    ("models/sim/station.hpp", '"models/catalog.hpp"'),
    # a family never includes another, nor time, nor what composes it
    ("models/x86/ioapic.cpp", '"models/pci/functions.hpp"'),
    ("models/arm/its.cpp", '"models/x86/lapic.hpp"'),
    ("models/host/task.hpp", '"models/sim/timeline.hpp"'),
    ("models/x86/lapic.hpp", '"models/kvm/irqchip.hpp"'),
    ("models/pci/functions.cpp", '"models/catalog.hpp"'),
    # software on the path composes cores, and knows neither time nor its peer
    ("models/kvm/irqchip.hpp", '"models/sim/station.hpp"'),
    ("models/kvm/irqchip.hpp", '"models/vmm/userspace.hpp"'),
    ("models/vmm/userspace.hpp", '"models/sim/engine.hpp"'),
    # SystemC stays in its folder
    ("models/x86/lapic.hpp", '"models/tlm/shell.hpp"'),
    ("models/catalog.cpp", '"models/tlm/shell.hpp"'),
    ("models/cpu/cpus.cpp", "<systemc>"),
    ("models/sim/engine.cpp", "<tlm>"),
    ("models/pci/functions.cpp", "<tlm_utils/simple_target_socket.h>"),
    ("models/base/env.hpp", "<sysc/kernel/sc_time.h>"),
    # models know no fabric, no test, no file, no libm
    ("models/x86/lapic.hpp", '"fabric/scenario/scenario.hpp"'),
    ("models/tlm/shell.cpp", '"fabric/run/machine.hpp"'),
    ("models/x86/lapic.cpp", '"tests/support/recording_env.hpp"'),
    ("models/base/result.cpp", "<fstream>"),
    ("models/base/random.cpp", "<random>"),
    ("models/sim/timing_table.cpp", "<cmath>"),
    # the fabric's own order
    ("fabric/scenario/reader.cpp", '"fabric/topology/topology.hpp"'),
    ("fabric/scenario/reader.cpp", '"models/tlm/kernel.hpp"'),
    ("fabric/topology/x86_build.cpp", '"models/tlm/shell.hpp"'),
    ("fabric/topology/x86_build.cpp", '"fabric/run/session.hpp"'),
    ("fabric/run/machine.hpp", '"models/tlm/shell.hpp"'),
    ("fabric/run/machine.hpp", "<systemc>"),
    ("fabric/run/session.cpp", '"fabric/report/run_report.hpp"'),
    ("fabric/run/session.cpp", '"fabric/cli/commands.hpp"'),
    ("fabric/trace/reader.cpp", '"fabric/run/outcome.hpp"'),
    ("fabric/trace/reader.cpp", '"models/x86/rte.hpp"'),
    ("fabric/trace/reader.cpp", '"fabric/recording/replay.hpp"'),
    ("fabric/recording/emit.cpp", '"fabric/topology/topology.hpp"'),
    ("fabric/recording/emit.cpp", '"models/pci/functions.hpp"'),
    ("fabric/report/run_report.cpp", '"fabric/recording/replay.hpp"'),
    ("fabric/report/run_report.cpp", '"fabric/cli/output.hpp"'),
    ("fabric/kvm/backend.cpp", '"fabric/report/format.hpp"'),
    ("fabric/analysis/worst.cpp", '"fabric/report/format.hpp"'),
    # libraries that only one place knows
    ("fabric/scenario/reader.cpp", "<boost/graph/adjacency_list.hpp>"),
    ("fabric/topology/topology.hpp", "<boost/graph/adjacency_list.hpp>"),
    ("fabric/topology/topology.cpp", "<yaml-cpp/yaml.h>"),
    ("fabric/scenario/reader.hpp", "<yaml-cpp/yaml.h>"),
    ("fabric/run/session.cpp", "<CLI/CLI.hpp>"),
    # tests of cores link no SystemC, however they reach it; oracles share nothing
    ("tests/models/x86/lapic_test.cpp", "<systemc>"),
    ("tests/models/x86/lapic_test.cpp", '"models/tlm/shell.hpp"'),
    ("tests/models/x86/lapic_test.cpp", '"tests/models/tlm/platform.hpp"'),
    ("tests/models/x86/lapic_test.cpp", '"fabric/run/machine.hpp"'),
    ("tests/models/tlm/shell_test.cpp", '"fabric/run/machine.hpp"'),
    ("tests/support/recording_env.hpp", "<systemc>"),
    ("tests/support/recording_env.hpp", '"models/tlm/kernel.hpp"'),
    ("tests/models/x86/lapic_oracle.hpp", '"models/base/ids.hpp"'),
    ("tests/models/x86/lapic_oracle.cpp", '"tests/support/recording_env.hpp"'),
    ("tests/fabric/run/run_oracle.hpp", '"fabric/run/outcome.hpp"'),
    # the foreign project sees what is installed, and nobody else does
    ("tests/package/main.cpp", '"models/tlm/shell.hpp"'),
    ("tests/models/tlm/shell_test.cpp", "<irqfab/models/tlm/shell.hpp>"),
    # ways around: other spellings of the same
    ("models/x86/ioapic.cpp", "<models/pci/functions.hpp>"),
    ("models/x86/ioapic.cpp", '"../pci/functions.hpp"'),
    ("models/x86/ioapic.cpp", '"models/x86/../pci/functions.hpp"'),
    ("models/x86/ioapic.cpp", '"rte.hpp"'),
    ("models/x86/ioapic.cpp", "OTHER_FAMILY"),
)

ALLOWED = (
    ("models/x86/ioapic.cpp", '"models/x86/ioapic.hpp"'),
    ("models/kvm/irqchip.hpp", '"models/x86/lapic.hpp"'),
    ("models/tlm/shell.hpp", "<systemc>"),
    ("fabric/topology/topology.cpp", "<boost/graph/adjacency_list.hpp>"),
    ("fabric/scenario/document.cpp", "<yaml-cpp/parser.h>"),
    ("fabric/run/machine.cpp", '"models/tlm/shell.hpp"'),
    ("fabric/recording/emit.cpp", '"models/x86/rte.hpp"'),
    ("tests/models/tlm/shell_test.cpp", '"models/tlm/shell.hpp"'),
    ("tests/models/x86/lapic_test.cpp", '"tests/models/x86/lapic_oracle.hpp"'),
    ("tests/models/x86/vtd_fixture.hpp", '"models/mem/memory.hpp"'),
    ("tests/models/x86/lapic_oracle.hpp", "<set>"),
)


def copy_sources(to):
    for file in check_layers.source_files(ROOT):
        copy = to / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)


def run_program(root):
    return subprocess.run([sys.executable, HERE / "check_layers.py", root], text=True,
                          capture_output=True, check=False)


class TreeTest(unittest.TestCase):
    def test_no_include_of_the_tree_is_forbidden(self):
        self.assertEqual(check_layers.check(ROOT), [])

    def test_there_was_something_to_check(self):
        files = [f.relative_to(ROOT).as_posix() for f in check_layers.source_files(ROOT)]
        for expected in ("models/base/env.hpp", "models/tlm/shell.cpp", "fabric/cli/main.cpp",
                         "tests/support/recording_env.hpp"):
            self.assertIn(expected, files)


class TableTest(unittest.TestCase):
    def test_layers_name_layers(self):
        names = [layer.name for layer in check_layers.LAYERS]
        self.assertEqual(len(names), len(set(names)))
        for layer in check_layers.LAYERS:
            self.assertLessEqual(set(layer.may_include.split()), set(names), layer.name)

    def test_layers_form_no_cycle(self):
        graph = {layer.name: layer.may_include.split() for layer in check_layers.LAYERS}
        graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


class PlantedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in check_layers.FOLDERS:
            (self.root / name).mkdir()

    def plant(self, path, *lines):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def faults_of(self, path, header):
        file = self.plant(path, "// What it models.", "#pragma once", f"#include {header}")
        found = check_layers.check(self.root)
        file.unlink()
        return found

    def test_each_forbidden_include_is_refused_once_with_file_and_line(self):
        for path, header in FORBIDDEN:
            with self.subTest(path=path, header=header):
                found = self.faults_of(path, header)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:3: error: "), found[0])

    def test_no_family_includes_another(self):
        families = check_layers.FAMILIES.split()
        for family in families:
            for other in families:
                found = self.faults_of(f"models/{family}/a.cpp", f'"models/{other}/b.hpp"')
                self.assertEqual(len(found), 0 if family == other else 1, (family, other))

    def test_each_allowed_include_passes(self):
        for path, header in ALLOWED:
            with self.subTest(path=path, header=header):
                self.assertEqual(self.faults_of(path, header), [])

    def test_spacing_and_comments_hide_nothing(self):
        self.plant("models/x86/ioapic.cpp", "", '  #  include  "models/pci/functions.hpp"  // why',
                   '/* a */ #include <systemc>', "#include_next <tlm>")
        lines = [fault.split(":")[1] for fault in check_layers.check(self.root)]
        self.assertEqual(lines, ["2", "3", "4"])

    def test_a_commented_include_is_none(self):
        self.plant("models/x86/ioapic.cpp", '// #include "models/pci/functions.hpp"')
        self.assertEqual(check_layers.check(self.root), [])

    def test_a_folder_without_a_layer_is_refused(self):
        self.plant("models/riscv/aplic.hpp", "#pragma once")
        self.plant("fabric/plot/plot.hpp", "#pragma once")
        starts = [fault.split(" error: ")[0] for fault in check_layers.check(self.root)]
        self.assertEqual(starts, ["models/riscv/aplic.hpp:1:", "fabric/plot/plot.hpp:1:"])


class ProgramTest(unittest.TestCase):
    """The program on a copy of the tree, as a user or ctest runs it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        copy_sources(self.root)

    def test_a_clean_tree_is_0_and_a_planted_include_1(self):
        clean = run_program(self.root)
        self.assertEqual((clean.returncode, clean.stderr), (0, ""))
        core = self.root / "models/x86/ioapic.cpp"
        text = core.read_text(encoding="utf-8")
        core.write_text(text + '#include "models/tlm/shell.hpp"\n', encoding="utf-8")
        line = text.count("\n") + 1
        planted = run_program(self.root)
        self.assertEqual(planted.returncode, 1)
        self.assertIn(f"models/x86/ioapic.cpp:{line}: error: ", planted.stdout)

    def test_what_is_no_tree_is_2(self):
        self.assertEqual(run_program(self.root / "models").returncode, 2)


if __name__ == "__main__":
    unittest.main()
