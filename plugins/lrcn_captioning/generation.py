"""From a captioner to captions: the search strategies that a recipe can name.

Greedy, beam and sampling are `generate`; diverse beam search is our beam search in groups; best-of-N is the paper's
own way (section 5.2): draw N captions for a picture and keep the one that the model finds likeliest.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnForImageCaptioning
from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL
from lrcn_hub.models.search_lrcn import beam_search

STRATEGIES = ("greedy", "beam", "sample", "best-of-n", "diverse-beam")


@torch.no_grad()
def generate_captions(
    model: LrcnForImageCaptioning,
    pixel_values: Tensor | None,
    strategy: str = "greedy",
    *,
    encoder_outputs: Sequence[Tensor] | None = None,
    max_new_tokens: int = 50,
    num_beams: int = 5,
    num_groups: int = 5,
    diversity_penalty: float = 0.5,
    num_samples: int = 100,
    logit_scale: float = 1.5,
) -> Tensor:
    """Caption pictures (B, 3, H, W); gives the best caption of each as ids (B, words), padded with the end id.

    Instead of `pixel_values` it takes what `model.encoder` gave for them, features (B, 1, F), as `encoder_outputs`.

    `logit_scale` is the authors' T, which multiplies the logits: 1.5 sharpens the distribution that "sample" and
    "best-of-n" draw from. Raises ValueError for an unknown strategy.
    """
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens}
    if strategy == "best-of-n":
        return best_of_samples(
            model, pixel_values, num_samples, logit_scale, max_new_tokens, encoder_outputs=encoder_outputs
        )
    if strategy == "beam":
        options.update(num_beams=num_beams)
    elif strategy == "diverse-beam":
        search = partial(beam_search, num_groups=num_groups, diversity_penalty=diversity_penalty)
        options.update(num_beams=num_beams, custom_generate=search)
    elif strategy == "sample":
        options.update(do_sample=True, temperature=1 / logit_scale, top_k=0)
    elif strategy != "greedy":
        raise ValueError(f"strategy is {strategy!r}; it must be one of {', '.join(STRATEGIES)}")
    if encoder_outputs is not None:
        options.update(encoder_outputs=encoder_outputs)
    sequences: Tensor = model.generate(pixel_values, **options)
    return sequences[:, 1:]


@torch.no_grad()
def best_of_samples(
    model: LrcnForImageCaptioning,
    pixel_values: Tensor | None,
    num_samples: int = 100,
    logit_scale: float = 1.5,
    max_new_tokens: int = 50,
    *,
    encoder_outputs: Sequence[Tensor] | None = None,
) -> Tensor:
    """Draw `num_samples` captions of each picture and keep the likeliest, as the paper's best results do (table 6).

    Captions are drawn from softmax(logit_scale * logits) and ranked by their plain log-likelihood, end word included
    (captioner.py). The backbone runs once for each picture; pictures are sampled one after another, so memory does not
    grow with their number. Gives ids (B, words), padded with the end id.
    """
    best = []
    encoder_outputs = model.encoder(pixel_values) if encoder_outputs is None else encoder_outputs
    for features in encoder_outputs[0]:
        encoded = BaseModelOutput(last_hidden_state=features[None])
        samples = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=features[None].clone()),
            do_sample=True,
            temperature=1 / logit_scale,
            top_k=0,
            num_return_sequences=num_samples,
            max_new_tokens=max_new_tokens,
        )[:, 1:]
        scores = log_likelihood(model, encoded, samples)
        best.append(samples[scores.argmax()])
    return torch.nn.utils.rnn.pad_sequence(best, batch_first=True, padding_value=model.config.eos_token_id)


@torch.no_grad()
def log_likelihood(model: LrcnForImageCaptioning, encoded: BaseModelOutput, captions: Tensor) -> Tensor:
    """Sum log p(word | words before, picture) over `captions` (N, words) of one picture (1, 1, F), up to the end word.

    The end word is scored where a caption has one; what follows it is not. Gives (N,).
    """
    ended = (captions == model.config.eos_token_id).cumsum(dim=1)
    after_end = ended - (captions == model.config.eos_token_id).long() > 0
    labels = captions.masked_fill(after_end, IGNORED_LABEL)
    which = torch.zeros(len(captions), dtype=torch.long, device=captions.device)
    words = model.prepare_decoder_input_ids_from_labels(labels)
    logits = model(encoder_outputs=encoded, decoder_input_ids=words, image_index=which).logits
    log_p = logits.float().log_softmax(-1).gather(-1, captions[..., None])[..., 0]
    return log_p.masked_fill(after_end, 0.0).sum(dim=1)
