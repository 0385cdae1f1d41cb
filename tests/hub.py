"""A small Hub in memory, for tests that publish through the real huggingface_hub client.

It speaks the endpoints that create_repo, create_commit, list_repo_tree, hf_hub_download,
snapshot_download, load_dataset and from_pretrained need, with git blob ids and LFS as on the Hub.
huggingface_hub reads HF_ENDPOINT when it is imported, so clients run in a child process: `hub.run`.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
USER, ORGANIZATION = "ada", "sense"
WRITER, READER = "hf_writer", "hf_reader"
LFS_SUFFIXES = (".parquet", ".safetensors", ".sqlite", ".arrow", ".bin", ".zip", ".png")
INITIAL_FILES = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}


class File(NamedTuple):
    """A file of a commit."""

    data: bytes
    is_lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.sha256}\nsize {len(self.data)}\n"
        ).encode()

    @property
    def blob_id(self) -> str:
        data = self.pointer if self.is_lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        """The file as the tree endpoint lists it."""
        found = {"type": "file", "path": path, "oid": self.blob_id, "size": len(self.data)}
        if self.is_lfs:
            size = len(self.pointer)
            found["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": size}
        return found


@dataclass
class Commit:
    """A state of a repository."""

    oid: str
    title: str
    files: dict[str, File]


@dataclass
class Repo:
    """A repository with its linear history, the newest commit last."""

    private: bool = False
    commits: list[Commit] = field(default_factory=list)

    def commit(self, title: str, files: dict[str, File]) -> Commit:
        state = json.dumps(
            [title, len(self.commits), sorted((p, f.blob_id) for p, f in files.items())]
        )
        self.commits.append(Commit(hashlib.sha1(state.encode()).hexdigest(), title, files))
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision in ("main", "HEAD"):
            return self.commits[-1]
        return next((c for c in self.commits if c.oid == revision), None)


class Hub:
    """A running server, and how to reach it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.before_commit: Callable[[], None] | None = None
        """Called once when the next commit arrives: lets a test change a repository meanwhile."""
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def repo(self, repo_id: str, repo_type: str = "dataset") -> Repo:
        return self.repos[repo_type, repo_id]

    def titles(self, repo_id: str, repo_type: str = "dataset") -> list[str]:
        """Messages of the repository's commits, the one that created it first."""
        return [commit.title for commit in self.repo(repo_id, repo_type).commits]

    def files(self, repo_id: str, repo_type: str = "dataset") -> dict[str, bytes]:
        """What the newest commit holds."""
        return {p: f.data for p, f in self.repo(repo_id, repo_type).commits[-1].files.items()}

    def env(self, token: str | None = WRITER, offline: bool = False) -> dict[str, str]:
        """Environment of a client: this server and a cache of its own, nothing of the machine's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        found = kept | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
        if token is not None:
            found["HF_TOKEN"] = token
        if offline:
            found["HF_HUB_OFFLINE"] = "1"
        return found

    def run(
        self,
        code: str | Sequence[str],
        *,
        token: str | None = WRITER,
        offline: bool = False,
        fails: bool = False,
        timeout: float = 300,
    ) -> str:
        """Runs Python code, or `python` with these arguments, against this Hub; returns its stdout.

        With fails=True the run must fail, and its stderr is returned.
        """
        arguments = ["-c", code] if isinstance(code, str) else list(code)
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.env(token, offline),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """An empty Hub with the user `ada`, who also writes for `sense`."""
    server = Hub(tmp_path / "hf_home")
    yield server
    server.close()


class _HttpError(Exception):
    def __init__(self, status: int, message: str, code: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers | {"X-Error-Message": message}
        if code:
            self.headers["X-Error-Code"] = code


class _Handler(BaseHTTPRequestHandler):
    """Finds the method of `ROUTES` for a request and writes what it returns."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *arguments: Any) -> None:
        self.hub = hub
        super().__init__(*arguments)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        self.hub.requests.append(f"{self.command} {path}")
        try:
            for method, pattern, name in ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in method.split():
                    with self.hub.lock:
                        getattr(self, name)(body, **found.groupdict())
                    return
            raise _HttpError(404, f"no such endpoint: {self.command} {path}")
        except _HttpError as error:
            self._send(error.status, {"error": str(error)}, **error.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, content: Any, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        for name, value in (
            {"Content-Type": kind, "Content-Length": str(len(data))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _writer(self) -> None:
        if self._token() not in (WRITER, READER):
            raise _HttpError(401, "Invalid username or password.")
        if self._token() == READER:
            raise _HttpError(403, "This token may only read.")

    def _repo(self, kind: str | None, repo_id: str) -> Repo:
        repo_type = (kind or "models").rstrip("/").removesuffix("s")
        repo = self.hub.repos.get((repo_type, repo_id))
        if repo is None or (repo.private and self._token() not in (WRITER, READER)):
            raise _HttpError(404, "Repository not found", "RepoNotFound")
        return repo

    def _commit(self, kind: str | None, repo_id: str, revision: str | None) -> Commit:
        commit = self._repo(kind, repo_id).at(revision or "main")
        if commit is None:
            raise _HttpError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def whoami(self, body: bytes) -> None:
        if self._token() not in (WRITER, READER):
            raise _HttpError(401, "Invalid credentials in Authorization header")
        role = "write" if self._token() == WRITER else "read"
        self._send(
            200,
            {
                "type": "user",
                "name": USER,
                "orgs": [{"type": "org", "name": ORGANIZATION, "roleInOrg": "write"}],
                "auth": {"type": "access_token", "accessToken": {"role": role}},
            },
        )

    def create(self, body: bytes) -> None:
        self._writer()
        asked = json.loads(body)
        owner = asked.get("organization") or USER
        repo_id, repo_type = f"{owner}/{asked['name']}", asked.get("type") or "model"
        if owner not in (USER, ORGANIZATION):
            raise _HttpError(403, f"You don't have the rights to create a repo under {owner}")
        prefix = "" if repo_type == "model" else f"{repo_type}s/"
        answer = {"url": f"{self.hub.url}/{prefix}{repo_id}", "name": repo_id, "id": repo_id}
        if (repo_type, repo_id) in self.hub.repos:
            self._send(409, answer | {"error": "You already created this repo"})
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repo = self.hub.repos[repo_type, repo_id] = Repo(private)
        repo.commit("initial commit", {p: File(d, False) for p, d in INITIAL_FILES.items()})
        self._send(200, answer)

    def validate(self, body: bytes) -> None:
        self._send(200, {"errors": [], "warnings": []})

    def preupload(self, body: bytes, kind: str, repo_id: str, revision: str) -> None:
        self._writer()
        files = self._commit(kind, repo_id, revision).files
        answers = []
        for asked in json.loads(body)["files"]:
            path, sample = asked["path"], base64.b64decode(asked.get("sample", ""))
            is_lfs = path.endswith(LFS_SUFFIXES) or b"\0" in sample or asked["size"] > 10 << 20
            mode = "lfs" if is_lfs and asked["size"] else "regular"
            answer = {"path": path, "uploadMode": mode, "shouldIgnore": False}
            if path in files:
                answer["oid"] = files[path].sha256 if files[path].is_lfs else files[path].blob_id
            answers.append(answer)
        self._send(200, {"files": answers})

    def lfs_batch(self, body: bytes, kind: str | None, repo_id: str) -> None:
        self._writer()
        self._repo(kind, repo_id)
        objects = json.loads(body)["objects"]
        for asked in objects:
            if asked["oid"] not in self.hub.objects:
                asked["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"}}
        self._send(200, {"transfer": "basic", "objects": objects})

    def lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise _HttpError(400, "the bytes do not have the promised SHA-256")
        self.hub.objects[oid] = body
        self._send(200, {})

    def make_commit(self, body: bytes, kind: str, repo_id: str, revision: str) -> None:
        self._writer()
        if self.hub.before_commit:
            meanwhile, self.hub.before_commit = self.hub.before_commit, None
            meanwhile()
        repo = self._repo(kind, repo_id)
        lines = [json.loads(line) for line in body.splitlines() if line]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repo.commits[-1].oid):
            raise _HttpError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[-1].files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = File(self.hub.objects[value["oid"]], True)
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "deletedFolder":
                gone = value["path"].rstrip("/") + "/"
                files = {p: f for p, f in files.items() if not p.startswith(gone)}
        oid = repo.commit(header["summary"], files).oid
        prefix = "" if kind == "models" else f"{kind}/"
        url = f"{self.hub.url}/{prefix}{repo_id}/commit/{oid}"
        self._send(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def info(self, body: bytes, kind: str, repo_id: str, revision: str | None = None) -> None:
        commit = self._commit(kind, repo_id, revision)
        self._send(
            200,
            {
                "id": repo_id,
                "sha": commit.oid,
                "private": self._repo(kind, repo_id).private,
                "gated": False,
                "disabled": False,
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
                "tags": [],
                "lastModified": "2026-01-01T00:00:00.000Z",
                "downloads": 0,
                "likes": 0,
            },
        )

    def tree(
        self, body: bytes, kind: str, repo_id: str, revision: str, folder: str | None = None
    ) -> None:
        start = f"{folder.strip('/')}/" if folder else ""
        files = self._commit(kind, repo_id, revision).files
        below = {path: file for path, file in files.items() if path.startswith(start)}
        if start and not below:
            raise _HttpError(404, f"{folder} does not exist", "EntryNotFound")
        recursive = "recursive=true" in self.path.lower() or "recursive=1" in self.path
        folders = {
            start + "/".join(parts[:depth])
            for path in below
            if len(parts := path.removeprefix(start).split("/")) > 1
            for depth in range(1, len(parts) if recursive else 2)
        }
        entries = [
            {
                "type": "directory",
                "path": path,
                "oid": hashlib.sha1(path.encode()).hexdigest(),
                "size": 0,
            }
            for path in sorted(folders)
        ]
        entries += [
            file.entry(path)
            for path, file in sorted(below.items())
            if recursive or "/" not in path.removeprefix(start)
        ]
        self._send(200, entries)

    def paths_info(self, body: bytes, kind: str, repo_id: str, revision: str) -> None:
        files = self._commit(kind, repo_id, revision).files
        asked = body.decode()
        names = (
            json.loads(asked)["paths"]
            if asked.startswith("{")
            else [unquote(p.split("=", 1)[1]) for p in asked.split("&") if p.startswith("paths=")]
        )
        self._send(200, [files[name].entry(name) for name in names if name in files])

    def resolve(
        self, body: bytes, kind: str | None, repo_id: str, revision: str, path: str
    ) -> None:
        commit = self._commit(kind, repo_id, revision)
        file = commit.files.get(path)
        if file is None:
            raise _HttpError(
                404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": commit.oid}
            )
        headers = {
            "X-Repo-Commit": commit.oid,
            "ETag": f'"{file.sha256 if file.is_lfs else file.blob_id}"',
            "Accept-Ranges": "bytes",
        }
        if file.is_lfs:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(file.data))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._send(200, file.data, **headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(file.data)), len(file.data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(file.data)}"
        self._send(206, file.data[first : last + 1], **headers)

    def refs(self, body: bytes, kind: str, repo_id: str) -> None:
        head = self._commit(kind, repo_id, None).oid
        branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": head}
        self._send(200, {"branches": [branch], "tags": [], "converts": []})


_API = r"/api/(?P<kind>models|datasets|spaces)/(?P<repo_id>[^/]+/[^/]+)"
_WEB = r"/(?:(?P<kind>datasets/|spaces/))?(?P<repo_id>[^/]+/[^/]+)"
ROUTES = (
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("POST", _API + r"/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", _API + r"/commit/(?P<revision>[^/]+)", "make_commit"),
    ("POST", _API + r"/paths-info/(?P<revision>[^/]+)", "paths_info"),
    ("GET", _API + r"/tree/(?P<revision>[^/]+)(?P<folder>/.*)?", "tree"),
    ("GET", _API + r"/revision/(?P<revision>[^/]+)", "info"),
    ("GET", _API + r"/refs", "refs"),
    ("GET", _API, "info"),
    ("POST", _WEB + r"\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
    ("GET HEAD", _WEB + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
)
