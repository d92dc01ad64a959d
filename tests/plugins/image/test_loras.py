"""LoRA files merged into checkpoints: every way to name layers, beside weights that are changed by hand."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import gen
from gen.api import find_host
from gen.checkpoints import Component
from gen.checkpoints.additions import Addition, read_additions
from gen.checkpoints.family import FamilyCheckpoint
from gen.errors import ModelError, UsageError
from gen.plan import Reading, find_source
from gen.plugin.host import Host
from gen_image.families import lora_names

RANK, ALPHA, WEIGHT = 3, 1.5, 0.7
ATTENTION = "mid_block.attentions.0.transformer_blocks.0.attn1"
LAYERS = {
    "unet": (
        f"{ATTENTION}.to_q",
        f"{ATTENTION}.to_out.0",
        "mid_block.attentions.0.proj_in",
        "down_blocks.0.resnets.0.conv1",
        "time_embedding.linear_1",
    ),
    "text_encoder": ("text_model.encoder.layers.1.self_attn.q_proj", "text_model.encoder.layers.0.mlp.fc1"),
}
"""A matrix, one with a number in its name, a convolution of 1 × 1, one of 3 × 3, and layers of CLIP."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    scheduler = tiny.diffusers.DDIMScheduler(**tiny.SD_CHAIN, clip_sample=False, steps_offset=1)
    made = {"sd": tiny.stable_diffusion(scheduler), "xl": tiny.stable_diffusion_xl(scheduler)}
    root = tmp_path_factory.mktemp("loras")
    return {name: tiny.saved(pipeline, root / name) for name, pipeline in made.items()}


@functools.cache
def host() -> Host:
    return find_host()


@functools.cache
def plain(folder: Path, part: str) -> Mapping[str, Tensor]:
    return dict(opened(folder)[part].weights.tensors())


def opened(folder: Path, *loras: Any) -> FamilyCheckpoint:
    additions = tuple(read_additions("lora", list(loras), allow_pickle=False))
    source = find_source(str(folder), "image", host(), Reading(additions=additions))
    assert isinstance(source, FamilyCheckpoint)
    return source


def stored(folder: Path, part: str, layer: str) -> str:
    """The name of a layer's weight in the files, which transformers abridges or not."""
    name = f"{layer}.weight"
    return name if name in plain(folder, part) else name.removeprefix("text_model.")


def factors(folder: Path) -> dict[tuple[str, str], tuple[Tensor, Tensor]]:
    """Random factors of every layer: (rank, in, …) and (out, rank, …)."""
    torch.manual_seed(3)
    made = {}
    for part, layers in LAYERS.items():
        for layer in layers:
            rows, *rest = plain(folder, part)[stored(folder, part, layer)].shape
            ones = [1] * len(rest[1:])
            made[part, layer] = torch.randn(RANK, *rest), torch.randn(rows, RANK, *ones)
    return made


def expected(folder: Path, scale: float) -> dict[tuple[str, str], Tensor]:
    """The weights by hand: W + scale · up · down, the product over the rank for each place of a kernel."""
    made = {}
    for (part, layer), (down, up) in factors(folder).items():
        weight = plain(folder, part)[stored(folder, part, layer)]
        change = torch.einsum("or,ri...->oi...", up.flatten(1), down)
        made[part, layer] = weight + scale * change
    return made


PARTS = {"unet": "lora_unet", "text_encoder": "lora_te"}


def peft(part: str, layer: str) -> tuple[str, str, str]:
    return (f"{part}.{layer}.lora_A.weight", f"{part}.{layer}.lora_B.weight", "")


def diffusers(part: str, layer: str) -> tuple[str, str, str]:
    return (f"{part}.{layer}.lora.down.weight", f"{part}.{layer}.lora.up.weight", f"{part}.{layer}.alpha")


def kohya(part: str, layer: str, beginnings: Mapping[str, str] = PARTS) -> tuple[str, str, str]:
    name = f"{beginnings[part]}_{layer.replace('.', '_')}"
    return (f"{name}.lora_down.weight", f"{name}.lora_up.weight", f"{name}.alpha")


