#!/usr/bin/env python3
"""Same scenario and seed: the same bytes, whichever compiler built the program and how.

    determinism_test.py MAKE_SCENARIO SOURCE_DIR PROGRAM PROGRAM...

The programs are builds of irqfab; if one is missing the test is skipped (exit code 77). Every scenario of
the tree and some random ones are run by each: trace and report must be equal byte for byte.
"""

import pathlib
import subprocess
import sys
import tempfile

RANDOM = [("anything", seed) for seed in range(1, 11)] + [("ties", seed) for seed in range(1, 6)]
SKIPPED = 77


def run(program, scenario, trace):
    """Trace and report of one run."""
    done = subprocess.run(
        [str(program), "run", str(scenario), "--json", "--trace", str(trace)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):  # 1: an expectation failed, which is not the question here
        raise SystemExit(f"{program} run {scenario}: exit code {done.returncode}\n"
                         f"{done.stderr.decode(errors='replace')}")
    return trace.read_bytes(), done.stdout


def first_difference(a, b):
    for at, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return at
    return min(len(a), len(b))


def compare(scenario, programs, scratch):
    """What differs between the first build and the others, and the first build and itself."""
    names = list(programs)
    results = [run(programs[name], scenario, scratch / f"{name}.trace") for name in names]
    results.append(run(programs[names[0]], scenario, scratch / "again.trace"))
    found = []
    for name, (trace, report) in zip(names[1:] + [names[0] + " again"], results[1:]):
        if trace != results[0][0]:
            at = first_difference(trace, results[0][0])
            found.append(f"{scenario}: the traces of {names[0]} and {name} differ at +{at:#x}")
        if report != results[0][1]:
            at = first_difference(report, results[0][1])
            found.append(f"{scenario}: the reports of {names[0]} and {name} differ at +{at:#x}")
    return found, len(results[0][0])


def main():
    make_scenario, source, *builds = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    programs = {build.parent.name: build for build in builds}
    missing = [str(program) for program in programs.values() if not program.exists()]
    if missing:
        print("skipped: nobody has built " + ", ".join(missing))
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        # The million functions are the hundred thousand again, and take long without optimisation.
        scenarios = [s for s in sorted((source / "scenarios").rglob("*.yaml")) if s.stem != "scale-1m"]
        for purpose, seed in RANDOM:
            scenario = scratch / f"{purpose}-{seed}.yaml"
            scenario.write_bytes(subprocess.run(
                [str(make_scenario), purpose, str(seed)], stdout=subprocess.PIPE, check=True).stdout)
            scenarios.append(scenario)
        failures = []
        total = 0
        for scenario in scenarios:
            found, size = compare(scenario, programs, scratch)
            failures += found
            total += size
    for failure in failures:
        print(failure)
    print(f"{len(scenarios)} scenarios, {total} bytes of trace, {len(programs)} builds: "
          f"{len(failures)} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
