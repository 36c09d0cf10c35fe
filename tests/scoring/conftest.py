import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "goldens_metrics"
NEEDS_COCO = pytest.mark.skipif(not SHARED.is_dir(), reason="COCO's captions are not part of the project")


@pytest.fixture(
    scope="session",
    params=[
        Path(__file__).parent / "own_captions_24.json",
        pytest.param(SHARED / "coco_fakecap_126_raw.json", marks=NEEDS_COCO),
        pytest.param(SHARED / "coco_human_loo_200.json", marks=NEEDS_COCO),
    ],
    ids=lambda path: path.stem,
)
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Captions with the tokens and scores of pycocoevalcap 1.2 and its Java tokenizer."""
    return json.loads(request.param.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def golden_tokens(golden: dict[str, Any]) -> tuple[list[list[str]], list[list[list[str]]]]:
    """The golden's candidates and references as the Java tokenizer cut them."""

    def cut(caption: str) -> list[str]:
        return caption.split(" ") if caption else []

    candidates = [cut(item["candidate_tokens"]) for item in golden["items"]]
    references = [[cut(caption) for caption in item["reference_tokens"]] for item in golden["items"]]
    return candidates, references


@pytest.fixture(scope="session")
def java_token_pairs() -> list[dict[str, str]]:
    """1,340 captions with hard punctuation, each with the Java tokenizer's answer."""
    path = SHARED / "ptb_token_pairs.json"
    if not path.is_file():
        pytest.skip("other people's captions are not part of the project")
    return json.loads(path.read_text(encoding="utf-8"))["pairs"]
