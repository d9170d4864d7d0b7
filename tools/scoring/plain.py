"""The image as a distribution ships it: the package's own build, without Suture's wrapper and flags, then stripped as dh_strip does.

No binary package exists for "the series up to this fix", so it is built here. The build tree stays, and goes from row to row by the
files that differ."""
import filecmp
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from scoring import elf

BUILD_SECONDS = 3600
BUILD_TARGET, INSTALL_TARGET = "build-arch", "install-arch"  # of debian/rules
# As on Debian's build daemons: a Python or compiler of this machine's own, ahead of Debian's, is not what packages are built with.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LOG_TAIL = 12
CODE = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".inc", ".S")
CONFIGURE_STEPS = ("dh_update_autotools_config", "dh_autoreconf", "dh_auto_configure")
# What makes documentation and nothing that is compiled; many Makefiles call it each time, whatever changed.
DOCUMENTATION_TOOLS = ("sphinx-build", "doxygen", "makeinfo", "gtkdoc-scan", "gtkdoc-mkdb", "gtkdoc-mkhtml")
# Stamp files with which debian/rules remember that a build is done; those of configuring stay.
CLEAR_STAMPS = r"""find . -maxdepth 3 \( -name '*build*stamp*' -o -name '*stamp*build*' \) ! -name '*conf*' ! -name '*.[ch]' -type f -delete; rm -f debian/stamp-build* build-stamp
rm -f debian/*.debhelper.log debian/stamps-build/*/build debian/stamps-build/build"""


class BuildBroken(Exception):
    """The package's own build fails, without any part of Suture."""


def build_command(target):
    return f"{CLEAR_STAMPS}\nexec debian/rules {target}"


def write_once_tools(folder, search_path=SYSTEM_PATH):
    """Debhelper's configure steps, run again only when an input of theirs changed since: a rebuild of a configured tree is then a
    plain incremental make, cmake or meson build. They run through PATH, so that overrides in debian/rules find them also.
    Documentation is made once in each folder. Only tools that are there: `configure` must find what it would find without us."""
    folder.mkdir(parents=True, exist_ok=True)
    for step in CONFIGURE_STEPS:
        write_script(folder / step, CONFIGURE_ONCE.format(tool=step, folder=folder))
    for tool in DOCUMENTATION_TOOLS:
        if shutil.which(tool, path=search_path):
            write_script(folder / tool, DOCUMENT_ONCE.format(tool=tool, folder=folder))
    return folder


def write_script(path, text):
    """Whole at every moment: another package may be running it."""
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as script:
        script.write(text)
    os.chmod(script.name, 0o755)
    os.replace(script.name, path)


CONFIGURE_ONCE = r"""#!/bin/sh
# Written by tools/coverage: {tool}, once for each tree, arguments and flags.
PATH=$(printf %s "$PATH" | tr : '\n' | grep -vxF '{folder}' | paste -sd:)
stamp=debian/.configured-once/{tool}.$(printf '%s\n' "$@" "$CFLAGS" "$CXXFLAGS" "$LDFLAGS" "$CC" "$PYTHON" | sha1sum | cut -c1-16)
if [ -e "$stamp" ] && [ -z "$(find . -newer "$stamp" -type f \( -name configure.ac -o -name configure.in -o -name Makefile.am \
    -o -name meson.build -o -name meson_options.txt -o -name CMakeLists.txt -o -name '*.cmake' -o -path ./debian/rules \
    -o -path './m4/*.m4' \) ! -path './debian/.configured-once/*' -print -quit)" ]; then exit 0; fi
{tool} "$@" || exit $?
mkdir -p debian/.configured-once && touch "$stamp"
"""
DOCUMENT_ONCE = r"""#!/bin/sh
# Written by tools/coverage: {tool}, once for each folder and arguments.
PATH=$(printf %s "$PATH" | tr : '\n' | grep -vxF '{folder}' | paste -sd:)
case " $* " in *" --version "* | *" --help "* | *" -h "* | *" -v "*) exec {tool} "$@" ;; esac
stamp=.made-once.{tool}.$(printf '%s\n' "$@" | sha1sum | cut -c1-16)
[ -e "$stamp" ] && exit 0
{tool} "$@" || exit $?
touch "$stamp"
"""


