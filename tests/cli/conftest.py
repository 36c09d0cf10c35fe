import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnVideoProcessor,
)

ROOT = Path(__file__).parents[2]
SIDE = {"height": 67, "width": 67}
CAFFENET = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
NODES = {"tool": ["none", "knife", "spoon"], "activity": ["cut", "stir"]}


def save_narrator(folder, processor, **options):
    """Save a narrator of a few units, whose words depend on what it reads, with its processor."""
    sizes = {"embedding_size": 6, "hidden_size": 7, "frame_size": 4, "feature": "fc6", "feature_size": 8}
    config = LrcnNarrationConfig(vocab_size=len(processor.tokenizer), **sizes, **options)
    model, random = LrcnForVideoNarration(config).eval(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "backbone" in name and weights.dim() > 1:
                weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
            elif "bias" in name:
                weights.zero_()
            else:
                weights.uniform_(-3, 3, generator=random)
        model.predict.bias[0] = -8  # it is not quick to end a sentence
        if options.get("variant") == "frames":
            pictures = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 3), dtype=np.uint8)
            values = processor(videos=[pictures.repeat(16, 1).repeat(16, 2)])["pixel_values"]
            usual = model.encoder.look(values)[0].mean(0)
            model.encoder.frame_encoder.last_layer().bias.copy_(-usual)  # so that pictures differ in direction
    model.generation_config.max_new_tokens = 6
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def narrator(tmp_path_factory):
    """The folder of a narrator of frames, five a second."""
    video = LrcnVideoProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3)
    tokenizer = build_word_tokenizer(["the", "red", "square", "<moves>", "&", "then", "stops"])
    processor = LrcnNarrationProcessor(video, tokenizer, "frames", frame_rate=5.0)
    folder = tmp_path_factory.mktemp("models") / "frames"
    return save_narrator(folder, processor, variant="frames", backbone_config=CAFFENET)


@pytest.fixture(scope="session")
def node_narrator(tmp_path_factory):
    """The folder of a narrator of two nodes."""
    processor = LrcnNarrationProcessor(None, build_word_tokenizer(["cuts", "stirs", "slowly"]), node_labels=NODES)
    return save_narrator(tmp_path_factory.mktemp("models") / "nodes", processor, node_sizes=[3, 2])


@pytest.fixture
def scenes(tmp_path):
    """Write a lossless video of scenes of so many frames, 25 a second: squares that differ from scene to scene."""

    def write(name, lengths=(30, 20, 25), seed=0):
        squares = np.random.default_rng(seed).integers(0, 256, (len(lengths), 3, 4, 3), dtype=np.uint8)
        frames = squares.repeat(lengths, 0).repeat(16, 1).repeat(16, 2)
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=25, width=64, height=48, pix_fmt="bgr0")
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        return tmp_path / name

    return write


@pytest.fixture
def lrcn():
    """Run ``lrcn`` as a user does, in a process of its own."""

    def run(*arguments, **variables):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables}
        path = [variables.get("PYTHONPATH", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        command = [sys.executable, "-m", "lrcn_cli", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def broken_plugins(tmp_path):
    """Distributions that do what a plugin must not, and the variables under which they are all there is."""
    sources = {
        "raises": "raise RuntimeError('out of order')",
        "exits": "import sys\nprint('goodbye')\nsys.exit(0)",
        "misspells": "from lrcn_hub import hookimpl\n@hookimpl\ndef register_task(register): ...",
        "newer": "from lrcn_hub import hookimpl\nLRCN_HUB_CONTRACT = '>=7'\n@hookimpl\ndef evaluated(): ...",
    }
    for name, source in sources.items():
        (tmp_path / f"lrcn_test_{name}.py").write_text(source, encoding="utf-8")
        info = tmp_path / f"lrcn_test_{name}-3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lrcn-test-{name}\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[lrcn_hub]\n{name} = lrcn_test_{name}\n")
    return {"PYTHONPATH": str(tmp_path), "LRCN_PLUGINS": ",".join(sources)}
