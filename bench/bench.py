#!/usr/bin/env python3
"""Speed and size, each as a ratio within one run, so that the figure means something on another machine too.

    bench/bench.py [stop] [call] [command] [memory] [build] [--repeats N] [--threads N,N...]

stop     the stop that the target itself sees (largest gap between two readings of its clock) while a patch is applied, against the same
         for a bare stop (bare_stop.cc): medians over the repeats, at several numbers of threads, idle and mixed. Limit 1.5
call     one call through the redirect against the same call unpatched. Limit 1 ns
command  `suture apply` from start to end of a signed package, the ordinary case, on 10 threads, against the bare stop of the same process.
         Limit 10. What of it is the start of the program (`suture --version`) is printed beside it
memory   what a patch takes in the target against what it needs, rounded up to pages. Limit: two pages more
build    on redis as Debian ships it (what ./quickstart fetched) and on nginx (what its case of tests/live/real built): time for reading,
         differencing, matching, linking and writing against the two compilations. Limit 10 %; and the size of the hotpatch against the
         code and data it carries. Limit 4 KiB

Prints a table in Markdown; docs/benchmarks.md has one. A figure beyond its limit is marked, and the exit status is then 1. Run it on a
quiet machine: where other programs use the processors, gaps are theirs.
"""
import argparse
import json
import mmap
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUTURE = Path(os.environ.get("SUTURE", ROOT / "build/release/suture"))
BARE_STOP = Path(os.environ.get("BARE_STOP", ROOT / "build/release/bare_stop"))
TIME_COMMAND = BARE_STOP.parent / "time_command"
WORK = ROOT / "build/bench"
PAGE = os.sysconf("SC_PAGE_SIZE")
PATCH_ID = "answer"
FIELDS = ("readings", "largest_gap", "batches", "fastest_batch", "answer", "ready")
BATCH_CALLS = 100000
OLD_ANSWER, NEW_ANSWER = 0x1001, 0x2002


class Table:
    def __init__(self):
        self.rows = []
        self.beyond = 0

    def add(self, what, here, against, ratio, limit, holds):
        self.rows.append((what, here, against, ratio, limit if holds else f"**beyond {limit}**"))
        self.beyond += not holds
        print("  " + ", ".join(self.rows[-1]), file=sys.stderr, flush=True)

    def print(self):
        head = ("measured", "Suture", "against", "ratio or difference", "limit")
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in self.rows:
            print("| " + " | ".join(row) + " |")


