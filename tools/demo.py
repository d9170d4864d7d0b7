#!/usr/bin/env python3
"""The demonstration that ./quickstart ends with: Debian's redis-server, as shipped with five known flaws, gets their fixes while it
runs and on disk, and gives them back. Every fact is checked as it is shown; the exit status is 0 only if all of them held."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/live/real"))
import debian_redis as redis  # noqa: E402
import harness  # noqa: E402
from harness import say  # noqa: E402


def show_answer(case, server, wanted, fact):
    answer = server.restore()
    say(f"  RESTORE zipmap 0 <malformed hash>  ->  {answer}")
    case.check(answer == wanted, fact, answer)


def apply_hot(case, server, package):
    case.heading("apply to the running process")
    start_time = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    case.suture("apply", package, "--pid", server.pid)
    show_answer(case, server, redis.NEW_ANSWER, "the same process, never restarted, refuses it now")
    case.check(Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[19] == start_time,
               f"pid {server.pid} is the process it was")
    case.suture("status", "--pid", server.pid)
    lines = [line for line in harness.mappings(server.pid) if redis.PATCH_ID in line]
    say(f"  $ grep {redis.PATCH_ID} /proc/{server.pid}/maps")
    for line in lines:
        say("    " + line)
    case.check(len(lines) > 0, "the patch can be seen in the process's memory map")


def apply_cold(case, program, server, package):
    case.heading("apply to the file on disk")
    digest = harness.sha256_of(program)  # a link: redis-server and its tools are one file, which goes by the name it is started under
    case.suture("apply", package, "--disk")
    fresh = redis.Server(case, program, "fresh", io_threads=4)
    show_answer(case, fresh, redis.NEW_ANSWER, "a fresh start of the patched file refuses it from its first moment")
    case.heading("take both back")
    case.suture("revert", redis.PATCH_ID, "--disk")
    case.check(harness.sha256_of(program) == digest, "the file is again as Debian shipped it, bit for bit")
    case.suture("revert", redis.PATCH_ID, "--pid", server.pid)
    show_answer(case, server, redis.OLD_ANSWER, "and the process behaves as it was shipped")


def run(case):
    case.heading("fetch redis as Debian shipped it, and both sources")
    program, pre, post = redis.fetch(case)
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    say(f"  shipped   {case.short(str(program))}  ({redis.BEFORE}; not installed, and stripped)\n"
        f"  before    {case.short(str(pre))}\n  after     {case.short(str(post))}  ({redis.AFTER})")

    case.heading("build the patch (two builds of redis, as Debian does them)")
    package = case.folder / f"{redis.PATCH_ID}.hotpatch"
    redis.build(case, program, pre, post, package)
    case.heading("sign it")
    case.sign(package)
    case.suture("verify", package)

    case.heading("start the flawed server, with a load that checks every answer")
    server = redis.Server(case, program, "server", io_threads=4)
    load = case.load("redis", server.socket_path)
    say("  32 connections, 12 kinds of command; a wrong answer or a lost connection fails this demonstration")
    show_answer(case, server, redis.OLD_ANSWER, "as shipped, a malformed hash is taken in")

    load.advance()
    apply_hot(case, server, package)
    load.advance()
    apply_cold(case, program, server, package)
    load.advance()

    case.heading("what the load saw of all this")
    case.check_load(load.finish())


if __name__ == "__main__":
    sys.exit(harness.main(run, "demonstration", redis.FOLDER, narrate=True))
