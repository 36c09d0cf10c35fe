"""Pushing to the stand-in for the Hub: whole or not at all, and every trouble in a clear word."""

import json
import re
import signal
import subprocess
import sys

import pytest
from huggingface_hub import HfApi
from stand_in import FOREVER

from lrcn_cli import main
from lrcn_hub.publishing.push import check_can_push, push

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how huggingface_hub sends files

ID = "user/lrcn-coco"
COMMIT, CREATE, PUT = "POST .*/commit/", "POST .*/create", "^PUT "


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def commits(hub, name=ID):
    return len(hub.repositories[name].commits)


def test_a_folder_becomes_a_repository_in_one_commit(hub, client, make_model):
    folder = make_model()
    pushed = push(folder, ID)
    assert hub.files(ID) == contents(folder)
    assert (pushed.url, pushed.changed, pushed.files) == (f"{hub.url}/{ID}", True, sorted(contents(folder)))
    repository = hub.repositories[ID]
    assert commits(hub) == 2  # the Hub's own and ours
    assert repository.branches == {"main": pushed.commit}
    weights, config = (repository.commit_of("main").files[name] for name in ("model.safetensors", "config.json"))
    assert weights.sha256 and not config.sha256  # both ways of uploading were taken
    assert not repository.private


def test_the_card_loads_the_model_by_its_name_on_the_hub_unless_somebody_else_wrote_it(hub, client, make_model):
    folder = make_model()
    (folder / "README.md").unlink(missing_ok=True)
    push(folder, ID)
    assert f'"{ID}"' in hub.files(ID)["README.md"].decode()
    mine = b"---\nlicense: mit\n---\n# Mine\n"
    (folder / "README.md").write_bytes(mine)
    push(folder, ID)
    assert hub.files(ID)["README.md"] == mine


def test_an_unchanged_folder_makes_no_commit(hub, client, make_model):
    first = push(make_model(), ID)
    hub.make_peace()
    again = push(make_model(), ID)
    assert (again.commit, again.changed) == (first.commit, False)
    assert commits(hub) == 2
    assert not [line for line in hub.requests if re.search(f"{COMMIT}|{PUT}", line)]


def test_a_changed_folder_replaces_the_model_and_keeps_what_others_put_there(hub, client, make_model):
    push(make_model(0, **{"generation_config.json": "{}"}), ID)
    HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=ID)
    folder = make_model(1)
    (folder / "generation_config.json").unlink()
    push(folder, ID)
    assert hub.files(ID) == {**contents(folder), "notes.txt": b"mine"}
    assert commits(hub) == 4


def test_a_branch_is_made_and_main_is_left_alone(hub, client, make_model):
    push(make_model(0), ID)
    old = hub.files(ID)
    pushed = push(make_model(1), ID, revision="v2/small")
    assert pushed.url == f"{hub.url}/{ID}/tree/v2/small"
    assert hub.files(ID) == old
    assert hub.files(ID, "v2/small") == contents(make_model(1))
    HfApi().create_tag(ID, tag="first", revision="main")
    push(make_model(2), ID)
    assert hub.files(ID, "first") == old
    assert {ref.name for ref in HfApi().list_repo_refs(ID).branches} == {"main", "v2/small"}
    assert push(make_model(1), ID, revision="v2/small").changed is False


def test_a_private_repository_is_private_and_a_public_one_is_not_taken_for_one(hub, client, make_model):
    push(make_model(), "user/hidden", private=True)
    assert hub.repositories["user/hidden"].private
    push(make_model(), "user/open")
    with pytest.raises(ValueError, match="user/open is there already, and public"):
        push(make_model(1), "user/open", private=True)
    assert commits(hub, "user/open") == 2
    push(make_model(1), "user/hidden")


def test_two_pushes_at_once_do_not_mix(hub, client, make_model, monkeypatch):
    push(make_model(0), ID)
    real = HfApi.create_commit

    def while_another_comes_first(self, *arguments, **options):
        monkeypatch.setattr(HfApi, "create_commit", real)
        push(make_model(1, name="other"), ID)
        return real(self, *arguments, **options)

    monkeypatch.setattr(HfApi, "create_commit", while_another_comes_first)
    with pytest.raises(OSError, match="somebody else has changed user/lrcn-coco meanwhile"):
        push(make_model(2), ID)
    assert hub.files(ID) == contents(make_model(1, name="other"))
    push(make_model(2), ID)
    assert hub.files(ID) == contents(make_model(2))


