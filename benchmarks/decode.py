"""Words per second: `generate` beside its bound and beside stepping torch's fused LSTM.

Paper size (vocabulary 8,801; embedding and hidden size 1000; fc8 of 1000 values), 20 words, one thread, no CNN.
Three ways make the same captions:

- ours: ``model.generate``;
- bound: a bare loop of the same matrix products, log-softmax and top-k, with nothing around them;
- fused: ``model.generate`` with nn.LSTM called for every word, as most captioners do it.

The ways take turns, so that a noisy machine hits all alike: a ratio is the median over the rounds of the ratio within
one round, milliseconds are the smallest of all rounds.

    python benchmarks/decode.py [--rounds 9] [--json]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.models.recurrent_lrcn import LrcnLayer

WORDS = 20


class FusedStep(LrcnLayer):
    """A layer that steps by calling nn.LSTM with sequences of one word."""

    def forward(self, inputs, state=None, static=None, static_gates=None, continues=None):
        if static is not None:
            inputs = torch.cat([inputs, static[:, None].expand(-1, inputs.shape[1], -1)], dim=-1)
        outputs, (h, c) = self.cell(inputs, state and (state[0][None], state[1][None]))
        return outputs, (h[0], c[0])


def build(wiring: str, dtype: torch.dtype) -> LrcnForImageCaptioning:
    torch.manual_seed(0)
    backbone = {"model_type": "lrcn_caffenet", "channels": [2] * 5, "fc_sizes": [2, 2, 1000]}  # never run
    model = LrcnForImageCaptioning(LrcnCaptioningConfig(wiring=wiring, backbone_config=backbone)).eval().to(dtype)
    model.predict.bias.data[0] = -1e4  # no caption ends early: all ways do equal work
    return model


def generate(model: LrcnForImageCaptioning, features: Tensor, beams: int) -> Tensor:
    encoded = BaseModelOutput(last_hidden_state=features[:, None])
    return model.generate(encoder_outputs=encoded, max_new_tokens=WORDS, min_new_tokens=None, num_beams=beams)


@torch.no_grad()
def bound(model: LrcnForImageCaptioning, features: Tensor, beams: int) -> None:
    """The products of `WORDS` steps for every row, and nothing else but log-softmax and top-k."""
    rows = len(features) * beams
    layers = [
        (layer.cell.weight_ih_l0[:, : layer.input_size], layer.cell.weight_hh_l0) for layer in model.decoder.layers
    ]
    visual = model.decoder.layers[model.decoder.visual]
    F.linear(features, visual.cell.weight_ih_l0[:, visual.input_size :])  # once for a caption
    x = features.new_zeros(rows, 1000)
    for _ in range(WORDS):
        for weight_x, weight_h in layers:
            torch.addmm(F.linear(x, weight_x), x, weight_h.t())
        logits = F.linear(x, model.predict.weight, model.predict.bias)
        logits.float().log_softmax(-1).topk(beams, dim=-1)


def measure(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each way in each round, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: values[1:] for name, values in taken.items()}


def ratio(over: list[float], under: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 3)


def compare(wiring: str, dtype: torch.dtype, batch: int, beams: int, rounds: int) -> dict[str, object]:
    model = build(wiring, dtype)
    features = torch.randn(batch, 1000).to(dtype)
    fused = build(wiring, dtype)
    for layer in fused.decoder.layers:
        layer.__class__ = FusedStep
    if dtype == torch.float32:
        assert torch.equal(generate(model, features, beams), generate(fused, features, beams))
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: generate(model, features, beams),
        "bound": lambda: bound(model, features, beams),
    }
    if dtype == torch.float32:
        ways["fused"] = lambda: generate(fused, features, beams)
    ms = measure(ways, rounds)
    row = {"wiring": wiring, "dtype": str(dtype).removeprefix("torch."), "batch": batch, "beams": beams}
    row |= {f"{name}_ms_per_caption": round(min(values) / batch, 2) for name, values in ms.items()}
    row["ours_over_bound"] = ratio(ms["ours"], ms["bound"])
    if "fused" in ms:
        row["fused_over_ours"] = ratio(ms["fused"], ms["ours"])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--wirings", nargs="+", default=["2f", "4f"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for dtype in options.dtypes:
        for wiring in options.wirings:
            for batch in options.batches:
                for beams in (1, 5):
                    row = compare(wiring, getattr(torch, dtype), batch, beams, options.rounds)
                    print(
                        json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True
                    )


if __name__ == "__main__":
    main()
