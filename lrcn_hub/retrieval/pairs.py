"""How likely every caption is for every image, as the paper's retrieval needs it (section 5.1).

Sizes in comments: I images at a time, N nodes of a level (see `prefixes`), H hidden units, V words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning
from lrcn_hub.retrieval.prefixes import Caption, Level, chunks, count_nodes, evenly, prefix_levels

MEMORY_MB = 256.0
ROWS_ON_CPU = 512  # that are read together: of more, what lies between the products does not fit into a core's cache
FEW_IMAGES = 32  # so many share what is done for a node, if there are

State = tuple[Tensor, Tensor]


@torch.no_grad()
def score_pairs(
    model: LrcnForImageCaptioning,
    features: Tensor,
    captions: Sequence[Sequence[int]],
    *,
    memory_mb: float = MEMORY_MB,
) -> Tensor:
    """Sum log p(word | words before, image) over the words of each caption, for each image; the end is not scored.

    `features` (images, F) are what the encoder gave, each image seen once; `captions` are ids without start and end.
    Gives (images, captions) in float32 on the CPU: what one forward pass for each pair gives, without dropout.

    All that does not depend on both is computed once: the static projection for each image; the layers below the
    visual one and their products into it for each caption. Beginnings that captions share are read once, too. Besides
    the answer, `memory_mb` MiB are used at most, or what a single pair needs.

    Raises ValueError for features of another size, for no captions, and for one without words.
    """
    given: list[Caption] = [tuple(caption) for caption in captions]
    _check(model, features, given)
    order = sorted(range(len(given)), key=given.__getitem__)
    ordered, scores = [given[number] for number in order], torch.empty(len(features), len(given))
    sizes = _Sizes.fitting(model, len(features), ordered, memory_mb)
    visual, start = model.decoder.layers[model.decoder.visual], model.config.decoder_start_token_id
    with tqdm(total=scores.numel(), desc="Scoring", unit="pair", unit_scale=True, delay=2) as progress:
        for group in torch.arange(len(features)).split(sizes.images_known):
            static = visual.project_static(features[group].to(model.device, model.dtype))
            for run in chunks(ordered, sizes.nodes):
                levels = prefix_levels(ordered[run], start, model.device)
                known = _read_words(model, levels)
                for part, gates in zip(group.split(sizes.images), static.split(sizes.images), strict=True):
                    found = _score_chunk(model, levels, known, gates, sizes.rows)
                    scores[part[:, None], torch.tensor(order[run])] = found.cpu()
                    progress.update(found.numel())
    return scores


def _check(model: LrcnForImageCaptioning, features: Tensor, captions: Sequence[Caption]) -> None:
    size = model.config.feature_size
    if features.dim() != 2 or features.shape[1] != size or not len(features):
        raise ValueError(f"features {tuple(features.shape)}: give (images, {size}), as the encoder of this model does")
    if not captions:
        raise ValueError("there are no captions to score")
    if () in captions:
        raise ValueError(f"caption {captions.index(())} (counted from 0) has no words")


@dataclass(frozen=True)
class _Sizes:
    """How much is computed at a time. A quarter of the memory each is for what is known of images, for what is known
    of captions, for the states of pairs, and for reading some of these."""

    images_known: int
    images: int
    nodes: int
    rows: int

    @classmethod
    def fitting(
        cls, model: LrcnForImageCaptioning, images: int, ordered: Sequence[Caption], memory_mb: float
    ) -> _Sizes:
        stack, hidden = model.decoder, model.decoder.hidden_size
        layers, widest = len(stack.layers) - stack.visual, max(count_nodes(ordered))
        gates = stack.layers[stack.visual].cell.weight_ih_l0.shape[0]
        of_node = gates * (len(max(ordered, key=len)) + 3) + 8 * hidden * stack.visual + model.config.embedding_size
        of_state, of_row = 4 * hidden * layers, 3 * gates + (4 * layers + 4) * hidden + 3 * model.config.vocab_size

        def quarter(values: int) -> int:  # how many of so many values each, at 4 bytes, fit into a quarter
            return max(1, int(memory_mb * 2**20 / 4 / 4 / values))

        rows = min(quarter(of_row), ROWS_ON_CPU) if model.device.type == "cpu" else quarter(of_row)
        known = min(images, quarter(gates))
        images = min(known, max(FEW_IMAGES, rows // widest), rows, quarter(of_state))
        images = evenly(known, images)
        return cls(known, images, min(widest, quarter(of_node), quarter(of_state * images)), rows)


def _read_words(model: LrcnForImageCaptioning, levels: Sequence[Level]) -> list[Tensor]:
    """Compute what captions give to the gates of the visual layer, (N, 4H) for each level."""
    below, visual = model.decoder.layers[: model.decoder.visual], model.decoder.layers[model.decoder.visual]
    states: list[State | None] = [None] * len(below)
    known = []
    for level in levels:
        x = model.embedding(level.words)[:, None]
        for k, layer in enumerate(below):
            x, states[k] = layer(x, _of_parents(states[k], level.parents))
        known.append(visual.project_inputs(x[:, 0]))
    return known


def _score_chunk(
    model: LrcnForImageCaptioning, levels: Sequence[Level], known: Sequence[Tensor], static: Tensor, rows: int
) -> Tensor:
    """Score the captions of `levels` for images with the static gates (I, 4H); gives (I, captions)."""
    layers, images = model.decoder.layers[model.decoder.visual :], len(static)
    scores = static.new_empty(images, sum(len(level.ended) for level in levels), dtype=torch.float32)
    log_p = scores.new_zeros(1, images)  # of what each node has read
    states: list[Tensor | None] = [None] * len(layers)  # h and c before each node, of each image: (2, N, I, H)
    for level, gates in zip(levels, known, strict=True):
        after = [gates.new_empty(2, len(level.opened), images, model.decoder.hidden_size) for _ in layers]
        edges_log_p = scores.new_empty(len(level.edge_nodes), images)
        for nodes, edges, children in level.blocks(max(1, rows // images)):
            before = [None if state is None else state[:, nodes].flatten(1, 2).unbind() for state in states]
            x, now = _step(layers, (gates[nodes, None] + static).flatten(0, 1), before)
            parents = level.child_parents[children] - nodes.start
            for kept, state in zip(after, now, strict=True):
                for part, value in zip(kept[:, children], state, strict=True):
                    torch.index_select(value.unflatten(0, (-1, images)), 0, parents, out=part)
            next_words = model.predict(x).float().log_softmax(-1).unflatten(0, (-1, images))  # (nodes, I, V)
            of = level.edge_nodes[edges]
            edges_log_p[edges] = log_p[of] + next_words[of - nodes.start, :, level.edge_words[edges]]
        scores[:, level.ended] = edges_log_p[level.end_edges].t()
        log_p, states = edges_log_p[level.opened], list(after)
    return scores


def _step(layers: Sequence[nn.Module], gates: Tensor, before: Sequence[State | None]) -> tuple[Tensor, list[State]]:
    """Read a word of each row: from the gates (rows, 4H) that are known of the visual layer, the first of `layers`."""
    x, state = layers[0].advance(gates, before[0])
    x, after = x[:, None], [state]
    for layer, state in zip(layers[1:], before[1:], strict=True):
        x, state = layer(x, state)
        after.append(state)
    return x[:, 0], after


def _of_parents(state: State | None, parents: Tensor) -> State | None:
    """Give the rows of `state`, of nodes (N, ..., H), that each node's parent has, as (rows, H)."""
    if state is None:
        return None
    h, c = (part.index_select(0, parents).flatten(0, -2) for part in state)
    return h, c
