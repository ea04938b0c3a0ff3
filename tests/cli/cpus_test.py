#!/usr/bin/env python3
"""Scenarios about CPUs: what they do at each machine key and step, and that their expectations can fail.

Usage: cpus_test.py IRQFAB
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

IRQFAB = None  # from the command line

HELD, FAILED, WRONG = 0, 1, 2

LOAD = """irqfab: 1
machine: {{ cpus: 1, {machine} devices: [ {{ id: nic, bdf: "01:00.0", msix: 40 }} ] }}
workload: [ {{ source: "nic:0", periodic: 50us, for: 1ms }} ]
handler: {handler}
"""
STORY = """irqfab: 1
machine: { cpus: 2 }
setup: [ { lapic.write: { cpu: 0, reg: SVR, value: 0x1ff } } ]
steps:
"""


class Cpus(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-cpus-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def irqfab(self, command, text, *options):
        path = self.folder / "s.yaml"
        path.write_text(text)
        return subprocess.run([IRQFAB, command, str(path), *options], capture_output=True, text=True)

    def story(self, *steps):
        """Exit code and output of a story of steps."""
        done = self.irqfab("run", STORY + "".join(f"  - {step}\n" for step in steps))
        return done.returncode, done.stdout + done.stderr

    def run_load(self, machine="", handler="1us"):
        done = self.irqfab("run", LOAD.format(machine=machine, handler=handler), "--json")
        self.assertEqual(done.returncode, HELD, done.stderr)
        return json.loads(done.stdout)

    def hops(self, run):
        return {hop["event"]: hop for hop in run["hops"]}


class MachineKeys(Cpus):
    def test_a_cpu_that_halts_is_woken_for_every_interrupt(self):
        polling, halting = self.run_load(), self.run_load("idle: halt,")
        self.assertNotIn("CpuWoken", self.hops(polling))
        woken = self.hops(halting)["CpuWoken"]
        self.assertEqual(woken["count"], halting["interrupts"]["handled"])
        self.assertEqual(woken["price_kind"], "published")
        self.assertEqual(halting["paths"][0]["min_ps"] - polling["paths"][0]["min_ps"],
                         woken["p50_ps"])

    def test_explain_shows_the_wake_up(self):
        done = self.irqfab("explain", LOAD.format(machine="idle: halt,", handler="1us"),
                           "--source", "nic:0")
        self.assertEqual(done.returncode, HELD, done.stderr)
        self.assertIn("CpuWoken", done.stdout)

    def test_a_tick_is_a_source_of_its_own(self):
        run = self.run_load("tick: 100us,")
        counts = {path["name"]: path["count"] for path in run["paths"]}
        self.assertEqual(counts, {"nic:msix": 20, "lapics": 9}, "none at its end")

    def test_a_tick_is_what_the_timer_can_count(self):
        done = self.irqfab("run", LOAD.format(machine="tick: 1.005us,", handler="1us"))
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("count 32 bits of 10 ns", done.stderr)

    def test_a_tick_needs_a_workload(self):
        text = "irqfab: 1\nmachine: { cpus: 1, tick: 1ms }\nsteps: [ wait: 1us ]\n"
        done = self.irqfab("run", text)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("as long as the workload", done.stderr)

    def test_interrupts_wait_for_the_end_of_a_stretch(self):
        # At 0 and at every 100 us; the interrupts at 0, 50, 100, ...
        run = self.run_load("interrupts_off: { every: 100us, for: 30us },")
        accepted = self.hops(run)["Accepted"]
        self.assertGreater(accepted["queue_ps"], 10 * 29_000_000)
        self.assertLess(accepted["queue_ps"], 10 * 30_000_000)

    def test_x2apic_mode_costs_and_loses_nothing(self):
        xapic, x2apic = self.run_load(), self.run_load("apic: x2apic,")
        self.assertEqual(xapic["paths"], x2apic["paths"])
        self.assertEqual(xapic["interrupts"], x2apic["interrupts"])


class Handlers(Cpus):
    def test_an_early_acknowledge_ends_the_interrupt_there(self):
        late = self.run_load(handler="{ steps: [ busy 1us, busy 2us ] }")
        early = self.run_load(handler="{ steps: [ busy 1us, acknowledge, busy 2us ] }")
        self.assertEqual(late["paths"][0]["min_ps"] - early["paths"][0]["min_ps"], 2_000_000)
        self.assertEqual(early["interrupts"]["handled"], 20)

    def test_the_hops_of_a_preempted_handler_add_up(self):
        text = """irqfab: 1
machine: { cpus: 1, devices: [ { id: nic, bdf: "01:00.0", msix: 40 } ] }
workload:
  - { source: "nic:0", at: 0us }
  - { source: "nic:16", at: 10us }
handler: { steps: [ enable interrupts, busy 30us ] }
afterwards:
  - expect: { cpu.handlers: { cpu: 0, entered: [ 0x30, 0x40 ], acknowledged: [ 0x40, 0x30 ] } }
