#!/usr/bin/env python3
"""What people and scripts rely on at the command line: exit codes, the fields of JSON documents, where
errors go.

Usage: cli_test.py IRQFAB ROOT, the program and the root of the source tree.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

IRQFAB = ROOT = None  # from the command line

HELD, FAILED, WRONG, CANNOT = 0, 1, 2, 3

TWO_DEVICES = """irqfab: 1
machine:
  cpus: 2
  devices:
    - { id: nvme0, bdf: "01:00.0", msix: 3 }
    - { id: uart0, bdf: "02:00.0", intx: A }
workload:
  - { source: nvme0:1, at: 5us }
  - { source: uart0, at: 900us }
handler: { steps: [ read device 300ns, busy 700ns ] }
"""
ONE_INTERRUPT = """irqfab: 1
machine: { cpus: 2, devices: [ { id: nvme0, bdf: "01:00.0", msix: 3 } ] }
workload: [ { source: "nvme0:1", at: 5us } ]
handler: { steps: [ read device 300ns, busy 700ns ] }
"""


def unbuildable(machine, device="msix: 1", more=""):
    """A scenario of a machine with these lines."""
    lines = "".join(f"  {line}\n" for line in machine)
    return (f'irqfab: 1\nmachine:\n  sockets: 1\n{lines}'
            f'  devices: [ {{ id: nic, bdf: "00:03.0", {device} }} ]\n'
            f"workload: [ {{ source: nic, periodic: 10us, for: 100us }} ]\n{more}")


# What only elaboration finds: the scenario; line, column and text of the key; what is said of it.
UNBUILDABLE = [
    (unbuildable(["cpus: 300"]), (4, 3, "cpus"), "300 CPUs"),
    (unbuildable(["interrupts: pic", "cpus: 2"]), (5, 3, "cpus"), "CPU 0 alone"),
    (unbuildable(["interrupts: pic", "ioapics: [ { pins: 23 } ]"]), (5, 16, "pins"), "PIRQs A to H"),
    (unbuildable(["ioapics: [ { version: 0x11, pins: 8 } ]"], "intx: A"), (4, 31, "pins"),
     "'nic:INTA' drives pin 19, which 'ioapic0' does not have"),
    (unbuildable(["tick: 15ns"]), (4, 3, "tick"), "count 32 bits of 10 ns"),
    (unbuildable(["cpus: 2"], "msi: 2", "during:\n  - { at: 5us, retarget: nic, to: 1 }\n"),
     (8, 26, "nic"), "cannot be moved under traffic"),
    (unbuildable([], "msi: 2", "handler: { steps: [ mask, busy 1us, unmask ] }\n"),
     (6, 10, "{"), "handlers that mask"),
]


def irqfab(*args, stdin="", env=None):
    return subprocess.run([IRQFAB, *map(str, args)], input=stdin, capture_output=True, text=True,
                          env=env)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def scenario(self, text=TWO_DEVICES, name="s.yaml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def run_ok(self, *args, stdin="", code=HELD):
        done = irqfab(*args, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def json_of(self, *args, stdin="", code=HELD):
        return json.loads(self.run_ok(*args, "--json", stdin=stdin, code=code).stdout)

    def refused(self, *args, saying=""):
        done = irqfab(*args)
        self.assertEqual(done.returncode, WRONG, done.stdout + done.stderr)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr


class Parsing(CliTest):
    def test_nothing_to_do_is_wrong(self):
        self.assertEqual(irqfab().returncode, WRONG)

    def test_version(self):
        self.assertRegex(self.run_ok("--version").stdout, r"^irqfab \d+\.\d+\.\d+\n$")

    def test_unknown_options_and_commands_are_wrong(self):
        for command in ("run", "check", "graph"):
            self.refused(command, self.scenario(), "--format", "dot", "--no-such-option")
        self.refused("no-such-command")

    def test_a_missing_file_is_wrong(self):
        for args in (["run"], ["graph", "--format", "dot"], ["explain", "--source", "a:0"]):
            self.refused(args[0], "/no/such/file.yaml", *args[1:],
                         saying="/no/such/file.yaml: error: ")
        done = self.run_ok("check", "/no/such/file.yaml", code=WRONG)
        self.assertIn("/no/such/file.yaml: error: ", done.stderr)

    def test_help_mentions_every_option(self):
        common = ["SCENARIO", "--arch", "--path"]
        options = {
            "run": common + ["--profile", "--seed", "--mutant", "--trace", "--json", "--quiet"],
            "check": common + ["--explain", "--json"],
            "explain": common + ["--source", "--cold", "--sensitivity", "--json"],
            "graph": common + ["--format", "-o"],
            "compare": common + ["--profile", "--seed", "--mutant", "--json", "--quiet"],
            "list": ["WHAT", "--json"],
            "analyze": ["TRACE", "--by", "--worst", "--partial", "--json", "--quiet"],
            "export": ["TRACE", "--format", "-o"],
        }
        for command, names in options.items():
            text = self.run_ok(command, "--help").stdout
            for name in names:
                self.assertIn(name, text, command)
        everything = self.run_ok("--help").stdout
        for command in options:
            self.assertIn(command, everything)

    def test_what_is_not_there_yet_is_refused_by_name(self):
        for command in ("report replay calibrate explore museum "
                        "predict sweep").split():
            self.refused(command, "x.yaml", "--arch", "a,b", "-o", "y",
                         saying=f"'{command}' is not supported yet")
        path = self.scenario()
        for options in (["--set", "machine.cpus=4"], ["--check"], ["--behaviour", "xen"],
                        ["--progress", "on"]):
            name = options[0] if options[0] in ("--set", "--check") else " ".join(options)
            self.refused("run", path, *options, saying=f"'{name}' is not supported yet")
        self.refused("explain", path, "--source", "nvme0:0", "--sensitivity",
                     saying="'--sensitivity' is not supported yet")
        self.refused("list", "invariants", saying="is not supported yet")

    def test_a_word_that_is_no_command_is_named(self):
        for word in ("frobnicate", "rum", "x.yaml", ""):
            self.refused(word, saying=f"there is no command '{word}'; there are run, compare, check")

    def test_what_is_there_is_accepted_by_name(self):
        for engine in ("tlm", "fast"):
            for behaviour in ("spec", "kvm", "qemu", "spec+smi-ignored"):
                self.run_ok("run", self.scenario(), "--engine", engine, "--behaviour", behaviour,
                            "--progress", "off")

    def test_names_that_mean_nothing_are_refused_with_those_that_do(self):
        path = self.scenario()
        self.refused("run", path, "--engine", "warp", saying="there are tlm, fast")
        self.refused("run", path, "--behaviour", "vmware", saying="spec, kvm, qemu, xen")
        self.refused("run", path, "--behaviour", "kvm+x", saying="'kvm+x' names no quirk")
        self.refused("run", path, "--mutant", "m", saying="remote-irr-never-cleared")
        self.refused("run", path, "--profile", "p", saying="x86-skl")
        self.refused("list", "things", saying="archs, paths, profiles")

    def test_options_of_one_value_leave_the_next_word_alone(self):
        self.run_ok("run", "--mutant", "remote-irr-never-cleared", self.scenario(ONE_INTERRUPT))


class Run(CliTest):
    FIELDS = {"schema", "irqfab", "scenario", "arch", "path", "profile", "behaviour", "seed",
              "interrupts", "drops", "paths", "hops", "assumed_share", "expect", "simulated_ps"}
    INTERRUPTS = {"asserted", "handled", "coalesced", "dropped", "cancelled", "in_flight",
                  "spurious", "duplicated"}
    PATH = {"name", "count", "min_ps", "p50_ps", "p90_ps", "p99_ps", "p999_ps", "max_ps",
            "mean_ps"}
    HOP = {"component", "event", "role", "count", "total_ps", "p50_ps", "p99_ps", "queue_ps",
           "price_source", "price_kind"}

    def test_the_json_has_the_fields_that_scripts_count_on(self):
        run = self.json_of("run", ROOT / "scenarios/nvme-8q.yaml")
        self.assertEqual(run["schema"], "irqfab.run/1")
        self.assertLessEqual(self.FIELDS, set(run))
        self.assertLessEqual(self.INTERRUPTS, set(run["interrupts"]))
        self.assertTrue(run["paths"] and run["hops"] and run["expect"])
        for rows, fields in ((run["paths"], self.PATH), (run["hops"], self.HOP),
                             (run["expect"], {"text", "held"})):
            for row in rows:
                self.assertLessEqual(fields, set(row))

    def test_every_interrupt_has_one_outcome(self):
        counts = self.json_of("run", ROOT / "scenarios/nvme-8q.yaml")["interrupts"]
        self.assertGreater(counts["asserted"], 1000)
        self.assertEqual(counts["asserted"], sum(
            counts[k] for k in ("handled", "coalesced", "dropped", "cancelled", "in_flight")))

    def test_an_expectation_that_fails_is_exit_code_1(self):
        done = self.run_ok("run", self.scenario(ONE_INTERRUPT + "expect: [ handled == 2 ]\n"),
                           code=FAILED)
        self.assertIn("FAILED  handled == 2", done.stdout)

    def test_standard_input_is_a_scenario(self):
        self.assertEqual(self.json_of("run", "-", stdin=ONE_INTERRUPT)["interrupts"]["handled"], 1)

    def test_errors_name_file_line_and_column_with_a_caret(self):
        path = self.scenario("irqfab: 1\nmachine: { cpus: 1, sokets: 2 }\n")
        text = self.refused("run", path)
        self.assertIn(f"{path}:2:21: error: ", text)
        self.assertRegex(text, r"\n  machine: .*\n +\^~+\n  expected ")


    def test_an_interrupt_at_a_time_of_its_own_happens(self):
        run = self.json_of("run", self.scenario())
        self.assertEqual(run["interrupts"]["handled"], 2)
        self.assertGreater(run["simulated_ps"], 900_000_000)


class Scenarios(CliTest):
    def test_what_the_architectural_ones_expect_holds(self):
        for path in sorted((ROOT / "scenarios/x86").glob("*.yaml")):
            with self.subTest(path=path):
                self.run_ok("run", path)


class Check(CliTest):
    def test_a_good_scenario_has_no_errors(self):
        done = self.run_ok("check", ROOT / "scenarios/nvme-8q.yaml")
        self.assertEqual(done.stdout, "0 errors, 0 notes\n")
        self.assertEqual(done.stderr, "")

    def test_every_scenario_of_the_tree_is_without_errors(self):
        for path in sorted((ROOT / "scenarios").rglob("*.yaml")):
            with self.subTest(path=path):
                self.run_ok("check", path)

    def test_every_scenario_about_x86_holds(self):
        for path in sorted((ROOT / "scenarios/x86").glob("*.yaml")):
            with self.subTest(path=path):
                self.run_ok("run", path)

    def test_every_scenario_of_a_guest_holds(self):
        for path in sorted((ROOT / "scenarios/x86-pi").glob("vm-*.yaml")):
            with self.subTest(path=path):
                self.run_ok("run", path)

    def test_a_guest_with_a_mutant_fails(self):
        for name, mutant in [("vm-preempted", "on-lost-after-preemption"),
                             ("vm-blocked", "wakeup-vector-not-set"),
                             ("vm-host-affinity", "affinity-clobbers-posted"),
                             ("vm-avic-blocked", "avic-running-stale"),
                             ("vm-multicast", "multicast-posted")]:
            with self.subTest(name=name):
                path = ROOT / f"scenarios/x86-pi/{name}.yaml"
                self.run_ok("run", path, "--mutant", mutant, code=FAILED)

    def test_notes_have_their_place_and_do_not_fail(self):
        path = self.scenario(TWO_DEVICES.replace("  - { source: uart0, at: 900us }\n", ""))
        done = self.run_ok("check", path)
        self.assertIn(f"{path}:6:7: note: nothing makes 'uart0' raise an interrupt\n"
                      "      - { id: uart0", done.stderr)
        self.assertEqual(done.stdout, "0 errors, 1 note\n")

    def test_the_caret_is_there_for_standard_input_too(self):
        text = TWO_DEVICES.replace("  - { source: uart0, at: 900us }\n", "")
        done = self.run_ok("check", "-", stdin=text)
        self.assertRegex(done.stderr, r"<stdin>:6:7: note: .*\n +- \{ id: uart0.*\n +\^\n")

    def test_findings_as_json(self):
        path = self.scenario(TWO_DEVICES.replace("  - { source: uart0, at: 900us }\n", ""))
        check = self.json_of("check", path)
        self.assertEqual(check["schema"], "irqfab.check/1")
        self.assertIn("irqfab", check)
        self.assertEqual(
            [(f["severity"], f["code"], f["file"], f["line"], f["column"]) for f in check["findings"]],
            [("note", "idle-device", str(path), 6, 7)])
        self.assertIn("uart0", check["findings"][0]["message"])

    def test_errors_of_the_reader_as_json(self):
        path = self.scenario("irqfab: 1\nmachine: { cpus: 1, sokets: 2 }\n")
        findings = self.json_of("check", path, code=WRONG)["findings"]
        self.assertEqual([(f["severity"], f["line"], f["column"]) for f in findings],
                         [("error", 2, 21)])

    def test_errors_of_the_reader_as_text(self):
        path = self.scenario("irqfab: 1\nmachine: { cpus: 1, sokets: 2 }\n")
        done = irqfab("check", path)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn(f"{path}:2:21: error: ", done.stderr)
        self.assertEqual(done.stdout, "1 error, 0 notes\n")

    def test_a_price_for_a_component_that_does_not_exist_is_found(self):
        path = self.scenario(ONE_INTERRUPT + "prices: { nvme7.MsiSent: 10ns }\n")
        findings = self.json_of("check", path, code=WRONG)["findings"]
        self.assertEqual([(f["code"], f["line"]) for f in findings], [("unknown-price", 5)])

    def test_a_machine_that_cannot_be_built_is_found(self):
        path = self.scenario("irqfab: 1\nmachine: { cpus: 300 }\n")
        findings = self.json_of("check", path, code=WRONG)["findings"]
        self.assertEqual([f["code"] for f in findings], ["too-many-cpus"])

    def test_the_caret_is_at_the_key_that_is_wrong(self):
        for text, place, saying in UNBUILDABLE:
            path = self.scenario(text)
            line, column, key = place
            shown = text.splitlines()[line - 1]
            self.assertEqual(shown[column - 1:].startswith(key), True, "the test's own place")
            for command in (["run", path], ["run", path, "--trace", self.folder / "t.trace"],
                            ["explain", path, "--source", "nic:0"], ["check", path],
                            ["graph", path, "--format", "dot"]):
                with self.subTest(command=command[0], saying=saying):
                    done = irqfab(*command)
                    self.assertEqual(done.returncode, WRONG, done.stderr)
                    self.assertRegex(done.stderr, re.escape(f"{path}:{line}:{column}: error: ") + ".*"
                                     + re.escape(saying))
                    self.assertIn(f"\n  {shown}\n  {' ' * (column - 1)}^", done.stderr)
                    self.assertIn("\n  expected ", done.stderr)
                    self.assertFalse((self.folder / "t.trace").exists())

    def test_of_many_findings_of_a_kind_the_first_are_shown(self):
        path = self.scenario("irqfab: 1\nmachine:\n  devices:\n" + "".join(
            f'    - {{ id: d{n}, bdf: "{n:02x}:00.0", msix: 1 }}\n' for n in range(25)))
        done = self.run_ok("check", path)
        self.assertEqual(done.stderr.count("note: nothing makes"), 10)
        self.assertIn("... and 15 more 'idle-device' (--json has them all)\n", done.stderr)
        self.assertEqual(done.stdout, "0 errors, 25 notes\n")
        self.assertEqual(len(self.json_of("check", path)["findings"]), 25)

    def test_quiet_leaves_the_exit_code_and_errors(self):
        path = self.scenario(TWO_DEVICES.replace("  - { source: uart0, at: 900us }\n", ""))
        done = self.run_ok("check", path, "--quiet")
        self.assertEqual(done.stdout + done.stderr, "")

    def test_the_filled_scenario_is_a_scenario(self):
        done = self.run_ok("check", self.scenario(), "--explain", "--arch", "x86-ir")
        self.assertIn("arch: x86-ir\n", done.stdout)
        self.assertIn("sockets: 1\n", done.stdout)
        self.assertEqual(done.stderr, "0 errors, 0 notes\n")
        again = self.run_ok("check", "-", "--explain", stdin=done.stdout)
        self.assertEqual(again.stdout, done.stdout)

    def test_the_same_message_behind_two_bridges_is_a_note(self):
        text = """irqfab: 1
