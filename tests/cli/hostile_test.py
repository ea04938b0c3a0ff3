#!/usr/bin/env python3
"""Arguments and inputs that no one should give: each ends in an exit code and a message, soon and in
bounded memory.

Usage: hostile_test.py IRQFAB ROOT, the program and the root of the source tree.
"""
import gzip
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

IRQFAB = ROOT = None  # from the command line

HELD, FAILED, WRONG, CANNOT = 0, 1, 2, 3
MEMORY = 1 << 30  # of address space; far more than any of this needs

SCENARIO = """irqfab: 1
machine: { devices: [ { id: nvme0, bdf: "01:00.0", msix: 3 } ] }
workload: [ { source: "nvme0:1", at: 5us } ]
"""
REPLAY = """irqfab: 1
machine: { path: kvm-irqfd }
workload:
  - { replay: NAME }
"""


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class HostileTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-hostile-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def irqfab(self, *args, **options):
        # A sanitizer reserves more address space than there is memory.
        limit = None if os.environ.get("IRQFAB_SANITIZED") else bounded
        return subprocess.run([IRQFAB, *map(str, args)], capture_output=True, preexec_fn=limit,
                              **options)

    def ends(self, code, *args, saying="", **options):
        done = self.irqfab(*args, **options)
        shown = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{args}: {shown[:2000]}")
        self.assertIn(saying, shown)
        if code == WRONG and args and args[0] != "check":
            self.assertEqual(done.stdout, b"", args)
        for byte in done.stderr:
            self.assertTrue(byte in b"\n\t" or byte >= 0x20, f"{args}: byte {byte:#x}")
        self.assertLess(len(done.stderr), 64 << 10)
        return shown

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class Files(HostileTest):
    def test_what_is_no_file_is_wrong(self):
        for path in ("", "/no/such/file.yaml", self.folder, "/dev/null/x.yaml", "x" * 5000):
            for command in ("run", "check"):
                self.ends(WRONG, command, path)
        for path in ("", "/no/such/file.txt", self.folder):
            self.ends(WRONG, "import", path, "-o", self.folder / "o.yaml")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_name_cannot_act_on_the_terminal(self):
        self.ends(WRONG, "run", "\x1b[2J\x1b]0;owned\x07.yaml", saying="?[2J?]0;owned?.yaml: error: ")
        path = self.write("\x1b[2J.yaml", "irqfab: 2\n")
        self.ends(WRONG, "run", path, saying="?[2J.yaml:1:9: error: ")

    @unittest.skipIf(os.geteuid() == 0, "root may read every file")
    def test_what_may_not_be_read_is_wrong(self):
        path = self.write("s.yaml", SCENARIO)
        path.chmod(0)
        self.ends(WRONG, "run", path, saying="cannot be opened")

    def test_an_empty_device_is_an_empty_file(self):
        self.ends(WRONG, "run", "/dev/null", saying="/dev/null: error: the file is empty")
        self.ends(WRONG, "run", "-", saying="<stdin>: error: the file is empty", input=b"")

    def test_an_endless_input_ends_at_the_limit(self):
        self.ends(WRONG, "run", "/dev/zero", saying="larger than 16 MiB")
        with open("/dev/zero", "rb") as zeros:
            self.ends(WRONG, "check", "-", saying="larger than 16 MiB", stdin=zeros)
        self.ends(WRONG, "import", "/dev/zero", "-o", self.folder / "o.yaml", saying="longer than")

    def test_200_megabytes_of_spaces_are_refused_unread(self):
        path = self.write("spaces.yaml", b"")
        with open(path, "wb") as file:
            for _ in range(200):
                file.write(b" " * (1 << 20))
        self.ends(WRONG, "run", path, saying="larger than 16 MiB")

    def test_a_pipe_is_as_good_as_a_file(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        writer = subprocess.Popen([sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write("
                                   "sys.argv[2])", path, SCENARIO])
        self.ends(HELD, "run", path)
        self.assertEqual(writer.wait(), 0)

    def test_a_compressed_scenario_is_not_one(self):
        self.ends(WRONG, "run", self.write("s.yaml.gz", gzip.compress(SCENARIO.encode())),
                  saying="s.yaml.gz:1:1: error: ")

    def test_a_scenario_is_no_recording_and_the_other_way_round(self):
        scenario = self.write("s.yaml", SCENARIO)
        self.ends(WRONG, "import", scenario, "-o", self.folder / "o.yaml", saying="s.yaml:1:1: ")
        trace = self.folder / "s.trace"
        self.ends(HELD, "run", scenario, "--trace", trace)
        self.ends(WRONG, "run", trace, saying="s.trace:1:1: error: ")
        self.ends(WRONG, "import", trace, "-o", self.folder / "o.yaml", saying="s.trace:1:1: ")

    def test_a_small_recording_that_unpacks_to_a_gigabyte_ends_at_the_longest_line(self):
        bomb = gzip.compress(gzip.compress(b"A" * (1 << 20)) + b"A" * (64 << 20))
        self.ends(WRONG, "import", self.write("bomb.gz", bomb), "-o", self.folder / "o.yaml")


class Replays(HostileTest):
    """The file that `replay` names."""

    def replay(self, name):
        return self.write("s.yaml", REPLAY.replace("NAME", name))

    def test_an_absent_file_is_told_with_the_row_that_names_it(self):
        shown = self.ends(WRONG, "run", self.replay("none.events"), saying="none.events: error: ")
        self.assertIn("s.yaml:4:5: note: ", shown)

    def test_a_directory_or_another_file_is_no_trace(self):
        (self.folder / "folder").mkdir()
        self.ends(WRONG, "run", self.replay("folder"), saying="'folder' is no regular file")
        self.ends(WRONG, "run", self.replay("s.yaml"), saying="s.yaml:+0x0: error: not an irqfab")
        self.ends(WRONG, "run", self.replay("/dev/zero"), saying="'/dev/zero' is no regular file")

    def test_a_pipe_that_nobody_writes_to_is_not_waited_for(self):
        os.mkfifo(self.folder / "pipe")
        self.ends(WRONG, "run", self.replay("pipe"), saying="'pipe' is no regular file")

    def test_the_trace_of_a_run_holds_no_calls(self):
        scenario = self.write("other.yaml", SCENARIO)
        self.ends(HELD, "run", scenario, "--trace", self.folder / "run.trace")
        self.ends(WRONG, "run", self.replay("run.trace"), saying="which is no call into the host")

    def test_a_damaged_file_is_told_with_its_offset(self):
        recording = ROOT / "traces/perf-edge-1vcpu.txt.gz"
        self.ends(HELD, "import", recording, "-o", self.folder / "r.yaml")
        events = self.folder / "r.events"
        whole = events.read_bytes()
        events.write_bytes(whole[:-1])
        self.ends(WRONG, "run", self.folder / "r.yaml",
                  saying=f"r.events:+{len(whole) - 1:#x}: error: the file ends within a frame")
        events.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
        self.ends(WRONG, "run", self.folder / "r.yaml", saying="r.events:+0x")


class Arguments(HostileTest):
    def setUp(self):
        super().setUp()
        self.scenario = self.write("s.yaml", SCENARIO)

    def test_values_that_mean_nothing_are_wrong(self):
        for args in (["--arch", "nonsense"], ["--arch", ""], ["--arch", "x86,x86-ir"],
                     ["--path", "nonsense"], ["--path", "../../etc"], ["--profile", "nonsense"],
                     ["--behaviour", "nonsense"], ["--engine", "warp"], ["--mutant", "nonsense"],
                     ["--progress", "maybe"], ["--until", "5"], ["--set", "cpus=2"]):
            self.ends(WRONG, "run", self.scenario, *args)

    def test_a_seed_is_a_number_of_64_bits(self):
        self.ends(HELD, "run", self.scenario, "--seed", "18446744073709551615")
        for seed in ("18446744073709551616", "-1", "1e300", "nan", "0x", "", "9" * 5000, "1.5"):
            self.ends(WRONG, "run", self.scenario, "--seed", seed)

    def test_words_without_end_are_wrong(self):
        for args in ([], ["x" * 100_000], ["run"], ["run", "--seed"], ["run", "--" + "x" * 100_000],
                     ["run", self.scenario, self.scenario], ["\x1b[2J"],
                     ["run", self.scenario, "\x1b[2J"], ["run", self.scenario, "--\x1b]0;x\x07"],
                     ["list", "\x1b[2J"], ["explain", self.scenario, "--source", "\x1b[2J"],
                     ["run", self.scenario, "--mutant", "\x1b[2J"],
                     ["run", self.scenario, "--arch", "\x1b[2J"],
                     ["run", self.scenario, "--profile", "\x1b[2J"]):
            self.ends(WRONG, *args)

    def test_a_count_is_a_number_as_in_scenarios(self):
        trace = self.folder / "t.trace"
        self.ends(HELD, "run", self.scenario, "--quiet", "--trace", trace)
        for count in ("010", "+5", " 5", "5.0", "-1", "1001"):
            self.ends(WRONG, "analyze", trace, "--worst", count)

    def test_what_is_read_is_never_overwritten(self):
        self.ends(WRONG, "run", self.scenario, "--trace", self.scenario, saying="is what is read")
        trace = self.folder / "t.trace"
        self.ends(HELD, "run", self.scenario, "--quiet", "--trace", trace)
        whole = trace.read_bytes()
        self.ends(WRONG, "export", trace, "--format", "csv", "-o", trace, saying="is what is read")
        self.assertEqual((self.scenario.read_text(), trace.read_bytes()), (SCENARIO, whole))
        recording = self.folder / "k.events"
        shutil.copy(ROOT / "traces/perf-edge-1vcpu.txt.gz", recording)
        for output in ("k.yaml", "k.events"):
            self.ends(WRONG, "import", recording, "-o", self.folder / output)
        self.assertEqual(recording.read_bytes(), (ROOT / "traces/perf-edge-1vcpu.txt.gz").read_bytes())

    def test_a_pair_has_names_that_a_scenario_can_hold(self):
        recording = ROOT / "traces/perf-edge-1vcpu.txt.gz"
        for name in ("tab\t.yaml", 'quote".yaml', "line\n.yaml", b"bad\xff.yaml", "back\\slash.yaml"):
            name = os.fsdecode(name)
            self.ends(WRONG, "import", recording, "-o", os.path.join(self.folder, name))
        self.ends(WRONG, "import", recording, "-o", "/dev/null")
        self.assertFalse(os.path.exists("/dev/null.events"))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["s.yaml"])

    def test_trace_and_report_do_not_share_standard_output(self):
        self.ends(WRONG, "run", self.scenario, "--trace", "-", saying="--quiet")
        self.ends(WRONG, "run", self.scenario, "--json", "--trace", "-", saying="--quiet")

    def test_what_is_replaced_keeps_its_permissions(self):
        trace = self.write("t.trace", "old")
        trace.chmod(0o600)
        self.ends(HELD, "run", self.scenario, "--quiet", "--trace", trace)
        self.assertEqual(trace.stat().st_mode & 0o777, 0o600)

    def test_a_file_that_may_not_grow_is_what_the_host_cannot(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
        done = subprocess.run([IRQFAB, "run", self.scenario, "--quiet", "--trace", self.folder / "t"],
                              capture_output=True, preexec_fn=small_files)
        self.assertEqual(done.returncode, CANNOT, done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["s.yaml"])

    @unittest.skipIf(os.environ.get("IRQFAB_SANITIZED"), "a sanitizer reserves more address space")
    def test_too_little_memory_is_what_the_host_cannot(self):
        def little_memory():
            resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
        for command in ("check", "run"):
            done = subprocess.run([IRQFAB, command, ROOT / "scenarios/scale-1m.yaml"],
                                  capture_output=True, preexec_fn=little_memory)
            self.assertEqual(done.returncode, CANNOT, done.stderr)
            self.assertIn(b"memory", done.stderr)

    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full")
    def test_help_that_cannot_be_printed_is_what_the_host_cannot(self):
        with open("/dev/full", "w") as full:
            for option in ("--help", "--version"):
                done = subprocess.run([IRQFAB, option], stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, CANNOT, done.stderr)

    def test_outputs_that_cannot_be_written_leave_nothing(self):
        for path in ("/no/such/folder/t.trace", self.folder, "x" * 5000 + "/t"):
            done = self.irqfab("run", self.scenario, "--trace", path)
            self.assertIn(done.returncode, (WRONG, CANNOT), done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["s.yaml"])


if __name__ == "__main__":
    IRQFAB, ROOT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
