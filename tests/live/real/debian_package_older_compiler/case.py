#!/usr/bin/env python3
"""`suture build --debian` for a package that was not rebuilt since Debian's default compiler changed: libyaml 0.2.5-1 is of July 2022 and gcc 11.
And builds that are hostile: what they leave for root to follow or to read without end is refused."""
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

VERSION = "0.2.5-1"
# Asks the library for its version at each line that comes in.
READER = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
numbers = (ctypes.c_int * 3)()
at = [ctypes.byref(numbers, 4 * i) for i in range(3)]
for line in sys.stdin:
    library.yaml_get_version(*at)
    print(numbers[0], flush=True)
"""
FIX = """--- a/src/api.c
+++ b/src/api.c
@@ -20,3 +20,3 @@
 {
-    *major = YAML_VERSION_MAJOR;
+    *major = YAML_VERSION_MAJOR + 1000;
     *minor = YAML_VERSION_MINOR;
"""


class Reader:
    def __init__(self, case, library):
        self.process = subprocess.Popen([sys.executable, "-c", READER, str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        case.on_exit(case.end, self.process)

    def major(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def hostile_builds(case, common, work):
    inner = work / "work"
    outside = case.folder / "outside"
    outside.write_text("of the host\n")
    for script, said in [(f"ln -s {outside} {inner}/records/pre/1.link.json", "neither a file nor a folder"),
                         (f"truncate -s 3G {inner}/store/big", "a file of more than"),
                         (f"""echo '{{"output_content": "../../outside"}}' > {inner}/records/pre/1.link.json""", "no digest"),
                         (f"ln -s {outside} {inner}/log/post-1.log", "Permission denied"),
                         (f"rm -rf {inner}/shim/gcc", "Permission denied")]:
        shutil.rmtree(inner, ignore_errors=True)
        shutil.rmtree(work / "root/build", ignore_errors=True)
        result = case.run([case.suture_program, *common, "--build", script], expect=None)
        case.check(result.returncode in (1, 3) and said in result.stderr, f"refused or failed: {shlex.split(script)[0]} ...", result.stderr)
    case.check(outside.read_text() == "of the host\n", "nothing outside was written to")


def run(case):
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    case.environment.setdefault("SUTURE_BUILD_CACHE", str(harness.ROOT / "build/debian-cache"))
    case.run([harness.ROOT / "tools/install-deps", "debian"])
    work = harness.fresh(case.folder / "work")
    fix, package = case.folder / "fix.patch", case.folder / "libyaml.hotpatch"
    fix.write_text(FIX)
    common = ["build", "--debian", f"libyaml={VERSION}", "--patch", fix, "--work", work, "-o", package]
    case.heading("what would be built")
    plan = case.suture_json(*common, "--plan")["debian"]
    case.check(plan["compiler"] == "gcc-11" and plan["changed_files"] == ["src/api.c"], "the compiler is that of the day; one file changes", plan)
    case.check(not package.exists() and not (work / "work").exists(), "nothing was built")
    case.heading("builds that are hostile")
    hostile_builds(case, common, work)
    case.heading("the package, and the library as it is shipped")
    for leftover in (work / "work", work / "root/build"):
        shutil.rmtree(leftover, ignore_errors=True)
    image = case.suture_json(*common)["images"][0]
    case.check(image["match"]["located"] == image["match"]["functions"], f"all {image['match']['functions']} functions are found in the shipped library", image["match"])
    case.sign(package)
    library = next(case.debian_binaries(["libyaml-0-2"], VERSION, case.folder / "shipped").glob("usr/lib/*/libyaml-0.so.2.*"))
    reader = Reader(case, library)
    case.check(reader.major() == 0, "the shipped library answers as shipped")
    case.apply(package, [reader.process.pid])
    case.check(reader.major() == 1000, "patched, it answers as fixed")
    case.revert("libyaml", [reader.process.pid])
    case.check(reader.major() == 0, "reverted, as shipped")


if __name__ == "__main__":
    sys.exit(harness.main(run, "debian_package_older_compiler"))
