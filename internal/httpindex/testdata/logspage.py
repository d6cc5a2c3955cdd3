#!/usr/bin/env python3
"""Does over HTTP what docassemble's Logs page does, and says whether it holds.

    logspage.py BASE CASE [options]

BASE is the log server as the page knows it, e.g. http://127.0.0.1:8080. Exit
status: 0 the case holds, 1 it does not (the reason is on standard error), 2
wrong usage. Only the standard library is needed.

The page runs on a web server of the cluster. It asks for the list with one
HTTP library (httplib2: keep-alive, "accept-encoding: gzip, deflate"), for the
file with another (urllib.request.urlretrieve: identity, "Connection: close",
the whole file into a temporary one), and then looks for the last 30 lines in
its copy, or for the last 30 that match a regular expression.
"""

import argparse
import gzip
import http.client
import os
import re
import socket
import sys
import tempfile
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import zlib

SHOWN = 30  # lines that the page shows
TIMEOUT = 60  # seconds; the page itself waits for ever
STANDARD = [
    "docassemble.log", "access.log", "apache_access.log", "apache_error.log", "error.log",
    "single_worker.log", "supervisor.log", "uwsgi.log", "websockets.log", "worker.log",
]


class Broken(Exception):
    """The case does not hold."""


def need(condition, text, *values):
    if not condition:
        raise Broken(text % values if values else text)


# What the page does.

def ask(base, path, method="GET", headers=None):
    """One request exactly as written: status, headers, body."""
    where = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=TIMEOUT)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def get_list(base, path="/", encodings="gzip, deflate"):
    """The list of names, in the server's order."""
    headers = {"user-agent": "Python-httplib2/0.22.0 (gzip)"}
    if encodings:
        headers["accept-encoding"] = encodings
    status, headers, body = ask(base, path, headers=headers)
    need(200 <= status < 300, "GET %s: status %d: the page answers 404", path, status)
    coding = headers.get("Content-Encoding", "")
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding == "deflate":
        body = zlib.decompress(body)
    return [name for name in body.decode("utf-8").split("\n") if name]


def file_url(base, name):
    return base + "/" + urllib.parse.quote(name)


def download(base, name):
    """The file as the page gets it, as (path of the copy, headers)."""
    descriptor, copy = tempfile.mkstemp(prefix="logspage")
    os.close(descriptor)
    try:
        # Raises ContentTooShortError when bytes are missing.
        _, headers = urllib.request.urlretrieve(file_url(base, name), copy)
    except BaseException:
        os.unlink(copy)
        raise
    size = os.path.getsize(copy)
    need(headers.get("Content-Encoding") is None, "%s came with Content-Encoding %s", name, headers.get("Content-Encoding"))
    need(headers.get("Content-Length") == str(size), "%s: %d bytes, Content-Length %s", name, size, headers.get("Content-Length"))
    return copy, headers


def read_whole(base, name):
    copy, _ = download(base, name)
    try:
        with open(copy, "rb") as file:
            return file.read()
    finally:
        os.unlink(copy)


def reachable(name):
    """Whether the page can open a file of this name: it changes names by this
    rule before it asks for them."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = plain.replace("/", "_")
    plain = re.sub(r"[^A-Za-z0-9_.\- ]", "", plain).strip("._ ")
    return plain != "" and plain == name


def step_back(file, block=1024):
    """Moves a file one line back, as the page's library does: it seeks by
    bytes but counts characters, which is the same only in ASCII text. False if
    there is no line before; the position is then the start."""
    end = file.tell()
    start, length = (end - block, block) if end > block else (0, end)
    file.seek(start)
    text = file.read(length)
    left = len(text)
    if text.endswith("\r\n"):
        left -= 2
    elif text.endswith(("\n", "\r")):
        left -= 1
    while left > 0:
        found = max(text.rfind(mark, 0, left) for mark in "\n\r")
        if found >= 0:
            file.seek(start + found + 1)
            return True
        if start < block:
            break
        start -= block
        file.seek(start)
        text = file.read(block)
        left = len(text)
    file.seek(0)
    return False


def page_tail(path):
    """The last lines as the page finds them in its copy."""
    with open(path, encoding="utf-8") as file:
        end = file.seek(0, os.SEEK_END)
        for _ in range(SHOWN):
            if not step_back(file):
                break
        text = file.read(end - file.tell() - 1)
    return re.split("\r\n|\n|\r", text) if text else []


def page_filter(path, pattern):
    """The last lines that match, as the page finds them in its copy."""
    wanted = re.compile(pattern)
    with open(path, encoding="utf-8") as file:
        hits = [line.rstrip("\n") for line in file if wanted.search(line)]
    return hits[-SHOWN:]


# What must hold.

def check_names(names):
    need(names, "the list is empty: the page fails when it makes its links")
    for name in names:
        need(reachable(name), "%r is listed, but the page cannot open it", name)
    need(len(set(names)) == len(names), "a name is listed twice: %r", names)


def check_text(name, data):
    need(data == b"" or data.endswith(b"\n"), "%s ends within a line: ...%r", name, data[-60:])
    data.decode("utf-8")


def check_ends(got, want):
    """Each line ends in the text that was sent; what stands before it is the
    server's."""
    need(len(got) == len(want), "%d lines, %d were expected; first of them %r", len(got), len(want), got[:1])
    for number, (line, text) in enumerate(zip(got, want), 1):
        need(line.endswith(text), "line %d is %r, expected it to end in %r", number, line[-200:], text[-200:])


