#!/usr/bin/env python3
"""The remapping unit on x86-ir: its scenarios, its mutants, many CPUs, what it costs, and what its steps refuse.

Usage: remapping_test.py IRQFAB SOURCE_DIR
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
machine: {{ arch: {arch}, cpus: 2, {machine} devices: [ {{ id: d, bdf: "00:03.0", msix: 4 }} ] }}
steps:
"""
LOAD = """irqfab: 1
machine: {{ cpus: 8, devices: [ {{ id: nic, bdf: "01:00.0", msix: 200 }} ] }}
workload: [ {{ source: nic, poisson: 30k/s, for: 1ms }} ]
handler: 100ns
{more}
"""
MANY = """irqfab: 1
machine: {{ arch: {arch}, apic: {apic}, cpus: {cpus}, devices: [ {{ id: nic, bdf: "01:00.0", msix: 2 }} ] }}
affinity: {{ "nic:0": 254, "nic:1": {last} }}
workload: [ {{ source: nic, periodic: 100us, for: 1ms }} ]
expect: [ lost == 0, handled == 20 ]
"""


class RemappingTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-remapping-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def irqfab(self, *args):
        return subprocess.run([IRQFAB, *map(str, args)], capture_output=True, text=True)

    def file(self, text):
        path = self.folder / "s.yaml"
        path.write_text(text)
        return path

    def json_of(self, *args):
        done = self.irqfab(*args, "--json")
        self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def refused(self, text, *sayings):
        done = self.irqfab("run", self.file(text))
        self.assertEqual(done.returncode, WRONG, done.stdout + done.stderr)
        for saying in sayings:
            self.assertIn(saying, done.stderr)

    def story(self, *steps, arch="x86-ir", machine=""):
        return STORY.format(arch=arch, machine=machine) + "".join(f"  - {step}\n" for step in steps)


class Scenarios(RemappingTest):
    def test_what_they_expect_holds_on_both_engines(self):
        for path in sorted((ROOT / "scenarios/x86-ir").glob("*.yaml")):
            for engine in ("tlm", "fast"):
                with self.subTest(path=path.name, engine=engine):
                    done = self.irqfab("run", path, "--engine", engine)
                    self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)
                    self.assertIn("held", done.stdout)

    def test_the_portable_ones_of_the_tree_hold_behind_remapping(self):
        paths = [p for p in sorted((ROOT / "scenarios").glob("*.yaml")) if not p.stem.startswith("scale")]
        paths += [p for p in sorted((ROOT / "scenarios/x86").glob("*.yaml")) if "arch:" not in p.read_text()]
        self.assertGreater(len(paths), 6)
        for path in paths:
            with self.subTest(path=path.name):
                done = self.irqfab("run", path, "--arch", "x86-ir", "--engine", "fast")
                self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)
                done = self.irqfab("check", path, "--arch", "x86-ir")
                self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)


class Mutants(RemappingTest):
    """Each scenario holds, and fails with the defect that it is about."""
    ABOUT = {"old-irte-left": "retarget-leaves-nothing",
             "ioapic-clear-remapped": "boot-clears-pins",
             "old-eoi-with-remapping": "old-end-of-interrupt"}

    def test_each_makes_its_scenario_fail(self):
        for mutant, name in self.ABOUT.items():
            path = ROOT / f"scenarios/x86-ir/{name}.yaml"
            with self.subTest(mutant=mutant):
                self.assertIn(mutant, path.read_text())
                self.assertEqual(self.irqfab("run", path).returncode, HELD)
                done = self.irqfab("run", path, "--mutant", mutant)
                self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
                self.assertIn("FAILED", done.stdout)

    def test_none_of_them_matters_without_remapping(self):
        path = self.file(LOAD.format(more="during: [ { at: 300us, retarget: nic:0, to: 3 } ]"))
        plain = self.irqfab("run", path, "--arch", "x86").stdout
        for mutant in ("old-irte-left", "ioapic-clear-remapped"):
            done = self.irqfab("run", path, "--arch", "x86", "--mutant", mutant)
            self.assertEqual(done.stdout.replace(f", mutant {mutant}", ""), plain)
            self.assertIn("it changes nothing", done.stderr)


class ManyCpus(RemappingTest):
    def many(self, arch, apic, cpus):
        return MANY.format(arch=arch, apic=apic, cpus=cpus, last=cpus - 1)

    def test_x2apic_and_remapping_reach_all_of_them(self):
        for cpus in (255, 256, 257, 4096):
            with self.subTest(cpus=cpus):
                path = self.file(self.many("x86-ir", "x2apic", cpus))
                self.assertEqual(self.json_of("run", path)["interrupts"]["handled"], 20)
                done = self.irqfab("check", path)
                self.assertEqual((done.returncode, done.stderr), (HELD, ""))

    def test_without_one_of_the_two_there_are_255(self):
        for arch, apic, why in (("x86", "xapic", "xAPIC ids have 8 bits"),
                                ("x86-ir", "xapic", "xAPIC ids have 8 bits"),
                                ("x86", "x2apic", "devices reach CPUs 0 to 254")):
            with self.subTest(arch=arch, apic=apic):
                self.refused(self.many(arch, apic, 256), "2:", "256 CPUs: ", why, "expected at most 255 CPUs")
                path = self.file(self.many(arch, apic, 255))
                self.assertEqual(self.json_of("run", path)["interrupts"]["handled"], 20)


