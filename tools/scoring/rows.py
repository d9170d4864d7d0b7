"""The list of fixes (open.tsv's format), and what is known of each one: one JSON file a row, so that a run can be taken up again."""
import csv
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("package", "version", "patch", "cve", "class")
# Outcomes of a row, in the order in which totals are printed.
AUTOMATIC, ALLOWED, AUTHORED = "automatic", "automatic with an allowance", "with author code"
REFUSED, NO_CHANGE, BROKEN, WRONG = "refused", "no change", "build broken", "WRONG"
UNVERIFIED, FAILED = "built, not verified live", "failed"
OUTCOMES = (AUTOMATIC, ALLOWED, AUTHORED, REFUSED, NO_CHANGE, UNVERIFIED, FAILED, BROKEN, WRONG)


class SetError(Exception):
    """The list of fixes cannot be used."""


@dataclass(frozen=True)
class Row:
    package: str
    version: str
    patch: str
    cve: str
    kind: str  # the list's class: body_only, struct_layout, ...

    @property
    def name(self):
        """The row's name in files and as an id of its patch."""
        return re.sub(r"[^A-Za-z0-9._+-]", "_", f"{self.package}-{self.patch.removesuffix('.patch')}")


def read_set(path, package=None):
    with open(path, newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or [])]
        if missing:
            raise SetError(f"{path} has no column {', '.join(missing)}: it is not a list of fixes in open.tsv's format")
        rows = [Row(*(line[name] for name in COLUMNS)) for line in table]
    if package:
        rows = [row for row in rows if row.package == package]
    if not rows:
        raise SetError(f"{path} names no fix" + (f" of {package}" if package else ""))
    return rows


def read_decisions(path):
    """What an author decided for single fixes: package, patch, KIND:ITEM, evidence. By (package, patch)."""
    decisions = {}
    with open(path, newline="") as lines:
        for line in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if not line.get("evidence"):
                raise SetError(f"{path}: {line.get('package')} {line.get('patch')}: an allowance needs its evidence")
            decisions.setdefault((line["package"], line["patch"]), []).append((line["allow"], line["evidence"]))
    return decisions


def read_author_patches(path):
    """An author's variant of single fixes, with code of its own: (package, patch) -> its file, given relative to the list."""
    with open(path, newline="") as lines:
        variants = {(line["package"], line["patch"]): Path(path).parent / line["variant"]
                    for line in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}
    missing = [str(variant) for variant in variants.values() if not variant.is_file()]
    if missing:
        raise SetError(f"{path}: {', '.join(missing)} is not there")
    return variants


def read_own_tests(path):
    """The quick test of a package, a shell command, by the package's name."""
    with open(path, newline="") as lines:
        return {line["package"]: line["command"] for line in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}


class State:
    """Results by row, below one folder."""

    def __init__(self, folder):
        self.folder = Path(folder) / "rows"
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, row):
        return self.folder / f"{row.name}.json"

    def load(self, row):
        try:
            return json.loads(self.path(row).read_text())
        except FileNotFoundError:
            return None

    def save(self, row, result):
        path = self.path(row)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(result, indent=1) + "\n")
        os.replace(temporary, path)
