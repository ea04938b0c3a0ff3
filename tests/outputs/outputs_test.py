#!/usr/bin/env python3
"""Every command that writes, on a host that fails: each write, sync, close and rename fails in turn, or
does less than it was asked to, and the process is killed at 200 places.

Afterwards a target is absent, as it was, or whole; a command that could not write says so with the
name of the file and exit code 3; and nothing temporary is left, except by a kill between two of the
calls that name a file.

Usage: outputs_test.py IRQFAB FAULTS ROOT, the program, the library of faults.c, the source tree.
"""
import concurrent.futures
import contextlib
import errno
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from typing import NamedTuple

IRQFAB = FAULTS = ROOT = None  # from the command line

HELD, WRONG, CANNOT = 0, 2, 3
SKIPPED = 77
KILLS = 200
OLD = b"what was there before\n"
TEMPORARY = re.compile(r"\.irqfab-\d+-\d+")

SCENARIO = """irqfab: 1
machine: { cpus: 2, devices: [ { id: nvme0, bdf: "01:00.0", msix: 3 } ] }
workload: [ { source: "nvme0:1..2", poisson: 100k/s, for: 500us } ]
handler: 1us
"""


class Command(NamedTuple):
    arguments: list
    targets: list = []  # files it writes; what they hold together is either all old or all new
    stdout: bool = False  # it writes there as well


COMMANDS = {
    "run --trace": Command(["run", "s.yaml", "--quiet", "--trace", "out/t.trace"], ["t.trace"]),
    "run --trace -": Command(["run", "s.yaml", "--quiet", "--trace", "-"], [], True),
    "run --json": Command(["run", "s.yaml", "--json"], [], True),
    "import": Command(["import", "recording.txt", "-o", "out/r.yaml"], ["r.yaml", "r.events"], True),
    "graph -o": Command(["graph", "s.yaml", "--format", "dot", "-o", "out/g.dot"], ["g.dot"]),
    "graph": Command(["graph", "s.yaml", "--format", "dot"], [], True),
    "compare --html": Command(["compare", "s.yaml", "--html", "out/c.html"], ["c.html"], True),
    "list --json": Command(["list", "events", "--json"], [], True),
}


class Ended(NamedTuple):
    code: int
    stdout: bytes
    errors: str
    files: dict  # name: contents, of the folder of outputs
    calls: str  # a letter for each call that the library counted