def run(words, **options):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, words))} exited with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def make_target():
    """The stripped program and a package that changes its one function."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(ROOT / "bench/target", WORK / "built")
    run(["make", "-s"], cwd=WORK / "built")
    run(["strip", "-o", WORK / "target", WORK / "built/target"])
    report = json.loads(run([SUTURE, "build", "--source", ROOT / "bench/target", "--patch", ROOT / "bench/answer.patch", "--build", "make",
                             "--image", f"{WORK / 'target'}=target", "-o", WORK / f"{PATCH_ID}.hotpatch", "--json"]))
    return WORK / f"{PATCH_ID}.hotpatch", report["images"][0]


class Target:
    def __init__(self, threads, mode):
        self.file = tempfile.NamedTemporaryFile(dir=WORK)
        self.file.truncate(PAGE)
        self.page = mmap.mmap(self.file.fileno(), PAGE)
        self.process = subprocess.Popen([WORK / "target", self.file.name, str(threads), mode])
        self.pid = self.process.pid
        self.wait(lambda: self.get("ready"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, field):
        return struct.unpack_from("<Q", self.page, 8 * FIELDS.index(field))[0]

    def reset(self, field):
        struct.pack_into("<Q", self.page, 8 * FIELDS.index(field), 0)

    def wait(self, holds):
        while not holds():
            if self.process.poll() is not None:
                sys.exit(f"bench: the target ended with {self.process.returncode}")
            time.sleep(0.001)

    def gap_during(self, action):
        """The largest gap that the target saw while the action ran, in microseconds, and how long that took as a whole."""
        self.reset("largest_gap")
        start = time.perf_counter()
        action()
        seconds = time.perf_counter() - start
        seen = self.get("readings")
        self.wait(lambda: self.get("readings") > seen + 1)  # the gap that was open when the action ended is closed
        return self.get("largest_gap") / 1000, seconds

    def apply(self, package, *options):
        run([SUTURE, "apply", package, "--pid", self.pid, *(options or ["--allow-unsigned"])])

    def revert(self):
        run([SUTURE, "revert", PATCH_ID, "--pid", self.pid])

    def wait_for_answer(self, value):
        self.wait(lambda: self.get("answer") == value)


def measure_stop(table, package, numbers, repeats):
    for mode in ("idle", "mixed"):
        for threads in numbers:
            ours, bare, quiet = [], [], []
            with Target(threads, mode) as target:
                for _ in range(repeats):
                    quiet.append(target.gap_during(lambda: time.sleep(0.02))[0])
                    bare.append(target.gap_during(lambda: run([BARE_STOP, target.pid]))[0])
                    ours.append(target.gap_during(lambda: target.apply(package))[0])
                    target.wait_for_answer(NEW_ANSWER)
                    target.revert()
                    target.wait_for_answer(OLD_ANSWER)
            here, against = statistics.median(ours), statistics.median(bare)
            table.add(f"stop seen by the target, {threads} threads, {mode}", f"{here:.0f} us", f"bare stop {against:.0f} us (nothing: {statistics.median(quiet):.0f} us)",
                      f"{here / against:.2f}", "1.5", here <= 1.5 * against)


def measure_call(table, package):
    def fastest(target):
        target.reset("fastest_batch")
        enough = target.get("batches") + 2000
        target.wait(lambda: target.get("batches") > enough)
        return target.get("fastest_batch") / BATCH_CALLS

    with Target(1, "calls") as target:
        before = fastest(target)
        target.apply(package)
        target.wait_for_answer(NEW_ANSWER)
        after = fastest(target)
    table.add("one call of the patched function", f"{after:.2f} ns", f"unpatched {before:.2f} ns", f"{after - before:+.2f} ns", "1 ns", after - before <= 1)


def sign(package):
    """A signed copy of the package, and the trust folder that has the key."""
    trust = WORK / "trust"
    trust.mkdir()
    run([SUTURE, "keygen", "-o", trust / "bench"])
    signed = WORK / "signed.hotpatch"
    run([SUTURE, "sign", "-k", trust / "bench.key", "-o", signed, "--no-detached", package])
    return signed, trust


def milliseconds(words):
    """From starting the program to its end, as its parent sees it."""
    result = subprocess.run([TIME_COMMAND, *(str(w) for w in words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, words))} exited with {result.returncode}: {result.stderr}")
    return float(result.stderr.split()[-1])


def measure_command(table, package, repeats):
    signed, trust = sign(package)
    bare, command, start, nothing = [], [], [], []
    with Target(10, "idle") as target:
        for _ in range(repeats):
            bare.append(float(run([BARE_STOP, target.pid])) / 1000)
            command.append(milliseconds([SUTURE, "apply", signed, "--trust-dir", trust, "--pid", target.pid]))
            target.wait_for_answer(NEW_ANSWER)
            target.revert()
            start.append(milliseconds([SUTURE, "--version"]))
            nothing.append(milliseconds(["/bin/true"]))
    here, against = statistics.median(command), statistics.median(bare)
    print(f"  of it, the start of the program: {statistics.median(start):.2f} ms (/bin/true: {statistics.median(nothing):.2f} ms)", file=sys.stderr)
    table.add("suture apply, start to end, 10 threads", f"{here:.1f} ms", f"bare stop {against:.2f} ms", f"{here / against:.1f}", "10", here <= 10 * against)
    table.add("suture apply, start to end, 10 threads", f"{here:.1f} ms", "-", "-", "20 ms", here <= 20)


def measure_memory(table, package, image):
    with Target(1, "idle") as target:
        target.apply(package)
        sizes = []
        for line in Path(f"/proc/{target.pid}/maps").read_text().splitlines():
            if "suture" in line:
                low, high = (int(text, 16) for text in line.split()[0].split("-"))
                sizes.append((high - low) // PAGE)
    need = -(-image["code_and_data_bytes"] // PAGE)
    table.add("memory in the target", f"{sum(sizes)} pages", f"code and data {image['code_and_data_bytes']} bytes: {need} pages", f"+{sum(sizes) - need} pages",
              "2 pages", sizes != [] and sum(sizes) <= need + 2)


def add_size(table, name, image):
    extra = image["hot_bytes"] - image["code_and_data_bytes"]
    table.add(f"hotpatch for {name}", f"{image['hot_bytes']} bytes", f"code and data {image['code_and_data_bytes']}, base {image['base_bytes']} bytes",
              f"+{extra} bytes; {100 * image['hot_bytes'] / image['base_bytes']:.2f} % of the base", "4096 bytes", extra <= 4096)


# What is built: name, folder with all of it, the program as shipped, source before and after, where the build makes the program, and
# what puts all that there.
DEMO, NGINX = ROOT / "build/demo", ROOT / "build/real/nginx_rewrite_cve_2026_42945"
BUILDS = (
    ("redis", DEMO, DEMO / "shipped/usr/bin/redis-server", DEMO / "source-u7", DEMO / "source-u10", "src/redis-server", "./quickstart"),
    ("nginx", NGINX, NGINX / "pristine/nginx", NGINX / "trees/pre", NGINX / "trees/post", "debian/build-bin/objs/nginx", f"tests/live/real/run {NGINX.name}"),
)


def measure_build(table):
    environment = {**os.environ, "DEB_BUILD_OPTIONS": f"nocheck parallel={os.cpu_count()}"}
    for name, folder, program, pre, post, output, maker in BUILDS:
        if not program.exists():
            print(f"bench: SKIPPED build of {name}: run {maker} first, which fetches it", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(dir=folder) as work:
            report = json.loads(run([SUTURE, "build", "--pre", pre, "--post", post, "--build", "debian/rules build", "--image", f"{program}={output}",
                                     "--work", Path(work) / "work", "-o", Path(work) / "bench.hotpatch", "--json"], env=environment))
        image = report["images"][0]
        builds = report["pre_seconds"] + report["post_seconds"]
        table.add(f"reading, differencing, matching, linking of {name}", f"{image['seconds']:.2f} s", f"the two builds {builds:.1f} s",
                  f"{100 * image['seconds'] / builds:.1f} %", "10 %", image["seconds"] <= 0.1 * builds)
        add_size(table, name, image)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["stop", "call", "command", "memory", "build", []])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", default="1,10,100,1000")
    arguments = parser.parse_args()
    parts = arguments.parts or ["stop", "call", "command", "memory", "build"]
    for program in (SUTURE, BARE_STOP, TIME_COMMAND):
        if not program.exists():
            sys.exit(f"bench: {program} is not built")
    table = Table()
    package, image = make_target()
    if "stop" in parts:
        measure_stop(table, package, [int(n) for n in arguments.threads.split(",")], arguments.repeats)
    if "call" in parts:
        measure_call(table, package)
    if "command" in parts:
        measure_command(table, package, arguments.repeats)
    if "memory" in parts:
        measure_memory(table, package, image)
        add_size(table, "the benchmark's target", image)
    if "build" in parts:
        measure_build(table)
    print(f"{os.cpu_count()} processors, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}\n")
    table.print()
    return 1 if table.beyond else 0


if __name__ == "__main__":
    sys.exit(main())
