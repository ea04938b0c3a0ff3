#!/usr/bin/env python3
"""Both engines: the same bytes.

    engines_test.py MAKE_SCENARIO SOURCE_DIR IRQFAB

Every scenario of the tree and some random ones are run by `--engine tlm` and `--engine fast`: trace and
report must be equal byte for byte.
"""

import pathlib
import subprocess
import sys
import tempfile

RANDOM = [("anything", seed) for seed in range(1, 11)] + [("ties", seed) for seed in range(1, 6)]
LARGE = {"scale-1m", "scale-100k"}  # the same machines again, which take long


def run(program, scenario, trace, engine):
    done = subprocess.run(
        [str(program), "run", str(scenario), "--json", "--engine", engine, "--trace", str(trace)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"run {scenario} --engine {engine}: exit code {done.returncode}\n"
                         f"{done.stderr.decode(errors='replace')}")
    return trace.read_bytes(), done.stdout


def main():
    make_scenario, source, program = (pathlib.Path(a).resolve() for a in sys.argv[1:])
    failures = total = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        scenarios = [s for s in sorted((source / "scenarios").rglob("*.yaml")) if s.stem not in LARGE]
        for purpose, seed in RANDOM:
            scenario = scratch / f"{purpose}-{seed}.yaml"
            scenario.write_bytes(subprocess.run(
                [str(make_scenario), purpose, str(seed)], stdout=subprocess.PIPE, check=True).stdout)
            scenarios.append(scenario)
        for scenario in scenarios:
            tlm = run(program, scenario, scratch / "tlm.trace", "tlm")
            fast = run(program, scenario, scratch / "fast.trace", "fast")
            total += len(tlm[0])
            if tlm != fast:
                failures += 1
                print(f"{scenario}: the engines differ")
    print(f"{len(scenarios)} scenarios, {total} bytes of trace: {failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
