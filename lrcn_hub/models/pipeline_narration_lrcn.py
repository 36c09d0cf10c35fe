"""``pipeline("video-to-text")`` for narrators: videos, or what is known of their nodes, in, sentences out."""

from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .pipeline_lrcn import LrcnSentencePipeline

NARRATOR = "lrcn_narration"


class LrcnVideoToTextPipeline(LrcnSentencePipeline):
    """Narrates videos.

    What is narrated is what the model reads: a video (a path, a URL, an array of frames (T, H, W, 3), or a part of a
    file, ``{"video": file, "start": seconds, "end": seconds}``), or what is known of its nodes, a mapping of nodes to
    labels or distributions (`Nodes.distributions`). A list is several of these. All else is said of
    `LrcnSentencePipeline`.

    Raises ValueError, which names the video, or the node, for what cannot be read.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.model.config.model_type != NARRATOR:
            raise ValueError(f"video-to-text is for {NARRATOR} models, but this one is {self.model.config.model_type}")
        self.processor.check_model(self.model.config)

    def __call__(self, given: Any, **kwargs: Any) -> Any:
        return super().__call__(list(given) if isinstance(given, tuple) else given, **kwargs)

    def preprocess(self, given: Any, text: str | None = None) -> dict[str, Any]:
        reads = "videos" if self.processor.variant == "frames" else "nodes"
        read = self.processor(**{reads: [given]}, text=text)
        return {"row": {name: values[0] for name, values in read.items()}}  # the base class can pad no videos

    def _forward(self, inputs: dict[str, Any], **generate_kwargs: Any) -> dict[str, Tensor]:
        rows = inputs["row"] if isinstance(inputs["row"], list) else [inputs["row"]]
        batch = {name: pad_sequence([row[name] for row in rows], batch_first=True) for name in rows[0]}
        kinds = {name: self.model.dtype for name, values in batch.items() if values.is_floating_point()}
        batch = {name: values.to(kinds.get(name, values.dtype)) for name, values in batch.items()}
        return self.say(batch, len(rows), **generate_kwargs)


__all__ = ["LrcnVideoToTextPipeline"]
