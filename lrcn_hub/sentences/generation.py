"""From a model to sentences: the search strategies that a recipe can name.

Greedy, beam and sampling are `generate`; diverse beam search is our beam search in groups; best-of-N is the paper's
own way (section 5.2): draw N sentences and keep the one that the model finds likeliest.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL, LrcnSentenceModel
from lrcn_hub.models.search_lrcn import beam_search

STRATEGIES = ("greedy", "beam", "sample", "best-of-n", "diverse-beam")


@torch.no_grad()
def generate_sentences(
    model: LrcnSentenceModel,
    inputs: Mapping[str, Any],
    strategy: str = "greedy",
    *,
    max_new_tokens: int = 50,
    num_beams: int = 5,
    num_groups: int = 5,
    diversity_penalty: float = 0.5,
    num_samples: int = 100,
    logit_scale: float = 1.5,
) -> Tensor:
    """Say something of each row; gives the best sentence of each as ids (B, words), padded with the end id.

    `inputs` are what the model's encoder reads, by their names, None where there is none; or what it gave for them,
    features (B, 1, F), as ``encoder_outputs``. `logit_scale` is the authors' T, which multiplies the logits: 1.5
    sharpens the distribution that "sample" and "best-of-n" draw from. Raises ValueError for an unknown strategy.
    """
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens}
    inputs = {name: value for name, value in inputs.items() if value is not None}
    if strategy == "best-of-n":
        return best_of_samples(model, inputs, num_samples, logit_scale, max_new_tokens)
    if strategy == "beam":
        options.update(num_beams=num_beams)
    elif strategy == "diverse-beam":
        search = partial(beam_search, num_groups=num_groups, diversity_penalty=diversity_penalty)
        options.update(num_beams=num_beams, custom_generate=search)
    elif strategy == "sample":
        options.update(do_sample=True, temperature=1 / logit_scale, top_k=0)
    elif strategy != "greedy":
        raise ValueError(f"strategy is {strategy!r}; it must be one of {', '.join(STRATEGIES)}")
    sequences: Tensor = model.generate(**inputs, **options)
    return sequences[:, 1:]


@torch.no_grad()
def best_of_samples(
    model: LrcnSentenceModel,
    inputs: Mapping[str, Any],
    num_samples: int = 100,
    logit_scale: float = 1.5,
    max_new_tokens: int = 50,
) -> Tensor:
    """Draw `num_samples` sentences for each row and keep the likeliest, as the paper's best results do (table 6).

    Sentences are drawn from softmax(logit_scale * logits) and ranked by their plain log-likelihood, end word included
    (captioner.py). The encoder runs once for each row; rows are sampled one after another, so memory does not grow
    with their number. Gives ids (B, words), padded with the end id.
    """
    best = []
    encoder_outputs = inputs["encoder_outputs"] if "encoder_outputs" in inputs else model.encoder(**inputs)
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


def log_likelihood(model: LrcnSentenceModel, encoded: BaseModelOutput, sentences: Tensor) -> Tensor:
    """Sum log p(word | words before, row) over `sentences` (N, words) of one row (1, 1, F), up to the end word.

    The end word is scored where a sentence has one; what follows it is not. Gives (N,).
    """
    return word_log_likelihoods(model, encoded, sentences).sum(dim=1)


@torch.no_grad()
def word_log_likelihoods(model: LrcnSentenceModel, encoded: BaseModelOutput, sentences: Tensor) -> Tensor:
    """Compute log p(word | words before, row) of each word of `sentences` (N, words) of one row (1, 1, F).

    The end word is scored where a sentence has one; what follows it has 0. Gives (N, words).
    """
    ended = (sentences == model.config.eos_token_id).cumsum(dim=1)
    after_end = ended - (sentences == model.config.eos_token_id).long() > 0
    labels = sentences.masked_fill(after_end, IGNORED_LABEL)
    words = model.prepare_decoder_input_ids_from_labels(labels)
    same = BaseModelOutput(last_hidden_state=encoded[0].expand(len(sentences), -1, -1))
    logits = model(encoder_outputs=same, decoder_input_ids=words).logits
    log_p = logits.float().log_softmax(-1).gather(-1, sentences[..., None])[..., 0]
    return log_p.masked_fill(after_end, 0.0)