"""
        done = self.irqfab("run", text, "--json")
        self.assertEqual(done.returncode, HELD, done.stdout)
        hops = self.hops(json.loads(done.stdout))
        self.assertEqual(hops["HandlerPreempted"]["queue_ps"], 0)
        resumed, step = hops["HandlerResumed"], hops["HandlerStep"]
        self.assertEqual(resumed["queue_ps"], resumed["total_ps"])
        # Two handlers of 30 us worked, whatever they waited.
        self.assertEqual(hops["HandlerPreempted"]["total_ps"] + step["total_ps"], 60_000_000)

    def test_an_order_that_is_another_does_not_hold(self):
        code, text = self.story("lapic.write: { cpu: 0, reg: ICR, value: 0x40041 }",
                                "cpu.execute: { cpu: 0, code: [ sti ] }",
                                "expect: { cpu.handlers: { cpu: 0, entered: [ 0x42 ], "
                                "acknowledged: [ 0x41 ] } }")
        self.assertEqual(code, FAILED)
        self.assertIn("0x41", text)


class Steps(Cpus):
    def test_a_cpu_accepts_what_is_pending(self):
        send = "lapic.write: { cpu: 0, reg: ICR, value: 0x40041 }"
        for vector, code in (("0x41", HELD), ("0x42", FAILED)):
            self.assertEqual(
                self.story(send, f"cpu.accept: {{ cpu: 0, vector: {vector} }}")[0], code)
        self.assertEqual(self.story("cpu.accept: { cpu: 0, vector: 0xff }")[0], HELD, "spurious")

    def test_a_fault_is_answered(self):
        for value, faults, code in (("0xfee00900", "false", HELD), ("0xfee00900", "true", FAILED),
                                    ("1", "true", HELD), ("1", "false", FAILED)):
            step = f"msr.write: {{ cpu: 0, msr: 0x1b, value: {value}, faults: {faults} }}"
            self.assertEqual(self.story(step)[0], code, step)

    def test_a_halted_cpu_executes_nothing(self):
        code, text = self.story("cpu.execute: { cpu: 0, code: [ hlt ] }",
                                "cpu.execute: { cpu: 0, code: [ nop ] }")
        self.assertEqual(code, FAILED)
        self.assertIn("the CPU is halted", text)

    def test_every_observable_can_fail(self):
        for state in ("lapic.reg: { cpu: 0, reg: TPR, value: 1 }",
                      "msr: { cpu: 0, msr: 0x1b, value: 1 }",
                      "msr: { cpu: 0, msr: 0x1b, faults: true }",
                      "msr: { cpu: 0, msr: 0x802, faults: false }",
                      "cpu.state: { cpu: 0, state: halted }"):
            code, text = self.story(f"expect: {{ {state} }}")
            self.assertEqual(code, FAILED, state + text)

    def test_a_pin_of_the_local_apic(self):
        code, text = self.story("lapic.write: { cpu: 0, reg: LVT_LINT1, value: 0x41 }",
                                "lapic.pin: { cpu: 0, pin: LINT1, level: high }",
                                "expect: { lapic.IRR: { cpu: 0, vectors: [ 0x41 ] } }")
        self.assertEqual(code, HELD, text)

    def test_through_kvm_they_are_refused_by_name(self):
        text = ("irqfab: 1\nmachine: { cpus: 1, path: kvm-irqfd }\n"
                "steps: [ cpu.execute: { cpu: 0, code: [ sti ] } ]\n")
        done = self.irqfab("run", text)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("'cpu.execute' on the path 'kvm-irqfd' is not supported yet", done.stderr)


class Rest(Cpus):
    """Steps wait for what moves, but not for armed timers, and not for ever."""
    ARMED = ("lapic.write: { cpu: 0, reg: TIMER_DCR, value: 0xb }",
             "lapic.write: { cpu: 0, reg: LVT_TIMER, value: 0x200ef }",
             "lapic.write: { cpu: 0, reg: 0x380, value: 1000 }")  # every 10 us

    def test_a_periodic_timer_is_not_waited_for_and_can_be_stopped(self):
        code, output = self.story(
            *self.ARMED, "expect: { lapic.IRR: { cpu: 0, vectors: [] } }",
            "wait: 15us", "expect: { lapic.IRR: { cpu: 0, vectors: [0xef] } }",
            "cpu.accept: { cpu: 0, vector: 0xef }",
            "lapic.write: { cpu: 0, reg: 0x380, value: 0 }", "wait: 50us",
            "expect: { lapic.IRR: { cpu: 0, vectors: [] } }")
        self.assertEqual(code, HELD, output)

    def test_a_timer_that_was_left_running_does_not_keep_the_run_going(self):
        code, output = self.story(*self.ARMED)
        self.assertEqual(code, HELD, output)

    def test_waiting_lets_time_pass_though_nothing_happens(self):
        code, output = self.story(*self.ARMED, "wait: 4us",
                                  "expect: { lapic.reg: { cpu: 0, reg: 0x390, value: 600 } }")
        self.assertEqual(code, HELD, output)

    def test_a_line_that_nobody_lowers_fails(self):
        for where in ("setup", "afterwards"):
            text = """irqfab: 1
machine: { cpus: 1, devices: [ { id: l, bdf: "01:01.0", intx: A } ] }
workload: [ { source: "l:INTA", at: 1us } ]
handler: 100us
until: 1ms
%s: [ { line: { pin: 17, level: high } } ]
""" % where
            done = self.irqfab("run", text)
            self.assertEqual(done.returncode, FAILED, done.stderr)
            self.assertIn("the machine comes to rest after 'line'", done.stdout)

    def test_8259s_interrupt_a_cpu_in_either_mode(self):
        for mode in ("xapic", "x2apic"):
            text = """irqfab: 1
machine: { cpus: 1, apic: %s, interrupts: pic, devices: [ { id: d, bdf: "00:03.0", intx: A } ] }
workload: [ { source: "d:INTA", periodic: 50us, for: 1ms } ]
expect: [ handled == 20, lost == 0 ]
""" % mode
            done = self.irqfab("run", text)
            self.assertEqual(done.returncode, HELD, done.stdout + done.stderr)


if __name__ == "__main__":
    IRQFAB = sys.argv.pop(1)
    unittest.main()
