#!/usr/bin/env python3
"""CVE-2023-52425: a token that comes in many pieces is parsed anew with each of them. The fix waits until there is twice as much of it,
and notes in the parser how much there was. Here a parser that was made before the patch gets the note as shadow data."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402

HOST = """
import json, pyexpat, sys
parsers, seen = {}, {}
def parser(name):
    if name not in parsers:
        parsers[name], seen[name] = pyexpat.ParserCreate(), []
        parsers[name].StartElementHandler = lambda tag, attributes: seen[name].append(tag)
    return parsers[name]
for line in sys.stdin:
    name, text = json.loads(line)
    parser(name).Parse(text, text == "")
    print(json.dumps(seen[name]), flush=True)
"""


class Host:
    """Debian's Python with the library under test in front."""

    def __init__(self, case, library):
        link = library.with_name("libexpat.so.1")
        if not link.exists():
            link.symlink_to(library.name)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        case.on_exit(case.end, self.process)
        self.feed("first", "<doc>")
        case.check(any(str(library) in line for line in harness.mappings(self.process.pid)), "the program runs the library under test")

    def feed(self, parser, text):
        self.process.stdin.write(json.dumps([parser, text]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise harness.Failed(f"the program ended with {self.process.wait()}")
        return json.loads(line)


def run(case, folder):
    if not Path("/usr/bin/python3").exists():
        raise harness.Skip("Debian's python3 is not installed")
    case.run([harness.ROOT / "tools/install-deps", "--source", "expat"])
    example = author_case.Example(case, folder, ("expat", "2.5.0-1+deb12u2", "CVE-2023-52425"), "debian/rules build",
                                  "build/lib/.libs/libexpat.so.1.8.10", "layout XML_ParserStruct")
    library, package = example.prepare()
    host = Host(case, library)
    pids = [host.process.pid]
    host.feed("first", "<a")
    case.check(host.feed("first", ">") == ["doc", "a"], "the old code parses a token with each piece of it")
    host.feed("second", "<doc><aa")
    case.apply(package, pids)
    host.feed("first", "<bbbb")
    case.check(host.feed("first", ">") == ["doc", "a"], "a parser that was alive before waits for more of a token")
    case.check(host.feed("first", "<c/><d/></bbbb></a></doc>") == ["doc", "a", "bbbb", "c", "d"], "and parses it then")
    host.feed("first", "")
    case.check(host.feed("second", ">") == ["doc", "aa"], "one that was in the middle of a token goes on")
    host.feed("third", "<doc>")
    host.feed("third", "<a")
    case.check(host.feed("third", ">") == ["doc"], "one that is made afterwards waits too")
    case.revert(example.id, pids)
    case.check(host.feed("third", "<b/>") == ["doc", "a", "b"], "after revert the old code goes on with it")
    case.check(not any("suture" in line for line in harness.mappings(pids[0])), "nothing of the patch is left in the process")
    case.suture("apply", package, "--disk")
    host = Host(case, library)
    host.feed("first", "<a")
    case.check(host.feed("first", ">") == ["doc"], "started from the patched file, a parser waits")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
