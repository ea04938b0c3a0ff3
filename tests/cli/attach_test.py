#!/usr/bin/env python3
"""Scenarios of any machine in a guest: every path, every kind of device, both engines.

    attach_test.py IRQFAB
"""

import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HELD, FAILED, WRONG = 0, 1, 2
PATHS = ("kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi", "kvm-dynamic-route",
         "kvm-split-irqchip", "vmm-userspace")
WAYS = {path: ("--path", path) for path in PATHS}
WAYS["kvm-direct-inject"] = ("--arch", "x86-pi", "--path", "kvm-direct-inject")
KINDS = {"emulated": ("emulated",), "vhost": ("vhost",), "assigned": ("assigned",),
         "mixed": ("assigned", "emulated", "vhost")}
PORTABLE = ("back-pressure", "interrupts-off", "intx-behind-bridge", "moderation",
            "msi-multi-message", "nested-preemption")
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEVICE = re.compile(r"\{ id: \w+, bdf: ")


def attached(text, kinds):
    """The scenario with its devices attached so, in turn."""
    turn = itertools.cycle(kinds)
    text, devices = DEVICE.subn(lambda m: m.group(0)[:2] + f"attach: {next(turn)}, " +
                                m.group(0)[2:], text)
    assert devices > 0
    return text


