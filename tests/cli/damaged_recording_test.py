#!/usr/bin/env python3
"""Damaged trace.dat files at the command line: each import ends with exit code 0 or 2, says why, and
leaves either both of its outputs or nothing at all.

Usage: damaged_recording_test.py IRQFAB ROOT, the program and the root of the source tree.
"""
import concurrent.futures
import gzip
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

IRQFAB = ROOT = None  # from the command line
HELD, WRONG = 0, 2
SECTIONS = 1_139_115  # where the tables of the recording begin, before its events


def damaged(whole, seed):
    """A cut or a flipped bit, half of them among the tables and the events."""
    chance = random.Random(seed)
    place = chance.randrange(SECTIONS if seed % 2 else 0, len(whole))
    if seed % 4 < 2:
        return whole[:place]
    bytes_ = bytearray(whole)
    bytes_[place] ^= 1 << chance.randrange(8)
    return bytes(bytes_)


class DamagedRecording(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.whole = (ROOT / "traces/mixed-edge-1vcpu-cpl3spin.dat").read_bytes()

    def import_of(self, recording, arguments=()):
        """Exit code, standard error, and the files that the import left in its empty folder."""
        with tempfile.TemporaryDirectory(prefix="irqfab-dat-") as folder:
            source = pathlib.Path(folder, "in")
            source.write_bytes(recording)
            out = pathlib.Path(folder, "out")
            out.mkdir()
            with source.open("rb") as stdin:
                done = subprocess.run([IRQFAB, "import", *(arguments or [source]),
                                       "-o", out / "r.yaml"], capture_output=True, stdin=stdin)
            return done.returncode, done.stderr.decode(), sorted(os.listdir(out)), str(source)

    def check(self, seed):
        code, errors, files, source = self.import_of(damaged(self.whole, seed))
        self.assertIn(code, (HELD, WRONG), f"seed {seed}: {errors}")
        self.assertEqual(files, ["r.events", "r.yaml"] if code == HELD else [], f"seed {seed}")
        if code == WRONG:
            self.assertIn(f"{source}: error: ", errors, f"seed {seed}")
        return code

    def test_damage_is_refused_and_leaves_nothing(self):
        before = set(os.listdir(tempfile.gettempdir()))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(self.check, range(80)))
        self.assertGreater(codes.count(WRONG), 40, "every cut but one of the last bytes at least")
        left = set(os.listdir(tempfile.gettempdir())) - before
        self.assertEqual({name for name in left if name.startswith(("trace_cpu", "irqfab-dat-"))},
                         set())

    def test_a_gzipped_one_that_is_cut_is_refused(self):
        compressed = gzip.compress(self.whole, 1)
        code, errors, files, _ = self.import_of(compressed[:-1000], ["-"])
        self.assertEqual((code, files), (WRONG, []))
        self.assertIn("<stdin>: error: the compressed data ends too early", errors)

    def test_a_recording_that_may_not_be_read_says_so(self):
        code, errors, files, _ = self.import_of(b"", ["/no/such/recording.dat"])
        self.assertEqual((code, files), (WRONG, []))
        self.assertIn("/no/such/recording.dat: error: cannot be opened: No such file", errors)


if __name__ == "__main__":
    IRQFAB, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
