"""The page of a study and its answers over HTTP, with nothing but the standard library.

Nothing of a request becomes the name of a file: pictures are looked up among those of the plan.
Bodies are bounded and checked, connections counted and timed. No address, no cookie and no
name of a browser is stored.
"""

from __future__ import annotations

import http.server
import importlib.resources
import json
import socket
import sys
import threading
from http import HTTPStatus
from typing import Any

from jaxlic.errors import Error, FileError
from jaxlic.files import disk
from jaxlic.study import store
from jaxlic.study.folder import AB, PICTURES, Study

MAX_BODY = 4096
MAX_CONNECTIONS = 64
SECONDS = 20  # That a connection may be silent.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/study.js": ("study.js", "text/javascript; charset=utf-8"),
    "/study.css": ("study.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_BOUNDS: dict[str, tuple[Any, float, float]] = {  # Of an answer's: type, least, most.
    "question": (int, 0, 10**9),
    "response_time": (float, 0, 86_400),
    "toggles": (int, 0, 10**6),
    "reloads": (int, 0, 10**6),
    "pixel_ratio": (float, 0.01, 100),
    "screen_width": (int, 1, 10**5),
    "screen_height": (int, 1, 10**5),
    "window_width": (int, 1, 10**5),
    "window_height": (int, 1, 10**5),
    "phases": (int, 0, 10**7),
    "phase_mean": (float, 0, 10**7),
    "phase_longest": (float, 0, 10**7),
}


class StudyServer(http.server.ThreadingHTTPServer):
    """Serves a study on `host` and `port` (0: any that is free); `serve_forever` runs it.

    Raises:
        jaxlic.Error: if the answers cannot be stored, or were given to another plan.
        OSError: if the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, study: Study, host: str, port: int) -> None:
        self.study = study
        self.local = host in LOOPBACK
        self.pictures = {row.file for row in study.shown}
        folder = importlib.resources.files("jaxlic.study").joinpath("page")
        self.page = {
            path: (folder.joinpath(name).read_bytes(), kind)
            for path, (name, kind) in _PAGE.items()
        }
        with store.opened(study):
            pass  # What is wrong with the folder is said now.
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        name = str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own; refused if there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the base does, and makes room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is nothing to tell; anything else is a bug, and is seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Refused(Exception):
    """A request that is answered with a status and a line."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "jaxlic"
    sys_version = ""
    timeout = SECONDS

    @property
    def _served(self) -> StudyServer:
        assert isinstance(self.server, StudyServer)
        return self.server

    @property
    def _study(self) -> Study:
        return self._served.study

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who asked is nobody's business."""

    def _answer(self, work: Any) -> None:
        try:
            self._check_host()
            body, kind = work()
            self._send(HTTPStatus.OK, body, kind)
        except _Refused as refused:
            self.close_connection = True  # Its body was not read.
            self._send(refused.status, f"{refused}\n".encode(), "text/plain; charset=utf-8")
        except Error as error:
            self.close_connection = True
            text = f"{error}\n".encode()
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, text, "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        keep = kind == "image/png"
        self.send_header("Cache-Control", "private, max-age=86400" if keep else "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _check_host(self) -> None:
        """On loopback, a name that another site has pointed here is refused."""
        if self._served.local:
            name = self.headers.get("Host", "").rpartition(":")[0].strip("[]")
            if name not in LOOPBACK:
                raise _Refused(HTTPStatus.FORBIDDEN, "this host is not served")

    def _get(self) -> tuple[bytes, str]:
        path = self.path.partition("?")[0]
        if path in self._served.page:
            return self._served.page[path]
        folder, _, name = path.rpartition("/")
        if folder == "/pictures" and name in self._served.pictures:
            try:
                return disk.read_bytes(self._study.path / PICTURES / name), "image/png"
            except FileError as error:
                raise _Refused(HTTPStatus.NOT_FOUND, "this picture is lost") from error
        if path == "/words":
            return _json(words(self._study))
        raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> tuple[bytes, str]:
        work = {"/begin": self._begin, "/resume": self._resume, "/answer": self._add}
        if self.path not in work:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        return _json(work[self.path](self._body()))

    def _body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON, please")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "a length, please")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, "this is no JSON") from error
        if not isinstance(body, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "an object, please")
        return body

    def _begin(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("consent") is not True:
            raise _Refused(HTTPStatus.FORBIDDEN, "consent, please")
        with store.opened(self._study) as answers:
            session, version = store.begin(answers, len(self._study.versions))
        return {"session": session, **trials(self._study, version), "answered": []}

    def _resume(self, body: dict[str, Any]) -> dict[str, Any]:
        session = body.get("session")
        with store.opened(self._study) as answers:
            version = self._version(answers, session)
            done = store.answered(answers, str(session))
        return {"session": session, **trials(self._study, version), "answered": done}

    def _add(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = _answer(body, self._study)
        with store.opened(self._study) as answers:
            self._version(answers, answer.session)
            store.add(answers, answer)
        return {"stored": answer.question}

    def _version(self, answers: Any, session: Any) -> int:
        known = isinstance(session, str) and len(session) < 100 and session.isascii()
        version = store.version_of(answers, session) if known else None
        if version is None:
            raise _Refused(HTTPStatus.GONE, "there is no such session")
        return version


def words(study: Study) -> dict[str, Any]:
    """What the page says before anybody takes part."""
    return {
        "title": study.title,
        "contact": study.contact,
        "consent": study.consent,
        "kind": study.kind,
        "flicker": study.flicker,
        "count": len(study.questions),
        "width": max(row.width for row in study.shown),
        "height": max(row.height for row in study.shown),
    }


def trials(study: Study, version: int) -> dict[str, Any]:
    """What a session shows: by block, for every question its pictures from left to right.

    Neither codec nor kind of question: whoever looks at the page's data learns nothing.
    """
    blocks = []
    for block in study.versions[version]:
        rows = []
        for id_, mirrored in block:
            question = study.questions[id_]
            sides = (question.left, question.right)
            left, right = sides[::-1] if mirrored else sides
            files = [study.shown[i].file for i in (left, question.pivot, right)]
            pivot = study.shown[question.pivot]
            rows.append({"question": id_, "files": files, "size": [pivot.width, pivot.height]})
        blocks.append(rows)
    return {"blocks": blocks}


def _answer(body: dict[str, Any], study: Study) -> store.Answer:
    """An answer of a request. Raises _Refused."""
    numbers: dict[str, Any] = {}
    for name, (kind, low, high) in _BOUNDS.items():
        value: Any = body.get(name)
        if type(value) not in (int, kind) or not low <= value <= high:  # NaN neither.
            raise _Refused(HTTPStatus.BAD_REQUEST, f"{name} must be in [{low}, {high}]")
        numbers[name] = kind(value)
    response, session = body.get("response"), body.get("session")
    allowed = [r for r in store.RESPONSES if study.kind != AB or r != "not sure"]
    if response not in allowed:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"response must be {', '.join(allowed)}")
    if numbers["question"] not in study.questions:
        raise _Refused(HTTPStatus.BAD_REQUEST, "there is no such question")
    if not isinstance(session, str):
        raise _Refused(HTTPStatus.BAD_REQUEST, "session must be a text")
    return store.Answer(session=session, response=response, **numbers)


def _json(value: dict[str, Any]) -> tuple[bytes, str]:
    return json.dumps(value).encode(), "application/json"