@pytest.mark.parametrize("kind", ["drop", "cut body", "lose answer", "cut answer"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_push_cut_at_any_request_leaves_the_old_or_the_new_and_a_repeat_succeeds(
    kind, is_new, hub, client, make_model
):
    """The connection is lost for good at the first request, at the second, and so on to the last."""
    new, states = make_model(1), set()
    for first in range(1, 100):
        name = f"user/try-{first}"
        hub.make_peace()
        if not is_new:
            push(make_model(0, name="old"), name)
        old = hub.files(name) if name in hub.repositories else {}
        hub.make_peace()
        hub.make_trouble(kind, first=first, times=FOREVER)
        try:
            push(new, name)
        except OSError as error:
            assert re.search("the connection to http.* failed .*; what is there is whole", str(error))
        else:
            break
        left = hub.files(name) if name in hub.repositories else {}
        assert left in (old, contents(new))
        states.add(left == contents(new))
        hub.make_peace()
        push(new, name)
        assert hub.files(name) == contents(new)
        assert commits(hub, name) == (2 if is_new else 3)
    assert first == 10  # all nine requests have been cut
    assert states == ({True, False} if kind in ("lose answer", "cut answer") else {False})


@pytest.mark.parametrize("kind", ["drop", "cut body", "lose answer"])
def test_a_connection_that_comes_back_is_used_again(kind, hub, client, make_model):
    """What is safe to repeat is repeated by huggingface_hub itself."""
    push(make_model(0), ID)
    hub.make_trouble(kind, on=PUT, times=3)
    push(make_model(1), ID)
    assert hub.files(ID) == contents(make_model(1))
    assert sum(line.startswith("PUT") for line in hub.requests) == 1 + 4
    assert client == [1, 2, 4]


@pytest.mark.slow
@pytest.mark.parametrize("on", [CREATE, "preupload", PUT, "verify", COMMIT])
def test_a_push_that_is_killed_leaves_the_old_model(on, hub, environment, make_model, client):
    push(make_model(0), ID)
    old = hub.files(ID)
    hub.make_trouble("hang", on=on)
    command = [sys.executable, "-m", "lrcn_cli", "push", make_model(1), ID]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert hub.hanging.wait(120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert hub.files(ID) == old
    hub.release()
    hub.make_peace()
    push(make_model(1), ID)
    assert hub.files(ID) == contents(make_model(1))


TROUBLES = {
    "rate limit": (
        {"kind": "answer", "on": COMMIT, "status": 429, "headers": {"Retry-After": "30"}},
        r"the Hub asks for a pause, .*in 30 seconds",
    ),
    "rate limit while uploading": (
        {"kind": "answer", "on": PUT, "status": 429, "headers": {"Retry-After": "7"}, "times": FOREVER},
        r"the Hub asks for a pause, .*in 7 seconds",
    ),
    "server error": ({"kind": "answer", "on": COMMIT, "status": 500}, r"trouble of its own \(status 500\)"),
    "server error while uploading": (
        {"kind": "answer", "on": PUT, "status": 503, "times": FOREVER},
        r"trouble of its own \(status 503\)",
    ),
    "server error at once": ({"kind": "answer", "on": CREATE, "status": 502}, r"trouble of its own \(status 502\)"),
    "wrong hash": (
        {"kind": "corrupt body", "on": PUT, "times": FOREVER},
        r"the Hub did not take the upload \(status 400: .*sha256 of what came is .*user/lrcn-coco is as it was",
    ),
    "not the Hub": (
        {"kind": "answer", "on": CREATE, "status": 200},
        r"not the Hub's language; is HF_ENDPOINT right\?",
    ),
    "a byte of the commit differs": ({"kind": "corrupt body", "on": COMMIT}, r"the Hub did not take the upload"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_trouble_at_the_hub_ends_in_a_clear_word_and_a_repeat_succeeds(case, hub, client, make_model):
    trouble, words = TROUBLES[case]
    push(make_model(0), ID)
    old = hub.files(ID)
    hub.make_trouble(**trouble)
    with pytest.raises(OSError, match=words) as raised:
        push(make_model(1), ID)
    assert "\n" not in str(raised.value)
    assert hub.files(ID) == old
    hub.make_peace()
    push(make_model(1), ID)
    assert hub.files(ID) == contents(make_model(1))


def test_the_pause_that_the_hub_asks_for_is_kept(hub, client, make_model):
    hub.make_trouble("answer", on=PUT, status=429, headers={"Retry-After": "7"}, times=2)
    push(make_model(), ID)
    assert client == [8, 8]  # a second more, against rounding


def test_a_card_with_wrong_metadata_is_refused_before_anything_is_uploaded(hub, client, make_model):
    push(make_model(0), ID)
    old = hub.files(ID)
    hub.make_peace()
    folder = make_model(1, **{"README.md": "---\nlicense: no-such\n---\n"})
    with pytest.raises(ValueError, match=r'Invalid metadata in README.md. - "license" must be one of'):
        push(folder, ID)
    assert hub.files(ID) == old
    assert not [line for line in hub.requests if line.startswith("PUT")]


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("hf_unknown", "the Hub refuses the token: sign in anew with `hf auth login --force`, or set HF_TOKEN"),
        ("hf_reader", r"the token may not write to user/lrcn-coco: .*settings/tokens"),
        ("hf_stranger", r"the token may not write to user/lrcn-coco: .*settings/tokens"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_wrong_token_is_refused_before_a_model_is_trained(
    token, words, is_new, hub, client, make_model, monkeypatch
):
    if not is_new:
        push(make_model(), ID)
        old = hub.files(ID)
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(OSError, match=words):
        check_can_push(ID)
    with pytest.raises(OSError, match=words):
        push(make_model(1), ID)
    assert hub.repositories == {} if is_new else hub.files(ID) == old


def test_without_a_token_nothing_is_asked_of_the_hub(hub, client, make_model, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match=r"no token for the Hub: sign in with `hf auth login`, or set HF_TOKEN"):
        push(make_model(), ID)
    assert hub.requests == []


def test_offline_nothing_is_asked_of_the_hub(hub, client, make_model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"HF_HUB_OFFLINE .*is set, so nothing can be pushed; unset it"):
        push(make_model(), ID)
    assert hub.requests == []


def test_a_hub_that_is_not_there_is_named(hub, client, make_model, monkeypatch):
    hub.close()
    with pytest.raises(OSError, match=rf"the connection to {hub.url} failed .*the same command again goes on"):
        push(make_model(), ID)


def test_an_older_huggingface_hub_asks_what_kind_of_token_it_is(hub, client, make_model, monkeypatch):
    push(make_model(), ID)

    def without_write(self, repo_id):
        raise AssertionError("it was called with write=True")

    monkeypatch.setattr(HfApi, "auth_check", without_write)
    push(make_model(1), ID)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(OSError, match="the token may not write"):
        push(make_model(2), ID)


def test_the_command_says_where_the_model_is(hub, client, make_model, capsys):
    folder = make_model()
    assert main(["push", str(folder), ID, "--message", "The first"]) == 0
    assert capsys.readouterr().out == f"{hub.url}/{ID}\n"
    assert main(["push", str(folder), ID]) == 0
    assert capsys.readouterr().out == f"{hub.url}/{ID} (nothing has changed)\n"
    assert hub.repositories[ID].commit_of("main").title == "The first"
    assert main(["push", str(make_model(1)), ID, "--revision", "v2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["url"] == f"{hub.url}/{ID}/tree/v2"
    assert answer["commit"] == hub.repositories[ID].branches["v2"]
    assert answer["changed"] and "model.safetensors" in answer["files"]


def test_the_command_fails_with_one_line(hub, client, make_model, capsys):
    hub.make_trouble("answer", on=COMMIT, status=500)
    assert main(["push", str(make_model()), ID]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("lrcn push: error: the Hub has trouble of its own (status 500)")
