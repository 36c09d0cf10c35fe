"""Stochastic gradient descent with momentum exactly as Caffe computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class CaffeSGD(torch.optim.Optimizer):
    """Caffe's SGDSolver, in the order of its steps (``Solver::Step`` and ``sgd_solver.cpp``, ApplyUpdate).

    With G the gradient summed over the accumulated batches (Caffe: iter_size) of one step::

        G <- G * clip / |G|          if the L2 norm over all parameters is above `clip`
        g <- G / accumulated
        g <- g + weight_decay * W
        V <- momentum * V + lr * g
        W <- W - V

    The rate is inside the velocity, so what is already moving keeps its speed when the rate changes;
    `torch.optim.SGD` applies the rate outside. Multipliers (Caffe: lr_mult, decay_mult) are already part of each
    group's ``lr`` and ``weight_decay``.

    ``parameter.grad`` is expected as trainers leave it, the mean G / accumulated; `accumulated` is set before a step
    that was accumulated over several batches.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip: float | None = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.clip = clip
        self.accumulated = 1

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:
        """Make one step; a parameter without gradient stays as it is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        scale = self._clip_scale()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, scale, group)
        return loss

    def _clip_scale(self) -> torch.Tensor | None:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if self.clip is None or not gradients:
            return None
        norm = torch.nn.utils.get_total_norm(gradients) * self.accumulated
        return torch.where(norm > self.clip, self.clip / norm, torch.ones_like(norm))

    def _update(self, parameter: torch.Tensor, scale: torch.Tensor | None, group: dict[str, Any]) -> None:
        gradient = parameter.grad if scale is None else parameter.grad * scale
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        velocity = state["momentum_buffer"]
        velocity.mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        parameter.sub_(velocity)
