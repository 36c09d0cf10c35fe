"""``pipeline("image-to-text")`` for captioners, photos in, sentences out, and what it shares with other pipelines."""

import urllib.request
from collections.abc import Iterable
from typing import Any

from PIL import Image
from torch import Tensor
from transformers import BatchFeature, Pipeline

from .images_lrcn import ImageSource, UnreadableImageError, open_image

USER_AGENT = "lrcn-hub"  # some servers turn Python's own name away


class LrcnSentencePipeline(Pipeline):
    """What the pipelines share that answer with sentences.

    One input gives ``[{"generated_text": "a red square"}]``, as many as `num_return_sequences`, the best one first; a
    list of inputs gives a list of such lists. `text` (or `prompt`) is a beginning for every sentence. Further
    arguments, and those in `generate_kwargs`, go to `generate`; given to ``pipeline(...)``, they hold for every call.
    """

    _load_processor = True
    _load_tokenizer = False
    _load_image_processor = False
    _load_feature_extractor = False

    def _sanitize_parameters(
        self,
        text: str | None = None,
        prompt: str | None = None,
        timeout: float | None = None,
        generate_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        twice = kwargs.keys() & (generate_kwargs or {}).keys()
        if twice:
            raise ValueError(f"given twice, also in generate_kwargs: {', '.join(sorted(twice))}")
        beginning = prompt if text is None else text
        if not isinstance(beginning, str | None):
            raise ValueError(f"text is {beginning!r}; it must be one string, the beginning of every sentence")
        preprocess = {"text": beginning, "timeout": timeout}
        preprocess = {name: value for name, value in preprocess.items() if value is not None}
        return preprocess, kwargs | (generate_kwargs or {}), {}

    def say(self, inputs: dict[str, Tensor], rows: int, **generate_kwargs: Any) -> dict[str, Tensor]:
        """What `generate` says of a batch of `rows` inputs, as `postprocess` is to get it."""
        words = self.model.generate(**inputs, **generate_kwargs)
        words = getattr(words, "sequences", words)  # generate's answer may be a dictionary
        # (rows, sentences, words): the base class cuts a batch into its rows along the first dimension.
        return {"words": words.unflatten(0, (rows, -1))}

    def postprocess(self, outputs: dict[str, Tensor]) -> list[dict[str, str]]:
        sentences = self.processor.batch_decode(outputs["words"].flatten(0, 1), skip_special_tokens=True)
        return [{"generated_text": sentence} for sentence in sentences]


class LrcnImageToTextPipeline(LrcnSentencePipeline):
    """Captions pictures.

    A picture is a path, an http(s) or data URL, the bytes of a file, or a PIL image; `timeout` is for fetching it. All
    else is said of `LrcnSentencePipeline`.

    Raises UnreadableImageError, which names the picture.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.processor.check_vocabulary(self.model.config.vocab_size)

    def __call__(self, images: ImageSource | Iterable[ImageSource], **kwargs: Any) -> Any:
        return super().__call__(list(images) if isinstance(images, tuple) else images, **kwargs)

    def preprocess(self, picture: ImageSource, text: str | None = None, timeout: float | None = None) -> BatchFeature:
        return self.processor(images=load_picture(picture, timeout), text=text, return_tensors="pt")

    def _forward(self, inputs: dict[str, Tensor], **generate_kwargs: Any) -> dict[str, Tensor]:
        return self.say(inputs, len(inputs["pixel_values"]), **generate_kwargs)


def load_picture(picture: ImageSource, timeout: float | None = None) -> Image.Image:
    """Open a picture, fetching it first where it is an http(s) or data URL; gives up after `timeout` seconds."""
    if not isinstance(picture, str) or not picture.startswith(("http://", "https://", "data:")):
        return open_image(picture)
    name = picture if len(picture) <= 200 else picture[:200] + "..."  # a data URL holds the whole file
    request = urllib.request.Request(picture, headers={"User-Agent": USER_AGENT})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            content = response.read()
    except (OSError, ValueError) as error:
        raise UnreadableImageError(name, str(error)) from error
    return open_image(content, name=name)


__all__ = ["LrcnImageToTextPipeline"]