class Costs(RemappingTest):
    def hops(self, run):
        return {(hop["component"], hop["event"]): hop for hop in run["hops"]}

    def explained(self, *options):
        path = ROOT / "scenarios/nvme-8q.yaml"
        return self.json_of("explain", path, "--arch", "x86-ir", "--source", "nvme0:3", *options)

    def test_a_miss_is_the_walk_and_a_hit_is_none(self):
        warm, cold = self.explained(), self.explained("--cold")
        walk, hit = self.hops(cold), self.hops(warm)
        self.assertIn(("vtd0", "IrteHit"), hit)
        self.assertNotIn(("memory", "MemoryRead"), hit)
        self.assertIn(("vtd0", "IrteFetched"), walk)
        self.assertNotIn(("vtd0", "IrteHit"), walk)
        self.assertEqual(cold["total_ps"] - warm["total_ps"],
                         walk["memory", "MemoryRead"]["ps"] - hit["vtd0", "IrteHit"]["ps"])

    def test_waiting_is_shown_at_the_unit_and_at_memory(self):
        path = self.file(LOAD.format(more=""))
        hops = self.hops(self.json_of("run", path, "--arch", "x86-ir"))
        self.assertGreater(hops["memory", "MemoryRead"]["queue_ps"], 0)
        self.assertGreater(hops["vtd0", "IrteHit"]["queue_ps"] + hops["vtd0", "Remapped"]["queue_ps"], 0)
        self.assertGreater(hops["vtd0", "HeldForOrder"]["total_ps"], 0)
        quiet = self.hops(self.json_of("run", ROOT / "scenarios/nvme-8q.yaml", "--arch", "x86-ir"))
        self.assertEqual(quiet["vtd0", "IrteFetched"]["count"], 8, "one miss a vector")

    def test_moves_have_a_table_of_what_invalidation_takes(self):
        more = "during: [ { at: 100us, every: 100us, retarget: nic:0, to: random } ]"
        path = self.file(LOAD.format(more=more))
        run = self.json_of("run", path, "--arch", "x86-ir")
        self.assertEqual([row["name"] for row in run["invalidations"]], ["vtd0"])
        row = run["invalidations"][0]
        self.assertEqual((row["count"], row["invalidated"]), (9, 9))
        # Two descriptors come from memory, each 214 ns.
        self.assertGreaterEqual(row["min_ps"], 2 * 214_000)
        self.assertRegex(self.irqfab("run", path, "--arch", "x86-ir").stdout,
                         r"\ninvalidation +count +min .*\nvtd0 +9 ")
        self.assertEqual(self.json_of("run", path, "--arch", "x86")["invalidations"], [])
        self.assertNotIn("invalidation", self.irqfab("run", path, "--arch", "x86").stdout)


