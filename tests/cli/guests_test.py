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


DIRECT = """irqfab: 1
machine:
  arch: x86-pi
  path: kvm-direct-inject
  cpus: 2
  {machine}
  devices:
    - {{ id: nic, bdf: "01:00.0", msix: 2{nic} }}
    - {{ id: old, bdf: "01:01.0", msi: 2{nic} }}
    - {{ id: line, bdf: "01:02.0", intx: A{line} }}
workload:
  - {{ source: nic, poisson: 10k/s, for: 2ms }}
  - {{ source: old, poisson: 9k/s, for: 2ms }}
  - {{ source: "line:INTA", level: {{ until: handled }}, periodic: 90us, for: 2ms }}
during:
  - {{ at: 300us, every: 200us, retarget: nic, to: random }}
  - {{ at: 500us, mask: "nic:0" }}
  - {{ at: 700us, unmask: "nic:0" }}
expect: [ lost == 0, in_flight == 0, spurious == 0, duplicated == 0 ]
"""


class DirectInject(GuestTest):
    def both_engines(self, text):
        scenario = self.scenario(text)
        traces = []
        for engine in ("tlm", "fast"):
            trace = self.folder / f"{engine}.trace"
            done = irqfab("run", scenario, "--engine", engine, "--trace", trace)
            self.assertEqual(done.returncode, HELD, done.stderr + done.stdout)
            traces.append(trace.read_bytes())
        self.assertEqual(*traces)

    def test_every_kind_of_device_stands_beside_every_other(self):
        for nic in ("", ", attach: assigned", ", attach: emulated", ", attach: vhost"):
            for line in ("", ", attach: assigned", ", attach: emulated"):
                for machine in ("apic: xapic", "apic: x2apic", "tick: 200us", "idle: halt"):
                    with self.subTest(nic=nic, line=line, machine=machine):
                        self.both_engines(DIRECT.format(nic=nic, line=line, machine=machine))

    def test_only_what_is_assigned_is_posted_by_the_unit(self):
        first = {}
        for attach in ("assigned", "emulated", "vhost"):
            text = DIRECT.format(nic=f", attach: {attach}", line="", machine="apic: xapic")
            explained = self.json_of("explain", self.scenario(text), "--source", "nic:1")
            first[attach] = {hop["event"] for hop in explained["hops"]}
        self.assertIn("Posted", first["assigned"])
        self.assertFalse({"HostInterrupted", "EventfdSignalled"} & first["assigned"])
        for attach in ("emulated", "vhost"):
            self.assertNotIn("Posted", first[attach])
            self.assertLess({"EventfdSignalled", "IrqfdRouted", "PirSynced"}, first[attach])

    def test_only_interrupts_of_the_host_move_on_the_host(self):
        text = (ROOT / "scenarios/x86-pi/vm-host-affinity.yaml").read_text()
        done = irqfab("run", self.scenario(text.replace("msix: 2", "msix: 2, attach: vhost")))
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("'host-affinity' moves interrupts of the host", done.stderr)

    def test_what_amd_does_for_a_guest_is_refused_by_name(self):
        avic = "host: { virtualization: avic }"
        text = DIRECT.format(nic="", line=", attach: emulated", machine=avic)
        done = irqfab("run", self.scenario(text))
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("what AMD-Vi does for a guest is not supported yet", done.stderr)
        self.both_engines(DIRECT.format(nic=", attach: vhost", line=", attach: emulated",
                                        machine=avic))


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


class Routes(GuestTest):
    """What becomes of vectors that no route is left for."""
    FEW = GUEST.format(attach="emulated").replace("cpus: 6", "cpus: 6, gsis: {gsis}")

    def noted(self, text, path):
        done = irqfab("check", self.scenario(text), "--path", path)
        self.assertEqual(done.returncode, HELD, done.stderr)
        return done.stderr

    def test_check_notes_how_many_of_which_devices_and_why(self):
        noted = self.noted(self.FEW.replace("{gsis}", "32"), "kvm-irqfd")
        self.assertIn("s.yaml:5:29: note: 2 of the 2 vectors of 'nic' get no route", noted)
        self.assertIn("room for 32 entries, of which pins take 38 and messages 0\n", noted)
        self.assertIn("1 of the 2 vectors of 'nic'", self.noted(self.FEW.replace("{gsis}", "39"),
                                                                "kvm-irqfd"))
        for path, gsis in (("kvm-irqfd", 40), ("kvm-split-irqchip", 32), ("kvm-dynamic-route", 40)):
            self.assertEqual(self.noted(self.FEW.replace("{gsis}", str(gsis)), path), "", path)
        self.assertIn("no route can be made on demand, so every message is lost",
                      self.noted(self.FEW.replace("{gsis}", "38"), "kvm-dynamic-route"))

    def test_run_counts_them(self):
        for gsis, fallbacks in ((32, 2), (39, 1), (40, 0)):
            with self.subTest(gsis=gsis):
                scenario = self.scenario(self.FEW.replace("{gsis}", str(gsis)))
                run = self.json_of("run", scenario, "--path", "kvm-irqfd")
                self.assertEqual(run["routes"]["fallbacks"], fallbacks)
                self.assertEqual([(row["device"], row["vectors"], row["of"]) for row in run["no_route"]],
                                 [("nic", fallbacks, 2)] if fallbacks > 0 else [])
                text = irqfab("run", scenario, "--path", "kvm-irqfd").stdout
                told = f"no route: {fallbacks} of 2 vectors of nic"
                self.assertEqual(told in text, fallbacks > 0, text)
                self.assertEqual("  since the routing table has room" in text, fallbacks > 0)

    def test_the_kernel_takes_as_many_as_the_vmm_was_told(self):
        text = self.FEW.replace("{gsis}", "39").replace("lost == 0", "routes.refused == 0")
        self.json_of("run", self.scenario(text), "--path", "kvm-irqfd")
        refused = self.json_of("run", self.scenario(text), "--path", "kvm-irqfd", "--mutant",
                               "routes-limited-by-gsi", code=FAILED)
        self.assertEqual(refused["routes"]["refused"], 1)


