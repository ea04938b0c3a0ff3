#!/usr/bin/env python3
"""What options come to at the command line: mutants that are told, options that contradict each other,
refusals that name them, comparisons as a page, and hosts whose defaults are filled in.

Usage: options_test.py IRQFAB, the program.
"""
import html.parser
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

IRQFAB = None  # from the command line

HELD, FAILED, WRONG, CANNOT = 0, 1, 2, 3

ONE_INTERRUPT = """irqfab: 1
title: {title}
machine:
  cpus: 2
  devices: [ {{ id: nic, bdf: "01:00.0", msix: 3{device} }} ]
{host}workload: [ {{ source: "nic:1", at: 5us }} ]
"""
GUEST_PATHS = ("kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi", "kvm-dynamic-route",
               "kvm-split-irqchip", "vmm-userspace")


def irqfab(*args, stdin="", cwd=None):
    return subprocess.run([IRQFAB, *map(str, args)], input=stdin, capture_output=True, text=True,
                          cwd=cwd)


class OptionsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="irqfab-options-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def scenario(self, host="", device="", title="one"):
        path = self.folder / "s.yaml"
        path.write_text(ONE_INTERRUPT.format(host=f"  host: {{ {host} }}\n" if host else "",
                                             device=device, title=json.dumps(title)))
        return path

    def ends(self, code, *args, stdin=""):
        done = irqfab(*args, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def refused(self, *args, saying):
        done = self.ends(WRONG, *args)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def json_of(self, *args, code=HELD):
        return json.loads(self.ends(code, *args, "--json").stdout)


class Mutants(OptionsTest):
    EARLY, NEVER = "invalidation-wait-early", "remote-irr-never-cleared"
    BOTH = ("--mutant", NEVER, "--mutant", EARLY)
    NOTE = ("--mutant 'irqfd-not-cleared': note: it is a defect of irqfds, and the machine of x86, "
            "bare-metal has none: it changes nothing\n")

    def test_a_report_names_those_that_are_on_in_the_order_of_the_list(self):
        path = self.scenario()
        told = f", mutant {self.EARLY}, mutant {self.NEVER}"
        machine = ("--arch", "x86-ir", *self.BOTH)
        self.assertIn(f"behaviour spec{told}, seed 1",
                      self.ends(HELD, "run", path, *machine).stdout)
        self.assertIn(f"behaviour spec{told}, seed 1",
                      self.ends(HELD, "compare", path, *machine).stdout)
        self.assertIn(f"caches warm{told}\n",
                      self.ends(HELD, "explain", path, "--source", "nic:1", *machine).stdout)
        for command in (["run", path], ["explain", path, "--source", "nic:1"]):
            self.assertEqual(self.json_of(*command, *machine)["mutants"], [self.EARLY, self.NEVER])
        columns = self.json_of("compare", path, *machine)["columns"]
        self.assertEqual(columns[0]["run"]["mutants"], [self.EARLY, self.NEVER])

    def test_without_one_there_is_none(self):
        path = self.scenario()
        self.assertEqual(self.json_of("run", path)["mutants"], [])
        for command in (["run", path], ["compare", path], ["explain", path, "--source", "nic:1"]):
            self.assertNotIn("mutant", self.ends(HELD, *command).stdout)

    def test_a_trace_names_them_and_so_does_its_analysis(self):
        plain, mutant = self.folder / "plain", self.folder / "mutant"
        path = self.scenario()
        self.ends(HELD, "run", path, "--quiet", "--trace", plain)
        self.ends(HELD, "run", path, "--quiet", "--trace", mutant, "--mutant", self.NEVER)
        self.assertIn(f'"mutants":["{self.NEVER}"]'.encode(), mutant.read_bytes())
        self.assertNotIn(b'"mutants"', plain.read_bytes())
        self.assertEqual(self.json_of("analyze", mutant)["mutants"], [self.NEVER])
        self.assertIn(f"behaviour spec, mutant {self.NEVER}, seed",
                      self.ends(HELD, "analyze", mutant).stdout)
        self.refused("analyze", plain, mutant, saying=f"behaviour spec, mutant {self.NEVER};")

    def test_one_whose_part_the_machine_does_not_have_is_told(self):
        path = self.scenario()
        for command in (["run", path], ["compare", path], ["explain", path, "--source", "nic:1"]):
            with self.subTest(command=command[0]):
                idle = (*command, "--mutant", "irqfd-not-cleared")
                self.assertEqual(self.ends(HELD, *idle).stderr, self.NOTE)
                self.assertEqual(self.ends(HELD, *idle, "--quiet").stderr, "")
                self.assertEqual(self.ends(HELD, *idle, "--path", "kvm-irqfd").stderr, "")
                self.assertEqual(
                    self.ends(HELD, *command, "--mutant", self.NEVER).stderr, "")
        both = self.ends(HELD, "compare", path, "--path", "bare-metal,kvm-irqfd", "--mutant",
                         "irqfd-not-cleared")
        self.assertEqual(both.stderr, self.NOTE)

    def idle(self, mutant, path, arch="x86", host="", device=""):
        done = self.ends(HELD, "run", self.scenario(host, device), "--arch", arch, "--path", path,
                         "--mutant", mutant)
        return "changes nothing" in done.stderr

    def test_each_belongs_to_a_part_of_the_machine(self):
        everywhere = [("x86", "bare-metal"), ("x86-ir", "bare-metal"), ("x86-pi", "bare-metal"),
                      *(("x86", path) for path in GUEST_PATHS)]
        remapped = {("x86-ir", "bare-metal"), ("x86-pi", "bare-metal")}
        by_irqfd = {("x86", path) for path in ("kvm-irqfd", "kvm-irqfd-workqueue",
                                               "kvm-split-irqchip")}
        guests = {("x86", path) for path in GUEST_PATHS}
        demand, user, signal, split = (
            {("x86", path)} for path in ("kvm-dynamic-route", "vmm-userspace", "kvm-signal-msi",
                                         "kvm-split-irqchip"))
        belongs = {
            "remote-irr-never-cleared": set(everywhere),
            "tmr-cleared-by-eoi": set(everywhere),
            "invalidation-wait-early": remapped,
            "iec-filled-early": remapped,
            "old-irte-left": remapped,
            "ioapic-clear-remapped": remapped,
            "affinity-clobbers-posted": set(),
            "on-lost-after-preemption": by_irqfd | signal,
            "avic-running-stale": set(),
            "gsi-limit-off-by-one": by_irqfd | demand,
            "hash-before-commit": demand,
            "routes-freed-early": by_irqfd | demand,
            "irqfd-not-cleared": by_irqfd,
            "sequence-not-checked": by_irqfd - {("x86", "kvm-irqfd-workqueue")},
            "line-without-or": guests - split - user,
            "split-never-resamples": split,
        }
        for mutant, machines in belongs.items():
            for arch, path in everywhere:
                with self.subTest(mutant=mutant, arch=arch, path=path):
                    self.assertEqual(self.idle(mutant, path, arch), (arch, path) not in machines)

    def test_the_part_follows_from_the_host_as_well(self):
        self.assertFalse(self.idle("avic-running-stale", "kvm-irqfd", host="virtualization: avic"))
        self.assertTrue(self.idle("wakeup-vector-not-set", "kvm-irqfd", host="virtualization: avic"))
        self.assertTrue(self.idle("sequence-not-checked", "kvm-irqfd", host="irqfd: pointer"))
        self.assertFalse(self.idle("hash-before-commit", "kvm-irqfd", host="routes: on-demand"))
        self.assertFalse(self.idle("invalidation-wait-early", "kvm-irqfd", host="arch: x86-ir",
                                   device=", attach: assigned"))
        self.assertTrue(self.idle("old-irte-left", "kvm-irqfd", host="arch: x86-ir",
                                  device=", attach: assigned"))

    def test_the_list_says_what_each_is_a_defect_of(self):
        rows = {row["name"]: row for row in self.json_of("list", "mutants")["mutants"]}
        self.assertEqual(rows["irqfd-not-cleared"]["of"], "irqfds")
        self.assertTrue(all(row["of"] for row in rows.values()))
        self.assertRegex(self.ends(HELD, "list", "mutants").stdout,
                         r"(?m)^mutant +a defect of +meaning\n(.*\n)*irqfd-not-cleared +irqfds +Taking")


class Refusals(OptionsTest):
    def test_what_is_wrong_names_its_option(self):
        path = self.scenario()
        for args, saying in (
                (["explain", path, "--source", "nope:1"],
                 "--source 'nope:1': error: there is no device 'nope'\n  expected one of nic:0..2"),
                (["run", path, "--mutant", "m"],
                 "--mutant 'm': error: there is no such mutant\n  expected one of: inval"),
                (["run", path, "--profile", "p"], "--profile 'p': error: there is no profile 'p'\n"),
                (["run", path, "--arch", "x68"],
                 "--arch 'x68': error: 'x68' is not a fabric, did you mean 'x86'?"),
                (["run", path, "--path", "kvm"], "--path 'kvm': error: 'kvm' is not a path"),
                (["run", path, "--arch", "x86-ir", "--path", "kvm-irqfd"],
                 "--arch 'x86-ir' --path 'kvm-irqfd': error: the path 'kvm-irqfd' does not exist on "),
                (["run", path, "--engine", "warp"], "--engine: there is no engine 'warp'"),
                (["run", path, "--behaviour", "x"], "--behaviour: there is no behaviour 'x'"),
                (["run", path, "--behaviour", "kvm+x"], "--behaviour: 'kvm+x' names no quirk")):
            with self.subTest(args=args[2:]):
                self.refused(*args, saying=saying)

    def test_what_the_file_says_stays_the_files(self):
        path = self.scenario()
        path.write_text(path.read_text() + "profile: p\n")
        self.refused("run", path, saying=f"{path}: error: there is no profile 'p'")
        self.refused("run", path, "--profile", "q", saying="--profile 'q': error: ")

    def test_a_pair_that_does_not_exist_has_its_own_reason(self):
        path = self.scenario()
        text = self.refused("run", path, "--arch", "x86-pi", "--path", "kvm-irqfd",
                            saying="which is 'kvm-direct-inject'")
        self.assertNotIn("sees", text)
        self.refused("run", path, "--arch", "x86-ir", "--path", "kvm-irqfd",
                     saying="sees VT-d remapping")

    def test_a_document_and_silence_contradict_each_other(self):
        path = self.scenario()
        trace = self.folder / "t"
        self.ends(HELD, "run", path, "--quiet", "--trace", trace)
        for command in (["run", path], ["compare", path], ["check", path],
                        ["explain", path, "--source", "nic:1"], ["analyze", trace],
                        ["conform", "-"]):
            with self.subTest(command=command[0]):
                self.refused(*command, "--quiet", "--json", saying="'--json'")
                self.assertIn("not with --json", self.ends(HELD, command[0], "--help").stdout)
        self.refused("check", path, "--quiet", "--explain", saying="'--explain'")

    def test_silence_is_the_exit_code_and_errors(self):
        path = self.scenario()
        trace = self.folder / "t"
        for command in (["run", path, "--trace", trace], ["compare", path], ["check", path],
                        ["explain", path, "--source", "nic:1"], ["analyze", trace]):
            with self.subTest(command=command[0]):
                done = self.ends(HELD, *command, "--quiet")
                self.assertEqual(done.stdout + done.stderr, "")
        whole = trace.read_bytes()
        trace.write_bytes(whole[:-60])
        done = self.ends(HELD, "analyze", trace, "--partial", "--quiet")
        self.assertEqual(done.stdout + done.stderr, "")
        self.assertIn("note: ", self.ends(HELD, "analyze", trace, "--partial").stderr)

    def test_halt_polling_needs_local_apics_in_the_kernel(self):
        path = self.scenario(host="halt_poll: { most: 50us }")
        text = self.refused("run", path, "--path", "vmm-userspace",
                            saying=f"{path}:6:11: error: 'halt_poll' is KVM's polling for a halted "
                            "vCPU whose local APIC is in the kernel, and the path 'vmm-userspace' "
                            "has none")
        self.assertIn("\n            ^~~~~~~~~\n", text)
        for other in ("bare-metal", "kvm-irqfd", "kvm-split-irqchip"):
            self.ends(HELD, "run", path, "--path", other)

    def test_a_vm_that_is_called_has_none_of_the_hosts_settings(self):
        path = self.folder / "calls.yaml"
        text = ("irqfab: 1\nmachine: {{ path: kvm-irqfd, host: {{ {} }} }}\n"
                "steps: [ {{ wait: 1us }} ]\n")
        path.write_text(text.format("irqfd: pointer"))
        self.refused("run", path, saying="'irqfd' is the form of the fast path, and a VM whose calls "
                     "the scenario makes has none")
        path.write_text(text.format("cpus: 2, slice: 1ms, halt_poll: { most: 0s }"))
        self.ends(HELD, "run", path)


class Page(html.parser.HTMLParser):
    """The cells of the tables, a list a row; what is outside of them; elements that fetch or run."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.outside, self.tags, self.cell = [], "", [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.cell = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        if self.cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.cell = False

    def handle_data(self, data):
        if self.cell:
            self.rows[-1][-1] += data
        else:
            self.outside += data


class Compare(OptionsTest):
    def test_a_column_that_stands_there_twice_is_refused(self):
        path = self.scenario()
        self.refused("compare", path, "--path", "kvm-irqfd,bare-metal,kvm-irqfd",
                     saying="--path: 'kvm-irqfd' stands there twice")
        self.refused("compare", path, "--arch", "x86,x86", saying="--arch: 'x86' stands there twice")
        self.refused("compare", path, "--path", "kvm-irqfd,,bare-metal",
                     saying="--path: a name between two commas is empty")
        self.refused("compare", path, "--arch", ",x86", saying="--arch: a name between two commas")
        self.ends(HELD, "compare", path, "--path", "kvm-irqfd,bare-metal")

    def test_the_page_has_the_rows_of_the_text(self):
        path, page = self.scenario(), self.folder / "p.html"
        args = ("compare", path, "--path", "bare-metal,kvm-irqfd")
        done = self.ends(HELD, *args, "--html", page)
        self.assertEqual(done.stdout, self.ends(HELD, *args).stdout)
        text = [line.split() for line in done.stdout.splitlines() if line]
        rows = [" ".join(row).split() for row in Page(page.read_text()).rows]
        self.assertGreater(len(rows), 20)
        self.assertEqual(rows, [row for row in text if row in rows])
        self.assertEqual(rows, text[2:])

    def test_the_page_needs_nothing_else_and_shows_what_is_in_the_scenario(self):
        title = "<script>alert('1')</script> & \"more\""
        path, page = self.scenario(title=title), self.folder / "p.html"
        path.write_text(path.read_text() + "expect: [ handled == 2 ]\n")
        self.ends(FAILED, "compare", path, "--html", page)
        text = page.read_text()
        found = Page(text)
        self.assertFalse({"script", "link", "img", "iframe"} & set(found.tags))
        self.assertNotIn("http", text)
        self.assertEqual(found.outside.count(title), 2)
        self.assertIn("FAILED: bare-metal: handled == 2", found.outside)

    def test_the_page_alone_may_be_on_standard_output(self):
        path, page = self.scenario(), self.folder / "p.html"
        self.refused("compare", path, "--html", "-", saying="'--html -' needs '--quiet'")
        self.ends(HELD, "compare", path, "--quiet", "--html", page)
        alone = self.ends(HELD, "compare", path, "--quiet", "--html", "-").stdout
        self.assertEqual(alone, page.read_text())
        self.assertEqual(self.json_of("compare", path, "--html", page)["schema"],
                         "irqfab.compare/1")

    def test_the_page_is_written_whole_or_not_at_all(self):
        path, page = self.scenario(), self.folder / "p.html"
        page.write_text("old")
        self.ends(WRONG, "compare", path, "--path", "bare-metal,nope", "--html", page)
        self.assertEqual(page.read_text(), "old")
        self.refused("compare", path, "--html", path, saying="would be overwritten")
        self.ends(CANNOT, "compare", path, "--html", self.folder / "no" / "p.html")
        self.ends(HELD, "compare", path, "--html", page)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["p.html", "s.yaml"])


class Filled(OptionsTest):
    SHARED = "slice: 3ms"
    POLL = "halt_poll: { most: 200us, start: 10us, grow: 2, shrink: 2 }"
    ROUTES = ["grace: srcu", "gsis: 4096", "routes: eager", "kworkers: 1"]
    APICV = ["virtualization: apicv", "ipi_virtualization: on"]

    def host(self, path, host="", device="", arch="x86"):
        """The lines of `host`, which a second filling leaves as they are."""
        done = self.ends(HELD, "check", self.scenario(host, device), "--explain", "--path", path,
                         "--arch", arch)
        again = self.ends(HELD, "check", "-", "--explain", stdin=done.stdout)
        self.assertEqual(again.stdout, done.stdout)
        lines = done.stdout.splitlines()
        if "  host:" not in lines:
            return None
        rest = lines[lines.index("  host:") + 1:]
        return [line.strip() for line in rest[:next(
            n for n, line in enumerate(rest) if not line.startswith("    "))]]

    def test_every_key_that_means_something_on_the_path_is_there(self):
        start = ["cpus: 4", self.SHARED]
        self.assertIsNone(self.host("bare-metal"))
        self.assertEqual(self.host("kvm-irqfd"),
                         [*start, self.POLL, *self.APICV, "irqfd: copy", *self.ROUTES])
        self.assertEqual(self.host("kvm-irqfd-workqueue"),
                         [*start, self.POLL, *self.APICV, *self.ROUTES])
        self.assertEqual(self.host("kvm-split-irqchip"),
                         [*start, self.POLL, *self.APICV, "irqfd: copy", *self.ROUTES])
        self.assertEqual(self.host("kvm-signal-msi"), [*start, self.POLL, *self.APICV])
        self.assertEqual(self.host("kvm-dynamic-route"),
                         [*start, self.POLL, "virtualization: none", "grace: srcu", "gsis: 1024"])
        self.assertEqual(self.host("vmm-userspace"), [*start, "virtualization: none"])

    def test_what_the_file_says_stays(self):
        filled = self.host("kvm-irqfd", "overcommit: 2, slice: 1ms, halt_poll: { most: 5us }, irqfd: "
                           "pointer, grace: rcu, gsis: 99, routes: on-unmask, kworkers: 3, "
                           "virtualization: avic")
        self.assertEqual(filled, ["overcommit: 2", "slice: 1ms",
                                  "halt_poll: { most: 5us, start: 10us, grow: 2, shrink: 2 }",
                                  "virtualization: avic", "irqfd: pointer", "grace: rcu", "gsis: 99",
                                  "routes: on-unmask", "kworkers: 3"])
        self.assertEqual(self.host("kvm-signal-msi", "cpus: 3, ipi_virtualization: off")[::3],
                         ["cpus: 3", "virtualization: apicv"])

    def test_the_fabric_of_the_host_is_there_where_functions_are_assigned(self):
        self.assertIn("arch: x86", self.host("kvm-irqfd", device=", attach: assigned"))
        self.assertNotIn("arch: x86", self.host("kvm-irqfd", device=", attach: vhost"))

    def test_what_bare_metal_leaves_aside_stays_and_no_more(self):
        self.assertEqual(self.host("bare-metal", "cpus: 7"), ["cpus: 7", self.SHARED, self.POLL])

    def test_the_host_that_is_filled_in_is_the_one_that_runs(self):
        for path in GUEST_PATHS:
            with self.subTest(path=path):
                scenario = self.scenario()
                filled = self.folder / "filled.yaml"
                filled.write_text(self.ends(HELD, "check", scenario, "--explain", "--path",
                                            path).stdout)
                one, other = (self.json_of("run", file, "--path", path)
                              for file in (scenario, filled))
                one.pop("scenario"), other.pop("scenario")
                self.assertEqual(one, other)


if __name__ == "__main__":
    IRQFAB = os.path.abspath(sys.argv.pop(1))
    unittest.main()
