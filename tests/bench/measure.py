#!/usr/bin/env python3
"""Measures what an interrupt costs to simulate and prints a table; README.md says how to read it.

    measure.py BENCH_INTERRUPTS [--loads a,b] [--modes direct,tlm,trace] [--profile MODE LOAD]

Instructions are the slope between two runs under callgrind that differ in their length only, so that
reading the scenario and building the machine cancel. Times are the least and the median of five runs
of each mode, in turn, so that what else the machine does hits all of them alike.
"""
import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

LOADS = ["nvme-8q", "1", "100", "10000", "100-contended", "10000-contended"]
MODES = ["direct", "tlm", "trace"]
SHORT, LONG = 4000, 24000  # interrupts under callgrind
TIMED = 300000
TIMES = 5


def numbers_of(output):
    found = re.search(r"interrupts=(\d+) handled=(\d+) ns=([\d.]+)", output)
    return int(found[1]), float(found[3])


def instructions(bench, mode, load, count, profile):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", bench, mode, load, str(count)],
        capture_output=True, text=True, check=True)
    total = int(re.search(r"Collected : (\d+)", run.stderr)[1])
    return numbers_of(run.stdout)[0], total


def slope(bench, mode, load):
    n1, i1 = instructions(bench, mode, load, SHORT, "/dev/null")
    n2, i2 = instructions(bench, mode, load, LONG, "/dev/null")
    return round((i2 - i1) / (n2 - n1))


def functions_of(profile):
    """Instructions by function."""
    text = subprocess.run(["callgrind_annotate", "--auto=no", "--show-percs=no", "--threshold=100", profile],
                          capture_output=True, text=True, check=True).stdout
    counts = {}
    for line in text.splitlines():
        found = re.match(r" *([\d,]+) +[^ ]*?:((?:irqfab|sc_core|tlm)::.*?)(?:'\d+)?(?: \[.*\])?$", line)
        if not found:
            continue
        name = re.sub(r"std::variant<.*?> const&", "Message const&", found[2])
        counts[name] = counts.get(name, 0) + int(found[1].replace(",", ""))
    return counts


def print_profile(bench, mode, load):
    """Where the instructions of one interrupt go, by function."""
    with tempfile.NamedTemporaryFile() as a, tempfile.NamedTemporaryFile() as b:
        n1, i1 = instructions(bench, mode, load, SHORT, a.name)
        n2, i2 = instructions(bench, mode, load, LONG, b.name)
        before, after = functions_of(a.name), functions_of(b.name)
    each = {name: (count - before.get(name, 0)) / (n2 - n1) for name, count in after.items()}
    total = (i2 - i1) / (n2 - n1)
    print(f"{mode} {load}: {total:.0f} instructions an interrupt")
    for name, count in sorted(each.items(), key=lambda item: -item[1]):
        if count >= total / 200:
            print(f"{count:8.0f} {100 * count / total:5.1f} %  {name[:100]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--profile", nargs=2, metavar=("MODE", "LOAD"))
    options = parser.parse_args()
    for name, known in ((options.loads, LOADS), (options.modes, MODES)):
        unknown = sorted(set(name.split(",")) - set(known))
        if unknown:
            sys.exit(f"measure.py: {', '.join(unknown)}: not one of {', '.join(known)}")
    if shutil.which("valgrind") is None:
        sys.exit("measure.py: valgrind is not installed")
    if options.profile:
        return print_profile(options.bench, *options.profile)
    modes = options.modes.split(",")
    print(f"{'load':<16} {'mode':<7} {'instructions':>12} {'x direct':>9} {'ns least':>9} {'median':>7} {'x direct':>9}")
    for load in options.loads.split(","):
        times = {mode: [] for mode in modes}
        for _ in range(TIMES):
            for mode in modes:
                out = subprocess.run([options.bench, mode, load, str(TIMED)], capture_output=True, text=True,
                                     check=True).stdout
                times[mode].append(numbers_of(out)[1])
        counted = {mode: slope(options.bench, mode, load) for mode in modes}
        for mode in modes:
            least, median = min(times[mode]), statistics.median(times[mode])
            print(f"{load:<16} {mode:<7} {counted[mode]:>12,} {counted[mode] / counted[modes[0]]:>9.1f} "
                  f"{least:>9.0f} {median:>7.0f} {least / min(times[modes[0]]):>9.1f}", flush=True)


if __name__ == "__main__":
    main()
