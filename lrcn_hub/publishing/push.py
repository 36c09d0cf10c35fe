"""Pushing a model's folder to the Hugging Face Hub: everything in one commit, or nothing."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from lrcn_hub.publishing.cards import CARD_FILE, MARK, write_card
from lrcn_hub.publishing.export import CONFIG_FILE, METRICS_FILE, RECIPE_FILE

logger = logging.getLogger(__name__)

# What a model is loaded from; such files are deleted on the Hub where the folder no longer has them.
MODEL_FILES = (
    *("*.safetensors", "*.json", "*_lrcn.py", "*.jinja", RECIPE_FILE),
    *("vocab.txt", "merges.txt", "vocabulary.txt", "tokenizer.model", "spiece.model"),
)
TEXT_FILES = (CARD_FILE, "LICENSE*", "NOTICE*")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"

# Without an answer: httpx's or httpx2's error, whichever huggingface_hub is built on.
ConnectionBroken = HfHubHTTPError.__bases__[0]
REPEAT = "what is there is whole, the old model or the new one; the same command again goes on"


@dataclass(frozen=True)
class Pushed:
    """What a push left on the Hub: its page, the id of the newest commit there, and whether that is a new one."""

    url: str
    commit: str
    changed: bool
    files: list[str]


def push(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
) -> Pushed:
    """Push the model in `folder` to the repository `repo_id` ("user/name"), which is made where there is none.

    The card in `folder` is written anew for that name, unless it was not written here. All files travel in one commit
    on the branch `revision` (default main), made where there is none: who loads the model meanwhile gets the old one
    or the new one. A folder that the branch holds already makes no commit.

    Raises ValueError where it cannot be begun (no finished model, no token, an impossible name, offline) and OSError
    where the Hub or the way there fails; both say what to do. The repository is whole then, too.
    """
    folder = Path(folder)
    check_is_model(folder)
    api = check_can_push(repo_id, private=private, revision=revision)
    _name_card(folder, repo_id)
    files = travelling_files(folder)
    with _explained(repo_id):
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        head = api.model_info(repo_id, revision=revision)
        stale = {file.rfilename for file in head.siblings or () if _is_model_file(file.rfilename)} - set(files)
        commit = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in files),
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(stale)),
            ],
            commit_message=message or "Push the model",
            revision=revision,
            parent_commit=head.sha,  # two pushes at once do not mix
        )
    url = f"{api.endpoint}/{repo_id}" + (f"/tree/{revision}" if revision else "")
    changed = commit.oid != head.sha
    logger.info("%s %s", "pushed to" if changed else "nothing has changed in", url)
    return Pushed(url, commit.oid, changed, files)


def check_can_push(repo_id: str, *, private: bool | None = None, revision: str | None = None) -> HfApi:
    """Make sure that a push will be allowed, and give the client for it; an empty repository is made for it now.

    Raises ValueError or OSError where not, before anything is trained or uploaded.
    """
    _check_names(repo_id, revision)
    if constants.HF_HUB_OFFLINE:
        raise ValueError("HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, so nothing can be pushed; unset it")
    if not get_token():
        raise ValueError("there is no token for the Hub: sign in with `hf auth login`, or set HF_TOKEN")
    api = HfApi(library_name="lrcn-hub")
    with _explained(repo_id):
        api.create_repo(repo_id, private=private, exist_ok=True)
        if not _may_write(api, repo_id):
            raise OSError(_words_of_status(403, repo_id))
        if private and not api.model_info(repo_id).private:
            raise ValueError(
                f"{repo_id} is there already, and public: make it private in its settings on the Hub, or push without "
                "--private"
            )
    return api


def check_is_model(folder: Path) -> None:
    """Raise ValueError unless `folder` holds a finished model whose weights are whole."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    if (folder / RECIPE_FILE).is_file() and not (folder / METRICS_FILE).is_file():
        raise ValueError(f"{folder}: its training has not ended; the command that began it goes on with it")
    if not (folder / CONFIG_FILE).is_file():
        raise ValueError(f"{folder}: this is no exported model, it has no {CONFIG_FILE}")
    for name in _weight_files(folder):
        try:
            with safe_open(folder / name, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{folder / name}: not whole: {error}") from error


def travelling_files(folder: Path) -> list[str]:
    """Name the files in `folder` that a push takes along: those the model is loaded from, its card, its pictures.

    Checkpoints, answers, logs, pickles, hidden files and whatever else lies there stay.
    """
    names = {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    travel = {name for name in names if _is_model_file(name) or any(fnmatch(name, text) for text in TEXT_FILES)}
    if CARD_FILE in travel:
        travel |= pictures_of_card(folder)
    return sorted(travel)


def _name_card(folder: Path, repo_id: str) -> None:
    """Let the card load the model by its name on the Hub; one that was not written here stays as it is."""
    card = folder / CARD_FILE
    if card.exists() and MARK not in card.read_text(encoding="utf-8", errors="replace"):
        return
    try:
        write_card(folder, name=repo_id)
    except (ValueError, OSError) as error:
        logger.warning("%s has no new model card: %s", folder, error)


def _is_model_file(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in MODEL_FILES) and "/" not in name


def pictures_of_card(folder: Path) -> set[str]:
    """Name the pictures in `folder` that its card shows."""
    text = (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    named = re.findall(r"""\]\(<?([^()<>\s]+)|\bsrc[=:]\s*["']?([^"'\s>]+)""", text)
    found = set()
    for name in {Path(one or other) for one, other in named}:
        is_inside = (folder / name).resolve().is_relative_to(folder.resolve())
        if is_inside and name.suffix.lower() in PICTURES and (folder / name).is_file():
            found.add(name.as_posix())
    return found


def _weight_files(folder: Path) -> list[str]:
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        raise ValueError(f"{folder}: this is no exported model, it has no {WEIGHTS}")
    try:
        index: dict[str, Any] = json.loads((folder / WEIGHTS_INDEX).read_text(encoding="utf-8"))
        names = sorted({str(name) for name in index["weight_map"].values()})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / WEIGHTS_INDEX}: this is no index of weights: {error!r}") from error
    if strange := [name for name in names if Path(name).name != name or not _is_model_file(name)]:
        raise ValueError(f"{folder / WEIGHTS_INDEX}: it names {strange[0]!r}, which is no weight file in the folder")
    return names


def _check_names(repo_id: str, revision: str | None) -> None:
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} cannot be a repository: {error}") from None
    if "/" not in repo_id:
        raise ValueError(f"{repo_id!r} does not say whose it is; write user/{repo_id}, with your name on the Hub")
    if revision and (re.fullmatch(r"[0-9a-f]{40}", revision) or re.search(r"[\s~^:?*\[\\]|\.\.|^[/.-]|/$", revision)):
        raise ValueError(f"revision {revision!r} cannot be a branch; give a name such as v1")


def _may_write(api: HfApi, repo_id: str) -> bool:
    """Ask for the right to write, which creating a repository that is there already does not tell."""
    try:
        api.auth_check(repo_id, write=True)
    except TypeError:  # huggingface_hub 1.x can ask only what kind of token it is
        return bool(api.whoami()["auth"]["accessToken"]["role"] != "read")
    return True


@contextmanager
def _explained(repo_id: str) -> Iterator[None]:
    """Turn errors of the Hub and of the connection into one sentence each."""
    try:
        yield
    except (HfHubHTTPError, ConnectionBroken, RuntimeError) as error:
        raise OSError(_words(error, repo_id)) from error
    except (KeyError, json.JSONDecodeError) as error:
        raise OSError(f"what {constants.ENDPOINT} answers is not the Hub's language; is HF_ENDPOINT right?") from error
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _words(error: BaseException, repo_id: str) -> str:
    if isinstance(error, HfHubHTTPError):
        pause = error.response.headers.get("Retry-After")
        return _words_of_status(error.response.status_code, repo_id, error.server_message or "", pause)
    if isinstance(error, ConnectionBroken):
        return f"the connection to {constants.ENDPOINT} failed ({error}); {REPEAT}"
    if error.__cause__ is not None:  # huggingface_hub's wrapping of what went wrong with one file
        return _words(error.__cause__, repo_id)
    return f"the upload to {repo_id} failed ({error}); {REPEAT}"


def _words_of_status(status: int, repo_id: str, said: str = "", pause: str | None = None) -> str:
    said = " ".join(said.split())
    if status == 401:
        return "the Hub refuses the token: sign in anew with `hf auth login --force`, or set HF_TOKEN to a valid one"
    if status in (403, 404):
        return (
            f"the token may not write to {repo_id}: push to a name of your own, or use a token with the right to "
            f"write there, from https://huggingface.co/settings/tokens{f' ({said})' if said else ''}"
        )
    if status in (409, 412):
        return f"somebody else has changed {repo_id} meanwhile ({said}); look at it, then repeat the command"
    if status == 429:
        when = f"in {pause} seconds" if pause else "in some minutes"
        return f"the Hub asks for a pause, there were too many requests; {REPEAT}, {when}"
    if status >= 500:
        return f"the Hub has trouble of its own (status {status}); {REPEAT}"
    return f"the Hub did not take the upload (status {status}: {said}); {repo_id} is as it was"
