"""The program that is patched: Debian's Python with libexpat in it. Two threads parse documents with pyexpat and check each; the main
thread answers questions on standard input with one JSON line each."""
import ctypes
import json
import pyexpat
import sys
import threading

expat = ctypes.CDLL("libexpat.so.1")
expat.XML_ParserCreate.restype = ctypes.c_void_p
expat.XML_ParserCreate.argtypes = [ctypes.c_char_p]
for function in (expat.XML_StopParser, expat.XML_GetErrorCode, expat.XML_ParserFree):
    function.argtypes = [ctypes.c_void_p] + ([ctypes.c_ubyte] if function is expat.XML_StopParser else [])

counts = {"documents": 0, "errors": 0}
lock = threading.Lock()


def parse_documents():
    number = 0
    while True:
        number += 1
        names = []
        parser = pyexpat.ParserCreate()
        parser.StartElementHandler = lambda name, attributes: names.append((name, attributes.get("n")))
        parser.Parse(f"<a n='{number}'>" + "".join(f"<b n='{i}'>text &amp; text</b>" for i in range(20)) + "</a>", True)
        right = names == [("a", str(number))] + [("b", str(i)) for i in range(20)]
        with lock:
            counts["documents"] += 1
            counts["errors"] += not right


def stop_a_parser_that_has_not_started():
    parser = expat.XML_ParserCreate(None)
    status = expat.XML_StopParser(parser, 1)
    error = expat.XML_GetErrorCode(parser)
    expat.XML_ParserFree(parser)
    return {"status": status, "error": error}


for _ in range(2):
    threading.Thread(target=parse_documents, daemon=True).start()
answers = {"ping": lambda: {}, "stop": stop_a_parser_that_has_not_started, "report": lambda: dict(counts)}
for line in sys.stdin:
    print(json.dumps(answers[line.strip()]()), flush=True)
