#!/usr/bin/env python3
"""Fails when a source file includes what its layer may not, says a word that belongs to another folder, or has grown too long.

The two tables in docs/architecture.md are the only copy of the rules: "Layers" (folder, may include) and "Words that have one home"
(a regular expression, the folders that may use it). Tests (`*_test.cc`, `*_for_test.h`, `*_test_support.h`) may include any layer,
as they stand beside what they test and some need a file made by a layer above.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
MAX_LINES = 800
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"/]+)/', re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def table_rows(text, heading):
    """The cells of the first table under a heading, without its head."""
    section = re.split(r"^#+ ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def read_rules():
    text = (ROOT / "docs/architecture.md").read_text()
    allowed = {}
    for _, folder, may_include, *_ in table_rows(text, "Layers"):
        name = folder.strip("`/")
        allowed[name] = {name} | {item.strip("` ") for item in may_include.split(",")} - {"-"}
    homes = [(cells[0].strip("`").replace(r"\|", "|"), {h.strip("`/ ") for h in cells[1].split(",")}) for cells in table_rows(text, "Words that have one home")]
    return allowed, homes


def is_test(path):
    return path.stem.endswith(("_test", "_test_support", "_for_test"))


def main():
    allowed, homes = read_rules()
    problems = []
    files = sorted(p for p in SOURCE.rglob("*") if p.suffix in (".cc", ".h"))
    for path in files:
        text = path.read_text()
        name = path.relative_to(ROOT)
        layer = path.relative_to(SOURCE).parts[0]
        if layer not in allowed:
            problems.append(f"{name}: src/{layer} is not in the table of layers")
            continue
        if len(text.splitlines()) > MAX_LINES:
            problems.append(f"{name}: {len(text.splitlines())} lines, more than {MAX_LINES}")
        if not text.startswith("//") and path.suffix == ".h":
            problems.append(f"{name}: does not open with a comment that says what it is for")
        if is_test(path):
            continue
        for included in INCLUDE.findall(text):
            if included not in allowed[layer]:
                problems.append(f"{name}: {layer}/ may not include {included}/")
        code = COMMENT.sub("", text)
        for word, folders in homes:
            if layer not in folders and (found := re.search(word, code)):
                problems.append(f"{name}: '{found.group(0)}' belongs to {', '.join(sorted(folders))}")
    unused = [layer for layer in allowed if not (SOURCE / layer).is_dir()]
    problems += [f"docs/architecture.md: there is no src/{layer}" for layer in unused]
    for problem in problems:
        print(problem)
    print(f"layers: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
