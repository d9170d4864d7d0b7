#!/usr/bin/env python3
"""CVE-2026-0989: RelaxNG schemas that include each other without end are followed until the stack ends. The fix gives the parser's context a
limit; here the limit is shadow data of a context, made when it is first asked for. A context from before the patch is limited too."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import author_case  # noqa: E402
from author_case import harness  # noqa: E402

HOST = """
import ctypes, json, sys
xml = ctypes.CDLL(sys.argv[1])
for name in ("xmlRelaxNGNewParserCtxt", "xmlRelaxNGParse"):
    getattr(xml, name).restype = ctypes.c_void_p
handler = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: None)
xml.xmlSetStructuredErrorFunc(None, handler)
contexts = {}
for line in sys.stdin:
    what, name, path = json.loads(line)
    if what == "new":
        contexts[name] = xml.xmlRelaxNGNewParserCtxt(path.encode())
        print("true", flush=True)
    else:
        schema = xml.xmlRelaxNGParse(ctypes.c_void_p(contexts[name]))
        xml.xmlRelaxNGFreeParserCtxt(ctypes.c_void_p(contexts.pop(name)))
        if schema:
            xml.xmlRelaxNGFree(ctypes.c_void_p(schema))
        print(json.dumps(bool(schema)), flush=True)
"""
GRAMMAR = '<grammar xmlns="http://relaxng.org/ns/structure/1.0">{}</grammar>'


class Host:
    """Python with the library under test."""

    def __init__(self, case, library):
        environment = {**os.environ, "RNG_INCLUDE_LIMIT": "50"}
        self.process = subprocess.Popen([sys.executable, "-c", HOST, str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        case.on_exit(case.end, self.process)
        self.pid = self.process.pid

    def ask(self, what, name, path=""):
        self.process.stdin.write(json.dumps([what, name, str(path)]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise harness.Failed(f"the program ended with {self.process.wait()}")
        return json.loads(line)

    def accepts(self, path):
        self.ask("new", "any", path)
        return self.ask("parse", "any")


def write_schemas(folder):
    """Schema n includes schema n - 1."""
    for number in range(121):
        content = f'<include href="{number - 1}.rng"/>' if number else "<start><element name='a'><empty/></element></start>"
        (folder / f"{number}.rng").write_text(GRAMMAR.format(content))


def run(case, folder):
    build = ("test -f Makefile || ./configure --quiet --without-python --without-lzma --without-zlib --without-icu --disable-static; "
             "make -s AUTOCONF=: AUTOHEADER=: AUTOMAKE=: ACLOCAL=: libxml2.la")
    example = author_case.Example(case, folder, ("libxml2", "2.9.14+dfsg-1.3~deb12u6", "CVE-2026-0989"), build,
                                  ".libs/libxml2.so.2.9.14", "layout _xmlRelaxNGParserCtxt")
    library, package = example.prepare()
    schemas = harness.fresh(case.folder / "schemas")
    write_schemas(schemas)
    shallow, deep = schemas / "20.rng", schemas / "120.rng"
    host = Host(case, library)
    case.check(host.accepts(shallow) and host.accepts(deep), "schemas that include 20 and 120 others are read")
    host.ask("new", "alive", deep)
    host.ask("new", "alive too", shallow)
    case.apply(package, [host.pid])
    case.check(not host.ask("parse", "alive"), "patched, with the limit set to 50, a context from before refuses the deep one")
    case.check(host.ask("parse", "alive too"), "and another reads the shallow one")
    case.check(host.accepts(shallow) and not host.accepts(deep), "so do contexts that are made afterwards")
    case.revert(example.id, [host.pid])
    case.check(host.accepts(deep), "after revert the deep one is read")
    case.suture("apply", package, "--disk")
    host = Host(case, library)
    case.check(host.accepts(shallow) and not host.accepts(deep), "started with the patched library, the deep one is refused")
    case.suture("revert", example.id, "--disk")


if __name__ == "__main__":
    sys.exit(author_case.main(run, __file__))
