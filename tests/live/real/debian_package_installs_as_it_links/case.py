#!/usr/bin/env python3
"""`suture build --debian` for a package whose rules compile nothing until they install, and which ships two flavours under one name: dnsmasq
2.90-4~deb12u2. A change of how it answers is put into the running server while it is asked, taken back, and made a second time."""
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

VERSION = "2.90-4~deb12u2"
NAME, ADDRESS = "probe.test", "10.1.2.3"
RECURSION_AVAILABLE = 0x80
# What it answers from its own configuration no longer says that it would ask others.
FIX = """--- a/src/rfc1035.c
+++ b/src/rfc1035.c
@@ -1232,7 +1232,7 @@
   /* clear authoritative and truncated flags, set QR flag */
   header->hb3 = (header->hb3 & ~(HB3_AA | HB3_TC )) | HB3_QR;
   /* clear AD flag, set RA flag */
-  header->hb4 = (header->hb4 & ~HB4_AD) | HB4_RA;
+  header->hb4 = header->hb4 & ~(HB4_AD | HB4_RA);
 
   header->nscount = htons(0);
   header->arcount = htons(0);
"""


class Server:
    def __init__(self, case, program):
        self.port = harness.free_port()
        words = [program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--port={self.port}", "--bind-interfaces",
                 "--listen-address=127.0.0.1", f"--address=/{NAME}/{ADDRESS}", "--pid-file", "--user=root"]
        self.process = case.start(words, case.folder / "dnsmasq.log")
        self.pid = self.process.pid
        case.wait_for("dnsmasq to answer", self.ask)

    def ask(self):
        """(the flags' second byte, address) of the answer."""
        question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in NAME.split(".")) + b"\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(2)
            connection.sendto(question, ("127.0.0.1", self.port))
            answer = connection.recv(512)
        return answer[3], socket.inet_ntoa(answer[-4:])

    def says_recursion(self):
        flags, address = self.ask()
        if address != ADDRESS:
            raise harness.Failed(f"asked for {NAME} it answers {address}")
        return bool(flags & RECURSION_AVAILABLE)


def run(case):
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    case.environment.setdefault("SUTURE_BUILD_CACHE", str(harness.ROOT / "build/debian-cache"))
    case.run([harness.ROOT / "tools/install-deps", "debian"])
    fix, package = case.folder / "fix.patch", case.folder / "dnsmasq.hotpatch"
    fix.write_text(FIX)
    common = ["build", "--debian", f"dnsmasq={VERSION}", "--patch", fix, "--work", case.folder / "work", "-o", package]
    case.heading("both flavours, which cannot be one patch")
    refused = case.run([case.suture_program, *common], expect=None)
    case.check(refused.returncode == 3 and "--package NAME" in refused.stderr, "two packages that ship different files of one name are refused", refused.stderr)
    case.heading("one flavour")
    report = case.suture_json(*common, "--package", "dnsmasq-base")
    image = report["images"][0]
    case.check(image["path"] == "/usr/sbin/dnsmasq" and image["match"]["located"] == image["match"]["functions"],
               f"all {image['match']['functions']} functions are found in the shipped program", image["match"])
    case.check([f["name"] for f in image["functions"]] == ["setup_reply"], "one function changes", image["functions"])
    case.check(report["pre_seconds"] == 0, "the build of the first try is used again", report["pre_seconds"])
    case.sign(package)
    server = Server(case, case.debian_binaries(["dnsmasq-base"], VERSION, case.folder / "shipped") / "usr/sbin/dnsmasq")
    case.check(server.says_recursion(), "the shipped server answers as shipped")
    for _ in range(3):
        case.apply(package, [server.pid])
        case.check(not server.says_recursion(), "patched, it answers as fixed")
        case.revert("dnsmasq", [server.pid])
        case.check(server.says_recursion(), "reverted, as shipped")


if __name__ == "__main__":
    sys.exit(harness.main(run, "debian_package_installs_as_it_links"))
