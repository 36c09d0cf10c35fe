"""Words to the inputs of models that say something, pictures to those of a captioner, and answers back to words."""

import os
import re
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BatchFeature, ProcessorMixin

from .images_lrcn import open_image

IGNORED_LABEL = -100
PICTURES = (str, bytes, os.PathLike, Image.Image)  # what `open_image` reads; arrays and tensors are taken as they are
_BEFORE_MARK = re.compile(r" (?=[,.;:!?]+(?: |$))")


def as_written(sentence: str) -> str:
    """Put punctuation against the word before it, as people write: a model's words have blanks between all of them."""
    return _BEFORE_MARK.sub("", sentence)


class LrcnSentenceProcessor(ProcessorMixin):
    """What the processors share of the models that say something: sentences to ids and back, by their `tokenizer`.

    `decode` and `batch_decode` give sentences for people to read (`as_written`). Scores are computed from a model's
    words as they are, which the tokenizer's methods of these names give.
    """

    tokenizer: Any

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        said = self.tokenizer.decode(*args, **kwargs)
        return as_written(said) if isinstance(said, str) else [as_written(sentence) for sentence in said]

    def batch_decode(self, *args: Any, **kwargs: Any) -> list[str]:
        return [as_written(sentence) for sentence in self.tokenizer.batch_decode(*args, **kwargs)]

    def words(self, text: str | list[str] | None, text_target: str | list[str] | None) -> dict[str, Tensor]:
        """What of a batch is words: the beginnings `text` as decoder_input_ids, whole sentences as labels."""
        inputs = {}
        if text is not None:
            inputs["decoder_input_ids"] = self.prompts([text] if isinstance(text, str) else list(text))
        if text_target is not None:
            inputs["labels"] = self.labels([text_target] if isinstance(text_target, str) else list(text_target))
        return inputs

    @property
    def start_token_id(self) -> int:
        """The id before the first word: the tokenizer's own start, or the end word, as in the authors' scheme."""
        bos = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if bos is None else bos)

    def check_vocabulary(self, vocab_size: int) -> None:
        """Raise ValueError unless a model that knows `vocab_size` words can mean the words of this tokenizer."""
        if len(self.tokenizer) != vocab_size:
            raise ValueError(
                f"the tokenizer has {len(self.tokenizer)} words, but the model was trained with {vocab_size}: "
                "tokenizer.json and model.safetensors do not belong together"
            )

    def prompts(self, texts: list[str]) -> Tensor:
        """Beginnings of sentences as ids (B, 1 + words), all equally long: a recurrent model cannot skip padding."""
        rows = [[self.start_token_id, *self.tokenizer(text, add_special_tokens=False)["input_ids"]] for text in texts]
        if len({len(row) for row in rows}) > 1:
            lengths = ", ".join(str(len(row) - 1) for row in rows)
            raise ValueError(f"prompts of one batch must have equally many words, but they have {lengths}: split them")
        return torch.tensor(rows)

    def labels(self, sentences: list[str], max_length: int | None = None) -> Tensor:
        """Sentences as targets (B, T): ids, the end id, then -100. Cut to `max_length`, a long one has no end."""
        eos = self.tokenizer.eos_token_id
        ids = self.tokenizer(sentences, add_special_tokens=False)["input_ids"]
        rows = [[*words, eos][:max_length] for words in ids]
        return torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row) for row in rows], batch_first=True, padding_value=IGNORED_LABEL
        )


class LrcnCaptioningProcessor(LrcnSentenceProcessor):
    """An image processor and a tokenizer, saved and loaded together.

    ``processor(images, text="a red")`` gives pixel_values (B, 3, H, W) and, as decoder_input_ids (B, 1 + words), the
    beginning of a caption for `generate` to go on from; ``text_target=captions`` gives labels (B, words + 1).
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **kwargs: Any):
        super().__init__(image_processor, tokenizer, **kwargs)

    def __call__(
        self,
        images: Any = None,
        text: str | list[str] | None = None,
        text_target: str | list[str] | None = None,
        return_tensors: str = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        inputs: dict[str, Any] = {}
        if images is not None:
            pictures = images if isinstance(images, list | tuple) else [images]
            pictures = [open_image(p) if isinstance(p, PICTURES) else p for p in pictures]
            inputs.update(self.image_processor(pictures, return_tensors=return_tensors))
        return BatchFeature({**inputs, **self.words(text, text_target)})


__all__ = ["LrcnCaptioningProcessor"]
