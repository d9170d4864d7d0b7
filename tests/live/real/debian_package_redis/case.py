#!/usr/bin/env python3
"""`suture build --debian`: from the names of two versions of Debian's redis to a package, in a private root, with nothing else said; the
server as it is shipped is patched with it, and a second fix to the same source costs little."""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import debian_redis as redis  # noqa: E402
import harness  # noqa: E402

def host_state():
    """What a build must not touch: the packages, apt's lists and the mounts."""
    return [Path(p).read_text() for p in ("/var/lib/dpkg/status", "/proc/self/mountinfo")] + [sorted(p.name for p in Path("/var/lib/apt/lists").iterdir())]


def second_fix(case, report):
    """A one-line change to the patched function's own file, against the source that the first build fetched."""
    work = Path(report["debian"]["work"])
    tree = next((work / "source").glob("*u7/tree"))
    lines = (tree / "src/zipmap.c").read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if "unsigned int zipmapLen(unsigned char *zm) {" in line)
    patch = case.folder / "second.patch"
    patch.write_text("--- a/src/zipmap.c\n+++ b/src/zipmap.c\n@@ -%d,2 +%d,3 @@\n %s+    if (zm == NULL) return 0;\n %s" %
                     (at + 1, at + 1, lines[at], lines[at + 1]))
    return patch


def run(case):
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    case.environment.setdefault("SUTURE_BUILD_CACHE", str(harness.ROOT / "build/debian-cache"))
    case.run([harness.ROOT / "tools/install-deps", "debian"])
    work = harness.fresh(case.folder / "work")
    before = host_state()
    package = case.folder / f"{redis.PATCH_ID}.hotpatch"
    case.heading("building the package from two versions")
    start = time.monotonic()
    report = case.suture_json("build", "--debian", f"redis={redis.BEFORE}", "--to", redis.AFTER, "--work", work, "-o", package)
    first = time.monotonic() - start
    case.check(host_state() == before, "the host's packages, apt lists and mounts are as before")
    images = {image["path"]: image for image in report["images"]}
    case.check("/usr/bin/redis-check-rdb" in images or "/usr/bin/redis-check-aof" in images, "the server's file is found by its code alone", list(images))
    image = next(iter(images.values()))
    case.check(image["match"]["located"] == image["match"]["functions"], f"all {image['match']['functions']} functions of the build are in the shipped file",
               image["match"])
    case.sign(package)
    shipped = case.debian_binaries(["redis-tools", "redis-server"], redis.BEFORE, case.folder / "shipped")
    server = redis.Server(case, shipped / "usr/bin/redis-server", "server")
    case.check(server.restore() == redis.OLD_ANSWER, "the shipped server answers as shipped", server.restore())
    case.apply(package, [server.pid])
    case.check(server.restore() == redis.NEW_ANSWER, "patched, it answers as fixed", server.restore())
    case.heading("a second fix to the same source")
    start = time.monotonic()
    again = case.suture_json("build", "--debian", f"redis={redis.BEFORE}", "--patch", second_fix(case, report), "--work", work, "-o", case.folder / "second.hotpatch")
    second = time.monotonic() - start
    case.check(again["debian"]["root_reused"], "root and build of the first are used again")
    harness.say(f"  first {first:.0f} s, second {second:.0f} s: {100 * second / first:.0f} %")


if __name__ == "__main__":
    sys.exit(harness.main(run, "debian_package_redis"))
