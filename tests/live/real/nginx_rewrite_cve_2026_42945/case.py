#!/usr/bin/env python3
"""nginx built as Debian does without the fix of CVE-2026-42945, stripped: master and workers get the fix under HTTP load, hot, on
disk, and back. The flaw: a rewrite with arguments leaves a flag set, and a later `set` of a capture then reserves room for the plain
text and copies it escaped. So `/a%b c` comes back escaped and cut short, as `/a%25b`; a longer one is written past its buffer."""
import http.client
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

SOURCE = ("nginx", "1.22.1-9+deb12u9", "CVE-2026-42945")
BUILD = "debian/rules build"
OUTPUT = "debian/build-bin/objs/nginx"
PATCH_ID = "nginx-CVE-2026-42945"
PATH = "/a%25b%20c"
OLD_ANSWER = "/a%25b"
NEW_ANSWER = "/a%b c"

CONFIGURATION = """
daemon off;
worker_processes 2;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{ rewrite ^(.*) /new?c=1; set $myvar $1; return 200 $myvar; }}
  }}
}}
"""


class Nginx:
    def __init__(self, case, program, name):
        folder = harness.fresh(case.folder / name)
        folder.chmod(0o755)
        self.port = harness.free_port()
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))
        self.process = case.start([program, "-e", folder / "start.log", "-p", folder, "-c", folder / "nginx.conf"], folder / "output.log")
        case.wait_for("nginx to answer", lambda: self.get("/up") == "/up" and len(self.workers()) == 2)

    def workers(self):
        pid = self.process.pid
        return sorted(int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def pids(self):
        return [self.process.pid, *self.workers()]

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode("latin-1")
        finally:
            connection.close()

    def answers(self):
        """Enough new connections that each worker has had its share of them."""
        return {self.get(PATH) for _ in range(32)}


def build_shipped(case, pre):
    """The binary as a distribution would ship it: an ordinary build elsewhere, without Suture's wrapper, then stripped."""
    shipped, tree = case.folder / "shipped/nginx", case.folder / "shipped-build"
    if not shipped.exists():
        case.heading("building the binary to be patched")
        harness.fresh(tree).rmdir()
        case.run(["cp", "-a", pre, tree])
        case.run(["sh", "-c", BUILD], cwd=tree)
        shipped.parent.mkdir(exist_ok=True)
        case.run(["strip", "-o", shipped, tree / OUTPUT])
    return shipped


def hot(case, shipped, package):
    case.heading("hot: master and workers, under load")
    nginx = Nginx(case, shipped, "hot")
    load = case.load("http", nginx.port, "--probe", PATH, OLD_ANSWER, NEW_ANSWER)
    case.check(nginx.answers() == {OLD_ANSWER}, f"GET {PATH} answers {OLD_ANSWER}, as flawed", nginx.answers())
    case.apply(package, nginx.pids())
    case.check(nginx.answers() == {NEW_ANSWER}, f"GET {PATH} answers {NEW_ANSWER} from each worker", nginx.answers())
    tally = load.finish()
    case.check_load(tally)
    case.check(tally["probe"]["old"] > 0 and tally["probe"]["new"] > 0, "the load saw the old and the new answer", tally)
    workers = nginx.workers()
    nginx.process.send_signal(signal.SIGHUP)
    case.wait_for("new workers", lambda: len(nginx.workers()) == 2 and not set(workers) & set(nginx.workers()))
    case.check(nginx.answers() == {NEW_ANSWER}, "workers that the patched master makes are patched from birth", nginx.answers())
    load = case.load("http", nginx.port)
    case.revert(PATCH_ID, nginx.pids())
    case.check(nginx.answers() == {OLD_ANSWER}, f"after revert GET {PATH} answers {OLD_ANSWER}", nginx.answers())
    case.check_load(load.finish())
    nginx.process.send_signal(signal.SIGQUIT)
    case.check(nginx.process.wait(harness.WAIT_SECONDS) == 0, "nginx shuts down in order")


def cold(case, shipped, package):
    case.heading("on disk")
    digest = harness.sha256_of(shipped)
    case.suture("apply", package, "--disk")
    nginx = Nginx(case, shipped, "cold")
    load = case.load("http", nginx.port)
    case.check(nginx.answers() == {NEW_ANSWER}, f"a fresh start of the patched file answers {NEW_ANSWER}", nginx.answers())
    case.check_load(load.finish())
    case.suture("revert", PATCH_ID, "--disk")
    case.check(harness.sha256_of(shipped) == digest, "revert puts the file back, bit for bit")


def run(case):
    pre, post = case.fix_trees(*SOURCE)
    case.run([harness.ROOT / "tools/install-deps", "--source", "nginx"])
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    shipped = build_shipped(case, pre)
    case.heading("building the package")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    report = case.suture_json("build", "--pre", pre, "--post", post, "--build", BUILD, "--image", f"{shipped}={OUTPUT}",
                              "--work", case.folder / "work", "-o", package)
    functions = [f["name"] for image in report["images"] for f in image["functions"]]
    case.check(functions == ["ngx_http_script_regex_end_code"], "the package replaces the one function that the fix changes", functions)
    case.sign(package)
    hot(case, shipped, package)
    cold(case, shipped, package)


if __name__ == "__main__":
    sys.exit(harness.main(run, "nginx_rewrite_cve_2026_42945"))
