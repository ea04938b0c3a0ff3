"""The benchmark measures what it says: every load runs in every mode, and interrupts are handled."""
import re
import subprocess
import sys
import unittest

BENCH = sys.argv.pop(1)
LOADS = ["nvme-8q", "1", "100", "10000", "100-contended", "10000-contended"]


def run(mode, load, count):
    return subprocess.run([BENCH, mode, load, str(count)], capture_output=True, text=True)


class Bench(unittest.TestCase):
    def handled(self, mode, load, count):
        result = run(mode, load, count)
        self.assertEqual(result.returncode, 0, result.stderr)
        asserted, handled = map(int, re.search(r"interrupts=(\d+) handled=(\d+)", result.stdout).groups())
        return asserted, handled

    def test_direct_calls_handle_every_interrupt(self):
        for load in LOADS:
            with self.subTest(load):
                self.assertEqual(self.handled("direct", load, 1000), (1000, 1000))

    def test_simulated_loads_are_about_as_long_as_asked(self):
        for mode in ["tlm", "trace"]:
            for load in LOADS:
                with self.subTest(mode=mode, load=load):
                    asserted, handled = self.handled(mode, load, 20000)
                    self.assertTrue(16000 <= asserted <= 24000, asserted)
                    self.assertGreaterEqual(handled, 0.95 * asserted)

    def test_a_trace_changes_nothing(self):
        self.assertEqual(self.handled("tlm", "100-contended", 5000), self.handled("trace", "100-contended", 5000))

    def test_an_unknown_mode_or_load_is_refused(self):
        self.assertEqual(run("fast", "100", 10).returncode, 2)
        self.assertEqual(run("tlm", "no", 10).returncode, 2)


if __name__ == "__main__":
    unittest.main()
