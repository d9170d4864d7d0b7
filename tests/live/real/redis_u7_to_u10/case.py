#!/usr/bin/env python3
"""redis-server 7.0.15-1~deb12u7 as Debian ships it becomes 7.0.15-1~deb12u10 under load, with and without I/O threads: hot, on disk,
and back again, many times."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import debian_redis as redis  # noqa: E402
import harness  # noqa: E402

ROUNDS = 5


def hot(case, program, package, io_threads):
    case.heading(f"hot, under load, io-threads {io_threads}")
    server = redis.Server(case, program, "server", io_threads)
    load = case.load("redis", server.socket_path)
    for _ in range(ROUNDS):
        case.check(server.restore() == redis.OLD_ANSWER, "RESTORE of the malformed hash answers as shipped", server.restore())
        case.apply(package, [server.pid])
        case.check(server.restore() == redis.NEW_ANSWER, "RESTORE answers as fixed", server.restore())
        again = case.suture_json("apply", package, "--pid", server.pid)
        case.check(again["results"][0]["outcome"] == "already", "applying it again changes nothing", again)
        case.check(any(redis.PATCH_ID in line for line in harness.mappings(server.pid)), "the patch is named in /proc/PID/maps")
        case.revert(redis.PATCH_ID, [server.pid])
    case.check(server.restore() == redis.OLD_ANSWER, "after the last revert RESTORE answers as shipped", server.restore())
    case.check_load(load.finish())
    status = case.suture("status", "--pid", server.pid, show=False).stdout
    case.check(redis.PATCH_ID not in status, "status shows no patch", status)
    server.process.terminate()
    case.check(server.process.wait(harness.WAIT_SECONDS) == 0, "the server shuts down in order")


def cold(case, program, package):
    case.heading("on disk")
    target = program.resolve()
    digest = harness.sha256_of(target)
    running = redis.Server(case, program, "running")
    case.suture("apply", package, "--disk")
    case.check(running.restore() == redis.OLD_ANSWER, "a process that runs keeps the file it was started from")
    server = redis.Server(case, program, "fresh", 4)
    load = case.load("redis", server.socket_path)
    case.check(server.restore() == redis.NEW_ANSWER, "a fresh start of the patched file answers as fixed", server.restore())
    case.check_load(load.finish())
    case.run(["readelf", "-W", "-a", target], show=False)
    lint = subprocess.run(["eu-elflint", "--gnu-ld", str(target)], capture_output=True, text=True)
    shipped_lint = subprocess.run(["eu-elflint", "--gnu-ld", str(case.folder / "shipped.copy")], capture_output=True, text=True)
    case.check(len(lint.stdout.splitlines()) <= len(shipped_lint.stdout.splitlines()), "eu-elflint has no more to say than of the shipped file", lint.stdout)
    case.suture("apply", package, "--disk", expect=0)
    case.suture("revert", redis.PATCH_ID, "--disk")
    case.check(harness.sha256_of(target) == digest, "revert puts the shipped file back, bit for bit")
    back = redis.Server(case, program, "back")
    case.check(back.restore() == redis.OLD_ANSWER, "and a fresh start answers as shipped", back.restore())


def run(case):
    program, pre, post = redis.fetch(case)
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    (case.folder / "shipped.copy").write_bytes(program.resolve().read_bytes())
    package = case.folder / "case.hotpatch"
    case.heading("building the package")
    report = redis.build(case, program, pre, post, package, json_output=True)
    functions = [f["name"] for image in report["images"] for f in image["functions"]]
    case.check(len(functions) > 0, f"the package replaces {len(functions)} functions: {', '.join(functions)}")
    case.suture("apply", package, "--pid", 1, expect=3)  # unsigned
    case.sign(package)
    for io_threads in (1, 4):
        hot(case, program, package, io_threads)
    cold(case, program, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "redis_u7_to_u10", redis.FOLDER))
