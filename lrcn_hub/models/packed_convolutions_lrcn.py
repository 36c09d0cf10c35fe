"""Convolutions on a CPU whose weights are laid out once, for pictures that come one at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class PackedConvolutions(TorchFunctionMode):
    """Under ``with``, convolutions without gradients read copies of their weights that are ordered as oneDNN computes.

    PyTorch makes such a copy at every call, which for a single picture is 4 (CaffeNet) to 7 (ResNet-18) hundredths of
    the backbone's time. These are kept, as large as the weights, and made anew when a weight has changed. Results are
    the same to rounding. What is not float32 on a CPU runs as ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._packed: dict[int, tuple[Tensor, tuple[int, int], Tensor]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.conv2d and len(args) == 7 and not kwargs and _can_be_packed(*args):
            return self._convolve(*args)
        return func(*args, **(kwargs or {}))

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
        stride, padding, dilation, groups = geometry
        now = (weight.data_ptr(), weight._version)
        _, then, packed = self._packed.get(id(weight), (None, None, None))
        if packed is None or then != now:
            order = (weight.detach(), padding, stride, dilation, groups, list(x.shape))
            packed = torch.ops.mkldnn._reorder_convolution_weight(*order)
            self._packed[id(weight)] = weight, now, packed  # with the weight itself, so that its id stays its own
        nothing_after: tuple[str, list[Any], str] = ("none", [], "")
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, packed, bias, padding, stride, dilation, groups, *nothing_after
        )
        return found


def _can_be_packed(x: Tensor, weight: Tensor, _bias: Any, _stride: Any, padding: Any, *_: Any) -> bool:
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or not torch.backends.mkldnn.is_available():
        return False
    on_cpu = x.device.type == weight.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    plain = not isinstance(padding, str) and not weight.is_inference()  # else nobody counts its changes
    return on_cpu and plain


__all__ = ["PackedConvolutions"]
