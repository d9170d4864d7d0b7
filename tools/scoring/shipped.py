"""Which of a build's programs and libraries Debian ships: decided by the files of its binary packages."""
import json
import re
import subprocess
import tempfile
from pathlib import Path

from scoring import elf

# Binary packages without a program or library that lives in a running system; installed tests are linked from the tests' own sources,
# which a fix changes as a matter of course.
NO_SERVICE = ("-doc", "-dbg", "-tests")
# A program that is installed under another name (exim as exim4) has the dynamic symbols of the one that is shipped, but for those that
# patches of the series brought.
LEAST_ALIKE = 0.9


def dynamic_symbols(path):
    shown = subprocess.run(["nm", "-D", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return sorted({line.split()[-1].split("@")[0] for line in shown.splitlines() if line.strip()})


def installed_files(package, folder):
    """[name, dynamic symbols] of each ELF file in the binary packages of this source, as Debian built them."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / "installed.json"
    if not listing.exists():
        files = []
        for binary in binaries_of(package):
            subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", binary], cwd=folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        for deb in sorted(folder.glob("*.deb")):
            with tempfile.TemporaryDirectory(dir=folder) as unpacked:
                subprocess.run(["dpkg-deb", "-x", deb, unpacked], check=True)
                files += [[Path(path).name, dynamic_symbols(Path(unpacked) / path)] for path in elf.linked_files(unpacked)]
            deb.unlink()
        listing.write_text(json.dumps(files))
    return json.loads(listing.read_text())


def likeness(some, others):
    """Share of two sets of names that they have in common."""
    return len(some & others) / max(1, len(some | others))


def choose(tree, linked, installed):
    """The linked files, by path in the tree, that are installed: under their own name, or as what is most alike under another."""
    names = {name for name, _ in installed}
    chosen = {path for path in linked if Path(path).name in names}
    others = {path: set(dynamic_symbols(Path(tree) / path)) for path in linked if path not in chosen}
    made = {Path(path).name for path in chosen}
    for wanted in (set(symbols) for name, symbols in installed if name not in made):
        best = max(others, key=lambda path: likeness(others[path], wanted), default=None)
        if best is not None and wanted and likeness(others[best], wanted) >= LEAST_ALIKE:
            chosen.add(best)
    return sorted(chosen)


def binaries_of(package):
    shown = subprocess.run(["apt-cache", "showsrc", "--only-source", package], stdout=subprocess.PIPE, text=True).stdout
    names = []
    for block in re.findall(r"^Package-List:\s*\n((?: .+\n)+)", shown, re.M)[-1:]:
        for line in block.splitlines():
            words = line.split()
            if words[1] == "deb" and not words[0].endswith(NO_SERVICE) and "arch=all" not in words:
                names.append(words[0])
    return names
