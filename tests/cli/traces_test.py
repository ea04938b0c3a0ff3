#!/usr/bin/env python3
"""`analyze` and `export` at the command line. What a trace says of a run is what the run said itself.

Usage: traces_test.py IRQFAB ROOT MAKE_SCENARIO, the program, the root of the source tree, and the
program that makes random scenarios.
"""
import csv
import gzip
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

IRQFAB = ROOT = MAKE_SCENARIO = None  # from the command line

HELD, FAILED, WRONG, CANNOT = 0, 1, 2, 3


def irqfab(*args, stdin=b""):
    done = subprocess.run([IRQFAB, *map(str, args)], input=stdin, capture_output=True)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


class TracesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-traces-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def ok(self, *args, stdin=b"", code=HELD):
        done = irqfab(*args, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def traced(self, scenario, *options, name="a.trace"):
        """A trace of a run, and the run's own JSON document."""
        trace = self.folder / name
        done = irqfab("run", scenario, "--trace", trace, "--json", *options)
        self.assertIn(done.returncode, (HELD, FAILED), done.stderr)
        return trace, json.loads(done.stdout)

    def nvme(self, *options, name="a.trace"):
        return self.traced(ROOT / "scenarios/nvme-8q.yaml", *options, name=name)[0]

    def analyzed(self, *args, stdin=b""):
        return json.loads(self.ok("analyze", *args, "--json", stdin=stdin).stdout)

    def cut(self, keep, name="cut.trace"):
        """A trace of which only that share is left, after its header."""
        whole = self.nvme().read_bytes()
        path = self.folder / name
        path.write_bytes(whole[:int(len(whole) * keep)])
        return path


class Equality(TracesTest):
    """The trace is complete: every number of a run can be found again from its records."""
    FIELDS = ("scenario", "arch", "path", "profile", "behaviour", "seed", "interrupts", "drops",
              "paths", "hops", "assumed_share", "simulated_ps")

    def expect_equal(self, scenario, *options):
        trace, run = self.traced(scenario, *options)
        analysis = self.analyzed(trace)
        del analysis["interrupts"]["guest_errors"]
        for field in self.FIELDS:
            self.assertEqual(analysis[field], run[field], field)
        return run

    def test_of_the_scenarios_of_the_tree(self):
        for scenario in sorted(ROOT.glob("scenarios/**/*.yaml")):
            # A remapping table has no entries for so many sources, an old IOAPIC no room for their
            # indices, and the largest takes long.
            archs = ("x86", "x86-ir", "x86-pi")
            if scenario.name.startswith("scale") or scenario.stem == "ioapic-eoi-broadcast":
                archs = ("x86",)
            if scenario.parent.name in ("kvm", "seeds"):
                archs = ("x86",)
            if scenario.parent.name in ("x86-ir", "x86-pi"):
                archs = (scenario.parent.name,)
            if scenario.name == "scale-1m.yaml":
                continue
            for arch in archs:
                with self.subTest(scenario=scenario.name, arch=arch):
                    run = self.expect_equal(scenario, "--arch", arch)
                    self.assertTrue(run["hops"])

    def test_of_random_scenarios(self):
        scenario = self.folder / "random.yaml"
        outcomes = dict.fromkeys(("handled", "coalesced", "dropped", "cancelled"), 0)
        for purpose in ("anything", "ties"):
            for seed in range(1, 21):
                with self.subTest(purpose=purpose, seed=seed):
                    scenario.write_text(subprocess.run([MAKE_SCENARIO, purpose, str(seed)], check=True,
                                                       capture_output=True, text=True).stdout)
                    run = self.expect_equal(scenario)
                    for outcome in outcomes:
                        outcomes[outcome] += run["interrupts"][outcome]
        for outcome in ("handled", "coalesced"):
            self.assertGreater(outcomes[outcome], 100, outcomes)

    def test_of_a_run_that_is_cut_short(self):
        scenario = self.folder / "short.yaml"
        text = (ROOT / "scenarios/nvme-8q.yaml").read_text()
        scenario.write_text(text + "until: 1234567890ps\n")
        run = self.expect_equal(scenario)
        self.assertLessEqual(run["simulated_ps"], 1234567890)

    def test_of_a_replayed_recording(self):
        for name, least in (("mixed-edge-1vcpu-cpl3spin", 3000), ("perf-edge-1vcpu", 2000),
                            ("level-4vcpu-halt", 887), ("firmware-2vcpu", 406)):
            with self.subTest(name=name):
                text = gzip.decompress((ROOT / f"traces/{name}.txt.gz").read_bytes())
                replay = self.folder / "replay.yaml"
                self.ok("import", "-", "-o", replay, stdin=text)
                run = self.expect_equal(replay)
                self.assertGreaterEqual(run["interrupts"]["handled"], least)


class Analyze(TracesTest):
    def test_the_tables_are_those_of_the_run(self):
        trace = self.folder / "a.trace"
        run = self.ok("run", ROOT / "scenarios/nvme-8q.yaml", "--trace", trace).stdout
        analysis = self.ok("analyze", trace).stdout
        tables = run[:run.index("\nheld")]
        self.assertTrue(analysis.startswith(tables), analysis)
        self.assertRegex(analysis, r"\n\nlongest +cpu +total +why\nnvme0:\d#\d+ +\d +[\d.]+ us +waited ")

    def test_the_worst_are_as_many_as_asked_for_and_say_why(self):
        trace = self.nvme()
        for count in (0, 1, 20):
            worst = self.analyzed(trace, "--worst", count)["worst"]
            self.assertEqual(len(worst), count)
            for row in worst:
                self.assertEqual(set(row), {"span", "source", "cpu", "total_ps", "reason"})
                self.assertTrue(row["span"].startswith(row["source"] + "#"))
                self.assertRegex(row["reason"], r"waited [\d.]+ us at lapic\d for Accepted")
            totals = [row["total_ps"] for row in worst]
            self.assertEqual(totals, sorted(totals, reverse=True))
        self.assertEqual(len(self.analyzed(trace)["worst"]), 5)

    def test_the_longest_is_the_maximum_of_its_path(self):
        analysis = self.analyzed(self.nvme())
        self.assertEqual(analysis["worst"][0]["total_ps"], analysis["paths"][0]["max_ps"])

    def test_a_table_has_a_row_for_each_key(self):
        trace = self.nvme()
        handled = self.analyzed(trace)["interrupts"]["handled"]
        names = {"source": "nvme0:1", "vector": "0x30", "cpu": "cpu7"}
        for by, name in names.items():
            analysis = self.analyzed(trace, "--by", by)
            self.assertEqual(analysis["by"], by)
            rows = {row["name"]: row for row in analysis["rows"]}
            self.assertIn(name, rows)
            self.assertEqual(sum(row["count"] for row in rows.values()), handled)
            text = self.ok("analyze", trace, "--by", by).stdout
            self.assertRegex(text, rf"\n{by} +count +min +p50 +p90 +p99 +p99.9 +max\n")
            self.assertRegex(text, rf"\n{name} +{rows[name]['count']} ")
        hops = self.analyzed(trace, "--by", "hop")
        self.assertEqual([(row["component"], row["event"], row["count"], row["p99_ps"])
                          for row in hops["rows"]],
                         [(hop["component"], hop["event"], hop["count"], hop["p99_ps"])
                          for hop in hops["hops"]])
        self.assertRegex(self.ok("analyze", trace, "--by", "hop").stdout,
                         r"\nhop +event +role +count +min +p50 +p90 +p99 +p99.9 +max +share\n")

    def test_several_traces_are_read_as_one(self):
        a, b = self.nvme(), self.nvme("--seed", 2, name="b.trace")
        one, two, both = self.analyzed(a), self.analyzed(b), self.analyzed(a, b)
        for count in ("asserted", "handled", "coalesced"):
            self.assertEqual(both["interrupts"][count],
                             one["interrupts"][count] + two["interrupts"][count])
        self.assertEqual(both["paths"][0]["max_ps"],
                         max(one["paths"][0]["max_ps"], two["paths"][0]["max_ps"]))
        self.assertEqual([(t["file"], t["seed"]) for t in both["traces"]],
                         [(str(a), 1), (str(b), 2)])
        self.assertEqual(both["simulated_ps"], one["simulated_ps"] + two["simulated_ps"])
        self.assertIn("2 traces together: x86, bare-metal", self.ok("analyze", a, b).stdout)

    def test_traces_of_different_machines_are_not_added_up(self):
        a, b = self.nvme(), self.nvme("--arch", "x86-ir", name="b.trace")
        done = self.ok("analyze", a, b, code=WRONG)
        self.assertIn(f"{b}: error: this trace is of x86-ir", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_standard_input_is_a_trace(self):
        trace = self.nvme()
        from_pipe = self.analyzed("-", stdin=trace.read_bytes())
        self.assertEqual(from_pipe["hops"], self.analyzed(trace)["hops"])

    def test_a_damaged_trace_makes_no_table(self):
        for keep in (0.4, 0.99):
            cut = self.cut(keep)
            done = self.ok("analyze", cut, code=WRONG)
            self.assertRegex(done.stderr, r"cut.trace:\+0x[0-9A-Fa-f]+: error: the file ends ")
            self.assertEqual(done.stdout, "")

    def test_what_is_whole_can_be_analyzed_and_says_so(self):
        done = self.ok("analyze", self.cut(0.8), "--partial")
        self.assertRegex(done.stderr, r"\+0x[0-9A-Fa-f]+: note: .*only what comes before is analyzed")
        self.assertRegex(done.stdout, r"\n\d+ asserted = \d+ handled ")

    def test_what_is_no_trace_is_refused_with_what_would_be_one(self):
        for content in (b"", b"irqfab: 1\n", b"\x17\x08\x44tracing6\x00", gzip.compress(b"x")):
            path = self.folder / "other"
            path.write_bytes(content)
            for command in (["analyze"], ["export", "--format", "text"]):
                done = self.ok(command[0], path, *command[1:], code=WRONG)
                self.assertIn(f"{path}:+0x", done.stderr)
                if len(content) >= 8:
                    self.assertIn("'irqfab import'", done.stderr)

    def test_what_is_not_there_yet_is_refused_by_name(self):
        trace = self.nvme()
        for options in (["--by", "window"], ["--diff", trace]):
            done = self.ok("analyze", trace, *options, code=WRONG)
            self.assertIn("is not supported yet", done.stderr)
            self.assertIn(options[0], done.stderr)
        for form in ("perfetto", "vcd"):
            done = self.ok("export", trace, "--format", form, code=WRONG)
            self.assertIn(f"'--format {form}' is not supported yet", done.stderr)

    def test_a_bound_holds_or_fails_like_an_expectation(self):
        trace = self.nvme()
        for bound, code in (("p99<5us", HELD), ("p99 < 1us", FAILED), ("nvme0.lost == 0", HELD),
                            ("handler.max<1us", FAILED)):
            done = self.ok("analyze", trace, "--slo", bound, code=code)
            self.assertIn(("held    " if code == HELD else "FAILED  ") + bound, done.stdout)
        both = self.ok("analyze", trace, "--slo", "p99<5us", "--slo", "handled==1", "--json",
                       code=FAILED)
        self.assertEqual([(e["text"], e["held"]) for e in json.loads(both.stdout)["expect"]],
                         [("p99<5us", True), ("handled==1", False)])
        self.assertEqual(self.ok("analyze", trace, "--slo", "p99<1us", "--quiet", code=FAILED).stdout,
                         "")

    def test_bounds_give_what_expectations_of_the_run_gave(self):
        scenario = self.folder / "expecting.yaml"
        text = (ROOT / "scenarios/nvme-8q.yaml").read_text()
        bounds = ["max < 2us", "nvme0.coalesced == 0", "nvme0.handled > 5000"]
        scenario.write_text(text[:text.index("expect:")] + "expect:\n" +
                            "".join(f"  - {bound}\n" for bound in bounds))
        trace, run = self.traced(scenario)
        options = [word for bound in bounds for word in ("--slo", bound)]
        analysis = json.loads(self.ok("analyze", trace, *options, "--json", code=FAILED).stdout)
        self.assertEqual(analysis["expect"], run["expect"])

    def test_a_bound_that_means_nothing_is_refused(self):
        trace = self.nvme()
        for bound, saying in (("fast", "compares nothing"), ("p98<1us", "p98"),
                              ("sda.lost==0", "or is of, 'sda'")):
            done = self.ok("analyze", trace, "--slo", bound, code=WRONG)
            self.assertIn(f"--slo '{bound}': error: ", done.stderr)
            self.assertIn(saying, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_quiet_prints_nothing(self):
        done = self.ok("analyze", self.nvme(), "--quiet")
        self.assertEqual(done.stdout + done.stderr, "")


class Export(TracesTest):
    def test_text_has_a_line_for_each_record(self):
        trace = self.nvme()
        text = self.ok("export", trace, "--format", "text").stdout
        self.assertEqual(len(text.splitlines()), self.analyzed(trace)["traces"][0]["records"])
        self.assertRegex(text, r"\n +\d+\.\d{3}  lapic3 +Accepted +nvme0:4#0 +CPU=3 vector=0x30\n")
        self.assertRegex(text.splitlines()[-1], r"  run +RunEnded +-  +time-of-its-last-event=\d+$")
        self.assertEqual(self.ok("export", trace, "--format", "text", "-o", "-").stdout, text)

    def test_csv_is_a_table_of_the_same_records(self):
        trace = self.nvme()
        text = self.ok("export", trace, "--format", "csv").stdout
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        analysis = self.analyzed(trace)
        self.assertEqual(len(rows), analysis["traces"][0]["records"])
        handled = [row for row in rows if row["event"] == "Handled"]
        self.assertEqual(len(handled), analysis["interrupts"]["handled"])
        accepted = next(row for row in rows if row["event"] == "Accepted")
        self.assertEqual((accepted["component"], accepted["role"]), ("lapics", "deliver"))
        self.assertEqual(int(accepted["detail"]), int(accepted["cpu"]) << 8 | int(accepted["vector"]))
        self.assertTrue(all(None not in row and None not in row.values() for row in rows))
        self.assertEqual(text.count("\r\n"), len(rows) + 1)

    def test_a_file_is_written_whole_or_not_at_all(self):
        trace, output = self.nvme(), self.folder / "out.csv"
        done = self.ok("export", trace, "--format", "csv", "-o", output)
        self.assertEqual(done.stdout, "")
        self.assertEqual(output.read_bytes().decode(),
                         self.ok("export", trace, "--format", "csv").stdout)
        cut, none = self.cut(0.8), self.folder / "none.csv"
        done = self.ok("export", cut, "--format", "csv", "-o", none, code=WRONG)
        self.assertIn(f"nothing was written to '{none}'", done.stderr)
        self.assertFalse(none.exists())
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith(".")], [])

    def test_to_standard_output_goes_what_can_be_read(self):
        whole = self.ok("export", self.nvme(), "--format", "text").stdout
        done = self.ok("export", self.cut(0.8), "--format", "text", code=WRONG)
        self.assertTrue(whole.startswith(done.stdout))
        self.assertGreater(len(done.stdout), len(whole) // 3)
        self.assertTrue(done.stdout.endswith("\n"))
        self.assertRegex(done.stderr, r"cut.trace:\+0x[0-9A-Fa-f]+: error: ")

    def test_standard_input_is_a_trace(self):
        trace = self.nvme()
        self.assertEqual(self.ok("export", "-", "--format", "text", stdin=trace.read_bytes()).stdout,
                         self.ok("export", trace, "--format", "text").stdout)

    def test_a_reader_that_goes_away_is_no_failure(self):
        trace = self.nvme()
        for form in ("text", "csv"):
            with subprocess.Popen([IRQFAB, "export", trace, "--format", form],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
                export.stdout.readline()
                export.stdout.close()
                self.assertEqual(export.stderr.read(), b"")
                self.assertEqual(export.wait(), HELD)

    def test_an_output_that_cannot_be_written_is_the_host_s_failure(self):
        done = self.ok("export", self.nvme(), "--format", "text", "-o", "/dev/full", code=CANNOT)
        self.assertIn("/dev/full: error: ", done.stderr)
        self.ok("export", self.nvme(), "--format", "text", "-o", "/no/such/folder/x", code=CANNOT)


if __name__ == "__main__":
    IRQFAB, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    MAKE_SCENARIO = os.path.abspath(sys.argv[3])
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
