"""``make_folders.py CAPTIONER CAFFENET``: writes these tiny models, two narrators and, beside them, what they say.

Weights are large, so that words depend on picture and state.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNet,
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnForVideoNarration,
    LrcnImageProcessor,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnVideoProcessor,
)
from lrcn_hub.publishing import export_new

LABELS = {"tool": ["none", "knife"], "activity": ["cut", "stir", "peel"]}  # not in the order of their names
SIZES = {"channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}


def captioner() -> LrcnForImageCaptioning:
    sizes = {"feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}
    config = LrcnCaptioningConfig(backbone_config=CaffeNetConfig(**SIZES), wiring="2f", **sizes)
    return enlarged(LrcnForImageCaptioning(config).eval())


def narrators() -> dict[str, tuple[LrcnForVideoNarration, LrcnNarrationProcessor]]:
    sizes = {"vocab_size": 9, "embedding_size": 6, "hidden_size": 7}
    words, side = build_word_tokenizer(list("bcdefgh")), {"height": 67, "width": 67}
    video_processor = LrcnVideoProcessor(size=side, crop_size=side, image_std=(60.0, 60.0, 60.0))
    seen = {"backbone_config": CaffeNetConfig(**SIZES), "feature": "fc8", "feature_size": 5, "frame_size": 6}
    return {
        "nodes": (
            enlarged(LrcnForVideoNarration(LrcnNarrationConfig(node_sizes=[2, 3], **sizes)).eval()),
            LrcnNarrationProcessor(None, words, node_labels=LABELS),
        ),
        "videos": (
            enlarged(LrcnForVideoNarration(LrcnNarrationConfig(variant="frames", **seen, **sizes)).eval(), seed=3),
            LrcnNarrationProcessor(video_processor, words, "frames", frame_rate=10.0),
        ),
    }


def enlarged(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            bound = 2.5
            if "backbone." in name:
                bound = (6 / weights[0].numel()) ** 0.5 if weights.dim() > 1 else 0.1
            weights.uniform_(-bound, bound, generator=random)
    return model


def image_processor() -> LrcnImageProcessor:
    side = {"height": 67, "width": 67}
    return LrcnImageProcessor(size=side, crop_size=side, image_std=(60.0, 60.0, 60.0))


def main(captioner_folder: str, caffenet_folder: str) -> None:
    model, processor = captioner(), LrcnCaptioningProcessor(image_processor(), build_word_tokenizer(list("bcdefgh")))
    random = torch.Generator().manual_seed(1)
    colours = torch.tensor([[250, 20, 20], [20, 250, 20], [20, 20, 250]], dtype=torch.uint8)
    photos = colours[:, :, None, None].repeat(1, 1, 80, 90)
    photos[:, :, 20:60, 20:60] = torch.randint(256, (3, 3, 40, 40), dtype=torch.uint8, generator=random)
    pixels = processor(images=list(photos))["pixel_values"]
    words = torch.randint(9, (3, 6), generator=random)
    with torch.no_grad():
        answers = {
            "photos": photos,
            "pixels": pixels,
            "words": words,
            "logits": model(pixels, words).logits,
            "greedy": model.generate(pixels, max_new_tokens=6),
            "beams": model.generate(pixels, num_beams=3, num_return_sequences=2, max_new_tokens=6),
        }
        export_new(model, processor, captioner_folder, {})
        answers["nodes"] = torch.tensor(
            [[0.0, 1.0, 0.5, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0, 1.0, 0]]
        )
        answers["frames"] = photos[:, None].repeat(1, 4, 1, 1, 1)
        seen = {"nodes": [[row[:2], row[2:]] for row in answers["nodes"]], "videos": list(answers["frames"])}
        for name, (narrator, reader) in narrators().items():
            inputs = reader(**{name: seen[name]})
            answers[f"{name}_words"] = narrator.generate(**inputs, max_new_tokens=6)
            export_new(narrator, reader, Path(captioner_folder).parent / f"narrator-{name}", {})
        network = CaffeNet(CaffeNetConfig(**SIZES)).eval()
        answers["features"] = network(pixels)
    export_new(network, image_processor(), caffenet_folder, {})
    save_file(answers, Path(captioner_folder).parent / "answers.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