class Reports(GuestTest):
    def test_a_time_that_failed_is_told_in_a_unit_to_read_and_in_ps_to_scripts(self):
        text = GUEST.format(attach="emulated").replace("lost == 0", "p50 < 1ns")
        run = self.json_of("run", self.scenario(text), "--path", "kvm-irqfd", code=FAILED)
        found = run["paths"][0]["p50_ps"]
        self.assertEqual(run["expect"][0]["found"], f"{found} ps")
        told = irqfab("run", self.scenario(text), "--path", "kvm-irqfd").stdout
        unit, ps = ("us", 10**6) if found >= 10**6 else ("ns", 10**3)
        exact = f"{found // ps}.{found % ps:0{len(str(ps)) - 1}}".rstrip("0").rstrip(".")
        self.assertIn(f"FAILED  p50 < 1ns   (found {exact} {unit})\n", told)

    def test_the_exits_of_a_vcpu_are_a_lane_of_its_own_that_prices_can_name(self):
        text = GUEST.format(attach="emulated")
        trace = self.folder / "t.trace"
        quiet = ("--path", "kvm-irqfd", "--quiet", "--trace", trace)
        self.assertEqual(irqfab("run", self.scenario(text), *quiet).returncode, HELD)
        nodes = irqfab("export", trace, "--format", "csv").stdout
        self.assertIn(",kvm,vcpu1.exits,", nodes)
        self.assertNotIn("vcpu-exits", nodes)
        text += 'prices: { "vcpu1.exits.EoiVirtualized": 1us }\n'
        self.assertEqual(irqfab("run", self.scenario(text), *quiet).returncode, HELD)


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
        for name in ("kvm/ioeventfd.yaml", "kvm/irqchip-pic.yaml",
                     "seeds/irqfd-level-workqueue.yaml"):
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

    def test_steps_of_boards_that_the_vm_has_not_are_refused(self):
        for step in ("line: { pin: 4, level: high }", "ioapic.write: { reg: 0x10, value: 0x41 }",
                     "io.write: { port: 0x20, value: 0x11 }",
                     "expect: { msix.PBA: { device: d, value: 0 } }"):
            with self.subTest(step=step):
                done = self.run_steps(f"  - {step}\n  - kvm.irq_line: {{ gsi: 4, level: high }}\n")
                self.assertEqual(done.returncode, WRONG, done.stdout)
                self.assertIn("error: '" + step[:step.index(":")].split("expect")[0], done.stderr)

    def test_a_store_needs_a_vm_and_fits_its_size(self):
        bare = self.run_steps("  - guest.store: { address: 0, value: 5 }\n", "bare-metal")
        self.assertEqual(bare.returncode, WRONG)
        self.assertIn("'guest.store'", bare.stderr)
        wide = self.run_steps("  - guest.store: { address: 0, value: 256, size: 1 }\n")
        self.assertEqual(wide.returncode, WRONG)
        self.assertIn("more than an access of 1 byte", wide.stderr)

    def test_a_call_of_another_thread_is_only_begun(self):
        begun = self.run_steps("""
  - kvm.irqfd: { eventfd: A, gsi: 24, thread: 1 }
  - eventfd.write: { fd: A, thread: 2 }
  - expect: { eventfd.counter: { fd: A, value: 0 } }
  - wait: 1ms
  - eventfd.close: { fd: A }
""")
        self.assertEqual(begun.returncode, HELD, begun.stdout + begun.stderr)
        done = self.run_steps("  - kvm.irqfd: { eventfd: A, gsi: 24, thread: 1, answers: 0 }\n")
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("a call of another thread than 0 is not waited for", done.stderr)

    def test_an_eventfd_that_is_closed_takes_its_irqfd_along(self):
        done = self.run_steps("""
  - kvm.set_gsi_routing: { routes: [ { gsi: 24, msi: { address: 0xfee00000, data: 0x41 } } ] }
  - kvm.irqfd: { eventfd: A, gsi: 24, answers: 0 }
  - eventfd.close: { fd: A }
  - kvm.irqfd: { eventfd: A, gsi: 24, deassign: true, answers: -EBADF }
  - eventfd.write: { fd: A }
  - expect: { lapic.IRR: { cpu: 0, vectors: [] } }
""")
        self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)

    def test_faults_are_counted_there_as_well(self):
        steps = "  - kvm.irqfd: { eventfd: A, gsi: 24 }\nexpect: [ faults == 0 ]\n"
        self.assertEqual(self.run_steps(steps).returncode, HELD)

    def test_a_vcpu_that_has_nothing_to_accept_says_so(self):
        done = self.run_steps("  - cpu.accept: { cpu: 0, vector: 0x41 }\n")
        self.assertEqual(done.returncode, FAILED, done.stderr)


if __name__ == "__main__":
    IRQFAB = sys.argv.pop(1)
    unittest.main()