def expected(options):
    with open(options.expect, encoding="utf-8", newline="\n") as file:
        return file.read().split("\n")[:-1]


def case_list(options):
    """GET / with and without compression accepted: strict UTF-8, names that the page can open, a stable order, at once"""
    lists = [get_list(options.base), get_list(options.base, encodings=None), get_list(options.base)]
    check_names(lists[0])
    need(lists[0] == lists[1] == lists[2], "three lists differ: %r", lists)
    best = TIMEOUT
    for _ in range(5):
        began = time.monotonic()
        get_list(options.base)
        best = min(best, time.monotonic() - began)
    need(best * 1000 < options.max_ms, "the list takes %.0f ms, allowed are %d", best * 1000, options.max_ms)


def case_first(options):
    """a visit without a file name: the page takes the first of the list and downloads it"""
    first = get_list(options.base)[0]
    need(first == (options.file or "docassemble.log"), "the first name is %r", first)
    check_text(first, read_whole(options.base, first))


def case_download(options):
    """every file of the list: whole, exactly Content-Length bytes, valid UTF-8, ending at a line end"""
    names = get_list(options.base)
    check_names(names)
    for name in names:
        data = read_whole(options.base, name)
        if not name.endswith((".gz", ".zst", ".xz", ".bz2", ".zip")):
            check_text(name, data)


def case_growing(options):
    """--file grows meanwhile: each of --rounds downloads is exact, ends at a line end, and goes on where the last one ended"""
    before = b""
    for _ in range(options.rounds):
        data = read_whole(options.base, options.file)
        check_text(options.file, data)
        need(data.startswith(before), "%s: a later copy does not begin with the earlier one", options.file)
        before = data
    need(before, "%s is empty: nothing was tested", options.file)


def case_pause(options):
    """a download of --file that stops after its first bytes, prints "paused", and goes on after a line on standard input"""
    with urllib.request.urlopen(file_url(options.base, options.file), timeout=TIMEOUT) as answer:
        length = int(answer.headers["Content-Length"])
        data = answer.read(4096)
        print("paused", flush=True)
        sys.stdin.readline()
        data += answer.read()
    need(len(data) == length, "%d bytes came, Content-Length is %d", len(data), length)
    need(len(data) > 4096, "%s is too short to be stopped in", options.file)
    check_text(options.file, data)


def case_tail(options):
    """the last 30 lines of --file as the page finds them; with --expect they end in the last 30 lines of that file"""
    copy, _ = download(options.base, options.file)
    try:
        with open(copy, "rb") as file:
            data = file.read()
        check_text(options.file, data)
        true = data.decode("utf-8").split("\n")[:-1][-SHOWN:]
        if options.expect:
            check_ends(true, expected(options)[-SHOWN:])
        try:
            shown = page_tail(copy)
        except UnicodeDecodeError:
            shown = None  # The page says: "Unable to read log file; please download."
        # Beyond ASCII the page's own rule may go wrong, whatever is served.
        need(shown == true or not data.isascii(), "the page shows %d lines from %r, the file ends in %d from %r",
             len(shown or []), (shown or [])[:1], len(true), true[:1])
        print("shown as it is" if shown == true else "shown wrong by the page's own rule")
    finally:
        os.unlink(copy)


def case_filter(options):
    """the last 30 lines of --file that match --pattern; with --expect they end in the lines of that file"""
    copy, _ = download(options.base, options.file)
    try:
        hits = page_filter(copy, options.pattern)
    finally:
        os.unlink(copy)
    need(all(re.search(options.pattern, hit) for hit in hits), "a line without the pattern is shown")
    if options.expect:
        check_ends(hits, expected(options)[-SHOWN:])


def case_lines(options):
    """--file holds the lines of --expect, in order; with --prefix each stands behind what that expression matches"""
    lines = read_whole(options.base, options.file).decode("utf-8").split("\n")
    prefix = re.compile(options.prefix or "")
    at = 0
    for number, text in enumerate(expected(options), 1):
        while at < len(lines) and not lines[at].endswith(text):
            at += 1
        need(at < len(lines), "line %d is missing or out of order: %r", number, text[:200])
        head = lines[at][:len(lines[at]) - len(text)]
        need(not options.prefix or prefix.fullmatch(head), "line %d stands behind %r", number, head)
        at += 1


