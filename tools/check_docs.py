#!/usr/bin/env python3
"""Fails when a relative link in a Markdown file of the project leads nowhere, or a test that docs/hazards.md names does not exist."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST = re.compile(r"\bTEST(?:_F|_P)?\((\w+),\s*(\w+)\)")
NAMED_TEST = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def missing_tests():
    sources = [path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*_test.cc")]
    known = {f"{suite}.{name}" for path in sources for suite, name in TEST.findall(path.read_text())}
    return [f"docs/hazards.md: no such test: {name}" for name in NAMED_TEST.findall((ROOT / "docs/hazards.md").read_text()) if name not in known]


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    broken = []
    for name in filter(None, files):
        path = ROOT / name
        broken += [f"{name}: no such file: {target}" for target in LINK.findall(path.read_text())
                   if "://" not in target and not (path.parent / target).exists()]
    broken += missing_tests()
    print("\n".join(broken + [f"links and tests: {len(broken)} broken"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