class Host:
    """Runs commands in folders of their own, in which every target has an old content or none."""

    def __init__(self):
        self.inputs = pathlib.Path(tempfile.mkdtemp(prefix="irqfab-outputs-"))
        (self.inputs / "s.yaml").write_text(SCENARIO)
        shutil.copy(ROOT / "tests/fabric/recording/data/level.txt", self.inputs / "recording.txt")

    def run(self, command, had_old, fault=None, kill_after=None):
        with tempfile.TemporaryDirectory(dir=self.inputs) as name:
            folder = pathlib.Path(name)
            for file in ("s.yaml", "recording.txt"):
                os.link(self.inputs / file, folder / file)
            (folder / "out").mkdir()
            for target in command.targets if had_old else []:
                (folder / "out" / target).write_bytes(OLD)
            log = folder / "calls"
            env = {**os.environ, "IRQFAB_FAULT_LOG": str(log), "LD_PRELOAD": FAULTS, **(fault or {})}
            process = subprocess.Popen([IRQFAB, *command.arguments], cwd=folder, env=env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            if kill_after is not None:
                time.sleep(kill_after)
                process.kill()
            stdout, errors = process.communicate()
            files = {f.name: f.read_bytes() for f in (folder / "out").iterdir()}
            return Ended(process.returncode, stdout, errors.decode(), files,
                         log.read_text() if log.exists() else "")

    def close(self):
        shutil.rmtree(self.inputs)


@contextlib.contextmanager
def case(*what):
    """Names the case in what fails within; subTest is not made for threads."""
    try:
        yield
    except AssertionError as failure:
        raise AssertionError(f"{what}: {failure}") from failure


class Outputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Host()
        cls.addClassCleanup(cls.host.close)
        cls.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        cls.addClassCleanup(cls.pool.shutdown)
        cls.whole = {name: cls.host.run(command, False) for name, command in COMMANDS.items()}

    def files_are_sound(self, name, had_old, ended):
        """All old, all new, or of a pair what an interrupted change of names may leave."""
        command, whole = COMMANDS[name], self.whole[name]
        found = {t: ended.files.get(t) for t in command.targets}
        old = {t: OLD if had_old else None for t in command.targets}
        new = {t: whole.files[t] for t in command.targets}
        allowed = [old, new]
        if name == "import":
            allowed += [{"r.yaml": None, "r.events": e} for e in (old["r.events"], new["r.events"])]
        self.assertIn(found, allowed)
        return found == new

    def temporaries(self, name, ended):
        left = set(ended.files) - set(COMMANDS[name].targets)
        for file in left:
            self.assertRegex(file, TEMPORARY)
        return left

    def stdout_is_sound(self, name, ended):
        """Nothing but a beginning of what is meant; true if all of it."""
        whole = self.whole[name].stdout
        self.assertEqual(ended.stdout, whole[:len(ended.stdout)])
        return ended.stdout == whole

    def test_without_faults_they_hold_and_leave_their_targets_only(self):
        for name, ended in self.whole.items():
            with self.subTest(name):
                self.assertEqual(ended.code, HELD, ended.errors)
                self.assertEqual(set(ended.files), set(COMMANDS[name].targets))
                self.assertEqual(bool(ended.stdout), COMMANDS[name].stdout)
                self.assertIn("w", ended.calls, "the library sees the writes")
                if COMMANDS[name].targets:
                    self.assertRegex(ended.calls, "wfc.*r$|wfc.*rw.*$", "on the disk, then named")

    def check_failure(self, name, had_old, at, error):
        fault = {"IRQFAB_FAULT_AT": str(at), "IRQFAB_FAULT_HOW": str(error)}
        ended = self.host.run(COMMANDS[name], had_old, fault)
        with case(name, had_old, at, self.whole[name].calls[at], os.strerror(error)):
            new = self.files_are_sound(name, had_old, ended)
            printed = self.stdout_is_sound(name, ended)
            if self.whole[name].calls[at] != "u":  # which may be that of a temporary file
                self.assertEqual(self.temporaries(name, ended), set())
            if ended.code == HELD:
                self.assertTrue(new and printed)
                return HELD
            self.assertEqual(ended.code, CANNOT, ended.errors)
            names = [f"out/{target}" for target in COMMANDS[name].targets] + ["<stdout>"]
            self.assertTrue(any(f"{n}: error: cannot " in ended.errors for n in names), ended.errors)
            self.assertIn(os.strerror(error), ended.errors)
            return CANNOT

    def test_each_call_that_fails_is_told_and_leaves_nothing_half(self):
        points = [(name, had_old, at, error)
                  for name in COMMANDS for at, letter in enumerate(self.whole[name].calls)
                  for had_old, error in ((False, errno.ENOSPC), (True, errno.EIO))]
        codes = list(self.pool.map(lambda point: self.check_failure(*point), points))
        failed = {(name, self.whole[name].calls[at])
                  for (name, _, at, _), code in zip(points, codes) if code == CANNOT}
        for name, command in COMMANDS.items():
            for letter in "wfcr" if command.targets else "wc":
                self.assertIn((name, letter), failed, "such a call matters")

    def check_short(self, name, at):
        fault = {"IRQFAB_FAULT_AT": str(at), "IRQFAB_FAULT_HOW": "short"}
        ended = self.host.run(COMMANDS[name], False, fault)
        with case(name, at):
            self.assertEqual(ended.code, HELD, ended.errors)
            self.assertTrue(self.files_are_sound(name, False, ended))
            self.assertTrue(self.stdout_is_sound(name, ended))

    def test_a_short_write_is_continued(self):
        points = [(name, at) for name in COMMANDS
                  for at, letter in enumerate(self.whole[name].calls) if letter in "wvp"]
        list(self.pool.map(lambda point: self.check_short(*point), points))

    def kill(self, seed):
        """A kill in the middle of a call, or a fifth of them at any moment."""
        chance = random.Random(seed)
        name = chance.choice(list(COMMANDS))
        command, had_old = COMMANDS[name], chance.random() < 0.5
        if seed % 5 == 0:
            ended = self.host.run(command, had_old, kill_after=chance.uniform(0, 0.1))
        else:
            at = chance.randrange(len(self.whole[name].calls))
            fault = {"IRQFAB_FAULT_AT": str(at), "IRQFAB_FAULT_HOW": "kill",
                     "IRQFAB_FAULT_BYTES": str(int(10 ** chance.uniform(0, 5)))}
            ended = self.host.run(command, had_old, fault)
            self.assertEqual(ended.code, -signal.SIGKILL, f"seed {seed}")
        with case(name, seed):
            self.files_are_sound(name, had_old, ended)
            self.stdout_is_sound(name, ended)
            self.temporaries(name, ended)

    def test_a_kill_leaves_old_or_whole_files(self):
        list(self.pool.map(self.kill, range(KILLS)))


class Interrupted(unittest.TestCase):
    """A run that is told to end while it writes a trace, which it never ends to do by itself."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="irqfab-interrupted-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "s.yaml").write_text(SCENARIO.replace("500us", "1000s"))
        (self.folder / "out").mkdir()
        try:
            os.close(os.open(self.folder, os.O_TMPFILE | os.O_WRONLY))
        except OSError as error:
            self.skipTest(f"this file system has no files without names: {error}")

    def interrupt(self, by):
        process = subprocess.Popen([IRQFAB, "run", "s.yaml", "--quiet", "--trace", "out/t.trace"],
                                   cwd=self.folder)
        trace = (self.folder / "out").resolve()
        while not self.writes_below(trace, process.pid):
            self.assertIsNone(process.poll(), "it has ended before it could be interrupted")
            time.sleep(0.001)
        process.send_signal(by)
        self.assertEqual(process.wait(), -by)

    @staticmethod
    def writes_below(folder, pid):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(fd).startswith(str(folder)) and fd.stat().st_size > 0:
                    return True
            except FileNotFoundError:  # closed meanwhile
                pass
        return False

    def test_it_leaves_no_file_and_what_was_there_before(self):
        for by in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(by=by):
                self.interrupt(by)
                self.assertEqual(list((self.folder / "out").iterdir()), [])
                (self.folder / "out/t.trace").write_bytes(OLD)
                self.interrupt(by)
                self.assertEqual({f.name: f.read_bytes() for f in (self.folder / "out").iterdir()},
                                 {"t.trace": OLD})
                (self.folder / "out/t.trace").unlink()


class ClosedStandardFiles(unittest.TestCase):
    def run_with_closed(self, fd, command):
        """`sh` closes the file; a descriptor that Python closes it would open again for a pipe."""
        host = Host()
        self.addCleanup(host.close)
        (host.inputs / "out").mkdir()
        line = " ".join(["exec", IRQFAB, *COMMANDS[command].arguments, f"{fd}>&-"])
        done = subprocess.run(["sh", "-c", line], cwd=host.inputs, capture_output=True)
        return done, {f.name: f.read_bytes() for f in (host.inputs / "out").iterdir()}

    def test_messages_never_go_into_an_output(self):
        host = Host()
        self.addCleanup(host.close)
        whole = host.run(COMMANDS["import"], False)
        self.assertIn("note:", whole.errors)
        done, files = self.run_with_closed(2, "import")
        self.assertEqual(done.returncode, HELD)
        self.assertEqual(files, whole.files)

    def test_a_closed_standard_output_is_told(self):
        done, _ = self.run_with_closed(1, "list --json")
        self.assertEqual(done.returncode, CANNOT)
        self.assertIn(b"<stdout>: error: cannot write", done.stderr)


class CutTraces(unittest.TestCase):
    def test_a_trace_that_was_cut_anywhere_is_not_taken_for_whole(self):
        host = Host()
        self.addCleanup(host.close)
        pair = host.run(COMMANDS["import"], False).files
        scenario, events = host.inputs / "r.yaml", host.inputs / "r.events"
        scenario.write_bytes(pair["r.yaml"])
        whole = pair["r.events"]
        first_frame = whole.index(b"FRAM")
        for size in [*range(first_frame, len(whole), 32), *range(1, len(whole), 997), len(whole) - 1]:
            events.write_bytes(whole[:size])
            done = subprocess.run([IRQFAB, "run", scenario, "--quiet"], capture_output=True)
            self.assertEqual(done.returncode, WRONG, size)
            self.assertIn(b"r.events:+0x", done.stderr)


if __name__ == "__main__":
    IRQFAB, FAULTS = map(os.path.abspath, sys.argv[1:3])
    ROOT = pathlib.Path(sys.argv[3]).resolve()
    if subprocess.run([IRQFAB, "--version"], env={**os.environ, "LD_PRELOAD": FAULTS},
                      capture_output=True).returncode != 0:
        print("skipped: this build of irqfab does not start with a preloaded library (sanitizers)")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
