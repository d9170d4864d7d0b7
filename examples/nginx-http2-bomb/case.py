#!/usr/bin/env python3
"""A request may have any number of headers. The fix adds a module that counts them, for which a running nginx has no slot in its requests
and configurations; here requests carry the count as shadow data. A request whose headers are half sent when the patch comes is counted
from then on."""
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402

CONFIGURATION = """
daemon off;
worker_processes 2;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_header_buffer_size 32k;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "fine"; }} }}
}}
"""
HEADER = b"a: b\r\n"


class Nginx:
    def __init__(self, case, program, name):
        folder = harness.fresh(case.folder / name)
        folder.chmod(0o755)
        self.port = harness.free_port()
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))
        self.process = case.start([program, "-e", folder / "start.log", "-p", folder, "-c", folder / "nginx.conf"], folder / "output.log")
        case.wait_for("nginx to answer", lambda: self.request(1) == 200 and len(self.pids()) == 3)

    def pids(self):
        pid = self.process.pid
        return [pid, *sorted(int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=harness.WAIT_SECONDS)

    def request(self, headers, connection=None):
        connection = connection or self.connect()
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + HEADER * headers + b"\r\n")
        return status_of(connection)


def status_of(connection):
    """The status of the next answer; its body is short and comes with it."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(65536)
        if not more:
            raise harness.Failed(f"the connection ended after {answer!r}")
        answer += more
    return int(answer.split(b" ")[1])


def run(case, folder):
    case.run([harness.ROOT / "tools/install-deps", "--source", "nginx"])
    example = author_case.Example(case, folder, ("nginx", "1.22.1-9+deb12u9", "FIX-HTTP2bomb.patch"), "debian/rules build",
                                  "debian/build-bin/objs/nginx", "layout ngx_modules")
    program, package = example.prepare()
    nginx = Nginx(case, program, "hot")
    case.check(nginx.request(1100) == 200, "a request with 1100 headers is answered")
    kept, few, many = nginx.connect(), nginx.connect(), nginx.connect()
    case.check(nginx.request(1100, kept) == 200, "also on a connection that is kept")
    for connection in (few, many):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + HEADER * 500)
    case.apply(package, nginx.pids())
    few.sendall(HEADER * 100 + b"\r\n")
    many.sendall(HEADER * 1100 + b"\r\n")
    case.check(status_of(few) == 200, "a request that was under way is completed")
    case.check(status_of(many) == 400, "one that goes on to 1100 more headers is refused")
    case.check(nginx.request(999, kept) == 200, "999 headers and Host are answered on the kept connection")
    case.check(nginx.request(1000, kept) == 400, "one more is refused")
    case.check({nginx.request(1100) for _ in range(8)} == {400}, "1100 headers are refused by each worker")
    case.revert(example.id, nginx.pids())
    case.check(nginx.request(1100) == 200, "after revert they are answered")
    case.suture("apply", package, "--disk")
    nginx = Nginx(case, program, "cold")
    case.check(nginx.request(1100) == 400, "started from the patched file, nginx refuses them")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
