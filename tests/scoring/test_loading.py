import subprocess
import sys

import pytest

from lrcn_hub.scoring import load
from lrcn_hub.scoring.loading import NAMES

GOLDEN_KEYS = {
    "bleu": {f"bleu_{order}": f"Bleu_{order}" for order in (1, 2, 3, 4)},
    "rouge_l": {"rouge_l": "ROUGE_L"},
    "cider_d": {"cider_d": "CIDEr"},
}
# `evaluate` and what it loads still use what newer versions of their packages warn of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Whatever `evaluate` writes goes to a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.mark.parametrize("name", GOLDEN_KEYS)
def test_a_loaded_metric_gives_the_scores_of_coco_caption(golden, name):
    candidates = [item["candidate"] for item in golden["items"]]
    references = [item["references"] for item in golden["items"]]
    found = load(name).compute(predictions=candidates, references=references, per_caption=True)
    for ours, theirs in GOLDEN_KEYS[name].items():
        assert found.pop(ours) == pytest.approx(golden["corpus"][theirs], rel=0, abs=1e-9)
        expected = [item["scores"][theirs] for item in golden["items"]]
        assert found.pop(f"{ours}_per_caption") == pytest.approx(expected, rel=0, abs=1e-9)
    assert found == {}


def test_captions_can_be_added_one_by_one_and_in_batches():
    candidates, references = ["a dog", "a cat", "two birds"], [["a dog runs"], ["my cat", "a cat"], ["two birds"]]
    expected = load("cider").compute(predictions=candidates, references=references)
    metric = load("cider")
    metric.add(prediction=candidates[0], reference=references[0])
    metric.add_batch(predictions=candidates[1:], references=references[1:])
    assert metric.compute() == expected and expected.keys() == {"cider"} and expected["cider"] > 1


def test_metrics_can_be_combined():
    import evaluate

    both = evaluate.combine([load("bleu"), load("rouge_l")])
    found = both.compute(predictions=["a dog"], references=[["a dog"]])
    assert found.keys() == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l"}
    assert found["rouge_l"] == 1.0


def test_they_are_metrics_of_evaluate():
    import evaluate

    for name in ("bleu", "rouge_l", "cider_d", "cider"):
        metric = load(name)
        assert isinstance(metric, evaluate.Metric) and name in metric.description


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no metric is called 'rouge'; there are bleu, cider, cider_d, meteor"):
        load("rouge")
    with pytest.raises(ValueError, match="image 1 has no references"):
        load("bleu").compute(predictions=["a", "b"], references=[["a"], []])
    with pytest.raises(ValueError):
        load("bleu").compute(predictions=["a", "b"], references=[["a"]])


def test_evaluate_is_imported_only_when_a_metric_is_asked_for():
    script = "import sys; import lrcn_hub.scoring.loading; print({'evaluate', 'pycocoevalcap'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_name_is_documented_by_its_source():
    from lrcn_hub.scoring.evaluate_metrics import _CITATIONS

    assert sorted(_CITATIONS) == sorted(NAMES)
