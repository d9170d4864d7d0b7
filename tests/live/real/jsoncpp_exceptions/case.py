#!/usr/bin/env python3
"""C++ exceptions through patched code of a library that Debian has: jsoncpp, with a change of our own to the function that calls itself
for each level of a document. The exception by which it answers a document that is nested too deep is thrown by that function and
unwinds through all its other activations, in four threads at once, while the function is replaced and put back: hot, on disk, and back.
The change: a document nested just as deep as the limit is parsed before, and answered with the exception after."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

VERSION = "1.9.5-4"
BUILD = "debian/rules build-arch"
OUTPUT = "obj-x86_64-linux-gnu/lib/libjsoncpp.so.1.9.5"
PATCH_ID = "jsoncpp-stack-limit"
HERE = Path(__file__).resolve().parent
OLD, NEW = "value", "exception"
ROUNDS = 10


class Host:
    def __init__(self, case, library):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        self.process = subprocess.Popen([str(case.folder / "host")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        case.on_exit(case.end, self.process)
        self.pid = self.process.pid
        self.ask("probe")
        case.check(any(str(library) in line for line in harness.mappings(self.pid)), "the program runs the library under test")

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise harness.Failed(f"the program ended with {self.process.wait()}")
        return json.loads(line)

    def advance(self):
        """Returns when each thread has had some more exceptions."""
        target = self.ask("report")["exceptions"] + 100
        while (report := self.ask("report"))["exceptions"] < target and report["errors"] == 0:
            pass
        return report


def hot(case, shipped, package):
    case.heading("hot, in four threads that throw")
    host = Host(case, shipped)
    for _ in range(ROUNDS):
        case.check(host.ask("probe") == OLD, "a document nested as deep as the limit is parsed")
        case.apply(package, [host.pid])
        case.check(host.ask("probe") == NEW, "it is answered with an exception, thrown by the new code")
        host.advance()
        case.revert(PATCH_ID, [host.pid])
        host.advance()
    case.check(host.ask("probe") == OLD, "after the last revert it is parsed")
    report = host.advance()
    case.check(report["errors"] == 0, f"{report['exceptions']} exceptions were caught and {report['documents']} documents parsed, each as it has to be", report)


def cold(case, shipped, package):
    case.heading("on disk")
    digest = harness.sha256_of(shipped)
    case.suture("apply", package, "--disk")
    host = Host(case, shipped)
    case.check(host.ask("probe") == NEW, "a fresh start with the patched library answers with the exception")
    report = host.advance()
    case.check(report["errors"] == 0, f"{report['exceptions']} exceptions were caught with it, each as it has to be", report)
    case.suture("revert", PATCH_ID, "--disk")
    case.check(harness.sha256_of(shipped) == digest, "revert puts the library back, bit for bit")


def run(case):
    source = case.debian_source("libjsoncpp", VERSION, case.folder / "source")
    case.run([harness.ROOT / "tools/install-deps", "--source", "libjsoncpp"])
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    # Debian's own binary is of 2022 and of another compiler than this release has.
    shipped = case.built_as_shipped(source, BUILD, OUTPUT, "libjsoncpp.so.25")
    case.run(["g++", "-O2", "-pthread", "-I", source / "include", "-o", case.folder / "host", HERE / "host.cc", shipped])
    case.heading("building the package")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    report = case.suture_json("build", "--source", source, "--patch", HERE / "stack_limit.patch", "--build", BUILD, "--image", f"{shipped}={OUTPUT}",
                              "--work", case.folder / "work", "-o", package)
    functions = [f["name"] for image in report["images"] for f in image["functions"] if not f["new"]]
    case.check(any("readValue" in name for name in functions), f"the package replaces {', '.join(functions)}", functions)
    case.sign(package)
    hot(case, shipped, package)
    cold(case, shipped, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "jsoncpp_exceptions"))
