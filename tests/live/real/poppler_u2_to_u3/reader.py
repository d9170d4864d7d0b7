#!/usr/bin/env python3
"""Opens PDF files through Debian's libpoppler, in the way of any program that links it: two threads open one document for as long as
it runs and check its text, and each line of the input asks whether the page of another can be opened.

  reader.py GOOD.pdf ASKED.pdf          the answer: "page ROUNDS WRONG" or "none ROUNDS WRONG"
"""
import ctypes
import sys
import threading

TEXT = b"Hello there"
FUNCTIONS = {
    "poppler_document_new_from_file": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]),
    "poppler_document_get_page": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "poppler_page_get_text": (ctypes.c_char_p, [ctypes.c_void_p]),
}


class Tally:
    rounds = 0
    wrong = 0


def open_libraries():
    poppler, gobject = ctypes.CDLL("libpoppler-glib.so.8"), ctypes.CDLL("libgobject-2.0.so.0")
    for name, (result, parameters) in FUNCTIONS.items():
        function = getattr(poppler, name)
        function.restype, function.argtypes = result, parameters
    gobject.g_object_unref.argtypes = [ctypes.c_void_p]
    return poppler, gobject.g_object_unref


def text_of(libraries, path):
    """The text of the first page; None when the page cannot be opened."""
    poppler, release = libraries
    document = poppler.poppler_document_new_from_file(f"file://{path}".encode(), None, None)
    if not document:
        return None
    page = poppler.poppler_document_get_page(document, 0)
    text = poppler.poppler_page_get_text(page) if page else None
    if page:
        release(page)
    release(document)
    return text


def read_over_and_over(libraries, path, tally):
    while True:
        right = (text_of(libraries, path) or b"").strip() == TEXT
        tally.rounds += 1
        tally.wrong += not right


def main():
    good, asked = sys.argv[1:]
    libraries = open_libraries()
    tallies = [Tally(), Tally()]
    for tally in tallies:
        threading.Thread(target=read_over_and_over, args=(libraries, good, tally), daemon=True).start()
    for _ in sys.stdin:
        page = "none" if text_of(libraries, asked) is None else "page"
        print(page, sum(t.rounds for t in tallies), sum(t.wrong for t in tallies), flush=True)


if __name__ == "__main__":
    main()