def kohya_xl(part: str, layer: str) -> tuple[str, str, str]:
    old = {
        f"{ATTENTION}.to_q": "middle_block.1.transformer_blocks.0.attn1.to_q",
        f"{ATTENTION}.to_out.0": "middle_block.1.transformer_blocks.0.attn1.to_out.0",
        "mid_block.attentions.0.proj_in": "middle_block.1.proj_in",
        "down_blocks.0.resnets.0.conv1": "input_blocks.1.0.in_layers.2",
        "time_embedding.linear_1": "time_embed.0",
    }
    return kohya(part, old.get(layer, layer), {"unet": "lora_unet", "text_encoder": "lora_te1"})


def written(
    path: Path,
    folder: Path,
    names: Callable[[str, str], tuple[str, str, str]],
    notes: Mapping[str, str] | None = None,
) -> Path:
    state: dict[str, Tensor] = {}
    for key, (down, up) in factors(folder).items():
        places = names(*key)
        state |= {places[0]: down, places[1]: up}
        if places[2]:
            state[places[2]] = torch.tensor(ALPHA)
    save_file(state, path, dict(notes or {}))
    return path


@pytest.mark.parametrize(
    ("model", "names", "scale"),
    [
        ("sd", peft, 1.0),
        ("sd", diffusers, ALPHA / RANK),
        ("sd", kohya, ALPHA / RANK),
        ("xl", kohya_xl, ALPHA / RANK),
    ],
)
def test_merged(model: str, names: Any, scale: float, folders: Mapping[str, Path], tmp_path: Path) -> None:
    file = written(tmp_path / "style.safetensors", folders[model], names)
    for changed, wanted in (
        (opened(folders[model], f"{file}:{WEIGHT}"), scale * WEIGHT),
        (opened(folders[model], (file, 0.2), (file, -0.5)), scale * -0.3),
    ):
        for (part, layer), weight in expected(folders[model], wanted).items():
            found = dict(changed[part].weights.tensors())[stored(folders[model], part, layer)]
            assert torch.allclose(found, weight, rtol=1e-5, atol=1e-6), layer
        before = plain(folders[model], "unet")
        others = before.keys() - {f"{layer}.weight" for layer in LAYERS["unet"]}
        found = dict(changed["unet"].weights.tensors())
        assert found.keys() == before.keys()
        assert all(torch.equal(found[name], before[name]) for name in others)


def test_scales_that_peft_notes(folders: Mapping[str, Path], tmp_path: Path) -> None:
    """alpha by layer and for all, also over the root of the rank, beside the tensors."""
    [first, second, *_] = LAYERS["unet"]
    table = {"unet.r": RANK, "unet.lora_alpha": 6, "unet.alpha_pattern": {first: 9}}
    for more, root in (({}, 1), ({"unet.use_rslora": True}, RANK**0.5)):
        notes = {"lora_adapter_metadata": json.dumps(table | more)}
        file = written(tmp_path / "style.safetensors", folders["sd"], peft, notes)
        found = dict(opened(folders["sd"], file)["unet"].weights.tensors())
        for layer, alpha in ((first, 9), (second, 6)):
            weight = expected(folders["sd"], alpha / RANK * root)["unet", layer]
            assert torch.allclose(found[f"{layer}.weight"], weight, rtol=1e-5, atol=1e-6)


MATRIX, KERNEL = f"{ATTENTION}.to_q", "down_blocks.0.resnets.0.conv1"


