#!/usr/bin/env python3
"""CVE-2026-2291: long names in the cache are kept in blocks of 1025 bytes, and may take twice that. The fix enlarges the type; but names in
use and on the free list of a running dnsmasq have the old room. Here new blocks are larger and marked by shadow data, and a block
without the mark is given up when it comes back. A preloaded calloc tells what is asked for."""
import os
import signal
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402

WATCH = r"""
#include <stdio.h>
#include <unistd.h>
extern void *__libc_calloc(size_t, size_t);
void *calloc(size_t count, size_t size) {
  char text[32];
  if (count * size == 1032 || count * size == 2051)
    (void)!write(2, text, (size_t)snprintf(text, sizeof text, "block %zu\n", count * size));
  return __libc_calloc(count, size);
}
"""
OLD, NEW = "block 1032", "block 2051"


def question(number):
    """An A question for a name longer than the cache keeps without a block."""
    labels = [b"a" * 60, b"%d" % number, b"example"]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1)


class Dnsmasq:
    def __init__(self, case, program, name):
        folder = harness.fresh(case.folder / name)
        watch = case.folder / "watch.so"
        (case.folder / "watch.c").write_text(WATCH)
        case.run(["gcc", "-shared", "-fPIC", "-O2", "-o", watch, case.folder / "watch.c"])
        self.case, self.log, self.upstream = case, folder / "log", socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.upstream.bind(("127.0.0.1", 0))
        self.upstream.settimeout(harness.WAIT_SECONDS)
        self.port, self.count = harness.free_port(), 0
        words = [program, "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--cache-size=100",
                 f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces", f"--pid-file={folder / 'pid'}",
                 f"--server=127.0.0.1#{self.upstream.getsockname()[1]}"]
        self.process = case.start(words, self.log, env={**os.environ, "LD_PRELOAD": str(watch)})
        case.wait_for("dnsmasq to listen", lambda: "cachesize 100" in self.log.read_text())

    def ask(self, number):
        """Asks for name `number` and answers as the upstream server does; gives the blocks that were allocated meanwhile."""
        before = len(self.log.read_text())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(harness.WAIT_SECONDS)
            client.sendto(question(number), ("127.0.0.1", self.port))
            asked, sender = self.upstream.recvfrom(4096)
            answer = asked[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0) + question(number)[12:] + b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 600, 4) + b"\x7f\0\0\1"
            self.upstream.sendto(answer, sender)
            client.recv(4096)
        return [line for line in self.log.read_text()[before:].splitlines() if line.startswith("block")]

    def clear_cache(self):
        before = self.log.read_text().count("cleared cache")
        self.process.send_signal(signal.SIGHUP)
        self.case.wait_for("the cache to be cleared", lambda: self.log.read_text().count("cleared cache") > before)


def run(case, folder):
    example = author_case.Example(case, folder, ("dnsmasq", "2.90-4~deb12u2", "CVE-2026-2291"), "make -s CFLAGS='-g -O2'", "src/dnsmasq",
                                  "layout bigname")
    program, package = example.prepare()
    dns = Dnsmasq(case, program, "hot")
    pids = [dns.process.pid]
    case.check(dns.ask(1) == [OLD] and dns.ask(2) == [OLD], "the cache keeps long names in blocks of 1032 bytes")
    dns.clear_cache()
    case.check(dns.ask(3) == [], "and takes freed blocks again")
    case.apply(package, pids)
    case.check(dns.ask(4) == [NEW], "patched, it takes a block of 2051 bytes although one of the old ones is free")
    dns.clear_cache()
    case.check(dns.ask(5) == [] or dns.ask(6) == [], "large blocks are taken again")
    case.check(dns.ask(7) == [NEW] and dns.ask(8) == [NEW], "those that were in use before are not")
    case.revert(example.id, pids)
    dns.clear_cache()
    case.check(dns.ask(9) == [], "after revert the old code goes on with the blocks there are")
    case.suture("apply", package, "--disk")
    dns = Dnsmasq(case, program, "cold")
    case.check(dns.ask(1) == [NEW], "started from the patched file, all blocks are large")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
