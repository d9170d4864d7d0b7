#!/usr/bin/env python3
"""libexpat 2.5.0 without the fix of CVE-2024-50602, stripped, in a running Python: XML_StopParser on a parser that has not started
answers 1 (and leaves it in a state that crashes later) before, 0 with error 44 after. A shared library in a process whose program is
another, hot, on disk, and back, while other threads parse documents with it."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

SOURCE = ("expat", "2.5.0-1+deb12u2", "CVE-2024-50602")
BUILD = "debian/rules build"
OUTPUT = "build/lib/.libs/libexpat.so.1.8.10"
PATCH_ID = "expat-CVE-2024-50602"
HOST = Path(__file__).with_name("host.py")
OLD = {"status": 1, "error": 0}
NEW = {"status": 0, "error": 44}


class Host:
    """Debian's own Python, which links libexpat, with the library under test in front."""

    def __init__(self, case, library):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        self.process = subprocess.Popen(["/usr/bin/python3", str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        case.on_exit(case.end, self.process)
        self.pid = self.process.pid
        self.ask("ping")
        case.check(any(str(library) in line for line in harness.mappings(self.pid)), "the program runs the library under test")

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise harness.Failed(f"the program ended with {self.process.wait()}")
        return json.loads(line)


def build_shipped(case, pre):
    """As a distribution would ship it: an ordinary build elsewhere, without Suture's wrapper, then stripped."""
    shipped, tree = case.folder / "shipped/libexpat.so.1", case.folder / "shipped-build"
    if not shipped.exists():
        case.heading("building the library to be patched")
        harness.fresh(tree).rmdir()
        case.run(["cp", "-a", pre, tree])
        case.run(["sh", "-c", BUILD], cwd=tree)
        shipped.parent.mkdir(exist_ok=True)
        case.run(["strip", "--strip-unneeded", "-o", shipped, tree / OUTPUT])
    return shipped


def hot(case, shipped, package):
    case.heading("hot")
    host = Host(case, shipped)
    for _ in range(5):
        seen = host.ask("stop")
        case.check(seen == OLD, "XML_StopParser on a parser not yet started answers 1", seen)
        case.apply(package, [host.pid])
        seen = host.ask("stop")
        case.check(seen == NEW, "it answers 0 with error 44", seen)
        case.revert(PATCH_ID, [host.pid])
    seen = host.ask("stop")
    case.check(seen == OLD, "after revert it answers 1", seen)
    report = host.ask("report")
    case.check(report["errors"] == 0 and report["documents"] > 0, f"meanwhile {report['documents']} documents were parsed, each right", report)


def cold(case, shipped, package):
    case.heading("on disk")
    digest = harness.sha256_of(shipped)
    case.suture("apply", package, "--disk")
    host = Host(case, shipped)
    seen = host.ask("stop")
    case.check(seen == NEW, "a fresh start with the patched library answers 0 with error 44", seen)
    report = host.ask("report")
    case.check(report["errors"] == 0, "documents are parsed right with it", report)
    case.suture("revert", PATCH_ID, "--disk")
    case.check(harness.sha256_of(shipped) == digest, "revert puts the library back, bit for bit")


def run(case):
    if not Path("/usr/bin/python3").exists():
        raise harness.Skip("Debian's python3 is not installed")
    pre, post = case.fix_trees(*SOURCE)
    case.run([harness.ROOT / "tools/install-deps", "--source", "expat"])
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    shipped = build_shipped(case, pre)
    case.heading("building the package")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    report = case.suture_json("build", "--pre", pre, "--post", post, "--build", BUILD, "--image", f"{shipped}={OUTPUT}",
                              "--work", case.folder / "work", "-o", package)
    functions = [f["name"] for image in report["images"] for f in image["functions"] if not f["new"]]
    case.check("XML_StopParser" in functions, f"the package replaces {', '.join(functions)}", functions)
    case.sign(package)
    hot(case, shipped, package)
    cold(case, shipped, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "expat_stop_parser_cve_2024_50602"))