class Steps(RemappingTest):
    def test_they_need_a_unit(self):
        self.refused(self.story("vtd.enable: {}", arch="x86"),
                     "4:5:", "'vtd.enable' is about a remapping unit, and 'x86' has none")
        self.refused(self.story("expect: { vtd.queue: { head: 0 } }", arch="x86"), "'vtd.queue' is about")
        self.refused(self.story("msi.write: { device: d, handle: 1 }", arch="x86"), "'handle' is about")

    def test_fields_that_do_not_go_together_are_refused(self):
        for step, saying in (
                ("vtd.enable: { entries: 48 }", "no remapping table has 48 entries"),
                ("vtd.irte: { index: 1, vector: 0x41, pda: 0x1020 }", "not a multiple of 64"),
                ("vtd.irte: { index: 1, vector: 0x41, pda: 0x1000, dest: 1 }", "'dest' means nothing"),
                ("vtd.irte: { index: 1, vector: 0x41, urgent: true }", "beside 'pda'"),
                ("vtd.irte: { index: 1, vector: 0x41, dest: 0x100 }", "8-bit destination"),
                ("vtd.irte: { index: 1, low: 1, vector: 0x41 }", "stands beside"),
                ("vtd.irte: { index: 1, vector: 1, requester: \"00:03.0\", buses: 01..02 }", "'buses'"),
                ("vtd.irte: { index: 65536, low: 1 }", "out of range"),
                ("vtd.wait: { status: 0x1002 }", "not a multiple of 4"),
                ("vtd.wait: { data: 2 }", "beside 'status'"),
                ("vtd.invalidate: { mask: 2 }", "'index'"),
                ("vtd.write: { reg: GSTS_RG, value: 0 }", "did you mean 'GSTS_REG'"),
                ("vtd.write: { reg: GCMD_REG, value: 0x100000000 }", "more than 4 bytes hold"),
                ("vtd.write: { reg: 0x1000, value: 0 }", "beyond the last register"),
                ("expect: { vtd.fault: { reason: 0x22, pending: true } }", "stands beside"),
                ("expect: { memory: { address: 0, size: 1, value: 0x100 } }", "more than 1 byte holds"),
                ("msi.write: { device: d, handle: 1, address: 0, data: 0 }", "stands beside"),
                ("msi.write: { device: d, address: 0xfee00000 }", "'data'"),
                ("msi.write: { device: d, address: 0, data: 0x10000, size: 2 }", "more than 2 bytes hold"),
                ("hpet.write: { reg: GEN_CONF, value: 1 }", "this machine has no HPET"),
                ("expect: { hpet.reg: { reg: GEN_CONF, value: 1 } }", "this machine has no HPET")):
            with self.subTest(step=step):
                self.refused(self.story(step), "4:", saying)

    def test_what_a_read_must_answer_can_fail(self):
        path = self.file(self.story("vtd.read: { reg: GSTS_REG, answers: 0x1 }"))
        done = self.irqfab("run", path)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("vtd.read, GSTS_REG 0x1   (found GSTS_REG 0x0)", done.stdout)

    def test_every_observation_can_fail(self):
        before = ("vtd.enable: { entries: 16 }", "msi.write: { device: d, handle: 2 }")
        for observation, found in (
                ("vtd.reg: { reg: IRTA_REG, value: 0 }", "IRTA_REG 0x200003"),
                ("vtd.fault: { pending: false }", "pending true"),
                ("vtd.fault: { reason: 0x21 }", "reason 0x22"),
                ("vtd.fault: { reason: 0x22, requester: \"00:04.0\" }", "requester 00:03.0"),
                ("vtd.fault: { reason: 0x22, index: 3 }", "index 2"),
                ("vtd.queue: { head: 1 }", "head 0"),
                ("vtd.queue: { head: 0, tail: 1 }", "tail 0"),
                ("vtd.queue: { head: 0, error: true }", "error false"),
                ("vtd.cache: { index: 2, cached: true }", "cached false"),
                ("memory: { address: 0x200000, value: 1 }", "0x0"),
                ("memory: { address: 0xfee00000, value: 0 }", "no memory there"),
                ("hpet.reg: { reg: GEN_CONF, value: 1 }", "GEN_CONF 0x0")):
            with self.subTest(observation=observation):
                steps = (*before, "expect: { " + observation + " }")
                done = self.irqfab("run", self.file(self.story(*steps, machine="hpet: {},")))
                self.assertEqual(done.returncode, FAILED, done.stdout + done.stderr)
                self.assertIn(found + ")", done.stdout)

    def test_a_queue_that_is_full_takes_no_more(self):
        steps = ["vtd.enable: {}", "vtd.descriptor: { low: 0xf }"] + ["vtd.invalidate: {}"] * 254
        self.assertEqual(self.irqfab("run", self.file(self.story(*steps))).returncode, HELD)
        done = self.irqfab("run", self.file(self.story(*steps, "vtd.invalidate: {}")))
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("vtd.invalidate   (found the queue is full)", done.stdout)

    def test_an_old_ioapic_cannot_hold_a_handle(self):
        text = STORY.format(arch="x86-ir", machine="ioapics: [ { version: 0x11 } ],").replace(
            "msix: 4", "intx: A") + "  - wait: 1us\n"
        self.refused(text, "2:", "version 0x11 has no bits for the index of a remapping entry")

    def test_steps_are_printed_as_they_were_written(self):
        for step in ("vtd.irte: { index: 5, vector: 0x41, requester: \"00:03.0\", sq: 1 }",
                     "vtd.irte: { index: 5, vector: 0x41, buses: 01..03, pda: 0x1000, urgent: true }",
                     "vtd.write: { reg: IQT_REG, value: 0x10, size: 8 }",
                     "vtd.wait: { status: 0x1000, data: 0x2, interrupt: true, fence: false }",
                     "hpet.write: { reg: TIM0_CONF, value: 0x4, size: 4 }",
                     "expect: { vtd.fault: { reason: 0x22, requester: \"00:03.0\", index: 5, record: 0 } }"):
            with self.subTest(step=step):
                path = self.file(self.story(step, machine="hpet: { comparators: 2 },"))
                done = self.irqfab("check", path, "--explain")
                self.assertEqual(done.returncode, HELD, done.stderr)
                self.assertIn("  - " + step, done.stdout)


if __name__ == "__main__":
    IRQFAB, ROOT = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    del sys.argv[1:3]
    unittest.main()
