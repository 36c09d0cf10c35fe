"""Ground truth, the mapping from Caffe's blobs to torch's parameters (written independently of the library), and tiny
captioners."""

import hashlib
import logging
import resource
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as transformers_logging

from lrcn_hub.models import (
    LrcnActivityConfig,
    LrcnCaptioningConfig,
    LrcnForImageCaptioning,
    LrcnForVideoClassification,
)
from lrcn_hub.models.backbones_lrcn import build_backbone, measure_feature_size

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.fixture
def golden():
    def load(name):
        return {key: torch.from_numpy(np.asarray(value)) for key, value in np.load(GOLDENS / f"{name}.npz").items()}

    return load


@pytest.fixture
def from_caffe_rows():
    """Reorder gate rows i, f, o, g (Caffe) to i, f, g, o (torch)."""

    def reorder(blob):
        i, f, o, g = blob.chunk(4, dim=0)
        return torch.cat([i, f, g, o])

    return reorder


@pytest.fixture
def load_layer(from_caffe_rows):
    """Put the blobs of a Caffe LSTM layer into an `LrcnLayer`."""

    def load(layer, blobs):
        weight_x, bias, *static, weight_h = blobs
        with torch.no_grad():
            layer.cell.weight_ih_l0.copy_(from_caffe_rows(torch.cat([weight_x, *static], dim=1)))
            layer.cell.weight_hh_l0.copy_(from_caffe_rows(weight_h))
            layer.cell.bias_ih_l0.copy_(from_caffe_rows(bias))

    return load


@pytest.fixture
def assert_close_to_golden():
    """Within 1e-5 of the array's maximum."""

    def check(ours, golden):
        assert ours.shape == golden.shape
        assert (ours - golden).abs().max() <= 1e-5 * golden.abs().max().clamp(min=1e-30)

    return check


TINY_CAFFENET = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}


