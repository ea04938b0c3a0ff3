#!/usr/bin/env python3
"""Holds scenarios/schema.json and the reader together, over one corpus.

The schema must be a valid draft 7 schema, accept every file that the reader accepts, reject the invalid
files with the comment `# schema: rejects`, and accept the other invalid ones: what is wrong with them only
the reader can tell. Files that are not YAML at all have nothing to say about a schema.

Usage: schema_test.py ROOT, the root of the source tree.
"""
import json
import pathlib
import re
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors read it: `01:00.0` and `yes` are text."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]:
    CoreLoader.add_implicit_resolver(
        "tag:yaml.org,2002:" + tag, re.compile("^(?:%s)$" % pattern), list(first))


def construct_int(loader, node):
    text = loader.construct_scalar(node)
    return int(text, 16 if text.startswith("0x") else 10)


CoreLoader.add_constructor("tag:yaml.org,2002:int", construct_int)


def documents(folder):
    """(path, value) of each file that is one YAML document with something in it."""
    for path in sorted(folder.glob("*.yaml")):
        try:
            value = yaml.load(path.read_bytes(), CoreLoader)
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        if value is not None:
            yield path, value


def main():
    root = pathlib.Path(sys.argv[1])
    schema = json.loads((root / "scenarios/schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    corpus = root / "tests/fabric/scenario/corpus"
    failures, accepted, rejected = [], 0, 0

    for path, value in documents(corpus / "valid"):
        accepted += 1
        for error in validator.iter_errors(value):
            failures.append(f"{path.name}: rejected: {error.message[:200]}")
    for path, value in documents(corpus / "invalid"):
        is_marked = b"# schema: rejects" in path.read_bytes()
        is_valid = validator.is_valid(value)
        rejected += not is_valid
        if is_marked and is_valid:
            failures.append(f"{path.name}: accepted, though it is marked as rejected")
        if not is_marked and not is_valid:
            reason = next(validator.iter_errors(value)).message[:200]
            failures.append(f"{path.name}: rejected, though it is not marked: {reason}")

    if accepted < 10 or rejected < 45:
        failures.append(f"only {accepted} valid and {rejected} rejected files were seen")
    print("\n".join(failures) or f"{accepted} files accepted, {rejected} rejected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