def drawn(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    """Random factors of these shapes."""
    source = torch.Generator().manual_seed(5)
    return {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}


def loha(rows: int, columns: int, *kernel: int) -> tuple[dict[str, Tensor], Tensor]:
    """Prop. 2 of arXiv 2108.06098, with the kernel in the second factor, number by number."""
    each = {"a": (rows, RANK), "b": (RANK, columns * int(np.prod(kernel)))}
    made = drawn(**{f"hada_w{side}_{name}": shape for side in "12" for name, shape in each.items()})
    one, two = (
        sum(made[f"hada_w{side}_a"][:, r, None] * made[f"hada_w{side}_b"][r] for r in range(RANK))
        for side in "12"
    )
    return made, (one * two).reshape(rows, columns, *kernel)


def loha_with_a_core(rows: int, columns: int, *kernel: int) -> tuple[dict[str, Tensor], Tensor]:
    """Prop. 3 of arXiv 2108.06098."""
    each = {"w{}_a": (RANK, rows), "w{}_b": (RANK, columns), "t{}": (RANK, RANK, *kernel)}
    made = drawn(**{f"hada_{name.format(side)}": shape for side in "12" for name, shape in each.items()})
    one, two = (
        sum(
            made[f"hada_w{side}_a"][i, :, None, None, None]
            * made[f"hada_w{side}_b"][j, None, :, None, None]
            * made[f"hada_t{side}"][i, j]
            for i in range(RANK)
            for j in range(RANK)
        )
        for side in "12"
    )
    return made, one * two


def kronecker(one: Tensor, two: Tensor) -> Tensor:
    """Blocks of ``two``, each times a number of ``one``."""
    return torch.cat([torch.cat([number * two for number in row], 1) for row in one])


def lokr(rows: int, columns: int, *kernel: int) -> tuple[dict[str, Tensor], Tensor]:
    """Eq. 5 of arXiv 2309.14859, with the second matrix as a product."""
    inner = columns // 2 * int(np.prod(kernel))
    made = drawn(lokr_w1=(4, 2), lokr_w2_a=(rows // 4, RANK), lokr_w2_b=(RANK, inner))
    two = (made["lokr_w2_a"] @ made["lokr_w2_b"]).reshape(rows // 4, columns // 2, *kernel)
    return made, kronecker(made["lokr_w1"], two)


def lokr_with_a_core(rows: int, columns: int, *kernel: int) -> tuple[dict[str, Tensor], Tensor]:
    made = drawn(
        lokr_w1_a=(4, RANK), lokr_w1_b=(RANK, 2), lokr_t2=(RANK, RANK, *kernel),
        lokr_w2_a=(RANK, rows // 4), lokr_w2_b=(RANK, columns // 2),
    )  # fmt: skip
    two = torch.einsum("ijkl,ir,jp->rpkl", made["lokr_t2"], made["lokr_w2_a"], made["lokr_w2_b"])
    return made, kronecker(made["lokr_w1_a"] @ made["lokr_w1_b"], two)


@pytest.mark.parametrize(
    ("layer", "build"),
    [
        (MATRIX, loha),
        (KERNEL, loha),
        (KERNEL, loha_with_a_core),
        (MATRIX, lokr),
        (KERNEL, lokr),
        (KERNEL, lokr_with_a_core),
    ],
)
@pytest.mark.parametrize("prefix", ["lora_unet_", "lycoris_"])
def test_other_products(
    layer: str, build: Any, prefix: str, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    weight = plain(folders["sd"], "unet")[f"{layer}.weight"]
    made, change = build(*weight.shape)
    name = prefix + layer.replace(".", "_")
    state = {f"{name}.{role}": value for role, value in {**made, "alpha": torch.tensor(ALPHA)}.items()}
    save_file(state, tmp_path / "style.safetensors")
    found = dict(opened(folders["sd"], f"{tmp_path}/style.safetensors:{WEIGHT}")["unet"].weights.tensors())
    expected = weight + WEIGHT * ALPHA / RANK * change
    assert torch.allclose(found[f"{layer}.weight"], expected, rtol=1e-5, atol=1e-5)
    assert float((expected - weight).abs().max()) > 0.1


def test_a_whole_lokr_has_no_rank(folders: Mapping[str, Path], tmp_path: Path) -> None:
    weight = plain(folders["sd"], "unet")[f"{MATRIX}.weight"]
    made = drawn(lokr_w1=(4, 4), lokr_w2=(weight.shape[0] // 4, weight.shape[1] // 4))
    state = {f"unet.{MATRIX}.{role}": value for role, value in made.items()}
    save_file({**state, f"unet.{MATRIX}.alpha": torch.tensor(5.0)}, tmp_path / "style.safetensors")
    found = dict(opened(folders["sd"], str(tmp_path / "style.safetensors"))["unet"].weights.tensors())
    expected = weight + kronecker(made["lokr_w1"], made["lokr_w2"])
    assert torch.allclose(found[f"{MATRIX}.weight"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [MATRIX, KERNEL])
@pytest.mark.parametrize("kind", ["peft", "rows", "inputs"])
def test_dora(layer: str, kind: str, folders: Mapping[str, Path], tmp_path: Path) -> None:
    """Eq. 5 of arXiv 2402.09353, with the norms of rows, or of what belongs to an input."""
    weight = plain(folders["sd"], "unet")[f"{layer}.weight"]
    rows, columns, *kernel = weight.shape
    ones, along = [1] * len(kernel), 1 if kind == "inputs" else 0
    made = drawn(
        lora_up=(rows, RANK, *ones),
        lora_down=(RANK, columns, *kernel),
        dora_scale=(1, columns, *ones) if kind == "inputs" else (rows, 1, *ones),
    )
    names = {name: f"unet.{layer}.{name}" for name in made}
    if kind == "peft":
        made["dora_scale"] = (
            made["dora_scale"].reshape(1, rows, *ones) if kernel else made["dora_scale"][:, 0]
        )
        names["dora_scale"] = f"unet.{layer}.lora_magnitude_vector.weight"
    names = {name: f"{key}.weight" if name[:4] == "lora" else key for name, key in names.items()}
    state = {names[name]: value.contiguous() for name, value in made.items()}
    save_file({**state, f"unet.{layer}.alpha": torch.tensor(ALPHA)}, tmp_path / "style.safetensors")
    found = dict(opened(folders["sd"], f"{tmp_path}/style.safetensors:{WEIGHT}")["unet"].weights.tensors())
    change = torch.einsum("or,ri...->oi...", made["lora_up"].flatten(1), made["lora_down"])
    directions = weight + ALPHA / RANK * change
    parts = [
        magnitude * one / one.square().sum().sqrt()
        for magnitude, one in zip(made["dora_scale"].flatten(), directions.unbind(along), strict=True)
    ]
    expected = weight + WEIGHT * (torch.stack(parts, along) - weight)
    assert torch.allclose(found[f"{layer}.weight"], expected, rtol=1e-5, atol=1e-5)


def test_names_of_older_files_and_whole_changes(folders: Mapping[str, Path], tmp_path: Path) -> None:
    before = plain(folders["sd"], "unet")
    query, out = (before[f"{ATTENTION}.{name}.weight"] for name in ("to_q", "to_out.0"))
    down, up, mid = torch.randn(2, 16), torch.randn(16, 2), torch.randn(2, 2, 3, 3)
    bias, conv = torch.randn(16), "mid_block.resnets.0.conv1"
    state = {
        f"unet.{ATTENTION}.processor.to_q_lora.down.weight": down,
        f"unet.{ATTENTION}.processor.to_q_lora.up.weight": up,
        f"unet.{ATTENTION}.processor.to_out_lora.down.weight": down,
        f"unet.{ATTENTION}.processor.to_out_lora.up.weight": up,
        f"diffusion_model.{ATTENTION}.to_out.0.diff_b": bias,
        f"{ATTENTION}.to_k.diff": query,
        f"lora_unet_{conv.replace('.', '_')}.lora_down.weight": down[..., None, None],
        f"lora_unet_{conv.replace('.', '_')}.lora_mid.weight": mid,
        f"lora_unet_{conv.replace('.', '_')}.lora_up.weight": up[..., None, None],
    }
    save_file({name: value.clone() for name, value in state.items()}, tmp_path / "old.safetensors")
    found = dict(opened(folders["sd"], tmp_path / "old.safetensors")["unet"].weights.tensors())

    def close(name: str, expected: Tensor) -> bool:
        return torch.allclose(found[f"{ATTENTION}.{name}"], expected, rtol=1e-5, atol=1e-6)

    assert close("to_q.weight", query + up @ down)
    assert close("to_out.0.weight", out + up @ down)
    assert close("to_out.0.bias", before[f"{ATTENTION}.to_out.0.bias"] + bias)
    assert close("to_k.weight", before[f"{ATTENTION}.to_k.weight"] + query)
    change = sum(
        up[:, [a], None, None] * mid[a, b] * down[b][None, :, None, None] for a in range(2) for b in range(2)
    )
    assert torch.allclose(found[f"{conv}.weight"], before[f"{conv}.weight"] + change, rtol=1e-5, atol=1e-5)


def test_the_picture_is_that_of_the_changed_checkpoint(folders: Mapping[str, Path], tmp_path: Path) -> None:
    """Also through a model in memory, and made again from its recipe."""
    file = written(tmp_path / "style.safetensors", folders["sd"], kohya)
    options: dict[str, Any] = {"seed": 4, "steps": 2, "width": 64}
    changed = tmp_path / "changed"
    subprocess.run(["cp", "-r", folders["sd"], changed], check=True)
    for part, path in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        place = changed / part / f"{path}.safetensors"
        save_file(dict(opened(folders["sd"], (file, WEIGHT))[part].weights.tensors()), place)
    by_hand = gen.image("a fox", model=changed, **options)
    made = gen.image("a fox", model=folders["sd"], lora=f"{file}:{WEIGHT}", **options)
    assert np.array_equal(made.arrays["pixels"], by_hand.arrays["pixels"])
    kept = gen.load(folders["sd"], lora=[(file, WEIGHT)])
    [item] = made.recipe.inputs
    assert (item.role, item.name, item.value) == ("lora", "style.safetensors", WEIGHT)
    with pytest.raises(UsageError, match=r"needs style\.safetensors as lora"):
        gen.rerun(made, model=folders["sd"])
    again = gen.rerun(made, model=folders["sd"], inputs={"lora": file})
    assert np.array_equal(again.arrays["pixels"], made.arrays["pixels"])
    assert again.recipe.inputs == made.recipe.inputs
    other = written(tmp_path / "other.safetensors", folders["sd"], diffusers)
    with pytest.raises(UsageError, match=r"other\.safetensors is not the lora of the recipe"):
        gen.rerun(made, model=folders["sd"], inputs={"lora": other})
    written(file, folders["sd"], diffusers)
    with pytest.raises(ModelError, match="has changed"):
        kept("a fox", **options)


BAD: list[tuple[Mapping[str, Tensor], str]] = [
    ({"lora_unet_single_blocks_0_linear1.lora_down.weight": torch.zeros(2, 8)}, "is no LoRA that is known"),
    (
        {f"unet.a.to_q.lora_{each}.weight": torch.zeros(2, 2) for each in "AB"},
        r"is a LoRA of another model: sd \(StableDiffusionPipeline\) has no layer 'unet.a.to_q'",
    ),
    (
        {
            f"unet.{ATTENTION}.to_{key}.lora_{each}.weight": torch.zeros(16, 16)
            for each in "AB"
            for key in "qz"
        },
        "is not a LoRA of such a model: .* has no layer '.*to_z'",
    ),
    (
        {f"unet.{ATTENTION}.to_q.lora_{each}.weight": torch.zeros(4, 4) for each in "AB"},
        r"does not fit sd: .*to_q\.weight is \[16, 16\], its change \[4, 4\]",
    ),
    ({f"unet.{ATTENTION}.to_q.lokr_w1": torch.zeros(2, 2)}, "is no LoRA that is known: it has a tensor"),
    ({f"unet.{ATTENTION}.to_q.dora_scale": torch.zeros(2, 2)}, "is no LoRA that is known: it has a tensor"),
    (
        {
            f"unet.{MATRIX}.lora_A.weight": torch.zeros(2, 16),
            f"unet.{MATRIX}.lora_B.weight": torch.zeros(16, 3),
        },
        "is no LoRA that is known: it has a tensor",
    ),
    (
        {
            f"unet.{MATRIX}.lora_A.weight": torch.zeros(0, 16),
            f"unet.{MATRIX}.lora_B.weight": torch.zeros(16, 0),
        },
        "is no LoRA that is known: it has a tensor",
    ),
    (
        {
            f"unet.{MATRIX}.lora_A.weight": torch.zeros(2, 16),
            f"unet.{MATRIX}.lora_B.weight": torch.zeros(16, 2),
            f"unet.{MATRIX}.lora_magnitude_vector": torch.zeros(3),
        },
        r"does not fit sd: .*to_q\.weight is \[16, 16\], its magnitudes \[3\]",
    ),
]


@pytest.mark.parametrize(("state", "message"), BAD)
def test_what_is_wrong_is_one_line(
    state: Mapping[str, Tensor], message: str, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    save_file(dict(state), tmp_path / "bad.safetensors")
    with pytest.raises(ModelError, match=f"bad.safetensors {message}") as raised:
        opened(folders["sd"], tmp_path / "bad.safetensors")
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(folders: Mapping[str, Path], tmp_path: Path) -> None:
    file = written(tmp_path / "style.safetensors", folders["sd"], kohya)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"cut\.safetensors is truncated"):
        opened(folders["sd"], tmp_path / "cut.safetensors")
    torch.save(load_file(file), tmp_path / "style.pt")
    with pytest.raises(ModelError, match=r"style\.pt is a pickle, which can run code"):
        opened(folders["sd"], tmp_path / "style.pt")
    [found] = read_additions("lora", f"{tmp_path / 'style.pt'}:-1", allow_pickle=True)
    assert found == Addition("lora", tmp_path / "style.pt", -1.0)
    with pytest.raises(ModelError, match="there is no file"):
        opened(folders["sd"], tmp_path / "none.safetensors")
    with pytest.raises(
        UsageError, match=r"weight of the LoRA style.safetensors must be a number from -100 to 100"
    ):
        opened(folders["sd"], f"{file}:1e30")
    with pytest.raises(ModelError, match="is a folder, and lora takes a file"):
        opened(folders["sd"], folders["sd"])
    broken = {name: tensor * torch.nan for name, tensor in load_file(file).items()}
    save_file(broken, tmp_path / "nan.safetensors")
    with pytest.raises(ModelError, match=r"nan\.safetensors is damaged: its change of .* is not finite"):
        dict(opened(folders["sd"], tmp_path / "nan.safetensors")["unet"].weights.tensors())
    with pytest.raises(UsageError, match="lora is for checkpoints of other programs, and emoji is none"):
        gen.image("a fox", lora=file)


def test_from_the_shell(folders: Mapping[str, Path], tmp_path: Path) -> None:
    save_file(dict(BAD[1][0]), tmp_path / "other.safetensors")
    words = ["-m", folders["sd"], "--lora", f"{tmp_path / 'other.safetensors'}:0.5", "--dry-run"]
    command = [sys.executable, "-m", "gen", "image", "a fox", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 4
    assert re.fullmatch(r"gen: error: other\.safetensors is a LoRA of another model: .*\n", ran.stderr)


def test_the_layers_of_flux_are_those_of_diffusers() -> None:
    """From kohya's names by diffusers' own converter, in full size: the same rows of the same factors."""
    from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers

    part = Component("transformer", "diffusers", "FluxTransformer2DModel", Path(), given_config={})
    layers = {old: targets for old, targets in lora_names.flux(part).items() if "_blocks." in old}
    sizes = {1: 64, 3: 3 * 3072, 4: 7 * 3072}
    state, ups = {}, {}
    for old, targets in layers.items():
        ups[old] = torch.randn(sizes[len(targets)], 1)
        state |= {
            f"lora_unet_{old.replace('.', '_')}.lora_down.weight": torch.ones(1, 8),
            f"lora_unet_{old.replace('.', '_')}.lora_up.weight": ups[old],
            f"lora_unet_{old.replace('.', '_')}.alpha": torch.tensor(1.0),
        }
    theirs = _convert_kohya_flux_lora_to_diffusers(state)
    found = {target.name: target.tensor(ups[old]) for old, targets in layers.items() for target in targets}
    expected = {name for name in theirs if name.endswith("lora_B.weight")}
    assert {f"transformer.{name}.lora_B.weight" for name in found} == expected
    assert all(torch.equal(up, theirs[f"transformer.{name}.lora_B.weight"]) for name, up in found.items())


def test_a_lora_of_flux(tmp_path: Path) -> None:
    """Queries, keys, values and the first layer of the perceptron in one layer of the file."""
    folder = tiny.saved(tiny.flux(True), tmp_path / "flux")
    before = dict(opened(folder)["transformer"].weights.tensors())
    down, up = torch.randn(2, 32), torch.randn(7 * 32, 2)
    name = "lora_unet_single_blocks_0_linear1"
    save_file({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, tmp_path / "a.safetensors")
    after = dict(opened(folder, tmp_path / "a.safetensors")["transformer"].weights.tensors())
    rows = 0
    for layer in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"):
        weight = before[f"single_transformer_blocks.0.{layer}.weight"]
        change = up[rows : rows + len(weight)] @ down
        rows += len(weight)
        found = after[f"single_transformer_blocks.0.{layer}.weight"]
        assert torch.allclose(found, weight + change, rtol=1e-5, atol=1e-5)
    assert rows == len(up)