@pytest.fixture
def tiny_captioner():
    """Build a captioner of a few units whose next word depends on picture, words and state.

    Its weights are large and its features small: with small weights hypotheses differ by less than their rounding, and
    a lost state would go unseen.
    """

    def build(seed=0, **options):
        sizes = {"feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}
        config = LrcnCaptioningConfig(**{"backbone_config": TINY_CAFFENET, **sizes, **options})
        model = LrcnForImageCaptioning(config).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if not name.startswith("encoder."):
                    weights.uniform_(-1.5, 1.5, generator=random)
                elif "weight" in name:
                    weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
            model.predict.weight.mul_(2)
        return model

    return build


@pytest.fixture
def tiny_recogniser():
    """Build an activity recogniser of a few units whose scores depend on frame and state, in eval mode.

    Its weights are large: with small ones, scores hardly differ from frame to frame and a lost state goes unseen.
    """

    def build(seed=0, **options):
        sizes = {"feature": "fc6", "feature_size": 8, "hidden_size": 7, "num_labels": 5}
        config = LrcnActivityConfig(**{"backbone_config": TINY_CAFFENET, **sizes, **options})
        model = LrcnForVideoClassification(config).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if not name.startswith("encoder."):
                    weights.uniform_(-1.5, 1.5, generator=random)
            for weights in model.encoder.parameters():
                if weights.dim() > 1:
                    weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
            if model.config.backbone_config.model_type == "lrcn_caffenet":
                for name, weights in model.encoder.named_parameters():
                    if name.endswith("bias"):
                        weights.zero_()
        return model

    return build


@pytest.fixture
def clips():
    """Draw random clips for a tiny recogniser: (count, frames, 3, 67, 67)."""

    def draw(count, frames, seed=0, side=67):
        return torch.randn(count, frames, 3, side, side, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture
def golden_recogniser(golden, load_layer):
    """The narrow activity net of the goldens with its weights, its frames (2, 4, 3, 227, 227), and the golden."""
    values = golden("activity_narrow")
    config = LrcnActivityConfig(
        backbone_config={"model_type": "lrcn_caffenet", "channels": [12, 32, 48, 48, 32], "fc_sizes": [64]},
        feature_size=64,
        hidden_size=16,
        num_labels=11,
    )
    model = LrcnForVideoClassification(config).eval()
    backbone = model.encoder.backbone
    layers = {name: getattr(backbone, name) for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6")}
    with torch.no_grad():
        for name, layer in {**layers, "fc8-final": model.classifier}.items():
            layer.weight.copy_(values[f"param/{name}/0"])
            layer.bias.copy_(values[f"param/{name}/1"])
    load_layer(model.recurrent.layers[0], [values[f"param/lstm1/{i}"] for i in range(3)])
    frames = values["in/data"].float().unflatten(0, (4, 2)).transpose(0, 1)  # rows of the golden are t * 2 + n
    return model, frames, values


@pytest.fixture
def pictures():
    """Draw `count` random pictures for a tiny captioner: (count, 3, 67, 67)."""

    def draw(count, seed=0):
        return torch.randn(count, 3, 67, 67, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture
def features():
    """Draw features of `count` pictures, as the encoder gives them."""

    def draw(count, size=5, seed=0):
        values = 0.5 * torch.randn(count, 1, size, generator=torch.Generator().manual_seed(seed))
        return BaseModelOutput(last_hidden_state=values)

    return draw


@pytest.fixture
def logged():
    """What transformers and lrcn_hub log at warning level or above; stock loggers do not reach pytest's caplog."""
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in ("transformers", "lrcn_hub", "timm")]
    transformers_logging.get_logger("transformers").warning_once.__func__.cache_clear()
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def little_memory():
    """No more than a gigabyte beyond what the process has: what asks for more fails at once."""
    if sys.platform != "linux":
        pytest.skip("the memory of a process is counted by Linux")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 10**9, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(params=["lstm", "rnn"])
def cell(request):
    return request.param


@pytest.fixture
def authors_search():
    def search(predict, prompt, beams, limit=7, groups=1, penalty=0.0, end=0):
        """The rule in lists: [(score, words)], best first. One group without a penalty is the authors' beam search."""
        pools = [[(0.0, prompt, False)] for _ in range(groups)]
        while not all(finished for pool in pools for _, _, finished in pool):
            taken = Counter()  # words that earlier groups have just chosen
            for number, pool in enumerate(pools):
                candidates = []  # (score to rank by, score, words, finished, new word)
                for score, words, finished in pool:
                    if finished:
                        candidates.append((score, score, words, True, None))
                        continue
                    for word, log_p in enumerate(predict(words)):
                        longer = [*words, word]
                        ended = word == end or len(longer) == len(prompt) + limit
                        score_now = score + log_p
                        candidates.append((score_now - penalty * taken[word], score_now, longer, ended, word))
                best = sorted(candidates, key=lambda candidate: -candidate[0])[: beams // groups]
                taken.update(word for *_, word in best if word is not None)
                pools[number] = [(score, words, finished) for _, score, words, finished, _ in best]
        found = sorted((hypothesis for pool in pools for hypothesis in pool), key=lambda hypothesis: -hypothesis[0])
        return [(score, words) for score, words, _ in found]

    return search


@pytest.fixture
def searched():
    def searched(model, encoded, beams, prompt=(0,), limit=7, **options):
        """What `generate` finds: for each picture [(score, words without padding)]."""
        given = BaseModelOutput(encoded.last_hidden_state.clone())
        count = options.setdefault("num_return_sequences", beams)
        prompts = torch.tensor([prompt] * len(encoded.last_hidden_state))
        found = model.generate(
            encoder_outputs=given,
            decoder_input_ids=prompts,
            num_beams=beams,
            max_new_tokens=limit,
            output_scores=True,
            return_dict_in_generate=True,
            **options,
        )
        rows = [without_padding(row, len(prompt)) for row in found.sequences.tolist()]
        both = list(zip(found.sequences_scores.tolist(), rows, strict=True))
        return [both[start : start + count] for start in range(0, len(both), count)], found

    def without_padding(words, prompt_length):
        new = words[prompt_length:]
        return words[:prompt_length] + (new[: new.index(0) + 1] if 0 in new else new)

    return searched


@pytest.fixture
def digest():
    def digest(module):
        """A hash over names and bits of all parameters and buffers."""
        seen = hashlib.sha256()
        for name, value in sorted(module.state_dict().items()):
            seen.update(name.encode() + value.contiguous().view(torch.uint8).numpy().tobytes() if value.dim() else b"")
            seen.update(str(value.item()).encode() if not value.dim() else b"")
        return seen.hexdigest()

    return digest


@pytest.fixture
def captioner():
    """Build a small captioner around a backbone, or around what a configuration describes."""

    def captioner(backbone_config, feature, backbone=None, **options):
        size = options.pop("feature_size", None)
        if size is None:
            size = measure_feature_size(backbone or build_backbone(backbone_config, feature), 64)
        config = LrcnCaptioningConfig(
            backbone_config=backbone_config,
            feature=feature,
            feature_size=size,
            vocab_size=9,
            embedding_size=4,
            hidden_size=5,
            **options,
        )
        return LrcnForImageCaptioning(config, backbone)

    return captioner
