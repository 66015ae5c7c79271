"""A small hub on the loopback: repositories in memory, with the part of the HTTP interface that the client uses."""

import base64
import hashlib
import importlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_stand_in"


class Repository:
    def __init__(self, private):
        self.private, self.commits, self.messages = private, {"0" * 40: {}}, []
        self.head = "0" * 40

    def commit(self, lines):
        files = dict(self.commits[self.head])
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                assert value["encoding"] == "base64"
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        self.head = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[self.head] = files

    def files(self, revision):
        return self.commits.get(self.head if revision == "main" else revision)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, document=None, status=200, *, content=None, **headers):
        body = json.dumps(document).encode() if content is None else content
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_any(self):
        content = self.body() if self.command == "POST" else b""
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path))
        writer = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.server.tokens.add(self.headers.get("Authorization"))
        for pattern, work in ROUTES.items():
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                work(self, writer, content, **found.groupdict())
                return
        self.answer({"error": "no such path"}, 404)

    do_GET = do_POST = do_HEAD = handle_any

    def repository(self, repo, writer):
        """The repository, unless it is hidden from who asks."""
        found = self.server.repositories.get(repo)
        if found is None or (found.private and not writer):
            self.answer({"error": "Repository not found"}, 401, X_Error_Code="RepoNotFound")
            return None
        return found


def create(handler, writer, content):
    asked = json.loads(content)
    repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
    if not writer:
        handler.answer({"error": "Invalid username or password."}, 401)
        return
    is_new = repo not in handler.server.repositories
    if is_new:
        private = asked.get("private", asked.get("visibility") == "private")
        handler.server.repositories[repo] = Repository(private)
    handler.answer({"url": f"{handler.server.url}/{repo}"}, 200 if is_new else 409)


def validate(handler, writer, content):
    yaml.safe_load(json.loads(content)["content"].split("---\n")[1])
    handler.answer({"errors": [], "warnings": []})


def about(handler, writer, content, repo, revision="main"):
    if (found := handler.repository(repo, writer)) is not None:
        if found.files(revision) is None:
            handler.answer({"error": "Invalid rev id"}, 404, X_Error_Code="RevisionNotFound")
            return
        names = [{"rfilename": name} for name in found.files(revision)]
        sha = found.head if revision == "main" else revision
        handler.answer({"id": repo, "sha": sha, "private": found.private, "siblings": names, "tags": []})


def tree(handler, writer, content, repo, revision):
    if (found := handler.repository(repo, writer)) is not None:
        handler.answer([
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in found.files(revision).items()
        ])  # fmt: skip


def preupload(handler, writer, content, repo, revision):
    files = [
        {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(content)["files"]
    ]
    handler.answer({"files": files})


def commit(handler, writer, content, repo, revision):
    found = handler.server.repositories[repo]
    found.commit([json.loads(line) for line in content.splitlines()])
    handler.answer({"commitOid": found.head, "commitUrl": f"{handler.server.url}/{repo}/commit/{found.head}"})


def resolve(handler, writer, content, repo, revision, file):
    if (found := handler.repository(repo, writer)) is not None:
        data = found.files(revision)[file]
        sha = found.head if revision == "main" else revision
        handler.answer(content=data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=sha)


REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
ROUTES = {
    r"POST /api/repos/create": create,
    r"POST /api/validate-yaml": validate,
    rf"GET /api/models/{REPO}": about,
    rf"GET /api/models/{REPO}/revision/(?P<revision>\w+)": about,
    rf"GET /api/models/{REPO}/tree/(?P<revision>\w+)": tree,
    rf"POST /api/models/{REPO}/preupload/(?P<revision>\w+)": preupload,
    rf"POST /api/models/{REPO}/commit/(?P<revision>\w+)": commit,
    rf"(HEAD|GET) /{REPO}/resolve/(?P<revision>\w+)/(?P<file>[\w.-]+)": resolve,
}


@contextmanager
def hub():
    """A running hub, with nothing in it; who comes with :data:`TOKEN` may read and write all."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.repositories, server.asked, server.tokens, server.token = {}, [], set(), TOKEN
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def the_only_hub(server, cache, monkeypatch):
    """From now on the client in this process knows no other hub, an empty cache, and no login."""
    known = {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }
    for module in ("constants", "file_download", "hf_api", "_snapshot_download"):
        for name, value in known.items():
            where = importlib.import_module(f"huggingface_hub.{module}")
            if module == "constants" or hasattr(where, name):  # older clients have copies
                monkeypatch.setattr(where, name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    forget_connections()


def forget_connections():
    """Older clients keep their connections, and what was said when they were made, while the process lives."""
    from huggingface_hub import utils

    getattr(utils, "reset_sessions", lambda: None)()
