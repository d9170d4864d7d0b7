"""Debian 12's redis: the server as it was shipped before five security fixes, and the source before and after them.

The fix that is shown is CVE-2026-25243: a hash in the old zipmap encoding that writes a short length in five bytes. RESTORE of such a
value answers +OK before the fix and -ERR Bad data format after it. Used by ./quickstart and by the case redis_u7_to_u10.
"""
import os
import socket

from harness import ROOT

BEFORE = "5:7.0.15-1~deb12u7"
AFTER = "5:7.0.15-1~deb12u10"
FOLDER = ROOT / "build/demo"
PATCH_ID = "redis-7.0.15-deb12u10"
PAYLOAD = (b"\x09\x0e\x01\x01\x6b\xfe\x04\x00\x00\x00\x00\x76\x61\x6c\x31\xff"
           b"\x09\x00\xd0\xf9\xe4\x1d\xe4\xfb\x11\x4c")
OLD_ANSWER = "+OK"
NEW_ANSWER = "-ERR Bad data format"
CVES = ["CVE-2026-25243", "CVE-2026-66373", "CVE-2026-81934", "CVE-2026-92925", "CVE-2026-23631"]


def fetch(case):
    """The shipped server in a private folder and the two sources: (server program, pre tree, post tree)."""
    shipped = case.debian_binaries(["redis-tools", "redis-server"], BEFORE, FOLDER / "shipped")
    pre = case.debian_source("redis", BEFORE, FOLDER / "source-u7")
    post = case.debian_source("redis", AFTER, FOLDER / "source-u10")
    return shipped / "usr/bin/redis-server", pre, post


def build(case, program, pre, post, package, json_output=False):
    words = ["build", "--pre", pre, "--post", post, "--build", "debian/rules build", "--image", f"{program}=src/redis-server",
             "--work", FOLDER / "work", "--id", PATCH_ID, "--patch-version", AFTER]
    for cve in CVES:
        words += ["--cve", cve]
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    return case.suture_json(*words, "-o", package) if json_output else case.suture(*words, "-o", package)


class Server:
    """A redis-server on a unix socket of its own."""

    def __init__(self, case, program, name, io_threads=1):
        self.socket_path = str(case.folder / f"{name}.sock")
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        words = [program, "--port", 0, "--unixsocket", self.socket_path, "--save", "", "--appendonly", "no", "--io-threads", io_threads,
                 "--dir", case.folder]
        if case.narrate:
            print("  $ " + case.short(" ".join(map(str, words))), flush=True)
        self.process = case.start(words, case.folder / f"{name}.log")
        self.pid = self.process.pid
        case.wait_for("redis to listen", lambda: self.command("PING") == "+PONG")

    def command(self, *words):
        """The first line of the answer."""
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(self.socket_path)
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            answer = b""
            while not answer.endswith(b"\r\n"):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        return answer.split(b"\r\n")[0].decode("latin-1")

    def restore(self):
        self.command("DEL", "zipmap")
        return self.command("RESTORE", "zipmap", 0, PAYLOAD)
