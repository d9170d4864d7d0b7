#!/usr/bin/env python3
"""haproxy built as Debian does without the fix of CVE-2023-40225, stripped: one process whose worker threads all run the code that is
replaced gets the fix under HTTP load, hot, on disk, and back. The flaw: a Content-Length header without a value passes as valid, and
servers behind the proxy may then see another end of the request than it does. Before, such a request is answered 200; after, 400."""
import os
import re
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

SOURCE = ("haproxy", "2.6.12-1+deb12u3", "CVE-2023-40225")
# Debian's build machine has Lua 5.3 alone; haproxy's makefile takes the newest library that it finds, whatever the headers.
BUILD = "LUA_LIB_NAME=lua5.3 debian/rules build-arch"
OUTPUT = "haproxy"
PATCH_ID = "haproxy-CVE-2023-40225"
WORKERS = 4
ROUNDS = 3
REQUEST = b"GET /probe HTTP/1.1\r\nHost: localhost\r\nContent-Length: \r\nConnection: close\r\n\r\n"
OLD_STATUS, NEW_STATUS = "200", "400"

# The answer is the path of the request, from within haproxy: every byte of it is known beforehand.
CONFIGURATION = """
global
  nbthread {workers}
  maxconn 500
  stats socket {folder}/stats.sock level admin
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend test
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain lf-string %[path]
"""


class Haproxy:
    def __init__(self, case, program, name):
        folder = harness.fresh(case.folder / name)
        self.port = harness.free_port()
        (folder / "haproxy.cfg").write_text(CONFIGURATION.format(folder=folder, port=self.port, workers=WORKERS))
        self.stats = folder / "stats.sock"
        self.process = case.start([program, "-db", "-f", folder / "haproxy.cfg"], folder / "output.log")
        self.pid = self.process.pid
        case.wait_for("haproxy to answer", lambda: self.status() in (OLD_STATUS, NEW_STATUS))
        case.check(len(os.listdir(f"/proc/{self.pid}/task")) >= WORKERS, f"haproxy runs {WORKERS} worker threads")

    def status(self):
        """Status of the answer to a request whose Content-Length is empty."""
        with socket.create_connection(("127.0.0.1", self.port), harness.WAIT_SECONDS) as connection:
            connection.sendall(REQUEST)
            head = b""
            while b"\r\n" not in head:
                part = connection.recv(4096)
                if not part:
                    break
                head += part
        return head.split(b" ")[1].decode() if head.startswith(b"HTTP/") else repr(head)

    def statuses(self):
        """Enough new connections that each worker thread has had its share of them."""
        return {self.status() for _ in range(16 * WORKERS)}

    def busy_threads(self):
        """How many threads have accepted connections, by haproxy's own count."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(harness.WAIT_SECONDS)
            connection.connect(str(self.stats))
            connection.sendall(b"show activity\n")
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        accepted = re.search(r"^accepted: \d+ \[([\d ]+)\]", text, re.MULTILINE)
        return sum(int(count) > 0 for count in accepted.group(1).split()) if accepted else 0


def hot(case, shipped, package):
    case.heading(f"hot: {WORKERS} worker threads, under load")
    haproxy = Haproxy(case, shipped, "hot")
    load = case.load("http", haproxy.port)
    for _ in range(ROUNDS):
        seen = haproxy.statuses()
        case.check(seen == {OLD_STATUS}, f"a request with an empty Content-Length is answered {OLD_STATUS}, as flawed", seen)
        load.advance()
        case.apply(package, [haproxy.pid])
        seen = haproxy.statuses()
        case.check(seen == {NEW_STATUS}, f"it is answered {NEW_STATUS} by every thread", seen)
        load.advance()
        case.revert(PATCH_ID, [haproxy.pid])
    seen = haproxy.statuses()
    case.check(seen == {OLD_STATUS}, f"after the last revert it is answered {OLD_STATUS}", seen)
    case.check(haproxy.busy_threads() == WORKERS, f"each of the {WORKERS} threads had a share of the connections", haproxy.busy_threads())
    load.advance()
    case.check_load(load.finish())


def cold(case, shipped, package):
    case.heading("on disk")
    digest = harness.sha256_of(shipped)
    case.suture("apply", package, "--disk")
    haproxy = Haproxy(case, shipped, "cold")
    load = case.load("http", haproxy.port)
    seen = haproxy.statuses()
    case.check(seen == {NEW_STATUS}, f"a fresh start of the patched file answers {NEW_STATUS}", seen)
    load.advance()
    case.check_load(load.finish())
    case.suture("revert", PATCH_ID, "--disk")
    case.check(harness.sha256_of(shipped) == digest, "revert puts the file back, bit for bit")


def run(case):
    pre, post = case.fix_trees(*SOURCE)
    case.run([harness.ROOT / "tools/install-deps", "--source", "haproxy"])
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    shipped = case.built_as_shipped(pre, BUILD, OUTPUT, "haproxy")
    case.heading("building the package")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    report = case.suture_json("build", "--pre", pre, "--post", post, "--build", BUILD, "--image", f"{shipped}={OUTPUT}",
                              "--work", case.folder / "work", "-o", package)
    functions = [f["name"] for image in report["images"] for f in image["functions"] if not f["new"]]
    case.check("h1_parse_cont_len_header" in functions, f"the package replaces {', '.join(functions)}", functions)
    case.sign(package)
    hot(case, shipped, package)
    cold(case, shipped, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "haproxy_empty_length_cve_2023_40225"))