def case_names(options):
    """how names are asked for: quoted, unknown, out of the folder, with a slash behind, HEAD, a range"""
    base = options.base
    names = get_list(base)
    if "my file.log" in names:
        need(file_url(base, "my file.log").endswith("/my%20file.log"), "quoting has changed")
        check_text("my file.log", read_whole(base, "my file.log"))
    try:
        read_whole(base, "nope.log")
        raise Broken("nope.log was answered with success")
    except urllib.error.HTTPError as error:
        need(error.code == 404, "nope.log: status %d", error.code)
    for path in ["/..%2f", "/../", "//etc/passwd", "/..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/.dalogd", "/.dalogd/"]:
        status, _, _ = ask(base, path)
        need(400 <= status < 500, "%s: status %d", path, status)
    for path in ["/docassemble.log/", "/listlog"]:
        need(get_list(base, path) == names, "%s is not the list", path)

    data = read_whole(base, names[0])
    status, headers, body = ask(base, "/" + urllib.parse.quote(names[0]), "HEAD")
    need(status == 200 and body == b"", "HEAD: status %d and %d bytes", status, len(body))
    need(int(headers["Content-Length"]) >= len(data), "HEAD: Content-Length %s, GET had %d", headers["Content-Length"], len(data))
    need(len(data) >= 2, "%s is too short for a range", names[0])
    status, headers, body = ask(base, "/" + urllib.parse.quote(names[0]), headers={"Range": "bytes=0-1"})
    need(status == 206 and body == data[:2], "Range 0-1: status %d, %r", status, body)
    need(headers["Content-Range"].startswith("bytes 0-1/"), "Range 0-1: Content-Range %s", headers["Content-Range"])


def case_logfile(options):
    """the page's download button for --file: the list first, for its effect only, then the file"""
    need(options.file in get_list(options.base), "%s is not listed", options.file)
    check_text(options.file, read_whole(options.base, options.file))


def case_fresh(options):
    """right after the first start: the standard files are listed and empty, and the page shows the first"""
    names = get_list(options.base)
    check_names(names)
    need(names[0] == "docassemble.log", "the first name is %r", names[0])
    for name in STANDARD:
        need(name in names, "%s is not listed", name)
        need(read_whole(options.base, name) == b"", "%s is not empty", name)
    copy, _ = download(options.base, names[0])
    try:
        need(page_tail(copy) == [], "the page shows lines of an empty file")
    finally:
        os.unlink(copy)


def case_health(options):
    """GET /listlog/health_check is an HTML page with OK that nobody keeps"""
    status, headers, body = ask(options.base, "/listlog/health_check")
    need(status == 200, "status %d", status)
    need(b"OK" in body and headers["Content-Type"].startswith("text/html"), "%s: %r", headers["Content-Type"], body)
    need("no-store" in headers["Cache-Control"], "Cache-Control is %s", headers["Cache-Control"])


def case_ready(options):
    """GET /listlog/health_check?ready=1 is 200"""
    status, _, _ = ask(options.base, "/listlog/health_check?ready=1")
    need(status == 200, "status %d", status)


def case_not_ready(options):
    """GET /listlog/health_check?ready=1 is 400, as long as the ready file is missing, and the plain check is 200"""
    status, _, _ = ask(options.base, "/listlog/health_check?ready=1")
    need(status == 400, "status %d", status)
    case_health(options)


def case_unlistable(options):
    """the folder cannot be read: a status of 500 and above, never a text that the page takes for names"""
    for path in ["/", "/listlog", "/docassemble.log/"]:
        status, _, body = ask(options.base, path)
        need(500 <= status < 600, "%s: status %d, %r", path, status, body[:200])


CASES = {name[len("case_"):].replace("_", "-"): function for name, function in list(globals().items()) if name.startswith("case_")}


def main():
    cases = "\n".join("  %-12s %s" % (name, function.__doc__) for name, function in CASES.items())
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="cases:\n" + cases,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE", type=lambda base: base.rstrip("/"), help="http://host:port")
    parser.add_argument("case", metavar="CASE", choices=CASES, help="one of those below")
    parser.add_argument("--file", help="name of a log file")
    parser.add_argument("--expect", help="local file of the texts that must be there, one a line")
    parser.add_argument("--prefix", help="regular expression for what stands before each text")
    parser.add_argument("--pattern", default="", help="regular expression of the page's filter")
    parser.add_argument("--rounds", type=int, default=20, help="number of downloads (default 20)")
    parser.add_argument("--max-ms", type=int, default=100, help="time for the list (default 100)")
    options = parser.parse_args()
    # No proxy of the environment stands between the page and its log server.
    socket.setdefaulttimeout(TIMEOUT)
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    try:
        CASES[options.case](options)
    except (Broken, OSError, ValueError, http.client.HTTPException) as error:
        print("%s: %s: %s" % (options.case, type(error).__name__, error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
