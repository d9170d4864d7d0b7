#!/usr/bin/env python3
"""The smallest of its kind, and the one that ./check runs: a program of fifty lines whose sessions are to be limited. The author's
patch has two hooks (the limit of a running process is lowered where nobody has changed it) and a field of shadow data (how often a
session was refused)."""
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402


class Program:
    def __init__(self, case, program):
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        case.on_exit(case.end, self.process)
        self.ask("limit", 0)

    def ask(self, command, number):
        self.process.stdin.write(f"{command} {number}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def run(case, folder):
    for leftover in ("trust", "state", "shipped"):
        harness.fresh(case.folder / leftover)
    tree = case.folder / "built"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(folder / "before", tree)
    case.run(["make", "-s"], cwd=tree)
    shipped, package = case.folder / "shipped/sessions", case.folder / "first.hotpatch"
    case.run(["strip", "-o", shipped, tree / "sessions"])
    report = case.suture_json("build", "--source", folder / "before", "--patch", folder / "fix.patch", "--build", "make", "--image", f"{shipped}=sessions",
                              "-o", package)
    reasons = {f["name"]: f["reason"] for f in report["images"][0]["functions"]}
    case.check(reasons.get("lower_limit") == "a pre-apply hook" and reasons.get("restore_limit") == "a post-revert hook",
               "the package has the author's hooks", reasons)
    case.sign(package)
    program = Program(case, shipped)
    pids = [program.process.pid]
    before = harness.mappings(pids[0])
    case.check([program.ask("use", 1) for _ in range(2)] == ["1", "2"] and program.ask("limit", 0) == "100", "nobody heeds the limit of 100")
    case.apply(package, pids)
    case.check(program.ask("limit", 0) == "3", "the pre-apply hook has lowered it")
    case.check([program.ask("use", 1) for _ in range(3)] == ["3", "-1", "-2"], "a session from before is limited, its refusals are counted")
    case.check(program.ask("use", 2) == "1", "each session has its own count")
    program.ask("end", 1)
    case.check(program.ask("use", 1) == "1", "a new session begins anew")
    case.revert("first", pids)
    case.check(program.ask("limit", 0) == "100", "the post-revert hook has put the limit back")
    case.check([program.ask("use", 1) for _ in range(4)] == ["2", "3", "4", "5"], "and nobody heeds it")
    case.check(harness.mappings(pids[0]) == before, "nothing of the patch is left in the process")
    case.suture("apply", package, "--disk")
    program = Program(case, shipped)
    case.check(program.ask("limit", 0) == "100", "no hook runs in a process that starts from the patched file")
    case.check([program.ask("use", 1) for _ in range(101)][-2:] == ["100", "-1"], "its shadow data works as well")
    case.suture("revert", "first", "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
