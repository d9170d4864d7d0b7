#!/usr/bin/env python3
"""Fails when a relative link in a Markdown file of the project leads nowhere."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    broken = []
    for name in filter(None, files):
        path = ROOT / name
        broken += [f"{name}: no such file: {target}" for target in LINK.findall(path.read_text())
                   if "://" not in target and not (path.parent / target).exists()]
    print("\n".join(broken + [f"links: {len(broken)} broken"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
