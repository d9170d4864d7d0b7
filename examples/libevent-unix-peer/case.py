#!/usr/bin/env python3
"""CVE-2026-63388: an HTTP server on a UNIX socket aborts when a client with a long address of its own connects: there is room for an
IPv6 address only. The fix enlarges the field of each bufferevent; here an address that does not fit is shadow data of it."""
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402


class Server:
    def __init__(self, case, library, host, name):
        self.folder = Path("/tmp") / f"suture-example-{os.getpid()}-{name}"
        case.run(["mkdir", "-p", self.folder])
        case.on_exit(case.run, ["rm", "-rf", self.folder])
        self.path, self.clients = str(self.folder / "server"), 0
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        self.process = subprocess.Popen([str(host), self.path], stdout=subprocess.PIPE, text=True, env=environment)
        case.on_exit(case.end, self.process)
        if self.process.stdout.readline() != "ready\n":
            raise harness.Failed("the server did not start")
        case.check(any(str(library) in line for line in harness.mappings(self.process.pid)), "the server runs the library under test")

    def connect(self, own_address):
        """A client; `own_address` is bound to before, so that the server learns of it."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(harness.WAIT_SECONDS)
        if own_address:
            self.clients += 1
            client.bind(str(self.folder / f"client-with-a-long-address-of-its-own-{self.clients}"))
        client.connect(self.path)
        return client

    @staticmethod
    def get(client):
        """The status, or nothing when the server is gone."""
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = client.recv(65536)
        except OSError:
            return None
        return int(answer.split(b" ")[1]) if answer else None


def build_host(case, folder, library, trees):
    """The link needs the library's own name beside it."""
    link = library.with_name("libevent-2.1.so.7")
    if not link.exists():
        link.symlink_to(library.name)
    host = case.folder / "host"
    includes = [f"-I{trees / part / 'include'}" for part in ("pre", "../shipped-build")]
    case.run(["gcc", "-O2", "-Wall", *includes, "-o", host, folder / "host.c", library])
    return host


def run(case, folder):
    build = ("test -f Makefile || ./configure --quiet --disable-openssl --disable-samples --disable-libevent-regress --disable-static; "
             "make -s AUTOCONF=: AUTOHEADER=: AUTOMAKE=: ACLOCAL=: libevent.la include/event2/event-config.h")
    example = author_case.Example(case, folder, ("libevent", "2.1.12-stable-8+deb12u1", "CVE-2026-63388"), build,
                                  ".libs/libevent-2.1.so.7.0.1", "layout bufferevent_private")
    library, package = example.prepare()
    host = build_host(case, folder, library, case.folder / "trees")
    server = Server(case, library, host, "flawed")
    case.check(server.get(server.connect(False)) == 200, "a client without an address of its own is answered")
    case.check(server.get(server.connect(True)) is None and server.process.wait(harness.WAIT_SECONDS) == -signal.SIGABRT,
               "one that has a long one makes the server abort")
    server = Server(case, library, host, "hot")
    kept = server.connect(False)
    case.check(server.get(kept) == 200, "a connection is open")
    case.apply(package, [server.process.pid])
    case.check(server.get(server.connect(True)) == 200, "patched, the server answers a client with a long address")
    case.check(server.get(kept) == 200, "and the connection that was there before")
    case.check({server.get(server.connect(True)) for _ in range(50)} == {200}, "and fifty more, one after the other")
    case.revert(example.id, [server.process.pid])
    case.check(server.get(kept) == 200, "after revert the connection is still answered")
    case.suture("apply", package, "--disk")
    server = Server(case, library, host, "cold")
    case.check(server.get(server.connect(True)) == 200, "started from the patched file, the server answers too")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
