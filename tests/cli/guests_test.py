#!/usr/bin/env python3
"""Guests with a VMM at the command line: paths, refusals, hops of each path, comparisons."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HELD, FAILED, WRONG = 0, 1, 2
PATHS = ("kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi", "kvm-dynamic-route",
         "kvm-split-irqchip", "vmm-userspace")
ROOT = pathlib.Path(__file__).resolve().parents[2]

GUEST = """irqfab: 1
machine:
  cpus: 2
  host_bridges:
    - {{ id: hb0, devices: [ {{ id: nic, bdf: "00:03.0", msix: 2, attach: {attach} }} ] }}
  host: {{ cpus: 6 }}
workload: [ {{ source: nic, poisson: 10k/s, for: 2ms }} ]
expect: [ lost == 0 ]
"""


def irqfab(*args):
    return subprocess.run([IRQFAB, *map(str, args)], capture_output=True, text=True)


class GuestTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="irqfab-guests-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def scenario(self, text):
        path = self.folder / "s.yaml"
        path.write_text(text)
        return path

    def json_of(self, *args, code=HELD):
        done = irqfab(*args, "--json")
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def events(self, path, attach):
        scenario = self.scenario(GUEST.format(attach=attach))
        explained = self.json_of("explain", scenario, "--source", "nic:1", "--path", path)
        return [hop["event"] for hop in explained["hops"]]


class Paths(GuestTest):
    def test_every_path_delivers_what_every_kind_of_device_raises(self):
        for path in PATHS:
            for attach in ("emulated", "vhost", "assigned"):
                with self.subTest(path=path, attach=attach):
                    run = self.json_of("run", self.scenario(GUEST.format(attach=attach)),
                                       "--path", path)
                    self.assertGreater(run["interrupts"]["handled"], 20)
                    self.assertEqual(run["interrupts"]["in_flight"], 0)

    def test_counts_are_told(self):
        scenario = self.scenario(GUEST.format(attach="emulated"))
        run = self.json_of("run", scenario, "--path", "kvm-dynamic-route")
        self.assertEqual(run["routes"]["misses"], 2)
        self.assertEqual(run["routes"]["hits"], run["interrupts"]["asserted"] - 2)
        self.assertEqual(run["exits"]["user"], 0)
        self.assertGreater(run["exits"]["kernel"], 0)
        self.assertIn("routes: ", irqfab("run", scenario, "--path", "kvm-dynamic-route").stdout)
        self.assertNotIn("routes", self.json_of("run", scenario, "--path", "bare-metal", code=HELD))

    def test_a_key_that_means_nothing_is_refused_by_name(self):
        text = GUEST.format(attach="emulated").replace("cpus: 6", "cpus: 6, kworkers: 2")
        done = irqfab("run", self.scenario(text), "--path", "kvm-signal-msi")
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("s.yaml:6:20: error: 'kworkers' is", done.stderr)


class Hops(GuestTest):
    LEFT_TO_A_KWORKER = {"WorkQueued", "TaskSwitched", "WorkStarted"}

    def test_the_workqueue_has_its_hops_and_the_fast_path_none_of_them(self):
        self.assertLessEqual(self.LEFT_TO_A_KWORKER,
                             set(self.events("kvm-irqfd-workqueue", "vhost")))
        fast = self.events("kvm-irqfd", "vhost")
        self.assertFalse({"WorkQueued", "WorkStarted"} & set(fast))
        self.assertIn("IrqfdRouted", fast)

    def test_what_is_assigned_begins_with_the_hosts_own_interrupt(self):
        self.assertEqual(self.events("kvm-irqfd", "assigned")[:8],
                         ["Asserted", "MsiSent", "BridgeForwarded", "MessageRouted", "VmExited",
                          "HostInterrupted", "LockAcquired", "EventfdSignalled"])

    def test_each_path_says_what_it_does(self):
        for path, attach, event in (("kvm-signal-msi", "emulated", "MsiInjected"),
                                    ("kvm-dynamic-route", "emulated", "RouteSought"),
                                    ("kvm-irqfd", "emulated", "EventfdSignalled"),
                                    ("vmm-userspace", "emulated", "InterruptInjected")):
            with self.subTest(path=path):
                events = self.events(path, attach)
                self.assertEqual(events[:2], ["Asserted", "MsiNotified"])
                self.assertIn(event, events)
                self.assertEqual(events[-1], "Handled")


class Compare(GuestTest):
    def test_paths_stand_side_by_side(self):
        compared = self.json_of("compare", ROOT / "scenarios/nvme-8q.yaml", "--path",
                                ",".join(("bare-metal",) + PATHS), code=FAILED)
        self.assertEqual(compared["schema"], "irqfab.compare/1")
        self.assertEqual([c["path"] for c in compared["columns"]], ["bare-metal", *PATHS])
        for column in compared["columns"]:
            counts = column["run"]["interrupts"]
            with self.subTest(path=column["path"]):
                self.assertEqual(column["arch"], "x86")
                self.assertEqual(counts["asserted"],
                                 counts["handled"] + counts["coalesced"] + counts["dropped"] +
                                 counts["cancelled"] + counts["in_flight"])
                self.assertEqual(counts["in_flight"], 0)

    def test_the_fast_path_saves_the_kworker_and_what_waits_for_it(self):
        compared = self.json_of("compare", ROOT / "scenarios/seeds/irqfd-fast-path.yaml", "--path",
                                "kvm-irqfd-workqueue,kvm-irqfd", code=FAILED)
        before, after = (column["run"] for column in compared["columns"])
        for key in ("p50_ps", "p99_ps"):
            self.assertGreater(before["paths"][0]["to_handler"][key],
                               after["paths"][0]["to_handler"][key])

        def spread(run):
            row = run["paths"][0]["to_handler"]
            return row["p99_ps"] - row["p50_ps"]
        self.assertGreater(spread(before), spread(after))

    def test_a_pair_that_does_not_exist_is_refused(self):
        done = irqfab("compare", ROOT / "scenarios/nvme-8q.yaml", "--arch", "x86,x86-ir", "--path",
                      "kvm-irqfd")
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("full in-kernel irqchip", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_an_empty_name_is_refused(self):
        done = irqfab("compare", ROOT / "scenarios/nvme-8q.yaml", "--path", "kvm-irqfd,")
        self.assertEqual(done.returncode, WRONG)


class StoreTest(unittest.TestCase):
    """Stores of the guest and interrupts that a VM of steps takes."""

    def test_the_scenarios_hold_on_both_engines(self):
        for name in ("kvm/ioeventfd.yaml", "seeds/irqfd-level-workqueue.yaml"):
            for engine in ("tlm", "fast"):
                done = irqfab("run", "--engine", engine, ROOT / "scenarios" / name)
                self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)

    def run_steps(self, steps, path="kvm-irqfd"):
        with tempfile.TemporaryDirectory(prefix="irqfab-stores-") as folder:
            scenario = pathlib.Path(folder) / "s.yaml"
            scenario.write_text(f"irqfab: 1\nmachine: {{ cpus: 1, path: {path} }}\nsteps:\n{steps}")
            return irqfab("run", scenario)

    def test_a_store_that_matches_does_not_go_to_user_space(self):
        done = self.run_steps("""
  - kvm.ioeventfd: { eventfd: A, address: 0xfe000000, data: 5 }
  - guest.store: { address: 0xfe000000, value: 5, answers: -EOPNOTSUPP }
""")
        self.assertEqual(done.returncode, FAILED, done.stderr)

    def test_a_store_needs_a_vm_and_fits_its_size(self):
        bare = self.run_steps("  - guest.store: { address: 0, value: 5 }\n", "bare-metal")
        self.assertEqual(bare.returncode, WRONG)
        self.assertIn("'guest.store'", bare.stderr)
        wide = self.run_steps("  - guest.store: { address: 0, value: 256, size: 1 }\n")
        self.assertEqual(wide.returncode, WRONG)
        self.assertIn("more than an access of 1 byte", wide.stderr)

    def test_a_vcpu_that_has_nothing_to_accept_says_so(self):
        done = self.run_steps("  - cpu.accept: { cpu: 0, vector: 0x41 }\n")
        self.assertEqual(done.returncode, FAILED, done.stderr)


if __name__ == "__main__":
    IRQFAB = sys.argv.pop(1)
    unittest.main()
