#!/usr/bin/env python3
"""`remapping: amd-vi`: the portable scenarios of the tree, both engines, what moves cost, and what is refused.

Usage: amdvi_test.py IRQFAB SOURCE_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

IRQFAB = ROOT = None  # from the command line

HELD, FAILED, WRONG = 0, 1, 2

STORY = """irqfab: 1
machine: {{ arch: {arch}, remapping: {unit}, cpus: 2, devices: [ {{ id: d, bdf: "00:03.0", msix: 4 }} ] }}
steps:
{steps}
"""


class AmdViTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-amdvi-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def irqfab(self, *args):
        return subprocess.run([IRQFAB, *map(str, args)], capture_output=True, text=True)

    def file(self, text, name="s.yaml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def on_amdvi(self, path):
        """The scenario with its remapping unit chosen."""
        text = path.read_text()
        for head in ("machine:\n", "machine: {"):
            if head in text:
                block = "\n  arch: x86-ir\n  remapping: amd-vi\n"
                more = block if head[-1] == "\n" else " arch: x86-ir, remapping: amd-vi,"
                return self.file(text.replace(head, head.rstrip("\n") + more, 1))
        self.fail(f"{path.name} has no machine")

    def refused(self, unit, step, *sayings, arch="x86-ir"):
        text = STORY.format(unit=unit, arch=arch, steps=f"  - {step}")
        done = self.irqfab("run", self.file(text))
        self.assertEqual(done.returncode, WRONG, done.stdout + done.stderr)
        for saying in sayings:
            self.assertIn(saying, done.stderr)


class Scenarios(AmdViTest):
    def test_the_portable_ones_hold_and_engines_agree(self):
        paths = [p for p in sorted((ROOT / "scenarios").glob("*.yaml")) if not p.stem.startswith("scale")]
        paths += [p for p in sorted((ROOT / "scenarios/x86").glob("*.yaml"))
                  if "arch:" not in p.read_text() and "steps:" not in p.read_text()]
        self.assertGreater(len(paths), 4)
        for path in paths:
            with self.subTest(path=path.name):
                scenario = self.on_amdvi(path)
                traces = []
                for engine in ("tlm", "fast"):
                    trace = self.folder / engine
                    done = self.irqfab("run", scenario, "--engine", engine, "--trace", trace)
                    self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)
                    traces.append(trace.read_bytes())
                self.assertEqual(traces[0], traces[1])
                self.assertIn("amdvi0", self.irqfab("graph", scenario, "--format", "dot").stdout)
                self.assertEqual(self.irqfab("check", scenario).returncode, HELD)

    def test_moves_wait_for_the_unit(self):
        scenario = self.on_amdvi(ROOT / "scenarios/mixed-storm.yaml")
        done = self.irqfab("run", scenario, "--json")
        self.assertEqual(done.returncode, HELD, done.stderr)
        outcome = json.loads(done.stdout)
        self.assertEqual(outcome["drops"], [])
        row = outcome["invalidations"][0]
        self.assertEqual(row["name"], "amdvi0")
        self.assertGreater(row["invalidated"], 0)

    def test_explain_names_both_walks(self):
        scenario = self.on_amdvi(ROOT / "scenarios/nvme-8q.yaml")
        for cold, events in ((True, {"DteFetched", "IrteFetched", "Remapped"}), (False, {"IrteHit", "Remapped"})):
            done = self.irqfab("explain", scenario, "--source", "nvme0:3", "--json", *(["--cold"] if cold else []))
            self.assertEqual(done.returncode, HELD, done.stderr)
            hops = {hop["event"] for hop in json.loads(done.stdout)["hops"] if hop["component"] == "amdvi0"}
            self.assertEqual(hops - {"DteFetched"} if not cold else hops, events)

    def test_elsewhere_the_unit_is_not_there(self):
        done = self.irqfab("run", self.on_amdvi(ROOT / "scenarios/nvme-8q.yaml"), "--arch", "x86", "--json")
        self.assertEqual(done.returncode, HELD, done.stderr)
        components = {hop["component"] for hop in json.loads(done.stdout)["hops"]}
        self.assertNotIn("amdvi0", components)


class Refusals(AmdViTest):
    def test_steps_of_the_other_unit(self):
        self.refused("vt-d", "amdvi.enable: {}", "'amdvi.enable' is about another remapping unit", "amd-vi")
        self.refused("amd-vi", "vtd.enable: {}", "'vtd.enable' is about another remapping unit", "vt-d")
        self.refused("vt-d", "expect: { amdvi.reg: { reg: Status, value: 0 } }", "another remapping unit")
        self.refused("amd-vi", "msi.write: { device: d, handle: 3 }", "'handle' is about another remapping unit")

    def test_steps_without_a_unit(self):
        self.refused("amd-vi", "amdvi.enable: {}", "'amdvi.enable' is about a remapping unit", arch="x86")

    def test_values_that_do_not_fit(self):
        self.refused("amd-vi", "amdvi.write: { reg: MsiData, value: 0x100000000 }", "s.yaml:4:", "0x100000000")
        self.refused("amd-vi", "amdvi.wait: { store: 0x410004 }", "not a multiple of 8")
        self.refused("amd-vi", 'amdvi.dte: { requester: "00:03.0", table: 0x1000040 }', "not a multiple of 128")
        self.refused("amd-vi", 'amdvi.dte: { requester: "00:03.0" }', "bits", "table")
        self.refused("amd-vi", "amdvi.write: { reg: Nothing, value: 0 }", "DevTabBase")

    def test_a_destination_that_an_entry_cannot_hold_fails(self):
        steps = '  - amdvi.enable: {}\n  - amdvi.irte: { requester: "00:03.0", index: 1, vector: 0x41, dest: 256 }'
        done = self.irqfab("run", self.file(STORY.format(unit="amd-vi", arch="x86-ir", steps=steps)))
        self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
        self.assertIn("a destination of more than 8 bits", done.stdout)

    def test_a_command_buffer_that_is_full_fails(self):
        steps = "  - amdvi.write: { reg: ComBase, value: 0x0800000000400000 }\n" + "  - amdvi.wait: {}\n" * 256
        done = self.irqfab("run", self.file(STORY.format(unit="amd-vi", arch="x86-ir", steps=steps)))
        self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
        self.assertIn("the command buffer is full", done.stdout)


if __name__ == "__main__":
    IRQFAB, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
