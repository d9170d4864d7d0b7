"""A live load that checks every answer, for the cases on real software.

    load.py redis SOCKET [--connections N]
    load.py http PORT [--connections N] [--probe PATH OLD NEW]
    load.py icp PORT [--connections N] [--probe URL]

Prints "ready" once every connection has had a right answer, then works until SIGTERM and prints one JSON line: requests, errors
(an answer that is not exactly what it has to be), reconnects (a connection that was lost), the longest time any one round took, and
for `http` and `icp` how often the probe gave the old and the new answer. On SIGUSR1 it does eight more rounds and prints "advanced", so that a
case can be sure that the load was at work after what it did. One thread sends to all connections before it reads from any, so
that the server always has many clients at once: that is what makes redis use its I/O threads.

It must not retry or forgive: a client of the real service would not know why its answer was wrong.
"""
import argparse
import json
import signal
import socket
import struct
import sys
import time

TIMEOUT_SECONDS = 30
MAX_EXAMPLES = 5
ROUNDS_TO_ADVANCE = 8


class Tally:
    def __init__(self):
        self.requests = self.errors = self.reconnects = self.rounds = 0
        self.longest_ms = 0.0
        self.examples = []
        self.probe = {"old": 0, "new": 0, "old_after_new": 0}

    def wrong(self, text):
        self.errors += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(text)

    def json(self):
        return json.dumps({"requests": self.requests, "errors": self.errors, "reconnects": self.reconnects, "rounds": self.rounds,
                           "longest_round_ms": round(self.longest_ms, 1), "examples": self.examples, "probe": self.probe})


def encode_command(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def bulk(data):
    data = data if isinstance(data, bytes) else str(data).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def read_exactly(connection, size):
    parts = []
    while size > 0:
        part = connection.recv(size)
        if not part:
            raise ConnectionError("closed by the server")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class RedisClient:
    """Every answer is known beforehand to the byte, so the reply is read by its length and compared as a whole."""

    def __init__(self, path, number):
        self.path, self.number, self.round = path, number, 0
        self.connection = None
        self.expected = b""
        self.dump = None
        self.connect()

    def connect(self):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(TIMEOUT_SECONDS)
        self.connection.connect(self.path)
        self.ask_once(encode_command("DEL", *(f"{kind}:{self.number}" for kind in ("s", "n", "h", "l", "z", "r"))))
        self.round = 0
        self.ask_once(encode_command("HSET", f"h:{self.number}", "field", "value"))
        self.dump = self.ask_once(encode_command("DUMP", f"h:{self.number}")).split(b"\r\n", 1)[1][:-2]

    def ask_once(self, command):
        self.connection.sendall(command)
        return self.connection.recv(65536)

    def send(self):
        self.round += 1
        n, r = self.number, self.round
        pairs = [
            (encode_command("SET", f"s:{n}", f"text-{r}"), b"+OK\r\n"),
            (encode_command("GET", f"s:{n}"), bulk(f"text-{r}")),
            (encode_command("INCR", f"n:{n}"), b":%d\r\n" % r),
            (encode_command("HSET", f"h:{n}", "round", r), b":1\r\n" if r == 1 else b":0\r\n"),
            (encode_command("HGET", f"h:{n}", "round"), bulk(r)),
            (encode_command("RPUSH", f"l:{n}", r), b":1\r\n"),
            (encode_command("LPOP", f"l:{n}"), bulk(r)),
            (encode_command("ZADD", f"z:{n}", r, "member"), b":1\r\n" if r == 1 else b":0\r\n"),
            (encode_command("ZSCORE", f"z:{n}", "member"), bulk(r)),
            (encode_command("RESTORE", f"r:{n}", 0, self.dump, "REPLACE"), b"+OK\r\n"),
            (encode_command("HGET", f"r:{n}", "field"), bulk("value")),
            (encode_command("EVAL", "return ARGV[1] + 1", 0, r), b":%d\r\n" % (r + 1)),
        ]
        self.expected = b"".join(answer for _, answer in pairs)
        self.connection.sendall(b"".join(command for command, _ in pairs))
        return len(pairs)

    def receive(self, tally):
        answer = read_exactly(self.connection, len(self.expected))
        if answer != self.expected:
            tally.wrong(f"connection {self.number} round {self.round}: {answer[:200]!r} instead of {self.expected[:200]!r}")


class HttpClient:
    def __init__(self, port, number, probe):
        self.port, self.number, self.probe = port, number, probe
        self.round = 0
        self.seen_new = False
        self.expects = ()
        self.connection = self.reader = None
        self.connect()

    def connect(self):
        self.connection = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)
        self.reader = self.connection.makefile("rb")
        self.seen_new = False

    def send(self):
        self.round += 1
        probing = self.probe and self.round % 4 == 0
        path = self.probe[0] if probing else f"/c{self.number}/r{self.round}"
        self.expects = self.probe[1:] if probing else (path,)
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return 1

    def receive(self, tally):
        head = line = self.reader.readline()
        length = 0
        while line not in (b"\r\n", b""):
            line = self.reader.readline()
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = self.reader.read(length).decode("latin-1")
        if line == b"":
            raise ConnectionError("closed by the server")
        if not head.startswith(b"HTTP/1.1 200 ") or body not in self.expects:
            tally.wrong(f"connection {self.number}: {head[:40]!r} {body[:80]!r} instead of {self.expects}")
        elif len(self.expects) == 2:
            which = "old" if body == self.expects[0] else "new"
            tally.probe[which] += 1
            # One connection is one worker process: after its first new answer an old one would be a mix of both.
            if which == "old" and self.seen_new:
                tally.probe["old_after_new"] += 1
            self.seen_new = which == "new"


