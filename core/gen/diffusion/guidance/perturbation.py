"""Networks with changed layers: perturbed ones, as the weak model of guidance, and NAG.

``layers`` are dotted names of submodules, or their type.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from gen.diffusion.attention import Attend, Rule, RuledAttention, layer_names
from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, ModelDenoiser, Prediction
from gen.diffusion.level import Level

Layers: TypeAlias = str | Iterable[str] | type[nn.Module]


def perturbed(network: nn.Module, layers: Layers, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A copy of ``network`` with some layers replaced; it shares all weights.

    Args:
        network: Any module, already on its device.
        layers: The submodules to replace.
        change: Submodule to its replacement.

    Raises:
        ValueError: There is no such layer.
    """
    names = layer_names(network, layers)
    tensors = itertools.chain(network.parameters(), network.buffers())
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    # The innermost first, as the names of layers within a replaced one change.
    for name in sorted(names, key=lambda name: -name.count(".")):
        twin.set_submodule(name, change(twin.get_submodule(name)))
    return twin


def pag(network: nn.Module, layers: Layers, *, tokens: slice | None = None) -> nn.Module:
    """The network of perturbed-attention guidance: the attention map is the identity, softmax(q k^T) v = v.

    Ahn et al. 2024, arXiv 2403.17377. Attention with more or fewer keys than queries (to the text, say) stays
    as it is.

    Args:
        network: A transformer or a U-Net with self-attention.
        layers: The layers with self-attention; the paper has those at the bottleneck or in the middle.
        tokens: The tokens of the state, where the same sequence has those of a text: each of them attends to
            itself and to the text, and the text to all. None where all are tokens of the state.

    Raises:
        ValueError: There is no such layer, or (when evaluated) it computes no attention.
    """

    def identity(q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        if q.shape[-2] != k.shape[-2]:
            return attend(q, k, v)
        if tokens is None:
            return v.repeat_interleave(q.shape[-3] // v.shape[-3], -3)
        allowed = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool, device=q.device)
        allowed[tokens, tokens] = False
        return attend(q, k, v, allowed.fill_diagonal_(True))

    return _ruled(network, layers, identity)


def seg(
    network: nn.Module,
    layers: Layers,
    std: float = math.inf,
    *,
    grid: Sequence[int] | None = None,
    tokens: slice | None = None,
) -> nn.Module:
    """The network of smoothed energy guidance: queries are blurred, softmax((G q) k^T) v.

    G is a Gaussian blur over the places of the tokens, reflected at the ends, or their mean where std is
    infinite (Hong 2024, arXiv 2408.00760). Blurred queries give blurred logits G (q k^T), hence a smoother
    energy. The other arguments, and the attention that is changed, are those of ``pag``.

    Args:
        std: Standard deviation of the blur in tokens of each layer, > 0.
        grid: Height and width (or length; or frames, height and width) in tokens, row by row. A layer with
            fewer tokens has each of them halved, rounded up, once or more. Not needed where std is infinite.

    Raises:
        ValueError: There is no such layer, std is not above 0, or finite without a grid; or (when evaluated)
            a layer computes no attention, or does not have the tokens of the grid.
    """
    if not std > 0:
        raise ValueError(f"std must be above 0, not {std}")
    if std < math.inf and grid is None:
        raise ValueError("a finite std needs the grid of the tokens")

    def smooth(q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        if q.shape[-2] != k.shape[-2]:
            return attend(q, k, v)
        part = slice(None) if tokens is None else tokens
        q = q.clone()
        q[..., part, :] = _blurred(q[..., part, :], std, grid or ())
        return attend(q, k, v)

    return _ruled(network, layers, smooth)


def slg(network: nn.Module, layers: Layers) -> nn.Module:
    """The network of skip-layer guidance: some blocks return their input (Hyung et al. 2024, 2411.18664).

    In Stable Diffusion 3.5 the skipped blocks are some in the middle, within an interval.

    Args:
        network: A network with blocks that return one tensor, in the shape of their first argument.
        layers: The blocks to skip. For blocks that return several tensors use ``perturbed``.

    Raises:
        ValueError: There is no such layer.
    """
    return perturbed(network, layers, lambda _: _Skip())


def nag(
    model: ModelDenoiser,
    layers: Layers,
    scale: float,
    *,
    tau: float = 2.5,
    alpha: float = 0.5,
    tokens: slice | None = None,
) -> Denoiser:
    """A model with normalised attention guidance, for negative prompts in few-step models.

    z = alpha min(tau, r) / r g + (1 - alpha) z_cond,   g = scale z_cond - (scale - 1) z_uncond,
    r = |g|_1 / |z_cond|_1 of each token

    where z_cond and z_uncond are the attention of the same queries to the prompt and to the negative one
    (Chen et al. 2025, arXiv 2505.21179; scale as in their code). The network is evaluated on the prompt and
    on ``Conditioning.uncond`` in one batch; the output is that of the prompt. Classifier-free guidance around
    it is refused, as no uncond is left.

    Args:
        model: The model, whose network is an ``nn.Module``.
        layers: The layers with attention to the text.
        scale: 1 is no guidance; their code has 5 for FLUX.
        tau: The largest r, > 0.
        alpha: Share of the guided attention in [0, 1].
        tokens: The tokens of the state, where the same sequence has those of the text; None for
            cross-attention, whose queries are those of the state.

    Raises:
        ValueError: A value is out of range, the network is no module or has no such layer; or (when
            evaluated) a layer computes no attention, or the conditioning has no uncond.
    """
    if not math.isfinite(scale) or not tau > 0 or not 0 <= alpha <= 1:
        raise ValueError(
            f"NAG needs a finite scale, tau above 0 and alpha in [0, 1], not {scale}, {tau}, {alpha}"
        )
    if not isinstance(model.network, nn.Module):
        raise ValueError("NAG changes layers: the network must be an nn.Module")

    def normalised(q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        half, part = q.shape[0] // 2, slice(None) if tokens is None else tokens

        def shared(states: Tensor) -> Tensor:
            """The state's tokens of the prompt's rows in both halves."""
            states = states.clone()
            states[half:, :, part] = states[:half, :, part]
            return states

        z = attend(shared(q), k, v) if tokens is None else attend(shared(q), shared(k), shared(v))
        cond, uncond = z[:half, :, part], z[half:, :, part]
        g = scale * cond - (scale - 1) * uncond
        # All heads of a token together.
        norm, plain = (value.abs().sum((1, 3), keepdim=True) for value in (g, cond))
        bound = (tau * plain / norm).nan_to_num(1.0).clamp(max=1.0)
        z = z.clone()
        z[:half, :, part] = alpha * bound * g + (1 - alpha) * cond
        return shared(z)

    changed = replace(model, network=_ruled(model.network, layers, normalised))

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        if conditioning.uncond is None:
            raise ValueError("NAG needs a conditioning with uncond, the negative prompt")
        both = concatenate([conditioning.cond, conditioning.uncond.cond])
        joint = changed(x.repeat(2, *(1,) * (x.ndim - 1)), level, both, memory)
        return joint.map(itemgetter(slice(x.shape[0])))

    return denoise


class _Skip(nn.Module):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return (*args, *kwargs.values())[0]


def _ruled(network: nn.Module, layers: Layers, rule: Rule) -> nn.Module:
    return perturbed(network, layers, lambda layer: RuledAttention(layer, rule))


def _blurred(q: Tensor, std: float, grid: Sequence[int]) -> Tensor:
    """Queries (..., N, D) blurred over their places."""
    if std == math.inf:
        return q.mean(-2, keepdim=True).expand_as(q)
    sizes, places = tuple(grid), q.shape[-2]
    while math.prod(sizes) > places:
        sizes = tuple(-(-size // 2) for size in sizes)
    if math.prod(sizes) != places:
        raise ValueError(f"a grid of {tuple(grid)} tokens, or halves of it, does not have {places} tokens")
    q = q.unflatten(-2, sizes)
    for axis, size in enumerate(sizes):
        place = axis - len(sizes) - 1
        q = (_gaussian(size, std).to(q) @ q.movedim(place, -2)).movedim(-2, place)
    return q.flatten(-1 - len(sizes), -2)


def _gaussian(size: int, std: float) -> Tensor:
    """The matrix (size, size) of a Gaussian blur, cut off at three standard deviations, reflected at the
    ends."""
    radius = math.ceil(3 * std)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-((offsets / std) ** 2) / 2).double()
    period = max(2 * (size - 1), 1)
    source = (torch.arange(size)[:, None] + offsets).remainder(period)
    source = torch.minimum(source, period - source) if size > 1 else source * 0
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, source, (weights / weights.sum()).expand(size, -1))
