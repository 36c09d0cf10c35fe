import numpy as np
import pytest

from lrcn_hub.scoring import bootstrap
from lrcn_hub.scoring.bleu import bleu_counts, bleu_from_counts, bleu_scores
from lrcn_hub.scoring.bootstrap import bootstrap_interval, mean_of_rows, paired_bootstrap


def rows_of(values):
    return np.stack([values, np.ones(len(values))], axis=1)


def drawn(mean, runs=3, rows=200, seed=0):
    random = np.random.default_rng(seed)
    return [rows_of(random.normal(mean, 1, rows)) for _ in range(runs)]


def test_the_difference_is_that_of_the_means_over_runs():
    first, second = drawn(0.5), drawn(0.0, seed=1)
    expected = np.mean([a[:, 0].mean() - b[:, 0].mean() for a, b in zip(first, second, strict=True)])
    found = paired_bootstrap(first, second, mean_of_rows)
    assert found.difference == pytest.approx(expected)
    assert found.low < expected < found.high


def test_the_same_system_is_never_better_than_itself():
    runs = drawn(0.0)
    found = paired_bootstrap(runs, runs, mean_of_rows)
    assert (found.difference, found.low, found.high, found.not_better) == (0, 0, 0, 1)


def test_pairing_finds_a_small_gain_that_rows_share():
    runs = drawn(0.0)
    better = [run + np.array([0.05, 0]) for run in runs]
    found = paired_bootstrap(better, runs, mean_of_rows)
    assert found.low == pytest.approx(0.05) and found.not_better == 0


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    held = 0
    for seed in range(200):
        found = paired_bootstrap(
            drawn(0.2, 1, 100, seed), drawn(0.0, 1, 100, 1000 + seed), mean_of_rows, resamples=400
        )
        held += found.low <= 0.2 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_runs_are_drawn_too_so_that_one_lucky_run_proves_nothing():
    lucky = [rows_of(np.full(100, value)) for value in (3.0, -0.5, -0.5, -0.5)]
    found = paired_bootstrap(lucky, [rows_of(np.zeros(100))] * 4, mean_of_rows)
    assert found.difference > 0 and found.low < 0 and found.not_better > 0.2


def test_bleu_of_resampled_counts_is_bleu_of_the_captions_drawn():
    captions = [["a", "red", "circle", "moves"], ["a", "blue", "star", "grows", "then"], ["the", "red", "star"]]
    references = [[["a", "red", "circle", "moves", "up"]], [["a", "blue", "star", "grows"]], [["a", "red", "star"]]]
    counts = np.array([bleu_counts(*pair) for pair in zip(captions, references, strict=True)])
    times = np.array([2, 0, 1])
    again = [0, 0, 2]
    expected, _ = bleu_scores([captions[i] for i in again], [references[i] for i in again])
    assert bleu_from_counts(times @ counts) == pytest.approx(expected)
    found = paired_bootstrap([counts], [counts[::-1]], lambda sums: bleu_from_counts(sums)[..., 3], resamples=50)
    assert found.difference == pytest.approx(0)  # the same captions in another order


def test_unequal_rows_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(4, 2\)"):
        paired_bootstrap([rows_of(np.zeros(3))], [rows_of(np.zeros(4))], mean_of_rows)


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(3).normal(5, 2, 400)
    found = bootstrap_interval([rows_of(values)], mean_of_rows)
    error = values.std() / np.sqrt(len(values))
    assert found.score == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.2 * error
    )


def test_runs_that_differ_widen_the_interval_of_their_mean():
    same = [rows_of(np.random.default_rng(seed).normal(0, 1, 300)) for seed in range(4)]
    apart = [run + np.array([shift, 0]) for run, shift in zip(same, (-1, 0, 0, 1), strict=True)]
    narrow, wide = (bootstrap_interval(runs, mean_of_rows) for runs in (same, apart))
    assert wide.score == pytest.approx(narrow.score)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_drawing_in_parts_of_bounded_memory_draws_the_same(monkeypatch):
    first, second = drawn(0.1), drawn(0.0, seed=1)
    expected = bootstrap_interval(first, mean_of_rows, resamples=70), paired_bootstrap(first, second, mean_of_rows)
    monkeypatch.setattr(bootstrap, "_DRAWN_AT_ONCE", 3 * 200)
    again = bootstrap_interval(first, mean_of_rows, resamples=70), paired_bootstrap(first, second, mean_of_rows)
    for ours, theirs in zip(again, expected, strict=True):
        assert vars(ours) == pytest.approx(vars(theirs))


@pytest.mark.parametrize("runs", [[], [rows_of(np.zeros(0))]])
def test_no_rows_have_no_interval(runs):
    with pytest.raises(ValueError, match="needs rows in every run"):
        bootstrap_interval(runs, mean_of_rows)