class PlainBuild:
    def __init__(self, folder, once_tools, jobs):
        self.tree, self.log = Path(folder) / "plain", Path(folder) / "plain.log"
        self.environment = build_environment(once_tools, jobs)
        # A compiler cache makes a package that configures anew each time bearable; it changes no object.
        if shutil.which("ccache"):
            self.environment["PATH"] = f"/usr/lib/ccache:{self.environment['PATH']}"
            self.environment.setdefault("CCACHE_DIR", str(Path(folder) / "ccache"))
        self.state = Path(folder) / "plain.json"  # the files of `pre` that the tree was last brought to

    def build(self, pre, target, anew=False):
        """Builds `pre`; gives the linked files of the tree by their paths in it, and whether all was built from nothing."""
        if anew:
            self.state.unlink(missing_ok=True)
        moved, started = self._bring_to(pre), time.time_ns()
        try:
            self._run(target)
        except BuildBroken:
            if moved is None:
                raise
            return self.build(pre, target, anew=True)  # rules that cannot be run twice in one tree
        linked = elf.linked_files(self.tree)
        if moved is None:
            return linked, True
        # Rules that keep stamps, or copies of the sources, pass over what moved.
        if any(Path(path).suffix in CODE for path in moved) and not any((self.tree / path).stat().st_mtime_ns > started for path in linked):
            return self.build(pre, target, anew=True)
        return linked, False

    def _run(self, target):
        with open(self.log, "wb") as log:
            status = subprocess.run(["sh", "-c", build_command(target)], cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, timeout=BUILD_SECONDS).returncode
        if status != 0:
            self.state.unlink(missing_ok=True)
            tail = self.log.read_text(errors="replace").strip().splitlines()[-LOG_TAIL:]
            raise BuildBroken("debian/rules fails without Suture: " + " / ".join(tail))

    def _bring_to(self, pre):
        """Copies what differs from the last `pre` only: files that the build made over source files stay as it made them. Gives what was
        copied; None: everything."""
        now, moved = {str(path.relative_to(pre)): [path.lstat().st_mtime_ns, path.lstat().st_size] for path in walk(pre)}, None
        if self.state.exists():
            before = json.loads(self.state.read_text())
            self.state.unlink()
            moved = self._follow(pre, before, now)
        else:
            shutil.rmtree(self.tree, ignore_errors=True)
            shutil.copytree(pre, self.tree, symlinks=True)
        self.state.write_text(json.dumps(now))
        return moved

    def _follow(self, pre, before, now):
        moved = []
        for path in before.keys() - now.keys():
            (self.tree / path).unlink(missing_ok=True)
        for path in (p for p, stamp in now.items() if before.get(p) != stamp):
            target = self.tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_file() and not target.is_symlink() and filecmp.cmp(pre / path, target, shallow=False):
                continue
            moved.append(path)
            target.unlink(missing_ok=True)
            shutil.copy2(pre / path, target, follow_symlinks=False)
            if not target.is_symlink():
                os.utime(target)  # newer than what was built from it
        return moved


def walk(folder):
    for root, folders, files in os.walk(folder):
        yield from (Path(root) / name for name in files)
        yield from (Path(root) / name for name in folders if (Path(root) / name).is_symlink())


def build_environment(once_tools, jobs):
    """Of the caller's profiles, those that are set stay: a package of several flavours may offer one that builds a single one."""
    profiles = " ".join(dict.fromkeys(["nocheck", "nodoc", *os.environ.get("DEB_BUILD_PROFILES", "").split()]))
    environment = {**os.environ, "DEB_BUILD_OPTIONS": f"nocheck nodoc parallel={jobs}", "DEB_BUILD_PROFILES": profiles, "LC_ALL": "C.UTF-8",
                   "TZ": "UTC", "PATH": f"{once_tools}:{SYSTEM_PATH}", "FORCE_UNSAFE_CONFIGURE": "1"}  # gnulib's: as root, too
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    return environment


def strip_like_debhelper(source, target):
    """dh_strip's options for programs and for libraries."""
    target.parent.mkdir(parents=True, exist_ok=True)
    words = ["strip", "--remove-section=.comment", "--remove-section=.note"]
    if elf.is_library(source):
        words.append("--strip-unneeded")
    subprocess.run([*words, "-o", target, source], check=True)
