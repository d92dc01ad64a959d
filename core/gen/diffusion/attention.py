"""Networks with changed layers: the weak models of PAG, SEG and SLG, and attention guidance (NAG).

``layers`` are dotted names of submodules, or their type. A rule replaces attention where a layer computes it.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function

from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, ModelDenoiser, Prediction
from gen.diffusion.level import Level, repeated


class Attend(Protocol):
    """(q (B, H, N, D), k (B, H, M, D), v (B, H, M, D)) -> (B, H, N, D), with the mask of the network."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
        """``allowed`` (N, M) bool is False where a query may not attend to a key, beside the mask."""


Rule: TypeAlias = Callable[[Tensor, Tensor, Tensor, Attend], Tensor]
"""(q, k, v, attend) -> the replacement of attend(q, k, v)."""


def dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(D)) v, written out: for few tokens faster to train on a CPU than the fused kernel.

    Args:
        q: (..., N, D).
        k, v: (..., M, D).
        mask: Bool, broadcasts to (..., N, M), True where a key may be attended to; None for all.
    """
    if has_torch_function((q, k, v)):
        return handle_torch_function(dot_product_attention, (q, k, v), q, k, v, mask)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).to(v.dtype) @ v


class RuledAttention(nn.Module):
    """A layer of a network in which a rule replaces attention.

    The rule replaces attention that is computed by ``torch.nn.functional.scaled_dot_product_attention``,
    ``torch.nn.MultiheadAttention`` (which then returns no weights) or ``dot_product_attention``.

    Args:
        layer: Any module that computes attention one or more times.
        rule: The replacement.

    Raises:
        ValueError: (when evaluated) The layer computes no attention in one of these ways.
    """

    def __init__(self, layer: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.layer, self.rule = layer, rule

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As ``layer``."""
        found = _Attention(self.rule)
        with found:
            output = self.layer(*args, **kwargs)
        if not found.calls:
            raise ValueError(
                f"{type(self.layer).__name__} computes no attention that can be changed: name layers with "
                "scaled_dot_product_attention, MultiheadAttention or gen.diffusion's dot_product_attention"
            )
        return output


def layer_names(network: nn.Module, layers: str | Iterable[str] | type[nn.Module]) -> list[str]:
    """Dotted names of the layers that are given by name or by type.

    Raises:
        ValueError: There is no layer of the type, or of a name.
    """
    modules = dict(network.named_modules())
    if isinstance(layers, type):
        names = [name for name, module in modules.items() if name and isinstance(module, layers)]
        if not names:
            raise ValueError(f"{type(network).__name__} has no layer of the type {layers.__name__}")
        return names
    names = [layers] if isinstance(layers, str) else list(layers)
    missing = [name for name in names if name not in modules]
    if missing or not names:
        raise ValueError(f"{type(network).__name__} has no layer {', '.join(missing) or 'of no name'}")
    return names


class _Attention(TorchFunctionMode):
    """Within this context, ``rule`` replaces every attention."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule, self.calls = rule, 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        settings = dict(kwargs or {})
        if func is functional.multi_head_attention_forward:
            self.calls += 1
            return _multi_head(self.rule, inspect.signature(func).bind(*args, **settings))
        if func not in (functional.scaled_dot_product_attention, dot_product_attention):
            return func(*args, **settings)
        self.calls += 1
        fused = func is functional.scaled_dot_product_attention
        names = (
            ("query", "key", "value", "attn_mask", "dropout_p", "is_causal") if fused else (*"qkv", "mask")
        )
        settings |= zip(names, args, strict=False)
        q, k, v, mask = (settings.pop(name, None) for name in names[:4])
        if settings.pop("is_causal", False):
            mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()

        def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
            return func(q, k, v, _masked(mask, allowed), **settings)

        return self.rule(q, k, v, attend)


def _masked(mask: Tensor | None, allowed: Tensor | None) -> Tensor | None:
    """Both masks together: bool, or numbers to add."""
    if mask is None or allowed is None:
        return allowed if mask is None else mask
    return mask & allowed if mask.dtype == torch.bool else mask.masked_fill(~allowed, -math.inf)


def _multi_head(rule: Rule, bound: inspect.BoundArguments) -> tuple[Tensor, None]:
    """``torch.nn.functional.multi_head_attention_forward`` with ``rule``; states are (N, B, E)."""
    bound.apply_defaults()
    a = bound.arguments
    if a["query"].ndim != 3 or any(
        a[name] is not None for name in ("bias_k", "bias_v", "static_k", "static_v")
    ):
        raise ValueError("MultiheadAttention can be changed for batches without added keys only")
    if a["use_separate_proj_weight"]:
        weights = (a["q_proj_weight"], a["k_proj_weight"], a["v_proj_weight"])
    else:
        weights = a["in_proj_weight"].chunk(3)
    biases = (None,) * 3 if a["in_proj_bias"] is None else a["in_proj_bias"].chunk(3)
    heads = a["num_heads"]
    q, k, v = (
        functional.linear(state, weight, bias).unflatten(-1, (heads, -1)).permute(1, 2, 0, 3)
        for state, weight, bias in zip((a["query"], a["key"], a["value"]), weights, biases, strict=True)
    )
    mask, absent = _numbers(a["attn_mask"], q), _numbers(a["key_padding_mask"], q)
    if mask is not None and mask.ndim == 3:
        mask = mask.unflatten(0, (-1, heads))
    if absent is not None:
        mask = absent[:, None, None] + (0 if mask is None else mask)

    def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, _masked(mask, allowed))

    z = rule(q, k, v, attend).permute(2, 0, 1, 3).flatten(2)
    return functional.linear(z, a["out_proj_weight"], a["out_proj_bias"]), None


def _numbers(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask of ``MultiheadAttention``, True where a key is left out, as numbers to add to the logits."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)


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
        joint = changed(repeated(x, 2), level, both, memory)
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
