"""A stand-in for the Hub: real HTTP on 127.0.0.1, repositories on the disk, and trouble where it is asked for.

It speaks what huggingface_hub speaks with huggingface.co about models: files are uploaded by the basic LFS protocol,
so clients set HF_HUB_DISABLE_XET=1.
"""

import base64
import json
import math
import re
import socket
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from repositories import Entry, Refused, Repository, check_card, checked_path

# token: user, whether it may write
TOKENS = {"hf_writer": ("user", True), "hf_reader": ("user", False), "hf_stranger": ("stranger", True)}
DEFAULT_NAMESPACE = "user"  # of names without one, as huggingface.co has for its oldest models
TROUBLES = ("drop", "cut body", "lose answer", "cut answer", "answer", "corrupt body", "corrupt answer", "hang")


@dataclass
class Trouble:
    """Something that goes wrong with requests that match `on`, a regular expression of "METHOD path".

    It begins with the `first` of them and lasts for `times`. "drop": the connection ends before anything is done; "cut
    body": in the middle of what the client sends; "lose answer": after all is done; "cut answer": in the middle of
    it; "answer": `status` and `headers` are sent instead; "corrupt body", "corrupt answer": one byte differs; "hang":
    nothing happens until `Hub.release`.
    """

    kind: str
    on: str = ""
    first: int = 1
    times: float = 1
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0

    def strikes(self, line: str) -> bool:
        self.seen += bool(re.search(self.on, line))
        return bool(re.search(self.on, line)) and self.first <= self.seen < self.first + self.times