machine:
  host_bridges:
    - { id: a, devices: [ { id: x, bdf: "01:00.0", msix: 1 } ] }
    - { id: b, devices: [ { id: y, bdf: "01:00.0", msix: 1 } ] }
steps:
  - msix.entry: { device: x, entry: 0, address: 0xfee00000, data: 0x41, masked: false }
  - msix.entry: { device: y, entry: 0, address: 0xfee00000, data: 0x41, masked: false }
  - raise: x:0
  - raise: y:0
"""
        findings = self.json_of("check", self.scenario(text))["findings"]
        self.assertEqual([(f["severity"], f["code"], f["line"]) for f in findings],
                         [("note", "same-message", 8)])


class Explain(CliTest):
    HOP = {"component", "event", "role", "cycles", "clock", "ps", "price_source", "price_kind"}

    def explained(self, source, *options, text=TWO_DEVICES):
        return self.json_of("explain", self.scenario(text), "--source", source, *options)

    def test_the_hops_add_up_to_the_total(self):
        for arch in ("x86", "x86-ir", "x86-pi"):
            for source in ("nvme0:1", "nvme0:2", "uart0:INTA"):
                for caches in ([], ["--cold"]):
                    with self.subTest(arch=arch, source=source, caches=caches):
                        explained = self.explained(source, "--arch", arch, *caches)
                        self.assertEqual(explained["schema"], "irqfab.explain/1")
                        hops = explained["hops"]
                        self.assertGreater(explained["total_ps"], 1_000_000)
                        self.assertEqual(sum(h["ps"] for h in hops), explained["total_ps"])
                        self.assertEqual(hops[0]["event"], "Asserted")
                        self.assertEqual(hops[-1]["event"], "Handled")
                        for hop in hops:
                            self.assertLessEqual(self.HOP, set(hop))

    def test_a_vcpu_is_told_without_exit_woken_or_not_told(self):
        told = {
            "vm-running": ("nvme0:1", ["NotificationTaken"], ["VmExited", "HostInterrupted"]),
            "vm-blocked": ("nic0:0", ["HostInterrupted", "VcpuWoken", "TaskSwitched",
                                      "VcpuEntered"], ["NotificationTaken"]),
            "vm-preempted": ("nic0:0", ["VcpuEntered"], ["NotificationSent", "HostInterrupted",
                                                         "VcpuWoken", "VmExited"]),
        }
        for name, (source, there, absent) in told.items():
            with self.subTest(scenario=name):
                path = ROOT / f"scenarios/x86-pi/{name}.yaml"
                explained = self.json_of("explain", path, "--source", source)
                hops = explained["hops"]
                self.assertEqual(sum(hop["ps"] for hop in hops), explained["total_ps"])
                self.assertTrue(all(0 <= hop["ps"] <= explained["total_ps"] for hop in hops))
                events = [hop["event"] for hop in hops]
                self.assertEqual([event for event in events if event in there], there)
                self.assertFalse(set(events) & set(absent))

    def test_the_total_is_what_a_run_of_that_interrupt_takes(self):
        path = self.scenario(ONE_INTERRUPT)
        for arch in ("x86", "x86-ir", "x86-pi"):
            run = self.json_of("run", path, "--arch", arch)
            cold = self.json_of("explain", path, "--arch", arch, "--source", "nvme0:1", "--cold")
            self.assertEqual([p["max_ps"] for p in run["paths"] if p["name"] != "vtd0"], [cold["total_ps"]])

    def test_every_hop_takes_what_the_run_says(self):
        path = self.scenario(ONE_INTERRUPT)
        totals = {}
        for hop in self.json_of("explain", path, "--source", "nvme0:1", "--cold")["hops"]:
            if hop["price_kind"] != "waiting":
                key = hop["component"], hop["event"]
                totals[key] = totals.get(key, 0) + hop["ps"]
        run = {(h["component"], h["event"]): h["total_ps"] - h["queue_ps"]
               for h in self.json_of("run", path)["hops"]}
        self.assertEqual({k: v for k, v in totals.items() if v > 0},
                         {k: v for k, v in run.items() if v > 0})

    def test_cold_caches_fetch_what_warm_ones_hold(self):
        events = {}
        for caches in ("warm", "cold"):
            explained = self.explained("nvme0:1", "--arch", "x86-ir",
                                       *(["--cold"] if caches == "cold" else []))
            self.assertEqual(explained["caches"], caches)
            events[caches] = [h["event"] for h in explained["hops"]]
        self.assertIn("IrteFetched", events["cold"])
        self.assertNotIn("IrteFetched", events["warm"])
        self.assertIn("IrteHit", events["warm"])

    def test_cycles_are_those_of_the_clock_that_the_price_is_on(self):
        explained = self.explained("nvme0:1")
        routed = [h for h in explained["hops"] if h["event"] == "MessageRouted"]
        self.assertEqual([(h["cycles"], h["clock"]) for h in routed], [(235, "core")])
        sent = [h for h in explained["hops"] if h["event"] == "MsiSent"]
        self.assertEqual([(h["cycles"], h["clock"], h["ps"]) for h in sent], [(None, None, 20000)])

    def test_assumed_prices_are_added_up(self):
        explained = self.explained("nvme0:1")
        assumed = sum(h["ps"] for h in explained["hops"] if h["price_kind"] == "assumed")
        self.assertGreater(assumed, 0)
        self.assertEqual(explained["assumed_ps"], assumed)

    def test_the_rest_of_the_scenario_does_not_disturb(self):
        storm = TWO_DEVICES.replace("at: 5us", "periodic: 1us, for: 20ms") + (
            "during: [ { at: 1us, mask: nvme0 } ]\nexpect: [ handled == 0 ]\nuntil: 3us\n")
        self.assertEqual(self.explained("nvme0:1", text=storm)["hops"],
                         self.explained("nvme0:1")["hops"])

    def test_a_long_handler_is_over_before_the_explained_interrupt(self):
        explained = self.explained("nvme0:1", text=ONE_INTERRUPT.replace("busy 700ns", "busy 50ms"))
        self.assertEqual(explained["waiting_ps"], 0)

    def test_prices_of_the_scenario_are_named_as_such(self):
        text = ONE_INTERRUPT + "prices: { MsiSent: 77ns, nvme0.MsiSent: 99ns, MessageRouted: 10 cycles }\n"
        hops = self.explained("nvme0:1", text=text)["hops"]
        found = {h["event"]: (h["ps"], h["cycles"], h["price_kind"]) for h in hops}
        self.assertEqual(found["MsiSent"], (99000, None, "scenario"))
        self.assertEqual(found["MessageRouted"], (4000, 10, "scenario"))

    def test_the_text_has_a_row_a_hop_and_a_total(self):
        done = self.run_ok("explain", self.scenario(), "--source", "nvme0:1")
        self.assertRegex(done.stdout, r"nvme0:1 on x86, bare-metal, profile x86-skl, caches warm\n")
        self.assertRegex(done.stdout, r"(?m)^controller +apic_bus +MessageRouted +235 core +94 ns ")
        self.assertRegex(done.stdout, r"\ntotal [\d.]+ us, ends as Handled; [\d.]+ % of the time ")

    def test_an_unknown_source_is_refused_with_those_there_are(self):
        path = self.scenario()
        for source in ("nvme0:3", "nvme0", "nvme0:0..2", "uart0:INTB", "uart0:0", "sda", "", ":", "a:b"):
            with self.subTest(source=source):
                self.refused("explain", path, "--source", source,
                             saying="one of nvme0:0..2, uart0:INTA")
        self.refused("explain", path, saying="--source")


class Graph(CliTest):
    def test_dot_goes_to_standard_output(self):
        done = self.run_ok("graph", self.scenario(), "--format", "dot")
        self.assertTrue(done.stdout.startswith("digraph"))
        for name in ("hb0", "lapics", "ioapic0", "nvme0", "uart0"):
            self.assertIn(name, done.stdout)

    def test_a_file_is_written_whole_or_not_at_all(self):
        path = self.folder / "g.dot"
        done = self.run_ok("graph", self.scenario(), "--format", "dot", "-o", path)
        self.assertEqual(done.stdout, "")
        self.assertEqual(path.read_text(),
                         self.run_ok("graph", self.scenario(), "--format", "dot").stdout)
        self.assertEqual(irqfab("graph", "/no/such.yaml", "--format", "dot", "-o",
                                self.folder / "none.dot").returncode, WRONG)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["g.dot", "s.yaml"])
        self.assertEqual(irqfab("graph", self.scenario(), "--format", "dot", "-o",
                                "/no/such/folder/g.dot").returncode, CANNOT)

    @unittest.skipUnless(shutil.which("dot"), "there is no dot here")
    def test_svg_is_well_formed(self):
        for name in ("nvme-8q", "mixed-storm"):
            for arch in ("x86", "x86-ir", "x86-pi"):
                with self.subTest(name=name, arch=arch):
                    done = self.run_ok("graph", ROOT / f"scenarios/{name}.yaml", "--arch", arch,
                                       "--format", "svg")
                    document = xml.dom.minidom.parseString(done.stdout)
                    self.assertEqual(document.documentElement.tagName, "svg")
                    self.assertIn("ioapic0", done.stdout)
                    self.assertEqual(done.stderr, "")

    def test_without_graphviz_there_is_no_svg(self):
        env = dict(os.environ, PATH=str(self.folder))
        path = self.folder / "g.svg"
        done = irqfab("graph", self.scenario(), "--format", "svg", "-o", path, env=env)
        self.assertEqual(done.returncode, CANNOT, done.stderr)
        self.assertIn("dot", done.stderr)
        self.assertFalse(path.exists())

    def test_a_graphviz_that_fails_makes_no_file(self):
        fake = self.folder / "dot"
        fake.write_text("#!/bin/sh\nread line\necho '<svg'\nexit 4\n")
        fake.chmod(0o755)
        env = dict(os.environ, PATH=str(self.folder))
        path = self.folder / "g.svg"
        done = irqfab("graph", self.scenario(), "--format", "svg", "-o", path, env=env)
        self.assertEqual(done.returncode, CANNOT, done.stderr)
        self.assertFalse(path.exists())

    def test_other_formats_are_wrong(self):
        self.refused("graph", self.scenario(), "--format", "png", saying="--format")
        self.refused("graph", self.scenario(), saying="--format")


class List(CliTest):
    TOPICS = ("archs", "paths", "profiles", "behaviours", "models", "events", "mutants")

    def test_every_topic_is_there_as_text_and_as_json(self):
        for topic in self.TOPICS:
            with self.subTest(topic=topic):
                rows = self.json_of("list", topic)
                self.assertEqual(rows["schema"], "irqfab.list/1")
                text = self.run_ok("list", topic).stdout
                self.assertTrue(rows[topic])
                for row in rows[topic]:
                    self.assertIn(row["name"], text)
                    self.assertTrue(row["meaning"])

    def test_paths_say_where_they_exist_and_which_is_the_default(self):
        paths = {p["name"]: p for p in self.json_of("list", "paths")["paths"]}
        bare = {a["arch"]: a for a in paths["bare-metal"]["archs"]}
        self.assertTrue(bare["x86"]["default"])
        self.assertEqual(bare["x86"]["support"], "now")
        self.assertNotIn("xen-pirq", bare)

    def test_events_say_what_they_cost_and_how_that_is_known(self):
        events = {e["name"]: e for e in self.json_of("list", "events")["events"]}
        routed = events["MessageRouted"]
        self.assertEqual((routed["role"], routed["cycles"], routed["clock"], routed["price_ps"]),
                         ("controller", 235, "core", 94000))
        self.assertEqual(routed["price_kind"], "derived")
        self.assertEqual(events["Dropped"]["detail"], "reason")
        self.assertEqual(events["Dropped"]["price_kind"], "none")

    def test_events_of_a_run_are_those_of_the_list(self):
        names = {e["name"] for e in self.json_of("list", "events")["events"]}
        run = self.json_of("run", ROOT / "scenarios/nvme-8q.yaml")
        self.assertLessEqual({h["event"] for h in run["hops"]}, names)

    def test_models_have_their_ports(self):
        models = {m["name"]: m for m in self.json_of("list", "models")["models"]}
        ports = {p["name"]: p for p in models["host-bridge"]["ports"]}
        self.assertEqual(ports["interrupts"]["kind"], "bus")
        self.assertEqual(ports["pins"]["kind"], "wire")

    def test_the_schema_is_the_one_of_the_tree(self):
        self.assertEqual(self.run_ok("list", "schema").stdout,
                         (ROOT / "scenarios/schema.json").read_text())


if __name__ == "__main__":
    IRQFAB, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
