#!/usr/bin/env python3
"""`irqfab conform` on the recorded cases, and on what is made of them.

    conform_test.py IRQFAB SOURCE_DIR [TEST]

Cases pass by group; renaming ids, notes and labels changes nothing; a case in which any observed value
is another fails, at that place.
"""

import collections
import copy
import json
import os
import pathlib
import subprocess
import sys
import unittest

CASES = pathlib.Path("tests/conformance")
ANSWERS = {"ret", "status", "msrs_set", "msrs_got", "isr_entries", "isr_order", "exit_reason",
           "x2apic_api_ret"}
DEVIATIONS = {"msi-svr-off", "msi-low-vector", "lowpri-tpr", "ioapic-edge-held", "ipi-low-vector",
              "ir-compat-blocked", "ir-svt-mismatch"}
QEMU = ("qemu_x86", "qemu_x86_recorded")


def cases_of(name):
    with open(ROOT / CASES / f"{name}.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def irqfab(*arguments, text=None):
    return subprocess.run([IRQFAB, *map(str, arguments)], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", check=False)


def conform(cases, *options):
    """Exit code and document."""
    text = "".join(json.dumps(case) + "\n" for case in cases)
    done = irqfab("conform", "-", "--json", *options, text=text)
    if done.returncode not in (0, 1):
        raise AssertionError(done.stderr)
    return done.returncode, json.loads(done.stdout)


def numbers(document):
    return document["passed"], document["failed"], document["skipped"]


class Groups(unittest.TestCase):
    """One ctest each."""

    COUNTS = {"signal_msi": 27, "irqfd_msi": 16, "ioapic_line": 12, "irqfd_ioapic": 5,
              "lapic_msr": 14, "x2apic_dest": 6, "routing": 12, "pic": 4, "split": 3, "guest": 5}

    def of_group(self, group):
        cases = [case for case in cases_of("kvm_x86") if case["group"] == group]
        self.assertEqual(len(cases), self.COUNTS[group])
        code, document = conform(cases)
        self.assertEqual((code, *numbers(document)), (0, len(cases), 0, 0), document)

    def test_every_case_has_a_group(self):
        self.assertEqual(collections.Counter(c["group"] for c in cases_of("kvm_x86")), self.COUNTS)

    def test_recorded(self):
        """Seen on a real /dev/kvm in the same way, for rules that no case of kvm_x86 shows."""
        cases = cases_of("kvm_recorded")
        self.assertEqual({case["group"] for case in cases}, set(self.COUNTS))
        code, document = conform(cases)
        self.assertEqual((code, *numbers(document)), (0, len(cases), 0, 0), document)

    def test_qemu_x86(self):
        code, document = conform(cases_of("qemu_x86"))
        self.assertEqual((code, *numbers(document)), (0, 38, 0, 0), document)

    def test_qemu_x86_by_the_specification(self):
        code, document = conform(cases_of("qemu_x86"), "--behaviour", "spec")
        self.assertEqual((code, *numbers(document)), (0, 31, 0, 7))
        skipped = {c["id"] for c in document["cases"] if c["result"] == "skip"}
        self.assertEqual(skipped, DEVIATIONS)
        chosen = {c["id"] for c in document["cases"] if c["result"] == "pass" and c["reason"]}
        self.assertEqual(chosen, {"lowpri-equal"})

    def test_qemu_x86_recorded(self):
        cases = cases_of("qemu_x86_recorded")
        code, document = conform(cases)
        self.assertEqual((code, *numbers(document)), (0, len(cases), 0, 0), document)

    def test_qemu_x86_recorded_by_the_specification(self):
        cases = cases_of("qemu_x86_recorded")
        code, document = conform(cases, "--behaviour", "spec")
        self.assertEqual(code, 0, document)
        differing = {c["id"] for c in document["cases"] if c["result"] == "skip" or c["reason"]}
        self.assertEqual(differing,
                         {c["id"] for c in cases if c["verdict"] != "no-deviation-known"})


for GROUP in Groups.COUNTS:
    setattr(Groups, f"test_{GROUP}", lambda self, group=GROUP: self.of_group(group))


def renamed(case, index):
    """The same case with other ids, notes and labels."""
    made = copy.deepcopy(case)
    made.update(id=f"x{index}", note="n")
    made.pop("why", None)
    names = {}
    for op in made["setup"] + made["stimulus"]:
        for field in ("fd", "resample_fd"):
            if op.get(field, "none") != "none":
                op[field] = names.setdefault(op[field], f"efd-{len(names)}")
        people = ["label", "note", "text"] + (["reg"] if "machine" in made else [])
        op.update({field: "other" for field in people if field in op})
        if "as" in op:
            label = f"r{len(names)}"
            made["observed"][label] = made["observed"].pop(op["as"])
            names[label] = op["as"] = label
    return made


class Renaming(unittest.TestCase):
    def test_ids_notes_and_labels_mean_nothing(self):
        for name in ("kvm_x86", *QEMU):
            for behaviour in ([], ["--behaviour", "spec"], ["--behaviour", "kvm"]):
                cases = cases_of(name)
                before = conform(cases, *behaviour)[1]
                after = conform([renamed(c, i) for i, c in enumerate(cases)], *behaviour)[1]
                fields = ("result", "op", "expected", "got", "reason")
                self.assertEqual([[c[f] for f in fields] for c in before["cases"]],
                                 [[c[f] for f in fields] for c in after["cases"]])


def another(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1] if 251 in value else value + [251]
    if isinstance(value, dict):
        return {"3": "0x1"}
    if isinstance(value, int):
        return value ^ 1 if value >= 0 else 0
    return 0 if value.startswith("-E") else hex(int(value, 16) ^ 1)


def leaves(value, path):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, path + [key])
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from leaves(inner, path + [index])
    else:
        yield path, value


def changed(case):
    """Copies of the case, each with one observed value changed, and which."""
    places = [(["observed"], case["observed"])]
    for part in ("setup", "stimulus"):
        for index, op in enumerate(case[part]):
            compared = ANSWERS | ({"value"} if op["op"] == "get_msr" else set())
            compared |= {"state"} if op["op"] == "snapshot" else set()
            places += [([part, index, f], op[f]) for f in op if f in compared]
    for start, value in places:
        for path, old in leaves(value, start):
            made = copy.deepcopy(case)
            at = made
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = another(old)
            if "verdict" in made:
                made["verdict"] = "no-deviation-known"
            made["id"] = f"{case['id']} {path}"
            yield made, path


class Biting(unittest.TestCase):
    def test_another_value_anywhere_fails_there(self):
        for name, least in (("kvm_x86", 3000), ("qemu_x86", 150), (QEMU[1], 400)):
            made = [pair for case in cases_of(name) for pair in changed(case)]
            self.assertGreater(len(made), least)
            code, document = conform([case for case, _ in made])
            self.assertEqual(code, 1)
            for (case, path), result in zip(made, document["cases"]):
                self.assertEqual(result["result"], "fail", result)
                self.assertNotEqual(result["expected"], result["got"])
                if path[0] == "observed" and name == "kvm_x86":
                    self.assertEqual(result["op"], "observed", result)
                elif path[0] == "observed":
                    self.assertEqual(result["field"], path[1], result)
                else:
                    number = path[1] + 1 + (len(case["setup"]) if path[0] == "stimulus" else 0)
                    self.assertEqual(result["op"], f"op {number}: {case[path[0]][path[1]]['op']}")


class Command(unittest.TestCase):
    def test_text_says_what_did_not_simply_pass(self):
        case = cases_of("kvm_x86")[0]
        case["observed"]["cpu"][0]["tpr"] = "0x77"
        done = irqfab("conform", "-", text=json.dumps(case) + "\n")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout,
                         f"fail  {case['id']}\n"
                         '      observed, cpu[0].tpr: expected "0x77", got 0\n'
                         "1 cases: 0 passed, 1 failed, 0 skipped\n")

    def test_an_artefact_of_the_host_is_a_skip_with_its_reason(self):
        case = cases_of("kvm_x86")[0]
        case["artefact"] = True
        code, document = conform([case])
        self.assertEqual((code, *numbers(document)), (0, 0, 0, 1))
        self.assertIn("a defect of the host", document["cases"][0]["reason"])

    def test_a_deviation_that_nobody_models_is_a_skip_and_a_choice_is_no_excuse(self):
        case = next(c for c in cases_of("qemu_x86") if c["id"] == "tpr")
        case["observed"]["tpr40"] = [66]
        for verdict, behaviour, expected in (("deviates", "qemu", "skip"),
                                             ("deviates", "spec", "skip"),
                                             ("implementation-choice", "qemu", "fail"),
                                             ("implementation-choice", "spec", "pass"),
                                             ("no-deviation-known", "spec", "fail")):
            case["verdict"] = verdict
            result = conform([case], "--behaviour", behaviour)[1]["cases"][0]
            self.assertEqual(result["result"], expected, (verdict, behaviour))
            self.assertEqual((result["op"], result["field"]), ("op 7: cpu_accept", "tpr40"))

    def guest_case(self, setup, stimulus, observed):
        create = {"op": "create_vm", "irqchip": "full", "apic_ids": [0]}
        enable = {"op": "set_lapic", "cpu": 0, "svr": "0x1ff", "ldr": 0, "dfr": "0xffffffff",
                  "tpr": 0, "ret": 0}
        return {"id": "g", "setup": [create, enable, *setup], "stimulus": stimulus,
                "observed": {"cpu": [{}], "ioapic": {}, "pic": {}, **observed}}

    def test_a_guest_takes_the_8259s_interrupt_and_then_the_local_apics(self):
        case = self.guest_case(
            [{"op": "set_pic", "chip": "pic_master", "imr": 0, "irq_base": "0x40", "elcr": 0},
             {"op": "irq_line_status", "gsi": 3, "level": 1, "ret": 0, "status": 1},
             {"op": "signal_msi", "addr_lo": "0xfee00000", "data": "0x58", "ret": 1}],
            [{"op": "run_guest", "loop": "hlt", "ms": 10, "isr_entries": 2,
              "isr_order": [0x43, 0x58]}],
            {"pic": {"master": {"irr": 0, "isr": 8}}})
        self.assertEqual(numbers(conform([case])[1]), (1, 0, 0))

    def test_a_guest_that_does_not_come_to_rest_fails(self):
        case = self.guest_case(
            [{"op": "set_ioapic_rte", "pin": 20, "rte": "0x8048"},
             {"op": "irq_line", "gsi": 20, "level": 1}],
            [{"op": "run_guest", "loop": "spin", "ms": 1000}], {})
        code, document = conform([case])
        self.assertEqual(code, 1)
        self.assertIn("does not come to rest", document["cases"][0]["reason"])

    def test_wrong_input_is_refused_before_anything_runs(self):
        good = (ROOT / CASES / "qemu_x86.jsonl").read_text(encoding="utf-8")
        done = irqfab("conform", "-", text=good + '{"id":"x"}\n')
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertTrue(done.stderr.startswith("<stdin>:39:1: error: "), done.stderr)

    def test_what_is_not_there_yet_is_refused_by_name(self):
        done = irqfab("conform", "x", "--backend", "kvm")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'--backend kvm' is not supported yet", done.stderr)
        done = irqfab("conform", "no-such-file.jsonl")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no-such-file.jsonl: error: ", done.stderr)


if __name__ == "__main__":
    IRQFAB, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
