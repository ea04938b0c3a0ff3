#!/usr/bin/env python3
"""Do the tests bite? Inverts single lines of the models, one at a time, and runs the tests.

    tests/inversions/invert.py SOURCE_DIR WORK_DIR [--of x86|remapping] [--count 50] [--seed 1]
                               [--at FILE:LINE ...]

Copies the sources to WORK_DIR, builds the test programs there once, then for each of `count`
places, drawn with `seed` from all that can be inverted in a part of the models: rewrites the one
line, builds, runs the programs, and puts the line back. An inversion is caught if a test fails, crashes or does
not end within ten times the CPU time of the whole run; one that does not compile is no inversion
and another is drawn. Survivors are printed with their line and must stand in survivors.txt, each
with the reason why no test can or need tell. Not a part of ctest: it takes half an hour.

Exit code: 0 if at least 9 of 10 were caught and every survivor has its reason, 1 if not.
"""
import argparse
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys

# Interrupt remapping, posting and the virtualization of the APIC, by the beginnings of files.
REMAPPING = ("vtd_", "irte", "interrupt_entry_cache", "posted_", "apicv", "avic", "virtual_apic",
             "amdvi_", "hpet")
PARTS = {
    "x86": (("models/cpu", "models/pci", "models/x86"),
            lambda name: not name.startswith(REMAPPING)),
    "remapping": (("models/x86",), lambda name: name.startswith(REMAPPING)),
}
PROGRAMS = ("test_rules", "test_models", "test_conform")  # in the order in which they are tried
# What may be wrong with one line. A pattern stands for what it matches, once.
INVERSIONS = [
    (r" == ", " != "),
    (r" != ", " == "),
    (r" < ", " >= "),
    (r" > ", " <= "),
    (r" <= ", " > "),
    (r" >= ", " < "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r"\bif \(!", "if ("),
    (r"\bif \((?!!|const|auto|constexpr)(.*)\) (return|continue|break)", r"if (!(\1)) \2"),
    (r"\breturn !", "return "),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r"\bLevel::High\b", "Level::Low"),
    (r"\bLevel::Low\b", "Level::High"),
    (r"\bMask::On\b", "Mask::Off"),
    (r"\bMask::Off\b", "Mask::On"),
    (r"\bTriggerMode::Edge\b", "TriggerMode::Level"),
    (r"\bTriggerMode::Level\b", "TriggerMode::Edge"),
    (r" & ~", " & "),
    (r" \? (.+) : (.+);", r" ? \2 : \1;"),
]
NOT_CODE = re.compile(r"^\s*(//|#|assert\(|static_assert|using |namespace |template )")


class Place:
    def __init__(self, file, number, before, after):
        self.file, self.number, self.before, self.after = file, number, before, after

    def __str__(self):
        return f"{self.file}:{self.number}: {self.before.strip()}  ->  {self.after.strip()}"


def code_of(line):
    """The line without its comment; strings hold no slashes in these files."""
    return line.split("//")[0]


def places_in(source, file):
    for number, line in enumerate((source / file).read_text().splitlines(), 1):
        if NOT_CODE.match(line):
            continue
        code = code_of(line)
        for pattern, replacement in INVERSIONS:
            for match in re.finditer(pattern, code):
                after = line[:match.start()] + match.expand(replacement) + line[match.end():]
                yield Place(file, number, line, after)


def all_places(source, part):
    folders, belongs = PARTS[part]
    files = sorted(p.relative_to(source) for folder in folders
                   for p in (source / folder).rglob("*.?pp") if belongs(p.name))
    return [place for file in files for place in places_in(source, file)]


def copy_sources(source, work):
    """Writes only what differs, so that a second run builds little."""
    wanted = {p.relative_to(source) for name in ("models", "fabric", "scenarios", "tests", "traces")
              for p in (source / name).rglob("*") if p.is_file()} | {pathlib.Path("CMakeLists.txt")}
    for name in ("models", "tests"):
        for stale in [p for p in (work / name).rglob("*") if p.is_file()]:
            if stale.relative_to(work) not in wanted:
                stale.unlink()
    for file in sorted(wanted):
        target = work / file
        if not target.exists() or target.read_bytes() != (source / file).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, target)


def configure(work):
    subprocess.run(["cmake", "-S", work, "-B", work / "build", "-G", "Ninja"],
                   check=True, stdout=subprocess.DEVNULL)


def builds(work, *programs):
    done = subprocess.run(["cmake", "--build", work / "build", "--target", *programs],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def passes(work, program, seconds):
    def limited():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    done = subprocess.run([work / "build/tests" / program, "--gtest_brief=1", "--gtest_fail_fast"],
                          cwd=work, preexec_fn=limited, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def limits_of(work):
    limits = {}
    for program in PROGRAMS:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if not passes(work, program, 3600):
            sys.exit(f"{program} fails as it stands")
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        limits[program] = 10 * (int(used) + 1)
    return limits


def try_place(work, place, limits):
    """'caught', 'survived' or 'no inversion'."""
    path = work / place.file
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    lines[place.number - 1] = place.after + "\n"
    path.write_text("".join(lines))
    try:
        for program in PROGRAMS:
            if not builds(work, program):
                return "no inversion"
            if not passes(work, program, limits[program]):
                return "caught"
        return "survived"
    finally:
        path.write_text(whole)


def reasons(source):
    """Of survivors, by file and the line as it stands before: two lines each in survivors.txt."""
    known = {}
    lines = [line for line in (source / "tests/inversions/survivors.txt").read_text().splitlines()
             if line and not line.startswith("#")]
    for where, why in zip(lines[::2], lines[1::2]):
        known[where.strip()] = why.strip()
    return known


def key_of(place):
    return f"{place.file}: {place.before.strip()}  ->  {place.after.strip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--of", choices=PARTS, default="x86", help="which part of the models")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at", action="append", default=[], help="FILE:LINE, instead of drawing")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    work = args.work.resolve()
    copy_sources(args.source.resolve(), work)
    configure(work)
    if not builds(work, *PROGRAMS):
        sys.exit("the sources do not build as they stand")
    limits = limits_of(work)
    places = all_places(work, args.of)
    if args.at:
        chosen = [p for p in places if f"{p.file}:{p.number}" in args.at]
    else:
        chosen = random.Random(args.seed).sample(places, len(places))
    count = len(chosen) if args.at else args.count
    print(f"{len(places)} places; seed {args.seed}", flush=True)

    known = reasons(args.source)
    caught, survivors, unexplained = 0, [], 0
    for place in chosen:
        if caught + len(survivors) == count:
            break
        result = try_place(work, place, limits)
        if result == "no inversion":
            continue
        print(f"{result:9} {place}", flush=True)
        if result == "caught":
            caught += 1
            continue
        survivors.append(place)
        why = known.get(key_of(place))
        unexplained += why is None
        print(f"          {why or 'no reason in survivors.txt'}", flush=True)
    print(f"{caught} of {caught + len(survivors)} caught, {unexplained} survivors without a reason")
    return 0 if 10 * caught >= 9 * (caught + len(survivors)) and unexplained == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