class Attached(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="irqfab-attach-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def scenario(self, text):
        path = self.folder / "s.yaml"
        path.write_text(text)
        return path

    def run_one(self, scenario, *args):
        done = subprocess.run([IRQFAB, "run", scenario, "--json", *map(str, args)],
                              capture_output=True, check=False)
        self.assertIn(done.returncode, (HELD, FAILED), done.stderr.decode())
        return done.stdout

    def expect_closed(self, report):
        counts = json.loads(report)["interrupts"]
        self.assertEqual(counts["asserted"], counts["handled"] + counts["coalesced"] +
                         counts["dropped"] + counts["cancelled"])
        self.assertEqual(counts["dropped"], 0)
        self.assertEqual(counts["in_flight"], 0)
        self.assertGreater(counts["handled"], 0)


class PortableTest(Attached):
    def test_the_book_of_every_scenario_closes(self):
        for name in PORTABLE:
            text = (ROOT / "scenarios/x86" / f"{name}.yaml").read_text()
            for kind, kinds in KINDS.items():
                scenario = self.scenario(attached(text, kinds))
                for path, way in WAYS.items():
                    with self.subTest(scenario=name, kind=kind, path=path):
                        self.expect_closed(self.run_one(scenario, *way))

    def test_the_storm_is_the_same_on_both_engines(self):
        text = (ROOT / "scenarios/mixed-storm.yaml").read_text().replace("2ms", "500us")
        for kind in ("assigned", "mixed"):
            scenario = self.scenario(attached(text, KINDS[kind]))
            for path, way in WAYS.items():
                with self.subTest(kind=kind, path=path):
                    traces = []
                    for engine in ("tlm", "fast"):
                        trace = self.folder / f"{engine}.trace"
                        report = self.run_one(scenario, *way, "--engine", engine, "--trace",
                                              trace)
                        self.expect_closed(report)
                        traces.append((report, trace.read_bytes()))
                    self.assertEqual(traces[0], traces[1])

    def test_requesters_and_blocks_of_msi_behind_a_remapping_unit_of_the_host(self):
        text = (ROOT / "scenarios/x86/requester-alias.yaml").read_text()
        text = text.replace("  arch: x86-ir\n", "  host: { cpus: 8, arch: x86-ir }\n")
        scenario = self.scenario(attached(text, KINDS["assigned"]))
        for path in PATHS:
            with self.subTest(path=path):
                self.expect_closed(self.run_one(scenario, "--arch", "x86", "--path", path))

    def test_the_storm_behind_a_remapping_unit_of_the_host(self):
        text = (ROOT / "scenarios/mixed-storm.yaml").read_text().replace("2ms", "300us")
        text = text.replace("  cpus: 16\n", "  cpus: 16\n  host: { cpus: 32, arch: x86-ir }\n")
        for kind in ("assigned", "mixed"):
            scenario = self.scenario(attached(text, KINDS[kind]))
            for path in PATHS:
                with self.subTest(kind=kind, path=path):
                    self.expect_closed(self.run_one(scenario, "--path", path))


class RetargetTest(Attached):
    """What the driver writes into an MSI capability under traffic."""

    MOVED = """irqfab: 1
machine:
  cpus: 2
  devices:
    - { id: nic, bdf: "01:00.0", msi: { vectors: 2, maskable: true } }
  host: { cpus: 6 }
affinity: { nic: 0 }
workload:
  - { source: nic:0, periodic: 100us, for: 400us }
  - { source: nic:1, periodic: 100us, start: 30us, for: 400us }
during: [ { at: 170us, retarget: nic, to: 1 } ]
handler: 1us
afterwards:
  - expect: { cpu.handlers: { cpu: 0, entered: [0x30, 0x31, 0x30, 0x31],
                              acknowledged: [0x30, 0x31, 0x30, 0x31] } }
  - expect: { cpu.handlers: { cpu: 1, entered: [0x30, 0x31, 0x30, 0x31],
                              acknowledged: [0x30, 0x31, 0x30, 0x31] } }
expect: [ lost == 0, nic.handled == 8 ]
"""

    def test_the_next_interrupt_takes_the_new_message(self):
        for kind in ("emulated", "vhost", "assigned"):
            scenario = self.scenario(attached(self.MOVED, KINDS[kind]))
            for path in PATHS:
                with self.subTest(kind=kind, path=path):
                    done = subprocess.run([IRQFAB, "run", scenario, "--path", path],
                                          capture_output=True, check=False)
                    self.assertEqual(done.returncode, HELD, done.stdout.decode()[-600:])


class LineTest(Attached):
    """The INTx of an assigned function."""

    LINE = """irqfab: 1
machine:
  cpus: 2
  devices: [ { id: uart0, bdf: "01:00.0", intx: A, attach: assigned } ]
  host: { cpus: 6 }
workload: [ { source: "uart0:INTA", level: { until: handled }, periodic: 50us, for: 2ms } ]
handler: 1us
expect: [ lost == 0, uart0.handled == 40 ]
"""

    def code(self, *args):
        return subprocess.run([IRQFAB, "run", self.scenario(self.LINE), *args],
                              capture_output=True, check=False).returncode

    def test_every_interrupt_is_handled_on_every_path(self):
        for path, way in WAYS.items():
            with self.subTest(path=path):
                self.assertEqual(self.code(*way), HELD)

    def test_a_split_irqchip_that_never_resamples_fails(self):
        self.assertEqual(self.code("--path", "kvm-split-irqchip", "--mutant",
                                   "split-never-resamples"), FAILED)

    def test_it_begins_with_the_hosts_own_pin(self):
        done = subprocess.run([IRQFAB, "explain", self.scenario(self.LINE), "--source",
                               "uart0:INTA", "--path", "kvm-irqfd", "--json"],
                              capture_output=True, check=True)
        events = [hop["event"] for hop in json.loads(done.stdout)["hops"]]
        self.assertEqual([e for e in events if e not in ("LockAcquired", "Waited")][:9],
                         ["Asserted", "IntxAsserted", "IntxForwarded", "PinLatched", "IoapicSent",
                          "MessageRouted", "VmExited", "HostInterrupted", "EventfdSignalled"])

    def test_the_scenario_of_the_tour_holds(self):
        for engine in ("tlm", "fast"):
            done = subprocess.run([IRQFAB, "run", "--engine", engine,
                                   ROOT / "scenarios/kvm/assigned-intx.yaml"],
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, HELD, done.stdout)


if __name__ == "__main__":
    IRQFAB = sys.argv.pop(1)
    unittest.main()
