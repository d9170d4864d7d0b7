#!/usr/bin/env python3
"""CVE-2025-46818: a script can change what strings do for all scripts after it. The fix protects an interpreter when it is made, and adds a
setting to the server's structure; here the interpreter that runs scripts already is protected before its next one, once."""
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402

ATTACK = "getmetatable('').__index = function() return 'changed' end return 'done'"
PROBE = "return tostring(('').no_such_method)"


class Redis:
    def __init__(self, case, program, name):
        folder = harness.fresh(case.folder / name)
        self.path = f"/tmp/suture-example-{case.folder.parent.parent.stat().st_ino}-{name}.sock"
        case.on_exit(Path(self.path).unlink, True)
        self.process = case.start([program, "--port", "0", "--unixsocket", self.path, "--dir", folder, "--save", ""], folder / "log")
        case.wait_for("redis to answer", lambda: self.ask("PING") == "+PONG")

    def ask(self, *words):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(harness.WAIT_SECONDS)
            connection.connect(self.path)
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
            reader = connection.makefile("rb")
            answer = reader.readline().decode().strip()
            return reader.read(int(answer[1:]) + 2).decode().strip() if answer.startswith("$") else answer

    def script(self, text):
        return self.ask("EVAL", text, "0")


def run(case, folder):
    example = author_case.Example(case, folder, ("redis", "7.0.15-1~deb12u10", "CVE-2025-46818"),
                                  "make -C src -j2 MALLOC=libc OPTIMIZATION=-O2 redis-server >/dev/null", "src/redis-server", "layout redisServer")
    program, package = example.prepare()
    redis = Redis(case, program, "hot")
    pids = [redis.process.pid]
    case.check(redis.script("x = nil return 1") != "" and redis.script(PROBE) == "nil", "strings have no method of that name")
    case.apply(package, pids)
    seen = redis.script(ATTACK)
    case.check("readonly" in seen, "a script that would give them one is stopped in the interpreter that was running", seen)
    case.check(redis.script(PROBE) == "nil", "and scripts behind it see strings as they are")
    case.check(redis.script("return type(setfenv)") != "function", "functions that the fix takes away are gone")
    case.check(redis.ask("SCRIPT", "FLUSH") == "+OK" and "readonly" in redis.script(ATTACK), "so it is in one that is made afterwards")
    case.revert(example.id, pids)
    redis.ask("SCRIPT", "FLUSH")
    case.check(redis.script(ATTACK) == "done" and redis.script(PROBE) == "changed", "after revert a new interpreter can be changed")
    case.suture("apply", package, "--disk")
    redis = Redis(case, program, "cold")
    case.check("readonly" in redis.script(ATTACK), "started from the patched file, it cannot")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
