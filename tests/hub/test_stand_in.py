"""The Hub's stand-in is strict: what huggingface.co would refuse, it refuses, asked over real HTTP."""

import base64
import hashlib
import json
import urllib.error
import urllib.request

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError
from repositories import check_card

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how huggingface_hub sends files

ID = "user/model"
HEADER = {"key": "header", "value": {"summary": "title"}}
SHA = hashlib.sha256(b"large").hexdigest()


@pytest.fixture
def ask(hub):
    """Send one raw request; gives status, headers, body."""

    def ask(method, path, body=b"", token="hf_writer", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else hub.url + path
        request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    return ask


@pytest.fixture
def commit(ask):
    """Create the repository and send the lines of a commit to it."""

    def commit(*lines, **options):
        ask("POST", "/api/repos/create", {"name": "model"})
        body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        return ask("POST", f"/api/models/{ID}/commit/main", body, Content_Type="application/x-ndjson", **options)

    return commit


def file(path="a.txt", content=b"text"):
    return {
        "key": "file",
        "value": {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"},
    }


def pointer(oid=SHA, size=5, algo="sha256"):
    return {"key": "lfsFile", "value": {"path": "a.bin", "oid": oid, "size": size, "algo": algo}}


def upload(ask, content, sha256=SHA, size=5):
    ask("POST", "/api/repos/create", {"name": "model"})
    wish = {"operation": "upload", "hash_algo": "sha256", "objects": [{"oid": sha256, "size": size}]}
    _, _, answer = ask("POST", f"/{ID}.git/info/lfs/objects/batch", wish)
    actions = json.loads(answer)["objects"][0]["actions"]
    return ask("PUT", actions["upload"]["href"], content)[0], actions["verify"]["href"]


def test_a_commit_is_kept_and_can_be_read(hub, commit, ask):
    status, _, answer = commit(HEADER, file("a/b.txt", b"hello"))
    assert (status, hub.files(ID)) == (200, {"a/b.txt": b"hello"})
    sha = json.loads(answer)["commitOid"]
    status, headers, content = ask("GET", f"/{ID}/resolve/main/a/b.txt")
    assert (status, content, headers["X-Repo-Commit"]) == (200, b"hello", sha)
    assert headers["ETag"] == '"b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"'  # `printf hello | git hash-object --stdin`
    status, headers, content = ask("GET", f"/{ID}/resolve/{sha}/a/b.txt", Range="bytes=2-")
    assert (status, content, headers["Content-Range"]) == (206, b"llo", "bytes 2-4/5")
    assert ask("GET", f"/{ID}/resolve/main/a/b.txt", Range="bytes=5-")[0] == 416
    status, headers, _ = ask("HEAD", f"/{ID}/resolve/main/c.txt")
    assert (status, headers["X-Error-Code"], headers["X-Repo-Commit"]) == (404, "EntryNotFound", sha)


@pytest.mark.parametrize(
    "lines",
    {
        "nothing": [],
        "no header": [file()],
        "no title": [{"key": "header", "value": {}}, file()],
        "nothing to do": [HEADER],
        "not JSON": [HEADER, b'{"key": "file", '],
        "no object": [HEADER, b"[1]"],
        "unknown operation": [HEADER, {"key": "rename", "value": {"path": "a"}}],
        "not base64": [HEADER, {"key": "file", "value": {"path": "a", "content": "***"}}],
        "no content": [HEADER, {"key": "file", "value": {"path": "a"}}],
        "no path": [HEADER, file(None)],
        "path above": [HEADER, file("../a.txt")],
        "path above later": [HEADER, file("b/../../a.txt")],
        "absolute path": [HEADER, file("/a.txt")],
        "other slashes": [HEADER, file("..\\a.txt")],
        "git's folder": [HEADER, file(".git/config")],
        "large file never uploaded": [HEADER, pointer()],
        "large file without size": [HEADER, pointer(size=None)],
        "large file that is a path": [HEADER, pointer(oid="../../blobs")],
        "card that is no YAML": [HEADER, file("README.md", b"---\na: [\n---\n")],
        "card with a wrong license": [HEADER, file("README.md", b"---\nlicense: mine\n---\n")],
    }.items(),
    ids=lambda case: case[0],
)
def test_a_malformed_commit_is_refused_and_leaves_everything(lines, hub, commit):
    commit(HEADER, file("before.txt"))
    status, _, answer = commit(*lines[1][:1], *([file("good.txt")] if len(lines[1]) > 1 else []), *lines[1][1:])
    assert status == 400
    assert json.loads(answer)["error"]
    assert hub.files(ID) == {"before.txt": b"text"}
    assert len(hub.repositories[ID].commits) == 2


def test_a_commit_on_another_than_the_newest_is_refused(hub, commit):
    commit(HEADER, file("before.txt"))
    late = {"key": "header", "value": {"summary": "title", "parentCommit": "0" * 40}}
    assert commit(late, file())[0] == 412
    missing = {"key": "deletedFile", "value": {"path": "none.txt"}}
    assert commit(HEADER, missing)[0] == 404
    assert hub.files(ID) == {"before.txt": b"text"}


@pytest.mark.parametrize(
    ("content", "sha256", "size"),
    [(b"larGe", SHA, 5), (b"large", "0" * 64, 5), (b"larg", SHA, 5), (b"large!", SHA, 5), (b"large", SHA, 6)],
)
def test_a_large_file_of_another_hash_or_size_is_refused(content, sha256, size, hub, ask, commit):
    status, verify = upload(ask, content, sha256, size)
    assert status == 400
    assert ask("POST", verify, {"oid": sha256, "size": size})[0] == 404
    assert commit(HEADER, pointer(sha256, size))[0] == 400
    assert hub.files(ID) == {}


def test_a_large_file_is_taken_once_it_is_there_with_its_own_size(hub, ask, commit):
    assert upload(ask, b"large")[0] == 200
    assert commit(HEADER, pointer(size=4))[0] == 400
    assert commit(HEADER, pointer(algo="md5"))[0] == 400
    assert commit(HEADER, pointer())[0] == 200
    assert hub.files(ID) == {"a.bin": b"large"}
    _, headers, content = ask("GET", f"/{ID}/resolve/main/a.bin")
    assert (headers["ETag"], headers["X-Linked-Size"], content) == (f'"{SHA}"', "5", b"large")
    bad = {"operation": "upload", "hash_algo": "sha256", "objects": [{"oid": "short", "size": 5}]}
    assert ask("POST", f"/{ID}.git/info/lfs/objects/batch", bad)[0] == 422


WRITING = [
    ("POST", "/api/repos/create", {"name": "other"}),
    ("DELETE", "/api/repos/delete", {"name": "model", "organization": "user"}),
    ("POST", f"/api/models/{ID}/preupload/main", {"files": []}),
    ("POST", f"/{ID}.git/info/lfs/objects/batch", {}),
    ("POST", f"/{ID}.git/info/lfs/objects/verify", {}),
    ("POST", f"/api/models/{ID}/commit/main", b""),
    ("POST", f"/api/models/{ID}/branch/b", {}),
    ("POST", f"/api/models/{ID}/tag/main", {"tag": "t"}),
    ("GET", f"/api/models/{ID}/auth-check/write", b""),
]


@pytest.mark.parametrize(
    ("token", "status"), [("", 401), ("hf_unknown", 401), ("hf_reader", 403), ("hf_stranger", 403)]
)
def test_nobody_writes_without_a_token_that_may(token, status, hub, ask, commit):
    commit(HEADER, file())
    wishes = [wish for wish in WRITING if token != "hf_stranger" or wish[1] != "/api/repos/create"]
    answers = {path: ask(method, path, body, token)[0] for method, path, body in wishes}
    assert set(answers.values()) == {status}, answers
    assert hub.files(ID) == {"a.txt": b"text"}
    assert hub.repositories.keys() == {ID}
    assert (hub.repositories[ID].branches.keys(), hub.repositories[ID].tags) == ({"main"}, {})


def test_a_private_repository_is_seen_by_its_owner_only(hub, ask):
    assert ask("POST", "/api/repos/create", {"name": "model", "visibility": "private"})[0] == 200
    for token, status in {"hf_writer": 200, "hf_reader": 200, "hf_stranger": 404, "": 401, "hf_unknown": 401}.items():
        assert ask("GET", f"/api/models/{ID}", token=token)[0] == status
        assert ask("GET", f"/{ID}/resolve/main/.gitattributes", token=token)[0] == status
    assert ask("GET", "/api/whoami-v2", token="")[0] == 401
    assert json.loads(ask("GET", "/api/whoami-v2", token="hf_reader")[2])["auth"]["accessToken"]["role"] == "read"


def test_names_are_checked_and_taken_once(hub, ask):
    assert [ask("POST", "/api/repos/create", {"name": name})[0] for name in ("model", "model")] == [200, 409]
    for name in ("../model", "", ".hidden", "a/b", "x" * 97, None):
        assert ask("POST", "/api/repos/create", {"name": name})[0] == 400
    assert hub.repositories.keys() == {ID}
    assert ask("GET", "/api/agent-harnesses")[0] == 404


RESULT = {"task": {"type": "t"}, "dataset": {"type": "d", "name": "n"}, "metrics": [{"type": "bleu", "value": 0.5}]}


@pytest.mark.parametrize(
    "metadata",
    [
        {"license": "none-such"},
        {"tags": [1]},
        {"datasets": ["a b"]},
        {"base_model": "a/b/c"},
        {"pipeline_tag": ["image-to-text"]},
        {"model-index": [{"name": "m"}]},
        {"model-index": [{"name": "m", "results": [{**RESULT, "dataset": {"type": "d"}}]}]},
        {"model-index": [{"name": "m", "results": [{**RESULT, "metrics": [{"type": "bleu"}]}]}]},
        {"model-index": "none"},
        ["a list"],
    ],
)
def test_wrong_metadata_of_a_card_are_refused(metadata, ask):
    card = f"---\n{json.dumps(metadata)}\n---\n# Title\n"
    status, _, answer = ask("POST", "/api/validate-yaml", {"content": card, "repoType": "model"})
    assert status == 400
    assert json.loads(answer)["errors"][0]["message"]


def test_right_metadata_pass_and_missing_ones_are_warned_of(ask):
    metadata = {
        "license": "mit",
        "tags": ["a"],
        "datasets": "a/b",
        "model-index": [{"name": "m", "results": [RESULT]}],
    }
    assert check_card(f"---\n{json.dumps(metadata)}\n---\n# Title\n") == []
    status, _, answer = ask("POST", "/api/validate-yaml", {"content": "# Title\n"})
    assert status == 200
    assert json.loads(answer)["warnings"]


def test_huggingface_hub_meets_the_same_refusals(hub, client, monkeypatch):
    api = HfApi()
    api.create_repo(ID)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(ID)
    with pytest.raises(BadRequestError, match="not inside the repository"):
        operation = CommitOperationAdd("a.txt", b"text")
        operation.path_in_repo = "b/../../a.txt"
        api.create_commit(ID, [operation], commit_message="title")
    with pytest.raises(RevisionNotFoundError):
        snapshot_download(ID, revision="none")
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(HfHubHTTPError, match="403"):
        api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id=ID)
    assert hub.files(ID) == {}


def test_branches_tags_and_folders_are_those_of_huggingface_hub(hub, client, tmp_path):
    api = HfApi()
    api.create_repo(ID)
    first = api.upload_file(path_or_fileobj=b"1", path_in_repo="a/1.txt", repo_id=ID).oid
    api.create_tag(ID, tag="v1")
    api.create_branch(ID, branch="work")
    api.upload_file(path_or_fileobj=b"\x00" * 3000, path_in_repo="a/2.bin", repo_id=ID, revision="work")
    api.delete_file("a/1.txt", ID, revision="work")
    assert hub.files(ID, "work") == {"a/2.bin": b"\x00" * 3000}
    assert hub.files(ID) == hub.files(ID, "v1") == hub.files(ID, first) == {"a/1.txt": b"1"}
    assert {path.path for path in api.list_repo_tree(ID, "a", revision="work")} == {"a/2.bin"}
    assert {path.path for path in api.list_repo_tree(ID)} == {".gitattributes", "a"}
    assert [path.path for path in api.get_paths_info(ID, ["a/1.txt", "b"])] == ["a/1.txt"]
    copy = snapshot_download(ID, revision="work", local_dir=tmp_path / "copy")
    assert (tmp_path / "copy/a/2.bin").read_bytes() == b"\x00" * 3000, copy
    api.delete_tag(ID, tag="v1")
    api.delete_branch(ID, branch="work")
    assert [ref.name for ref in api.list_repo_refs(ID).branches] == ["main"]
    api.delete_repo(ID)
    assert not api.repo_exists(ID)
