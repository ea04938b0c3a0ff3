#!/usr/bin/env python3
"""A libFuzzer dictionary of the scenario language: every key and word of its JSON Schema.

    make_dictionary.py ROOT > scenario.dict
"""
import json
import pathlib
import sys


def words(schema):
    """Every name that may stand in a scenario."""
    if isinstance(schema, list):
        return set().union(*map(words, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = words(list(schema.values()))
    properties = schema.get("properties", {})
    if isinstance(properties, dict):
        found |= set(properties)
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list):
            found |= {word for word in schema[key] if isinstance(word, str)}
    if isinstance(schema.get("const"), str):
        found.add(schema["const"])
    return found


def main():
    schema = json.loads((pathlib.Path(sys.argv[1]) / "scenarios/schema.json").read_text())
    for word in sorted(words(schema)):
        escaped = word.replace("\\", "\\\\").replace('"', '\\"')
        print(f'"{escaped}"')


if __name__ == "__main__":
    main()
