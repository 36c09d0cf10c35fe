"""Greedy search, and the authors' beam search (captioner.py of the LRCN release) with diverse beams as groups of it.

Both are made for ``generate(custom_generate=...)``; the picture's features come as its `encoder_outputs`.

In each round of beam search, every unfinished hypothesis is extended by every word. Finished hypotheses (ended by the
end word, or as long as allowed) stay in the same pool with their score, the sum of log probabilities with no regard to
length. The best `num_beams` of the pool are kept, until all that are kept are finished. transformers' own beam search
keeps finished and unfinished hypotheses apart and so can end with another last place.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.generation import GenerateBeamEncoderDecoderOutput

NEVER = -1e9  # a score that no hypothesis reaches, yet finite, so that sums and differences stay numbers


def greedy_search(
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **model_kwargs: Any,
) -> Tensor:
    """Extend `input_ids` (rows, prompt length) by the likeliest word until every row has ended.

    As transformers does it, with fewer small operations: beside the products of one step for one picture they count.
    """
    words, new, features, state = input_ids, input_ids, model_kwargs["encoder_outputs"][0][:, 0], None
    pad = int(generation_config._pad_token_tensor)
    ended = torch.zeros(len(words), dtype=torch.bool, device=words.device)
    with torch.inference_mode():
        while not bool(ended.all()):
            logits, state = model.decode(new, features, state)
            new = logits_processor(words, logits[:, -1].float()).argmax(-1).masked_fill(ended, pad)[:, None]
            words = torch.cat([words, new], dim=1)
            ended = ended | stopping_criteria(words, None)
    return words.clone()  # a normal tensor, which training may use


def beam_search(
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    num_groups: int = 1,
    diversity_penalty: float = 0.0,
    **model_kwargs: Any,
) -> Tensor | GenerateBeamEncoderDecoderOutput:
    """Search from `input_ids` (images * beams, prompt length), as `generate` lays them out.

    With `num_groups` > 1 it is diverse beam search (Vijayakumar et al., 2016): the beams are split into groups that
    choose one after another, and in each round a word loses `diversity_penalty` for every hypothesis of an earlier
    group that has just taken it (Hamming diversity). Scores stay plain log probabilities. Gives the best
    `num_return_sequences` hypotheses of each image, best first.
    """
    beams, pad = generation_config.num_beams, generation_config._pad_token_tensor
    if beams % num_groups:
        raise ValueError(f"num_beams ({beams}) must be a multiple of num_groups ({num_groups})")
    pool = _Pool(input_ids, beams, num_groups)
    all_scores: list[Tensor] = []
    new, features, state = input_ids, model_kwargs["encoder_outputs"][0][:, 0], None
    with torch.inference_mode():
        while not bool(pool.finished.all()):
            logits, state = model.decode(new, features, state)
            log_p = logits_processor(pool.words, logits[:, -1].float().log_softmax(-1))
            if generation_config.return_dict_in_generate and generation_config.output_scores:
                all_scores.append(log_p)
            pool.extend(log_p.view(-1, beams, log_p.shape[-1]), diversity_penalty, pad)
            pool.finished |= stopping_criteria(pool.words, None).view_as(pool.finished)
            state.reorder_cache(pool.parents)
            new = pool.words[:, -1:]
    return pool.result(generation_config, all_scores, input_ids.shape[1])


class _Pool:
    """Hypotheses of every image: `words` (images * beams, length), `scores` and `finished` (images, beams)."""

    def __init__(self, input_ids: Tensor, beams: int, num_groups: int):
        images, device = len(input_ids) // beams, input_ids.device
        self.words, self.num_groups = input_ids, num_groups
        # All beams begin alike, so only the first one of each group may grow in the first round.
        first = torch.arange(beams, device=device) % (beams // num_groups) == 0
        self.scores = torch.where(first, 0.0, NEVER).expand(images, beams).clone()
        self.stay = torch.where(torch.arange(beams, device=device) == 0, 0.0, 2 * NEVER)
        self.finished = torch.zeros(images, beams, dtype=torch.bool, device=device)
        self.offsets = torch.arange(images, device=device)[:, None] * beams
        self.history = input_ids.new_empty(len(input_ids), 0)  # the row that each word was chosen from

    def extend(self, log_p: Tensor, diversity_penalty: float, pad: Tensor) -> None:
        """Grow by one round from `log_p` (images, beams, words); leaves the rows grown from in `parents`."""
        width = log_p.shape[1] // self.num_groups
        taken = torch.zeros_like(log_p[:, 0]) if self.num_groups > 1 else None  # by earlier groups, in this round
        chosen = []
        for start in range(0, log_p.shape[1], width):
            group = slice(start, start + width)
            penalty = None if taken is None else diversity_penalty * taken
            parent, word, score = self._choose(log_p[:, group], group, penalty, width)
            ended = self.finished[:, group].gather(1, parent)
            if taken is not None:
                taken.scatter_add_(1, word, (~ended).to(taken.dtype))
            chosen.append((parent + start, word.masked_fill(ended, int(pad)), score, ended))
        if self.num_groups > 1:
            chosen = [tuple(torch.cat(parts, dim=1) for parts in zip(*chosen, strict=True))]
        parent, word, self.scores, self.finished = chosen[0]
        self.parents = (parent + self.offsets).flatten()
        self.words = torch.cat([self.words[self.parents], word.view(-1, 1)], dim=1)
        rows = self.parents.masked_fill(self.finished.flatten(), -1)
        self.history = torch.cat([self.history[self.parents], rows[:, None]], dim=1)

    def _choose(
        self, log_p: Tensor, group: slice, penalty: Tensor | None, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rank one group's pool: its hypotheses' best words, and its finished hypotheses as they are."""
        scores, finished = self.scores[:, group], self.finished[:, group]
        ranked = log_p if penalty is None else log_p - penalty[:, None]
        best, words = ranked.topk(min(width, ranked.shape[-1]), dim=-1)  # (images, width, width)
        best = torch.where(finished[..., None], self.stay[: best.shape[-1]], best)  # a finished one goes on once
        score, kept = (best + scores[..., None]).flatten(1).topk(width, dim=1)
        parent, word = kept // best.shape[-1], words.flatten(1).gather(1, kept)
        if penalty is not None:
            score = score + penalty.gather(1, word).masked_fill(finished.gather(1, parent), 0.0)
        return parent, word, score

    def result(
        self, config: Any, all_scores: list[Tensor], prompt_length: int
    ) -> Tensor | GenerateBeamEncoderDecoderOutput:
        order = self.scores.sort(dim=1, descending=True, stable=True).indices[:, : config.num_return_sequences or 1]
        rows = (order + self.offsets).flatten()
        sequences, history = self.words[rows], self.history[rows]
        length = int((history >= 0).sum(dim=1).max())  # without rounds that no returned hypothesis took part in
        sequences, history = sequences[:, : prompt_length + length], history[:, :length]
        if not config.return_dict_in_generate:
            return sequences
        return GenerateBeamEncoderDecoderOutput(
            sequences=sequences,
            sequences_scores=self.scores.flatten()[rows],
            scores=tuple(scores.clone() for scores in all_scores[:length]) or None,
            beam_indices=history,
        )


__all__ = ["beam_search", "greedy_search"]
