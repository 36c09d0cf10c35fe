"""Training losses of models that say something, beside plain likelihood.

Those that draw words find them first, without gradients; each then makes one ordinary forward pass: that is what runs
on several processes, where gradients are averaged as they arise in it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL, LrcnSentenceModel
from lrcn_hub.sentences.drawing import at_rest, draw_sentences, mix_in_own_words, random_numbers
from lrcn_hub.sentences.reward import Reward
from lrcn_hub.sentences.training import FOR_OBJECTIVES
from lrcn_hub.tasks import Batch

INDICES = ("image_index", "video_index")
Items: TypeAlias = Tensor | int | None


class LabelSmoothing:
    """Cross entropy with targets that leave a share of the chances to all words alike (Szegedy et al., 2016)."""

    def __init__(self, smoothing: float):
        self.smoothing = smoothing

    def __call__(self, model: torch.nn.Module, batch: Batch, items_in_batch: Items) -> Tensor:
        labels = batch["labels"]
        words = _bare(model).prepare_decoder_input_ids_from_labels(labels)
        logits = model(**_read(batch), **_index(batch), decoder_input_ids=words).logits
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED_LABEL,
            reduction="sum",
            label_smoothing=self.smoothing,
        )
        return losses / _items(batch, items_in_batch)


class ScheduledSampling:
    """Likelihood after words of which a share, rising evenly to `share`, is the model's own (Bengio et al., 2015)."""

    def __init__(self, share: float):
        self.share = share
        self.progress = 0.0

    def __call__(self, model: torch.nn.Module, batch: Batch, items_in_batch: Items) -> Tensor:
        bare, labels, index = _bare(model), batch["labels"], _index(batch)
        words = bare.prepare_decoder_input_ids_from_labels(labels)
        if share := self.share * self.progress:
            with at_rest(bare), torch.no_grad():
                rows = next(iter(index.values()))
                counts = torch.bincount(rows, minlength=len(batch["seeds"])).tolist()
                numbers = random_numbers(batch["seeds"].tolist(), counts, words.shape[1], 2).to(labels.device)
                features = _encode(bare, batch)[rows, 0]
                words = mix_in_own_words(bare, features, words, numbers, share)
        loss: Tensor = model(
            **_read(batch),
            **index,
            decoder_input_ids=words,
            labels=labels,
            num_items_in_batch=_items(batch, items_in_batch),
        ).loss
        return loss


class SelfCritical:
    """Self-critical sequence training (Rennie et al., 2017): make likelier what scores better than a baseline.

    Of each row `samples_per_row` sentences are drawn. The loss is minus the sum over their words of log p times what
    the sentence's reward is above the baseline: that of the model's own greedy sentence ("greedy"), or the mean reward
    of the row's other sentences ("others"; Luo, 2020). `likelihood_weight` times the likelihood of what people said is
    added, so that what is not rewarded is not forgotten either.
    """

    def __init__(
        self, reward: Reward, baseline: str, samples_per_row: int, max_words: int, likelihood_weight: float = 0.0
    ):
        self.reward, self.baseline, self.samples_per_row, self.max_words = reward, baseline, samples_per_row, max_words
        self.likelihood_weight = likelihood_weight

    def __call__(self, model: torch.nn.Module, batch: Batch, items_in_batch: Items) -> Tensor:
        bare, index, labels = _bare(model), _index(batch), batch["labels"]
        index_name, captions_of = next(iter(index.items()))
        with at_rest(bare), torch.no_grad():
            encoded = _encode(bare, batch)
            numbers = random_numbers(batch["seeds"].tolist(), [1] * len(encoded), self.samples_per_row, self.max_words)
            drawn = draw_sentences(bare, encoded[:, 0], numbers.to(labels.device))
            advantages = self._advantages(bare, encoded, drawn, batch["references"])
        rows = torch.arange(len(encoded), device=labels.device).repeat_interleave(self.samples_per_row)
        # A row counts as often as it has captions, which `items_in_batch` counts the words of.
        weights = (
            advantages.flatten() * torch.bincount(captions_of, minlength=len(encoded))[rows] / self.samples_per_row
        )
        if self.likelihood_weight:
            drawn, rows = _one_below_the_other(drawn, labels), torch.cat([rows, captions_of])
            weights = torch.cat([weights, weights.new_full((len(labels),), self.likelihood_weight)])
        read = _read(batch)
        if not any(parameter.requires_grad for parameter in bare.encoder.parameters()):
            read = {"encoder_outputs": BaseModelOutput(encoded)}  # once is enough
        words = bare.prepare_decoder_input_ids_from_labels(drawn)
        logits = model(**read, **{index_name: rows}, decoder_input_ids=words).logits
        losses = F.cross_entropy(
            logits.transpose(1, 2).float(), drawn, ignore_index=IGNORED_LABEL, reduction="none"
        ).sum(dim=1)
        return (weights * losses).sum() / _items(batch, items_in_batch)

    def _advantages(
        self, model: LrcnSentenceModel, encoded: Tensor, drawn: Tensor, references: list[list[str]]
    ) -> Tensor:
        """How much better each row's drawn sentences (rows N, T) are than the baseline: (rows, N)."""
        rewards = self.reward(drawn, references)
        if self.baseline == "others":
            return (rewards - rewards.mean(dim=1, keepdim=True)) * self.samples_per_row / (self.samples_per_row - 1)
        greedy = model.generate(
            encoder_outputs=BaseModelOutput(encoded), max_new_tokens=self.max_words, num_beams=1, do_sample=False
        )[:, 1:]
        return rewards - self.reward(greedy, references)


def _one_below_the_other(first: Tensor, second: Tensor) -> Tensor:
    """Put labels (N, T) above others (M, U): (N + M, the longer of T and U)."""
    steps = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(one, (0, steps - one.shape[1]), value=IGNORED_LABEL) for one in (first, second)])


def _bare(model: torch.nn.Module) -> LrcnSentenceModel:
    """The model without what runs it on several processes."""
    return getattr(model, "module", model)


def _index(batch: Batch) -> dict[str, Tensor]:
    """Which row each sentence describes, by the name that the model has for it."""
    return {name: batch[name] for name in INDICES if name in batch}


def _read(batch: Batch) -> dict[str, Any]:
    """What the encoder reads, or has given before."""
    left_out = ("labels", *INDICES, *FOR_OBJECTIVES)
    return {name: value for name, value in batch.items() if name not in left_out}


def _encode(model: LrcnSentenceModel, batch: Batch) -> Tensor:
    """What the encoder gives for the rows, (rows, 1, F)."""
    read = _read(batch)
    encoded: Tensor = (read["encoder_outputs"] if "encoder_outputs" in read else model.encoder(**read))[0]
    return encoded


def _items(batch: Batch, items_in_batch: Items) -> Tensor | int:
    """What a loss is divided by: the number of targets of the whole step, or of this batch."""
    return (batch["labels"] != IGNORED_LABEL).sum() if items_in_batch is None else items_in_batch
