"""A mirror of the hub on this machine: repositories served from folders, as the hub's library asks for them."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Mirror(BaseHTTPRequestHandler):
    """Answers what reading a repository asks for: its state, its files by name, a file."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        kind, *parts = path.strip("/").split("/")
        if path == "/":
            self._send(200, b"hub")
        elif kind == "api":
            self._about("/".join(parts[1:3]), parts[3:])
        else:
            self._file("/".join((kind, *parts[:1])), "/".join(parts[3:]))

    def _about(self, name, what):
        folder = self.server.store / name
        if not folder.is_dir():
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif what[:1] == ["tree"]:
            inside = folder.joinpath(*what[2:])
            if not inside.is_dir():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            files = sorted(path for path in inside.rglob("*") if path.is_file())
            entries = [
                {
                    "type": "file",
                    "path": path.relative_to(folder).as_posix(),
                    "size": path.stat().st_size,
                    "oid": digest(path.read_bytes()),
                }
                for path in files
            ]
            self._send(200, json.dumps(entries).encode())
        else:
            state = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "siblings": []}
            self._send(200, json.dumps(state).encode())

    def _file(self, name, file):
        path = self.server.store / name / file
        headers = {"X-Repo-Commit": COMMIT}
        if not (self.server.store / name).is_dir():
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif not path.is_file():
            self._send(404, b"", headers | {"X-Error-Code": "EntryNotFound"})
        else:
            content = path.read_bytes()
            self._send(200, content, headers | {"ETag": f'"{digest(content)}"'})

    def _send(self, status, content, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def digest(content):
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@contextmanager
def mirror(store, cache):
    """Serve the repositories in a folder inside the `with` block, and let the hub's library ask there alone.

    Yields what was asked for.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.store, server.asked = store, []
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                patch.delenv(name, raising=False)
                patch.delenv(name.upper(), raising=False)
            patch.setattr(constants, "ENDPOINT", address)
            template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
            patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            patch.setattr(constants, "HF_HUB_OFFLINE", False)
            patch.setattr(constants, "HF_HUB_CACHE", str(cache))
            patch.setattr(huggingface_hub.hf_api.api, "endpoint", address)
            huggingface_hub.close_session()
            yield server.asked
    finally:
        huggingface_hub.close_session()
        server.shutdown()
        server.server_close()
        thread.join()