@dataclass
class Request:
    """What a client asks for; `user` is None without a token, and `body` is read already."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes
    user: str | None
    may_write: bool

    def json(self) -> Any:
        try:
            content = json.loads(self.body)
        except ValueError:
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(content, dict):
            raise Refused(400, "the body is not an object")
        return content


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def as_json(content: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(content).encode(), status, {"Content-Type": "application/json"})


class Hub:
    """The running stand-in: its address, its repositories, the requests it has seen, the troubles it makes."""

    def __init__(self, folder: Path):
        self.folder, self.repositories, self.requests = folder, dict[str, Repository](), list[str]()
        self.troubles: list[Trouble] = []
        self._lock, self._released, self.hanging = threading.RLock(), threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def make_trouble(self, kind: str, **options: Any) -> None:
        assert kind in TROUBLES
        self.troubles.append(Trouble(kind, **options))

    def make_peace(self) -> None:
        """End all troubles, and forget the requests so far."""
        self.troubles.clear()
        self.requests.clear()

    def release(self) -> None:
        self._released.set()

    def wait_for_release(self) -> None:
        self.hanging.set()
        self._released.wait(60)

    def trouble_with(self, line: str) -> Trouble | None:
        with self._lock:
            self.requests.append(line)
            return next((trouble for trouble in list(self.troubles) if trouble.strikes(line)), None)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds, by path, without what the Hub put there itself."""
        repository = self.repositories[name]
        files = repository.commit_of(revision).files
        return {path: repository.content(entry) for path, entry in files.items() if path != ".gitattributes"}

    def answer(self, request: Request) -> Answer:
        with self._lock:
            for method, pattern, function in ROUTES:
                match = re.fullmatch(pattern, request.path)
                if match and request.method in method.split():
                    named = {key: urllib.parse.unquote(text or "") for key, text in match.groupdict().items()}
                    return function(self, request, **named)
        raise Refused(404, f"no such page: {request.method} {request.path}")

    def repository(self, request: Request, name: str, *, write: bool = False) -> Repository:
        """The repository of that name, if it is there for the one who asks."""
        name = name if "/" in name else f"{DEFAULT_NAMESPACE}/{name}"
        found = self.repositories.get(name)
        if write:
            check_may_write(request, name)
        if found is None or (found.private and request.user != name.split("/")[0]):
            raise Refused(404 if request.user else 401, "Repository not found", "RepoNotFound")
        return found

    # What is asked for, in the order of ROUTES.

    def whoami(self, request: Request) -> Answer:
        if request.user is None:
            raise Refused(401, "Invalid username or password.")
        role = "write" if request.may_write else "read"
        return as_json({"type": "user", "name": request.user, "auth": {"accessToken": {"role": role}}, "orgs": []})

    def create(self, request: Request) -> Answer:
        wish = request.json()
        owner, name = wish.get("organization") or request.user, wish.get("name")
        check_may_write(request, f"{owner}/{name}")
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]{0,95}", name) or name.endswith((".", "-", ".git")):
            raise Refused(400, f"Invalid repo name: {name}")
        full = f"{owner}/{name}"
        if full in self.repositories:
            raise Refused(409, "You already created this model repo", url=f"{self.url}/{full}")
        folder = self.folder / f"{owner}--{name}"
        private = wish.get("visibility") == "private" or bool(wish.get("private"))
        self.repositories[full] = Repository(full, folder, private)
        return as_json({"url": f"{self.url}/{full}", "name": full, "id": full})

    def delete(self, request: Request) -> Answer:
        wish = request.json()
        repository = self.repository(request, f"{wish.get('organization') or request.user}/{wish['name']}", write=True)
        del self.repositories[repository.name]
        repository.folder.rename(repository.folder.with_name(f"deleted-{len(self.requests)}"))
        return as_json({})

    def validate_card(self, request: Request) -> Answer:
        warnings = check_card(str(request.json().get("content")))
        return as_json({"errors": [], "warnings": [{"message": message} for message in warnings]})

    def info(self, request: Request, repo: str, revision: str = "main") -> Answer:
        repository = self.repository(request, repo)
        commit = repository.commit_of(revision or "main")
        facts = {"id": repository.name, "modelId": repository.name, "private": repository.private, "sha": commit.id}
        facts |= {"tags": [], "downloads": 0, "likes": 0, "siblings": [{"rfilename": path} for path in commit.files]}
        return as_json({"_id": repository.name, **facts})

    def tree(self, request: Request, repo: str, revision: str, folder: str) -> Answer:
        commit = self.repository(request, repo).commit_of(revision)
        within = f"{folder}/" if folder else ""
        found = {path: entry for path, entry in sorted(commit.files.items()) if path.startswith(within)}
        if folder and not found:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        if request.query.get("recursive", "").lower() in ("true", "1"):
            return as_json([described(path, entry) for path, entry in found.items()])
        names = {within + path.removeprefix(within).split("/")[0] for path in found}
        folders = {
            name: {"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in names - found.keys()
        }
        return as_json([folders.get(name) or described(name, found[name]) for name in sorted(names)])

    def paths_info(self, request: Request, repo: str, revision: str) -> Answer:
        files = self.repository(request, repo).commit_of(revision).files
        wanted = urllib.parse.parse_qs(request.body.decode()).get("paths", [])
        return as_json([described(path, files[path]) for path in wanted if path in files])

    def check_right(self, request: Request, repo: str) -> Answer:
        self.repository(request, repo, write=True)
        return as_json({})

    def preupload(self, request: Request, repo: str, revision: str) -> Answer:
        repository = self.repository(request, repo, write=True)
        files, answers = repository.commit_of(revision).files, []
        for wish in request.json().get("files", []):
            path, sample = checked_path(wish.get("path")), base64.b64decode(wish["sample"])
            mode = "lfs" if repository.is_large(path, wish["size"], sample) else "regular"
            oid = files[path].oid if path in files else None
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return as_json({"files": answers, "commitOid": repository.commit_of(revision).id})

    def batch(self, request: Request, repo: str) -> Answer:
        repository, wish = self.repository(request, repo, write=True), request.json()
        if wish.get("operation") != "upload" or wish.get("hash_algo") != "sha256" or not wish.get("objects"):
            raise Refused(422, "not an LFS upload with sha256")
        return as_json({"transfer": "basic", "objects": [self._actions(repository, one) for one in wish["objects"]]})

    def _actions(self, repository: Repository, wish: dict[str, Any]) -> dict[str, Any]:
        sha256, size = str(wish.get("oid")), wish.get("size")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not isinstance(size, int) or size < 0:
            raise Refused(422, f"no sha256 with a size: {wish}")
        if repository.has_large(sha256, size):
            return {"oid": sha256, "size": size}
        place = f"{self.url}/{repository.name}.git/info/lfs/objects"
        upload = {"href": f"{place}/put/{sha256}/{size}", "header": {}}
        return {"oid": sha256, "size": size, "actions": {"upload": upload, "verify": {"href": f"{place}/verify"}}}

    def put(self, request: Request, repo: str, sha256: str, size: str) -> Answer:
        self.repositories[repo].receive_large(sha256, int(size), request.body)  # the address is the permission
        return Answer(headers={"ETag": f'"{sha256}"'})

    def verify(self, request: Request, repo: str) -> Answer:
        repository, wish = self.repository(request, repo, write=True), request.json()
        if not repository.has_large(str(wish.get("oid")), wish.get("size")):
            raise Refused(404, f"no such object: {wish}")
        return as_json({})

    def commit(self, request: Request, repo: str, revision: str) -> Answer:
        repository = self.repository(request, repo, write=True)
        if request.headers.get("Content-Type") != "application/x-ndjson":
            raise Refused(400, "a commit is application/x-ndjson")
        commit = repository.make_commit(revision, request.body.split(b"\n"))
        return as_json({"success": True, "commitOid": commit.id, "commitUrl": f"{self.url}/{repo}/commit/{commit.id}"})

    def refs(self, request: Request, repo: str) -> Answer:
        repository = self.repository(request, repo)
        kinds = {"branches": ("heads", repository.branches), "tags": ("tags", repository.tags)}
        listed = {
            kind: [{"name": n, "ref": f"refs/{short}/{n}", "targetCommit": commit} for n, commit in found.items()]
            for kind, (short, found) in kinds.items()
        }
        return as_json({**listed, "converts": []})

    def branch(self, request: Request, repo: str, name: str) -> Answer:
        repository = self.repository(request, repo, write=True)
        if request.method == "DELETE":
            return self._forget(repository.branches, name)
        start = request.json().get("startingPoint") or "main"
        return self._point(repository.branches, name, repository.commit_of(start).id)

    def tag(self, request: Request, repo: str, name: str) -> Answer:
        repository = self.repository(request, repo, write=True)
        if request.method == "DELETE":
            return self._forget(repository.tags, name)
        return self._point(repository.tags, str(request.json().get("tag")), repository.commit_of(name).id)

    def _point(self, names: dict[str, str], name: str, commit: str) -> Answer:
        if name in names:
            raise Refused(409, f"Reference {name} already exists")
        names[name] = commit
        return as_json({})

    def _forget(self, names: dict[str, str], name: str) -> Answer:
        if name not in names or name == "main":
            raise Refused(404, f"no such reference: {name}", "RevisionNotFound")
        del names[name]
        return as_json({})

    def resolve(self, request: Request, repo: str, revision: str, path: str) -> Answer:
        repository = self.repository(request, repo)
        commit = repository.commit_of(revision)
        if path not in commit.files:
            raise Refused(404, "Entry not found", "EntryNotFound", commit=commit.id)
        entry = commit.files[path]
        content = repository.content(entry)
        headers = {"ETag": f'"{entry.oid}"', "X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
        if entry.sha256:
            headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.sha256}"'}
        part = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if part is None:
            return Answer(content, headers=headers)
        start = int(part[1])
        if start >= len(content):
            raise Refused(416, f"the file has {len(content)} bytes")
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Answer(content[start:], 206, headers)


def check_may_write(request: Request, name: str) -> None:
    if request.user is None:
        raise Refused(401, "Invalid username or password.")
    if not request.may_write or request.user != name.split("/")[0]:
        raise Refused(403, f"You don't have the rights to write to {name}")


def described(path: str, entry: Entry) -> dict[str, Any]:
    facts = {"type": "file", "path": path, "size": entry.size, "oid": entry.blob}
    return facts | ({"lfs": {"oid": entry.sha256, "size": entry.size, "pointerSize": 130}} if entry.sha256 else {})


API, REPO = "/api/models", r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)"
ROUTES = [
    ("GET", "/api/whoami-v2", Hub.whoami),
    ("POST", "/api/repos/create", Hub.create),
    ("DELETE", "/api/repos/delete", Hub.delete),
    ("POST", "/api/validate-yaml", Hub.validate_card),
    ("GET", f"{API}/{REPO}/revision/(?P<revision>[^/]+)", Hub.info),
    ("GET", f"{API}/{REPO}/tree/(?P<revision>[^/]+)/?(?P<folder>.*)", Hub.tree),
    ("POST", f"{API}/{REPO}/paths-info/(?P<revision>[^/]+)", Hub.paths_info),
    ("POST", f"{API}/{REPO}/preupload/(?P<revision>[^/]+)", Hub.preupload),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", Hub.batch),
    ("PUT", rf"/{REPO}\.git/info/lfs/objects/put/(?P<sha256>\w+)/(?P<size>\d+)", Hub.put),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/verify", Hub.verify),
    ("POST", f"{API}/{REPO}/commit/(?P<revision>[^/]+)", Hub.commit),
    ("GET", f"{API}/{REPO}/auth-check/write", Hub.check_right),
    ("GET", f"{API}/{REPO}/refs", Hub.refs),
    ("POST DELETE", f"{API}/{REPO}/branch/(?P<name>[^/]+)", Hub.branch),
    ("POST DELETE", f"{API}/{REPO}/tag/(?P<name>[^/]+)", Hub.tag),
    ("GET", f"{API}/{REPO}", Hub.info),
    ("GET HEAD", f"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Hub.resolve),
]


class Handler(BaseHTTPRequestHandler):
    """One connection, which may bring many requests; `hub` is set by it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits for an acknowledgement
    hub: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client has gone
            self.close_connection = True

    def serve(self) -> None:
        trouble = self.hub.trouble_with(f"{self.command} {self.path}") or Trouble("")
        if trouble.kind == "hang":
            self.hub.wait_for_release()
        length = int(self.headers.get("Content-Length") or 0)
        if trouble.kind == "cut body":
            self.rfile.read(length // 2)
        if trouble.kind in ("drop", "hang", "cut body"):
            return self.hang_up()
        body = self.read_chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        if trouble.kind == "corrupt body":
            body = with_another_byte(body)
        if trouble.kind == "answer":
            return self.send(Answer(b"trouble", trouble.status, trouble.headers))
        answer = self.answer(body)
        if trouble.kind == "lose answer":
            return self.hang_up()
        if trouble.kind == "corrupt answer":
            answer.body = with_another_byte(answer.body)
        return self.send(answer, cut=trouble.kind == "cut answer")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

    def answer(self, body: bytes) -> Answer:
        path, _, query = self.path.partition("?")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            if token and token not in TOKENS:
                raise Refused(401, "Invalid credentials in Authorization header")
            user, may_write = TOKENS.get(token, (None, False))
            wishes = dict(urllib.parse.parse_qsl(query))
            return self.hub.answer(Request(self.command, path, wishes, self.headers, body, user, may_write))
        except Refused as refused:
            content = {"error": refused.message, "errors": [{"message": refused.message}], **refused.facts}
            answer = as_json(content, refused.status)
            answer.headers["X-Error-Message"] = " ".join(refused.message.split())
            if refused.code:
                answer.headers["X-Error-Code"] = refused.code
            if "commit" in refused.facts:
                answer.headers["X-Repo-Commit"] = refused.facts["commit"]
            return answer

    def send(self, answer: Answer, *, cut: bool = False) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        if cut:
            self.hang_up()

    def read_chunks(self) -> bytes:
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def with_another_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


FOREVER = math.inf
