"""Changed layers: PAG, SEG, SLG and NAG on transformers, U-Nets and our own text transformer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.diffusion import (
    DDIM,
    ClassifierFree,
    Condition,
    Conditioning,
    Memory,
    ModelDenoiser,
    NoiseSource,
    RectifiedFlow,
    TimeGrid,
    Velocity,
    guided,
    sample,
)
from gen.diffusion.attention import nag, pag, perturbed, seg, slg
from gen.diffusion.guidance import Perturbed
from gen.nn.text_transformer import TextTransformer, TextTransformerShape
from gen.nn.transformer import TransformerBlock

FLOW = RectifiedFlow()
LEVEL = FLOW.level(0.4)
WIDTH, SIDE = 8, 4


class Attention(nn.Module):
    """Self-attention, or cross-attention to ``context``, by the fused kernel."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        source = x if context is None else context
        q, k, v = (
            layer(state).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, state in ((self.q, x), (self.k, source), (self.v, source))
        )
        mask = None if mask is None else mask[:, None, None]
        z = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(z.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn1, self.attn2 = Attention(width), Attention(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, text: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attn1(x)
        x = x + self.attn2(x, text, mask)
        return x + self.mlp(x)


class Transformer(nn.Module):
    """(B, WIDTH, SIDE, SIDE), pixels as tokens, with cross-attention to the text."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(3))

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2) + c_noise[:, None, None].to(x)
        text = conditioning["text"]
        for block in self.blocks:
            tokens = block(tokens, text.value.to(x), text.mask)
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


class UNet(nn.Module):
    """Attention at two resolutions; ``MultiheadAttention`` at the lower one, the bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.middle = Attention(WIDTH), nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.down = nn.Conv2d(WIDTH, WIDTH, 2, 2)
        self.up = nn.ConvTranspose2d(WIDTH, WIDTH, 2, 2)

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        h = x + self._tokens(x, self.inner)
        low = self.down(h)
        low = low + self._tokens(low, lambda t: self.middle(t, t, t, need_weights=False)[0])
        return h + self.up(low)

    def _tokens(self, x: Tensor, layer) -> Tensor:
        return layer(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


class Text(TextTransformer[TextTransformerShape]):
    """Our own transformer, whose 16 state tokens come before the text."""

    def add_input(self) -> None:
        self.input = nn.Linear(2 * WIDTH + 1, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.output = nn.Linear(self.shape.width, WIDTH)
        return self.output

    def tokens(self, x: Tensor) -> Tensor:
        return self.input(x.flatten(2).transpose(1, 2))

    def state(self, tokens: Tensor) -> Tensor:
        return self.output(tokens).transpose(1, 2).unflatten(2, (SIDE, SIDE))


def _seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.4)
    return network.double().eval()


TRANSFORMER, UNET = _seeded(Transformer), _seeded(UNet)
TEXT = _seeded(lambda: Text(TextTransformerShape(9, 16, 3, 2, 24, 6)))
STATE = slice(SIDE * SIDE)
X = torch.randn(2, WIDTH, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _prompts(of=None) -> Conditioning:
    generator = torch.Generator().manual_seed(2)
    if of is TEXT:
        ids = torch.randint(9, (2, 2, 5), generator=generator)
        cond, uncond = (Conditioning({"text": Condition(part, "prepend")}) for part in ids)
    else:
        values = torch.randn(2, 2, 5, WIDTH, generator=generator, dtype=torch.float64)
        cond, uncond = (Conditioning({"text": Condition(part, "cross_attention")}) for part in values)
    return cond.with_uncond(uncond)


def _output(network, x=X) -> Tensor:
    return network(x, torch.full((len(x),), 0.4, dtype=torch.float64), _prompts(network_of(network)))


def network_of(network) -> nn.Module | None:
    return TEXT if isinstance(network, Text) else None


def _value(attention: Attention, x: Tensor) -> Tensor:
    return attention.out(attention.v(x))


class OnlyValues(nn.Module):
    """Self-attention with the identity as its map, written by hand."""

    def __init__(self, layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, *others):
        if isinstance(self.layer, Attention):
            return _value(self.layer, x)
        weight, bias = self.layer.in_proj_weight[-WIDTH:], self.layer.in_proj_bias[-WIDTH:]
        return self.layer.out_proj(functional.linear(x, weight, bias)), None


LAYERS = {
    "transformer": (TRANSFORMER, ["blocks.1.attn1", "blocks.2.attn1"]),
    "unet": (UNET, ["inner"]),
    "bottleneck": (UNET, ["middle"]),
}


@pytest.mark.parametrize(("network", "layers"), LAYERS.values(), ids=LAYERS)
def test_pag_attends_from_each_token_to_itself_alone(network, layers) -> None:
    class Middle(OnlyValues):
        def forward(self, x, *others, need_weights=True):
            return super().forward(x)

    expected = _output(perturbed(network, layers, Middle))
    before = _output(network)
    torch.testing.assert_close(_output(pag(network, layers)), expected)
    assert (expected - before).abs().max() > 0.01
    assert torch.equal(_output(network), before)  # the network itself stays as it is


def test_pag_of_our_transformer_leaves_the_text_to_attend() -> None:
    """A token of the state depends on itself and the text, so a change elsewhere in the state moves it only
    through the text's tokens; with one perturbed block at the end, not at all."""
    network = pag(TEXT, ["blocks.0"], tokens=STATE)
    one = Text(TextTransformerShape(9, 16, 1, 2, 24, 6)).double()
    one.load_state_dict({name: TEXT.state_dict()[name][:1] if name == "modulation.offset" else
                         TEXT.state_dict()[name][: one.state_dict()[name].shape[0]]
                         for name in one.state_dict() })  # fmt: skip
    moved = X.clone()
    moved[..., 0, 0] += 1
    for layer, local in ((one, False), (pag(one, TransformerBlock, tokens=STATE), True)):
        change = (_text(layer, moved) - _text(layer, X)).abs().amax((0, 1))
        assert change[0, 0] > 0.01
        assert (change.flatten()[1:].max() == 0) == local
    assert (_text(network, X) - _text(TEXT, X)).abs().max() > 1e-3
    # The text is still read.
    other = _prompts(TEXT).uncond
    times = torch.full((2,), 0.4, dtype=torch.float64)
    assert (network(X, times, other) - network(X, times, _prompts(TEXT).cond)).abs().max() > 1e-3


def _text(network, x: Tensor) -> Tensor:
    return network(x, torch.full((len(x),), 0.4, dtype=torch.float64), _prompts(TEXT))


@torch.no_grad()
@pytest.mark.parametrize(("network", "layers"), LAYERS.values(), ids=LAYERS)
def test_seg_goes_from_the_network_itself_towards_uniform_queries(network, layers) -> None:
    plain, flat = _output(network), _output(seg(network, layers))
    outputs = [_output(seg(network, layers, std, grid=(SIDE, SIDE))) for std in (0.1, 0.5, 2.0, 60.0)]
    torch.testing.assert_close(outputs[0], plain)
    distances = [float((output - flat).norm()) for output in outputs]
    assert distances[0] > distances[1] > distances[2]
    # Not the mean: the blur is reflected at the ends, whose places count half.
    assert distances[-1] < 0.2 * distances[0]


def test_seg_blurs_the_logits_and_keeps_their_mean() -> None:
    """A blur of queries is a blur of q k^T; reflected at the ends it keeps constants."""

    class Layer(nn.Module):
        def forward(self, q, k):
            return functional.scaled_dot_product_attention(q, k, k)

    q, k = torch.randn(2, 1, 1, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = nn.ModuleDict({"one": Layer()})
    blurred = seg(layer, "one", 1.5, grid=(3, 4))
    matrices = []
    for size in (3, 4):
        unit = seg(layer, "one", 1.5, grid=(size,))["one"].rule
        matrices.append(
            unit(torch.eye(size).double()[None, None], torch.eye(size)[None, None], None, lambda q, *_: q)[
                0, 0
            ]
        )
    matrix = torch.kron(*matrices)
    torch.testing.assert_close(matrix.sum(1), torch.ones(12, dtype=torch.float64))
    assert (matrix >= 0).all()
    expected = ((matrix @ (q @ k.mT)) / math.sqrt(3)).softmax(-1) @ k
    torch.testing.assert_close(blurred["one"](q, k), expected)


def test_seg_on_our_transformer_blurs_the_state_alone() -> None:
    network = seg(TEXT, TransformerBlock, 1.0, grid=(SIDE, SIDE), tokens=STATE)
    assert (_text(network, X) - _text(TEXT, X)).abs().max() > 1e-3
    none = seg(TEXT, TransformerBlock, 0.05, grid=(SIDE, SIDE), tokens=STATE)
    torch.testing.assert_close(_text(none, X), _text(TEXT, X))


def test_slg_skips_whole_blocks() -> None:
    text, times = _prompts()["text"], torch.full((2,), 0.4, dtype=torch.float64)
    tokens = X.flatten(2).transpose(1, 2) + 0.4
    for index in (0, 2):
        tokens = TRANSFORMER.blocks[index](tokens, text.value, None)
    expected = tokens.transpose(1, 2).unflatten(2, (SIDE, SIDE))
    torch.testing.assert_close(slg(TRANSFORMER, "blocks.1")(X, times, _prompts()), expected)
    torch.testing.assert_close(slg(TRANSFORMER, Block)(X, times, _prompts()), X + 0.4)
    assert (_text(slg(TEXT, "blocks.1"), X) - _text(TEXT, X)).abs().max() > 1e-3
    torch.testing.assert_close(_output(slg(UNET, ["inner", "down", "up"])), 4 * X + 2 * _middle(2 * X))


def _middle(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return UNET.middle(tokens, tokens, tokens)[0].transpose(1, 2).unflatten(2, x.shape[2:]) / 2


@pytest.mark.parametrize("kind", [pag, seg, slg])
@pytest.mark.parametrize("network", [TRANSFORMER, TEXT], ids=["transformer", "text"])
def test_perturbed_networks_guide_and_chain(kind, network) -> None:
    """guided(…, ClassifierFree >> Perturbed) runs on all, and batches equal single runs."""
    layers = (Attention if network is TRANSFORMER else TransformerBlock) if kind is not slg else ["blocks.1"]
    model = ModelDenoiser(network, FLOW, Velocity())
    weak = ModelDenoiser(kind(network, layers), FLOW, Velocity())
    prompts, noise = _prompts(network), NoiseSource([0, 1])

    def run(guidance):
        denoiser, grid = guided(model, guidance), TimeGrid.uniform(3)
        return sample(denoiser, FLOW, grid, DDIM(), noise=noise, shape=X.shape[1:], conditioning=prompts).x

    free, both = run(ClassifierFree(2.0)), run(ClassifierFree(2.0) >> Perturbed(1.5, weak))
    assert both.isfinite().all()
    assert (both - free).abs().max() > 1e-3


def test_layers_that_do_not_exist_or_attend_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no layer blocks\.7"):
        pag(TRANSFORMER, ["blocks.7"])
    with pytest.raises(ValueError, match="no layer of the type Conv2d"):
        pag(TRANSFORMER, nn.Conv2d)
    with pytest.raises(ValueError, match="no layer"):
        slg(TRANSFORMER, [])
    with pytest.raises(ValueError, match="computes no attention"):
        _output(pag(TRANSFORMER, "blocks.0.mlp"))
    with pytest.raises(ValueError, match="grid of the tokens"):
        seg(TRANSFORMER, Attention, 1.0)
    with pytest.raises(ValueError, match="16 tokens"):
        _output(seg(TRANSFORMER, "blocks.0.attn1", 1.0, grid=(3, 3)))
    with pytest.raises(ValueError, match="above 0"):
        seg(TRANSFORMER, Attention, 0.0)


MODEL = ModelDenoiser(TRANSFORMER, FLOW, Velocity())
CROSS = [f"blocks.{i}.attn2" for i in range(3)]


def _x0(denoiser, prompts=None) -> Tensor:
    return denoiser(X, LEVEL, prompts or _prompts(), Memory()).x0


@pytest.mark.parametrize("options", [{"scale": 1.0}, {"scale": 5.0, "alpha": 0.0}])
def test_nag_of_scale_1_or_share_0_is_the_model(options) -> None:
    torch.testing.assert_close(_x0(nag(MODEL, CROSS, **options)), _x0(MODEL))


def test_nag_is_the_published_formula() -> None:
    """The transformer with NAG written into it: queries of one stream, keys of both prompts."""
    scale, tau, alpha, prompts = 4.0, 3.0, 0.7, _prompts()

    def cross(layer: Attention, x: Tensor, text: Tensor) -> Tensor:
        q, k, v = (
            part(state).unflatten(-1, (2, -1)).transpose(1, 2)
            for part, state in ((layer.q, x), (layer.k, text), (layer.v, text))
        )
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def network(x, c_noise, conditioning):
        tokens = x.flatten(2).transpose(1, 2) + c_noise[:, None, None].to(x)
        ratios = []
        for block in TRANSFORMER.blocks:
            tokens = tokens + block.attn1(tokens)
            cond, uncond = (cross(block.attn2, tokens, c["text"].value) for c in (prompts, prompts.uncond))
            g = cond * scale - uncond * (scale - 1)
            ratio = g.norm(p=1, dim=-1, keepdim=True) / cond.norm(p=1, dim=-1, keepdim=True)
            ratios.append(ratio)
            g = g * ratio.clamp(max=tau) / ratio
            tokens = tokens + block.attn2.out(alpha * g + (1 - alpha) * cond)
            tokens = tokens + block.mlp(tokens)
        assert 0.1 < (torch.cat(ratios) > tau).float().mean() < 0.9
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])

    found = _x0(nag(MODEL, CROSS, scale, tau=tau, alpha=alpha))
    torch.testing.assert_close(found, _x0(ModelDenoiser(network, FLOW, Velocity())))


def test_nag_leads_away_from_the_negative_prompt_in_a_joint_sequence() -> None:
    """Of our own transformer: like the prompt alone where both prompts are the same, and else not."""
    model, prompts = ModelDenoiser(TEXT, FLOW, Velocity()), _prompts(TEXT)
    guide = nag(model, TransformerBlock, 4.0, tokens=STATE)
    same = prompts.with_uncond(prompts.cond)
    torch.testing.assert_close(_x0(guide, same), _x0(model, same))
    assert (_x0(guide, prompts) - _x0(model, prompts)).abs().max() > 1e-3


def test_nag_needs_a_module_and_a_negative_prompt() -> None:
    with pytest.raises(ValueError, match="uncond"):
        _x0(nag(MODEL, CROSS, 3.0), _prompts().cond)
    with pytest.raises(ValueError, match="uncond"):
        _x0(guided(nag(MODEL, CROSS, 3.0), ClassifierFree(2.0)))
    with pytest.raises(ValueError, match="Module"):
        nag(ModelDenoiser(lambda x, c, k: x, FLOW, Velocity()), CROSS, 3.0)
    for bad in ({"tau": 0.0}, {"alpha": 1.5}):
        with pytest.raises(ValueError, match="NAG needs"):
            nag(MODEL, CROSS, 3.0, **bad)


@pytest.mark.parametrize(
    ("mask", "padding"),
    [(None, None), ("bool", "bool"), ("float", "float"), ("bool", None), (None, "bool"), ("float", None)],
)
def test_multi_head_attention_with_a_rule_that_changes_nothing_is_itself(mask, padding) -> None:
    """``seg`` with a blur of nothing."""
    layer = nn.ModuleDict({"one": nn.MultiheadAttention(WIDTH, 2, batch_first=True)}).double()
    x = torch.randn(2, 6, WIDTH, dtype=torch.float64)
    absent = torch.zeros(2, 6, dtype=torch.bool)
    absent[:, 4:] = True
    causal = torch.ones(6, 6, dtype=torch.bool).triu(1)
    as_float = {None: lambda m: None, "bool": lambda m: m, "float": lambda m: m.double() * -9}
    settings = {"key_padding_mask": as_float[padding](absent), "attn_mask": as_float[mask](causal)}
    same = seg(layer, "one", 0.05, grid=(6,))["one"]
    for arguments in ((x, x, x), (x, x + 1, x - 1)):
        torch.testing.assert_close(same(*arguments, **settings)[0], layer["one"](*arguments, **settings)[0])
