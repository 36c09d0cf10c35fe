"""Small recognisers whose answers change from frame to frame, and small videos."""

import av
import numpy as np
import pytest
import torch

from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)

NAMES = ["run", "jump", "swim", "row", "dive"]


@pytest.fixture(scope="session")
def recogniser():
    """Build a recogniser with large weights, so that a lost state shows, and its processor."""

    def build(stream="rgb", seed=0, num_frames=6, names=NAMES, **options):
        backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(8,), image_size=67)
        sizes = {"feature_size": 8, "hidden_size": 7, "id2label": dict(enumerate(names)), "num_frames": num_frames}
        model = LrcnForVideoClassification(LrcnActivityConfig(backbone_config=backbone, **sizes, **options)).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if not name.startswith("encoder."):
                    weights.uniform_(-1.5, 1.5, generator=random)
                elif weights.dim() > 1:
                    weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
                else:
                    weights.zero_()
        sides = {"size": {"height": 72, "width": 80}, "crop_size": {"height": 67, "width": 67}}
        spread = {"image_std": (60.0, 60.0, 60.0)}
        processor = LrcnVideoProcessor(**sides, **spread, num_frames=num_frames, stream=stream)
        return model, LrcnActivityProcessor(processor, names)

    return build


@pytest.fixture(scope="session")
def write_video():
    """Write blocks that move and change colour, 10 frames a second, and return the file's name."""

    def write(path, frames=20, seed=0, size=(48, 64)):
        height, width = size
        random = np.random.RandomState(seed)
        container = av.open(str(path), "w")
        with container:
            stream = container.add_stream("mpeg4", rate=10, width=width, height=height, pix_fmt="yuv420p")
            for number in range(frames):
                if number % 5 == 0:
                    small = random.randint(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
                shifted = np.roll(small.repeat(8, axis=0).repeat(8, axis=1), 2 * number, axis=1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
            container.mux(stream.encode(None))
        return str(path)

    return write
