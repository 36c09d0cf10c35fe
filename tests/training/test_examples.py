import random

import pytest
from accelerate import Accelerator
from accelerate.data_loader import BatchSamplerShard, skip_first_batches
from torch.utils.data import BatchSampler, DataLoader

from lrcn_hub.training.examples import EpochSampler, SeededExamples, example_seed


def test_a_seed_is_fixed_by_run_epoch_and_row():
    seeds = {example_seed(run, epoch, row) for run in range(3) for epoch in range(3) for row in range(-1, 20)}
    assert len(seeds) == 3 * 3 * 21
    assert example_seed(1701, 2, 3) == example_seed(1701, 2, 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_rows_carry_their_seed_and_do_not_touch_global_random_state(make_table):
    examples = SeededExamples(make_table(5, 0), 1701)
    random.seed(0)
    before = random.getstate()
    row = examples[(3, 2)]
    assert random.getstate() == before
    assert row["id"] == "row-2"
    assert row["seed"] == example_seed(1701, 3, 2)


def epochs(table, workers=0, persistent=False, skip=0, epoch_numbers=(0, 1, 2)):
    examples = SeededExamples(table, 1701)
    loader = Accelerator(cpu=True).prepare_data_loader(
        DataLoader(
            examples,
            batch_size=3,
            sampler=EpochSampler(examples, 1701),
            collate_fn=list,
            num_workers=workers,
            persistent_workers=persistent,
        )
    )
    seen = []
    for epoch in epoch_numbers:
        current = skip_first_batches(loader, skip) if skip and epoch == epoch_numbers[0] else loader
        current.set_epoch(epoch)
        seen.append([(row["id"], row["seed"]) for batch in current for row in batch])
    return seen


def test_each_epoch_has_all_rows_in_an_order_of_its_own(make_table):
    first, second, third = epochs(make_table(10, 0))
    assert sorted(i for i, _ in first) == sorted(f"row-{i}" for i in range(10))
    assert len({tuple(i for i, _ in epoch) for epoch in (first, second, third)}) == 3
    assert not {seed for _, seed in first} & {seed for _, seed in second}


def test_a_loader_resumed_within_an_epoch_goes_on_with_the_same_rows(make_table):
    whole = epochs(make_table(10, 0))
    assert epochs(make_table(10, 0), skip=2, epoch_numbers=(1, 2)) == [whole[1][6:], whole[2]]


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True])
def test_loader_processes_make_no_difference(make_table, persistent):
    assert epochs(make_table(10, 0), workers=2, persistent=persistent) == epochs(make_table(10, 0))


def test_several_processes_share_an_epoch_without_overlap(make_table):
    examples = SeededExamples(make_table(12, 0), 1701)
    examples.set_epoch(4)
    whole = list(EpochSampler(examples, 1701))
    shards = [
        list(BatchSamplerShard(BatchSampler(EpochSampler(examples, 1701), 3, False), 2, index)) for index in (0, 1)
    ]
    assert [shards[i % 2][i // 2] for i in range(4)] == [whole[3 * i : 3 * i + 3] for i in range(4)]
    assert all(epoch == 4 for epoch, _ in whole)
