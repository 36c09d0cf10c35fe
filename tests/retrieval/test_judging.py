"""Both directions, held to sums and ranks by hand."""

import datasets
import numpy as np
import pytest
from PIL import Image

from lrcn_hub.retrieval import encode_images, judge_retrieval, judge_scores, normalise_by_prior, score_pairs, word_ids


def test_the_prior_is_the_mean_probability_over_images():
    log_p = np.log([[0.5, 0.01], [0.1, 0.03]])
    wanted = np.log([[0.5 / 0.3, 0.01 / 0.02], [0.1 / 0.3, 0.03 / 0.02]])
    np.testing.assert_allclose(normalise_by_prior(log_p), wanted, rtol=1e-12)
    np.testing.assert_allclose(normalise_by_prior(log_p - 2000), wanted, rtol=1e-9)  # long captions underflow


def test_normalising_changes_image_to_caption_alone():
    log_p = np.log([[0.5, 0.01], [0.1, 0.03]])  # the first caption is likelier for any image
    judged = judge_scores(log_p, [0, 1])
    assert judged["image_to_caption_not_normalised"]["r@1"] == 0.5
    assert judged["image_to_caption"]["r@1"] == 1
    assert judged["caption_to_image"] == {"r@1": 1.0, "r@5": 1.0, "r@10": 1.0, "median_rank": 1.0, "mean_rank": 1.0}
    assert judge_scores(log_p.T, [0, 1])["caption_to_image"]["median_rank"] == 1.5


def test_a_table_is_judged_by_the_scores_of_its_pairs(seeing):
    model, processor = seeing
    pictures = [Image.fromarray(np.random.default_rng(k).integers(0, 256, (70, 70, 3), np.uint8)) for k in range(4)]
    captions = [["a red square", "red"], ["a circle"], ["green and blue"], ["a square and a circle", "blue"]]
    features = datasets.Features({"image": datasets.Image(), "captions": datasets.List(datasets.Value("string"))})
    table = datasets.Dataset.from_dict({"image": pictures, "captions": captions}, features)
    flat = [caption for said in captions for caption in said]
    log_p = score_pairs(model, encode_images(model, processor, pictures), word_ids(processor, flat))
    judged = judge_retrieval(model, processor, table)
    assert judged == {"images": 4, "captions": 6, **judge_scores(log_p.numpy(), [0, 0, 1, 2, 3, 3])}
    with pytest.raises(ValueError, match="there are no words in it"):
        judge_retrieval(model, processor, table.select([0]).map(lambda row: {"captions": ["."]}))
