#!/usr/bin/env python3
"""Counts what looking up and replacing GSI routes costs as the table grows; README.md has the figures.

    measure_routes.py BENCH_ROUTES

Instructions are the slope between two runs under callgrind that differ in their number of operations
only, so that making the table cancels.
"""
import re
import shutil
import subprocess
import sys

# What, with how many routes, and the operations of the short run; the long one has four times as many.
MEASUREMENTS = [
    ("lookup", [10, 100, 1000, 4096], 40960),
    ("replace", [10, 100, 1000, 4096], 10),
    ("hit", [10, 100, 1000, 4000], 20000),
]


def instructions(bench, what, routes, count):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", bench, what, str(routes), str(count)],
        capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if shutil.which("valgrind") is None:
        sys.exit("measure_routes.py: valgrind is not installed")
    print(f"{'what':<8} {'routes':>6} {'instructions':>12}")
    for what, sizes, count in MEASUREMENTS:
        for routes in sizes:
            short, long = (instructions(sys.argv[1], what, routes, n) for n in (count, 4 * count))
            print(f"{what:<8} {routes:>6} {(long - short) / (3 * count):>12,.1f}", flush=True)


if __name__ == "__main__":
    main()
