"""Muon for the matrices, AdamW for the rest, and the learning rate over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gen.train.recipe import Settings, Task

QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al. 2024, "Muon").

    PyTorch's own Muon iterates in bfloat16, which processors without bfloat16 instructions emulate at a
    hundredth of their float32 speed; this one iterates in float32 on a CPU. The update is scaled by
    0.2·√max(rows, columns), so that its root mean square is that of AdamW (Liu et al. 2025, "Muon is
    scalable for LLM training", eq. 4).

    Args:
        params: Tensors of two or more dimensions; all but the first are flattened.
        lr: Learning rate, on AdamW's scale.
        momentum: Of the Nesterov average.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        value = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                average = state.setdefault("average", torch.zeros_like(parameter))
                average.lerp_(parameter.grad, 1 - group["momentum"])
                direction = parameter.grad.lerp(average, group["momentum"]).flatten(1)
                scale = 0.2 * math.sqrt(max(direction.shape))
                parameter.add_(orthogonal(direction).view_as(parameter), alpha=-group["lr"] * scale)
        return value


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Replace the singular values of a matrix (m, n) by values near one.

    Newton–Schulz iteration with a quintic polynomial p(X) = aX + b(XXᵀ)X + c(XXᵀ)²X. Every iteration starts
    from X itself: products of the Gram matrices alone would be cheaper, but diverge in bfloat16.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    work = wide.bfloat16() if fast_bfloat16(wide.device) else wide.float()
    work = work / (work.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(iterations):
        gram = work @ work.mT
        work = torch.addmm(work, torch.addmm(gram, gram, gram, beta=b, alpha=c), work, beta=a)
    result = work.to(matrix.dtype)
    return result if wide is matrix else result.mT


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulation is far slower than float32."""
    return device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())


def build(task: Task, settings: Settings) -> tuple[torch.optim.Optimizer, ...]:
    """The optimisers of a task: Muon for its matrices, AdamW for everything else."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in task.module.named_parameters():
        if not parameter.requires_grad:
            continue
        (matrices if task.matrix and task.matrix(name) and parameter.ndim >= 2 else others).append(parameter)
    adamw = torch.optim.AdamW(others, lr=settings.rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay)
    return (adamw, Muon(matrices, settings.matrix_rate)) if matrices else (adamw,)


def block_matrix(name: str) -> bool:
    """Whether the parameter of that name is a weight inside one of a network's ``blocks``, for Muon."""
    return "blocks." in name and name.endswith("weight") and "norm" not in name


def rate_factor(step: int, settings: Settings) -> float:
    """Share of the full learning rate at a step, in [0, 1]."""
    rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    fall = settings.decay * settings.steps
    left = settings.steps - step
    return rise * (1.0 if left >= fall else 0.5 - 0.5 * math.cos(math.pi * left / fall))


def trainable(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
