"""Seconds to score images against captions, beside the matrix products that cannot be shared.

Two settings, one thread, no CNN:

- paper: 100 images, 500 captions; wiring 2f, 1000 units, vocabulary 8,801, fc8 of 1000 values. Captions are random
  words, 8 to 13 of them, so that hardly any begin alike.
- demo: 1,000 images, 5,000 captions; a model of the demo's size (1u, 192 units) and captions of moving shapes.

Ways:

- ours: `score_pairs`;
- bound: for each word of each pair, the product of the visual layer's state with its weights (none for the first word,
  whose state is 0) and that of its output with the words' scores, and nothing else;
- bound_distinct: the bound's products, of distinct beginnings alone: captions that begin alike can share them, which
  ours does. It is the bound's time, cut in proportion;
- plain: a forward pass of all captions for each image, taken of few images and multiplied.

The captions, sorted, are cut into parts; the ways take turns at each, so that a noisy machine hits all alike. Seconds
are sums over all parts, ratios those of sums, with the smallest and the largest of a part.

    python benchmarks/retrieval.py [--settings paper demo] [--share 1.0] [--parts 10] [--json]

`--share 0.1` scores a tenth of the captions, evenly chosen.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.data.moving_shapes import load_captioning_tables
from lrcn_hub.data.text import build_word_tokenizer, count_vocabulary
from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.retrieval import score_pairs
from lrcn_hub.retrieval.prefixes import count_nodes

ROWS = 512  # of the bound's products at a time, about the fastest on the CPUs tried
PLAIN_IMAGES = 2

Captions = list[list[int]]


def build(**options: Any) -> LrcnForImageCaptioning:
    torch.manual_seed(0)
    return LrcnForImageCaptioning(
        LrcnCaptioningConfig(backbone_config={"model_type": "lrcn_given_features"}, **options)
    ).eval()


def paper() -> tuple[LrcnForImageCaptioning, int, Captions]:
    draw = random.Random(0)
    captions = [[draw.randrange(2, 8801) for _ in range(draw.randint(8, 13))] for _ in range(500)]
    return build(wiring="2f"), 100, captions


def demo() -> tuple[LrcnForImageCaptioning, int, Captions]:
    table = load_captioning_tables(train=1, validation=1, test=1000)["test"]
    said = [caption for captions in table["captions"] for caption in captions]
    tokenizer = build_word_tokenizer(count_vocabulary(said))
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 192, "hidden_size": 192, "feature_size": 384}
    return build(wiring="1u", **sizes), 1000, tokenizer(said, add_special_tokens=False)["input_ids"]


def bound(model: LrcnForImageCaptioning, images: int, captions: Captions) -> tuple[float, float]:
    """Seconds of the products with the state and of those that score words, for each word of each pair."""
    visual = model.decoder.layers[model.decoder.visual]
    words = images * sum(map(len, captions))
    return (
        seconds(lambda: products(visual.cell.weight_hh_l0, words - images * len(captions))),
        seconds(lambda: products(model.predict.weight, words)),
    )


def products(weight: Tensor, rows: int) -> None:
    hidden, out = torch.randn(ROWS, weight.shape[1]), torch.empty(ROWS, len(weight))
    for start in range(0, rows, ROWS):
        part = min(ROWS, rows - start)
        torch.mm(hidden[:part], weight.t(), out=out[:part])


def plain(model: LrcnForImageCaptioning, features: Tensor, captions: Captions) -> Tensor:
    """Score by a forward pass of all captions for each image."""
    rows = [torch.tensor(caption) for caption in captions]
    labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
    scores = []
    for feature in features:
        encoded = BaseModelOutput(last_hidden_state=feature.expand(len(rows), 1, -1))
        logits = model(encoder_outputs=encoded, labels=labels).logits
        log_p = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        scores.append(log_p.masked_fill(labels < 0, 0.0).sum(1))
    return torch.stack(scores)


def seconds(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def compare(
    name: str, setting: tuple[LrcnForImageCaptioning, int, Captions], share: float, parts: int
) -> dict[str, object]:
    model, images, captions = setting
    captions = sorted(captions[:: round(1 / share)])
    features = torch.randn(images, model.config.feature_size)
    few, first = features[:PLAIN_IMAGES], captions[:20]
    torch.testing.assert_close(score_pairs(model, few, first), plain(model, few, first), rtol=1e-4, atol=1e-4)
    size = -(-len(captions) // parts)
    taken = [measure(model, features, captions[start : start + size]) for start in range(0, len(captions), size)]
    total = {way: sum(part[way] for part in taken) for way in taken[0]}
    row: dict[str, object] = {"setting": name, "images": images, "captions": len(captions)}
    row |= {"words": sum(map(len, captions)), "distinct_beginnings": sum(count_nodes(captions))}
    row |= {f"{way}_seconds": round(value, 1) for way, value in total.items()}
    for way in ("bound", "bound_distinct"):
        each = [part["ours"] / part[way] for part in taken]
        row[f"ours_over_{way}"] = round(total["ours"] / total[way], 3)
        row[f"ours_over_{way}_range"] = [round(min(each), 3), round(max(each), 3)]
    return {**row, "plain_over_ours": round(total["plain"] / total["ours"], 1)}


def measure(model: LrcnForImageCaptioning, features: Tensor, captions: Sequence[list[int]]) -> dict[str, float]:
    """Seconds of each way for one part of the captions."""
    captions, images = list(captions), len(features)
    words, nodes = sum(map(len, captions)), sum(count_nodes(captions))
    ours = seconds(lambda: score_pairs(model, features, captions))
    with_state, scoring = bound(model, images, captions)
    distinct = with_state * (nodes - 1) / (words - len(captions)) + scoring * nodes / words
    few = seconds(lambda: plain(model, features[:PLAIN_IMAGES], captions))
    return {
        "ours": ours,
        "bound": with_state + scoring,
        "bound_distinct": distinct,
        "plain": few * images / PLAIN_IMAGES,
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", default=["paper", "demo"], choices=["paper", "demo"])
    parser.add_argument("--share", type=float, default=1.0, help="of the captions that are scored")
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.settings:
        row = compare(name, {"paper": paper, "demo": demo}[name](), options.share, options.parts)
        print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
