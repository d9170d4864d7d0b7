#!/usr/bin/env python3
"""squid 5.7-2+deb12u5 as Debian ships it, a C++ program, becomes 5.7-2+deb12u6 under HTTP and ICP load: hot, on disk, and back. The
fix that is shown is CVE-2026-33515: an ICP query that does not end with its URL is taken as if it did, and read beyond its end where
the URL has none. Before, a query with something behind its URL is answered as a miss; after, as an error."""
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
import load  # noqa: E402

BEFORE, AFTER = "5.7-2+deb12u5", "5.7-2+deb12u6"
PATCH_ID = "squid-5.7-2-deb12u6"
# Both have other parameters after the fix, and so other names. The program exports all it has, but nothing of Debian's loads itself into it
# and calls them: their old code stays for whoever would.
RENAMED = ("icpDenyAccess(Ip::Address&, char*, int, int)", "icpGetRequest(char*, int, int, Ip::Address&)")
CVES = ["CVE-2026-33515", "CVE-2026-33526", "CVE-2026-47729", "CVE-2026-50012"]
URL = "http://localhost/probe"
OLD_ANSWER = (load.IcpClient.MISS, URL)
NEW_ANSWER = (load.IcpClient.ERROR, "")
ROUNDS = 3

# Debian builds squid twice, with GnuTLS and with OpenSSL; the package `squid` is the first.
MAKEFILE = Path(__file__).with_name("gnutls-only.mk")
OUTPUT = "src/squid"
PROGRAM = "usr/sbin/squid"

CONFIGURATION = """
http_port 127.0.0.1:{port} accel defaultsite=localhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest no-netdb-exchange originserver
cache deny all
http_access allow all
udp_incoming_address 127.0.0.1
icp_port {icp_port}
icp_access allow all
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
error_directory {templates}
mime_table {share}/mime.conf
icon_directory {share}/icons
netdb_filename none
unlinkd_program {programs}/unlinkd
logfile_daemon {programs}/log_file_daemon
pinger_enable off
visible_hostname localhost
shutdown_lifetime 0 seconds
max_filedescriptors 1024
"""


class Squid:
    def __init__(self, case, shipped, name):
        folder = harness.fresh(case.folder / name)
        folder.chmod(0o777)  # it runs as user proxy
        origin = subprocess.Popen([sys.executable, Path(__file__).with_name("origin.py")], stdout=subprocess.PIPE, text=True)
        case.on_exit(case.end, origin)
        self.port, self.icp_port = harness.free_port(), free_udp_port()
        configuration = CONFIGURATION.format(folder=folder, port=self.port, icp_port=self.icp_port, origin=origin.stdout.readline().strip(),
                                             share=shipped / "usr/share/squid", templates=case.folder / "source-u5/errors/templates",
                                             programs=shipped / "usr/lib/squid")
        (folder / "squid.conf").write_text(configuration)
        self.process = case.start([shipped / PROGRAM, "-N", "-f", folder / "squid.conf"], folder / "output.log")
        self.pid = self.process.pid
        case.wait_for("squid to answer", lambda: self.icp(URL, timeout=1) == OLD_ANSWER)

    def icp(self, url, behind=b"", timeout=harness.WAIT_SECONDS):
        """Operation and URL of the answer to one query."""
        with load.IcpClient.open(self.icp_port) as connection:
            connection.settimeout(timeout)
            connection.send(load.IcpClient.query(7, url, behind))
            return load.IcpClient.parse(connection.recv(65536), 7)

    def probe(self):
        return self.icp(URL, b"behind its end")


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def loads(case, squid):
    return [case.load("http", squid.port), case.load("icp", squid.icp_port, "--probe", URL)]


def hot(case, shipped, package):
    case.heading("hot, under HTTP and ICP load")
    squid = Squid(case, shipped, "hot")
    running = loads(case, squid)
    for _ in range(ROUNDS):
        case.check(squid.probe() == OLD_ANSWER, f"a query with something behind its URL is answered {OLD_ANSWER}, as flawed", squid.probe())
        for each in running:
            each.advance()
        case.apply(package, [squid.pid])
        case.check(squid.probe() == NEW_ANSWER, f"it is answered {NEW_ANSWER}", squid.probe())
        for each in running:
            each.advance()
        case.revert(PATCH_ID, [squid.pid])
    case.check(squid.probe() == OLD_ANSWER, f"after the last revert it is answered {OLD_ANSWER}", squid.probe())
    for each in running:
        each.advance()
        tally = each.finish()
        # Patched and reverted in turn, so that both answers follow each other.
        tally["probe"]["old_after_new"] = 0
        case.check_load(tally)
    case.check(tally["probe"]["old"] > 0 and tally["probe"]["new"] > 0, "the load saw the old and the new answer", tally)
    squid.process.terminate()
    case.check(squid.process.wait(harness.WAIT_SECONDS) == 0, "squid shuts down in order")


def cold(case, shipped, package):
    case.heading("on disk")
    program = shipped / PROGRAM
    digest = harness.sha256_of(program)
    case.suture("apply", package, "--disk")
    squid = Squid(case, shipped, "cold")
    running = loads(case, squid)
    case.check(squid.probe() == NEW_ANSWER, f"a fresh start of the patched file answers {NEW_ANSWER}", squid.probe())
    for each in running:
        each.advance()
        case.check_load(each.finish())
    case.suture("revert", PATCH_ID, "--disk")
    case.check(harness.sha256_of(program) == digest, "revert puts the shipped file back, bit for bit")


def run(case):
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    shipped = case.debian_binaries(["squid", "squid-common"], BEFORE, case.folder / "shipped")
    pre = case.debian_source("squid", BEFORE, case.folder / "source-u5")
    post = case.debian_source("squid", AFTER, case.folder / "source-u6")
    case.run([harness.ROOT / "tools/install-deps", "--source", "squid"])
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    case.heading("building the package")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    words = ["build", "--pre", pre, "--post", post, "--build", f"make -f {MAKEFILE} gnutls-only", "--image", f"{shipped / PROGRAM}={OUTPUT}",
             "--work", case.folder / "work", "--id", PATCH_ID, "--patch-version", AFTER, *[w for cve in CVES for w in ("--cve", cve)],
             *[f"--allow=removed:{name}" for name in RENAMED]]
    report = case.suture_json(*words, "-o", package)
    functions = [f["name"] for image in report["images"] for f in image["functions"] if not f["new"]]
    case.check(len(functions) > 0, f"the package replaces {', '.join(functions)}", functions)
    case.sign(package)
    hot(case, shipped, package)
    cold(case, shipped, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "squid_u5_to_u6"))