class IcpClient:
    """RFC 2186 over UDP, as one cache asks another whether it has a URL: a miss for what it has not. The probe is a URL with something
    behind its end: a miss as well before, an error without a URL after."""

    QUERY, MISS, ERROR = 1, 3, 4

    def __init__(self, port, number, probe):
        self.number, self.probe = number, probe
        self.round = 0
        self.seen_new = False
        self.port = port
        self.expects = ()
        self.connection = None
        self.connect()

    def connect(self):
        self.connection = self.open(self.port)

    @staticmethod
    def open(port):
        """A cache takes what comes from its own address for an echo of its own: clients have another one."""
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.bind(("127.0.0.2", 0))
        connection.connect(("127.0.0.1", port))
        return connection

    @staticmethod
    def query(number, url, behind=b""):
        payload = bytes(4) + url.encode("latin-1") + b"\0" + behind
        return struct.pack(">BBHIIII", IcpClient.QUERY, 2, 20 + len(payload), number, 0, 0, 0) + payload

    def send(self):
        self.round += 1
        probing = self.probe and self.round % 4 == 0
        url = self.probe[0] if probing else f"http://localhost/c{self.number}/r{self.round}"
        self.expects = [(self.MISS, url), (self.ERROR, "")] if probing else [(self.MISS, url)]
        self.connection.send(self.query(self.round, url, b"behind its end" if probing else b""))
        return 1

    @staticmethod
    def parse(answer, number):
        """Operation and URL; nothing of an answer to another query or of another length than it says."""
        operation, _, length, to = struct.unpack(">BBHI", answer[:8])
        return (operation, answer[20:].rstrip(b"\0").decode("latin-1")) if (to, length) == (number, len(answer)) else None

    def receive(self, tally):
        answer = self.connection.recv(65536)
        got = self.parse(answer, self.round)
        if got not in self.expects:
            tally.wrong(f"query {self.number}.{self.round}: {answer[:120]!r} instead of {self.expects}")
        elif len(self.expects) == 2:
            which = "old" if got == self.expects[0] else "new"
            tally.probe[which] += 1
            # One process answers all: after its first new answer an old one would be a mix of both.
            if which == "old" and self.seen_new:
                tally.probe["old_after_new"] += 1
            self.seen_new = which == "new"


def work(clients, tally, stopping, advance):
    advance.append(1)  # the first round is announced as "ready", later ones when asked for
    word = "ready"
    while not stopping:
        start = time.monotonic()
        sent = []
        for client in clients:
            try:
                tally.requests += client.send()
                sent.append(client)
            except OSError as error:
                lost(client, error, tally)
        for client in sent:
            try:
                client.receive(tally)
            except OSError as error:
                lost(client, error, tally)
        tally.rounds += 1
        tally.longest_ms = max(tally.longest_ms, (time.monotonic() - start) * 1000)
        if advance:
            advance[0] -= 1
            if advance[0] == 0:
                print(word, flush=True)
                word = "advanced"
                advance.pop(0)


def lost(client, error, tally):
    tally.wrong(f"connection {client.number}: {error}")
    tally.reconnects += 1
    try:
        client.connect()
    except OSError:
        time.sleep(0.01)  # the server is gone: say so in the tally, without using up a core


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["redis", "http", "icp"])
    parser.add_argument("place")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--probe", nargs="+")
    arguments = parser.parse_args()
    stopping, advance = [], []
    signal.signal(signal.SIGUSR1, lambda *_: advance.append(ROUNDS_TO_ADVANCE))
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    if arguments.kind == "redis":
        clients = [RedisClient(arguments.place, i) for i in range(arguments.connections)]
    elif arguments.kind == "icp":
        clients = [IcpClient(int(arguments.place), i, arguments.probe) for i in range(arguments.connections)]
    else:
        clients = [HttpClient(int(arguments.place), i, arguments.probe) for i in range(arguments.connections)]
    tally = Tally()
    work(clients, tally, stopping, advance)
    print(tally.json(), flush=True)
    return 0 if tally.errors == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
