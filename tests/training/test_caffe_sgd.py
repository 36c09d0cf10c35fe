import math

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from lrcn_hub.training.caffe_sgd import CaffeSGD
from lrcn_hub.training.optimization import step_policy

# momentum 0.5, weight decay 0.1, clip 10, rate 0.1 halved after two steps, two batches accumulated.
# Weight w: lr_mult 1, decay_mult 1, starts at 1. Bias b: lr_mult 2, decay_mult 0, starts at 0.
BATCHES = [((5.0, 9.0), (7.0, 7.0)), ((1.5, 0.0), (0.5, 2.0)), ((1.0, -3.0), (3.0, -3.0))]
# 1: sum (12, 16), norm 20 > 10, so (6, 8); halved (3, 4); w decays: 3.1.
#    V = 0.1 * 3.1 = 0.31 and 0.2 * 4 = 0.8; w = 0.69, b = -0.8
# 2: sum (2, 2), not clipped; halved (1, 1); w: 1.069.
#    V = 0.155 + 0.1069 = 0.2619 and 0.4 + 0.2 = 0.6; w = 0.4281, b = -1.4
# 3: rate 0.05; sum (4, -6), norm 7.2; halved (2, -3); w: 2.04281.
#    V = 0.13095 + 0.1021405 = 0.2330905 and 0.3 - 0.3 = 0; w = 0.1950095, b = -1.4
BY_HAND = [(0.69, -0.8), (0.4281, -1.4), (0.1950095, -1.4)]


def run_three_steps(accumulated):
    w, b = (torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (1.0, 0.0))
    groups = [{"params": [w], "lr": 0.1, "weight_decay": 0.1}, {"params": [b], "lr": 0.2, "weight_decay": 0.0}]
    optimizer = CaffeSGD(groups, lr=0.1, momentum=0.5, clip=10.0)
    optimizer.accumulated = accumulated
    schedule = LambdaLR(optimizer, lambda step: step_policy(step, step_size=2, gamma=0.5))
    trace = []
    for batches in BATCHES:
        w.grad, b.grad = (torch.tensor(sum(g[i] for g in batches) / 2, dtype=torch.float64) for i in (0, 1))
        optimizer.step()
        schedule.step()
        trace.append((w.item(), b.item()))
    return trace


def test_three_steps_are_those_computed_by_hand():
    assert [pytest.approx(expected, abs=1e-12) for expected in BY_HAND] == run_three_steps(accumulated=2)


def test_clipping_looks_at_the_sum_and_not_at_the_mean():
    assert run_three_steps(accumulated=1)[0] == pytest.approx((1 - 0.1 * 6.1, -0.2 * 8), abs=1e-12)


def test_the_rate_is_inside_the_velocity_unlike_torch_sgd():
    def last(optimizer_class):
        w = torch.nn.Parameter(torch.tensor(0.0))
        optimizer = optimizer_class([w], lr=1.0, momentum=0.5)
        for rate, gradient in ((1.0, 1.0), (0.0, 1.0)):
            optimizer.param_groups[0]["lr"], w.grad = rate, torch.tensor(gradient)
            optimizer.step()
        return w.item()

    assert last(CaffeSGD) == -1.5
    assert last(torch.optim.SGD) == -1.0


def test_a_parameter_without_gradient_is_left_alone():
    w, frozen = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = CaffeSGD([w, frozen], lr=0.1, weight_decay=0.5, clip=1.0)
    w.grad = torch.ones(2)
    optimizer.step()
    assert frozen.tolist() == [1.0, 1.0]
    assert w.tolist() == pytest.approx([1 - 0.1 * (1 / math.sqrt(2) + 0.5)] * 2)


def test_the_step_policy_is_a_power_of_gamma_after_a_warm_up():
    assert [step_policy(i, step_size=2, gamma=0.5) for i in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    assert [step_policy(i, step_size=4, gamma=0.5, warmup=2) for i in range(5)] == [0, 0.5, 1, 1, 0.5]
