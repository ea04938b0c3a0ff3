#!/usr/bin/env python3
"""Which layer may include which: the tables below say it, and this program holds a tree to it.

    check_layers.py [ROOT]

Reads every #include in models/, fabric/ and tests/ under ROOT (default: the tree that this file is
part of) and prints `file:line: error: ...` for each that goes in a forbidden direction.
Exit code 0: there is none. 1: there are some. 2: ROOT is no such tree.

A header of the project is named by its path from the root, or it is refused: otherwise its
direction would not show. Not seen: what is used without being included.
"""

import fnmatch
import pathlib
import posixpath
import re
import sys
from typing import NamedTuple

FAMILIES = "pci x86 arm power xen cpu host mem"
CORES = FAMILIES + " kvm vmm"
MODELS = "base sim catalog " + CORES  # all but tlm
FABRIC = "version scenario topology trace recording run kvm-backend conform analysis report"  # all but cli


class Layer(NamedTuple):
    name: str
    files: str  # a pattern of paths; * matches slashes as well
    may_include: str  # layers besides itself


# A file is of the first layer whose pattern its path matches.
LAYERS = (
    # Hardware, and the software on the path of an interrupt.
    Layer("base", "models/base/*", ""),
    Layer("sim", "models/sim/*", "base"),
    Layer("pci", "models/pci/*", "base"),
    Layer("x86", "models/x86/*", "base"),
    Layer("arm", "models/arm/*", "base"),
    Layer("power", "models/power/*", "base"),
    Layer("xen", "models/xen/*", "base"),
    Layer("cpu", "models/cpu/*", "base"),
    Layer("host", "models/host/*", "base"),
    Layer("mem", "models/mem/*", "base"),
    Layer("kvm", "models/kvm/*", "base " + FAMILIES),
    Layer("vmm", "models/vmm/*", "base kvm " + FAMILIES),
    Layer("catalog", "models/catalog.*", "base sim " + CORES),
    Layer("tlm", "models/tlm/*", MODELS),
    # The machine around it.
    Layer("version", "fabric/version.hpp", ""),
    Layer("scenario", "fabric/scenario/*", MODELS),
    Layer("topology", "fabric/topology/*", MODELS + " scenario"),
    Layer("trace", "fabric/trace/*", "base sim scenario version"),
    Layer("recording", "fabric/recording/*", "base sim x86 scenario trace"),
    Layer("run-sources", "fabric/run/*.cpp", MODELS + " tlm scenario topology trace run"),
    Layer("run", "fabric/run/*", MODELS + " scenario topology"),
    Layer("kvm-backend", "fabric/kvm/*", MODELS + " scenario topology run trace"),
    Layer("conform", "fabric/conform/*", MODELS + " topology run"),
    Layer("analysis", "fabric/analysis/*", MODELS + " scenario topology run trace version"),
    Layer("report", "fabric/report/*", MODELS + " scenario topology run trace analysis version"),
    Layer("cli", "fabric/cli/*", MODELS + " tlm " + FABRIC),
    # Tests. The test of a core links without SystemC and without the fabric, helpers included. An
    # oracle shares nothing with what it judges.
    Layer("oracle", "tests/*_oracle.[ch]pp", ""),
    Layer("foreign-project", "tests/package/*", ""),
    Layer("test-support", "tests/support/*", "base sim " + CORES),
    Layer("tlm-test", "tests/models/tlm/*", MODELS + " tlm core-test test-support oracle"),
    Layer("core-test", "tests/models/*", MODELS + " test-support oracle"),
    Layer("test", "tests/*", MODELS + " tlm cli core-test test-support oracle " + FABRIC),
)


class Library(NamedTuple):
    name: str
    headers: str  # patterns
    only_in: str  # patterns of paths


# Headers from outside that only some files may include.
LIBRARIES = (
    Library("SystemC", "systemc systemc.h tlm tlm.h tlm_core/* tlm_utils/* sysc/*",
            "models/tlm/* fabric/run/*.cpp fabric/cli/*.cpp"
            " tests/models/tlm/* tests/fabric/* tests/support/*.cpp tests/bench/*.cpp"
            " tests/package/*"),
    Library("Boost", "boost/*", "fabric/topology/*.cpp"),
    Library("yaml-cpp", "yaml-cpp/*", "fabric/scenario/*.cpp"),
    Library("CLI11", "CLI/*", "fabric/cli/*.cpp"),
    Library("libtracecmd", "trace-cmd.h tracefs.h event-parse.h kbuffer.h", "fabric/recording/*.c"),
    Library("the installed package", "irqfab/*", "tests/package/*"),
    # Models know no file; nothing that decides time or order may differ between compilers.
    Library("files and streams", "fstream iostream istream ostream sstream filesystem",
            "fabric/* tests/*"),
    Library("libm and its distributions", "cmath math.h random", "tests/*"),
)

FOLDERS = ("models", "fabric", "tests")
SUFFIXES = {".hpp", ".cpp", ".h", ".c", ".cc", ".hh"}
INCLUDE = re.compile(r'\s*(?:/\*.*?\*/\s*)*#\s*(?:include|include_next|import)\b\s*'
                     r'(?:"(?P<quoted>[^"]*)"|<(?P<angled>[^>]*)>)?')


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())


def layer_of(path):
    """The layer of a path from the root, or None."""
    return next((layer for layer in LAYERS if matches(path, layer.files)), None)


def fault(layer, path, header, quoted):
    """What is wrong with a file of `layer` at `path` that includes `header`, or None."""
    target = layer_of(header)
    if header != posixpath.normpath(header) or (quoted and target is None):
        return f'"{header}" is no path of a layer: write it from the root of the tree'
    if target is not None:
        allowed = layer.may_include.split()
        if target.name in (layer.name, *allowed):
            return None
        return (f'"{header}" is of layer {target.name}; {layer.name} may include: '
                f'{", ".join(allowed) or "nothing but itself"}')
    for library in LIBRARIES:
        if matches(header, library.headers) and not matches(path, library.only_in):
            return f"<{header}>: {library.name} may be included in {library.only_in} only"
    return None


def faults_in(root, file):
    """`file:line: error: ...` for every forbidden include of a file."""
    path = file.relative_to(root).as_posix()
    layer = layer_of(path)
    if layer is None:
        yield f"{path}:1: error: the file is of no layer: give its folder a row of LAYERS"
        return
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        include = INCLUDE.match(line)
        if include is None:
            continue
        header = include["quoted"] or include["angled"]
        wrong = (fault(layer, path, header, include["quoted"] is not None) if header else
                 "the name of the header does not stand here")
        if wrong:
            yield f"{path}:{number}: error: {wrong}"


def source_files(root):
    for folder in FOLDERS:
        yield from sorted(f for f in (root / folder).rglob("*") if f.suffix in SUFFIXES)


def check(root):
    """All faults of a tree, in the order of its files."""
    return [found for file in source_files(root) for found in faults_in(root, file)]


def main(arguments):
    root = pathlib.Path(arguments[1] if len(arguments) > 1 else __file__).resolve()
    if root.is_file():
        root = root.parents[2]
    if not all((root / folder).is_dir() for folder in FOLDERS):
        print(f"{root}: error: no tree with the folders {', '.join(FOLDERS)}", file=sys.stderr)
        return 2
    faults = check(root)
    print("\n".join(faults) if faults else f"{len(list(source_files(root)))} files, none forbidden")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
