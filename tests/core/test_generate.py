"""The road of a generation, with an analytic toy: what is decided, what comes out, what is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gen
from gen import presets
from gen.diffusion import RectifiedFlow
from gen.errors import DeviceError, GenWarning, ModelError, PluginError, UsageError
from gen.plan import Plan, Request, resolve
from gen.plugin.host import Host
from gen.run import generate, load, notices

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def host() -> Host:
    return Host.discover()


def planned(host: Host, *prompts: str, **options: Any) -> Plan:
    return resolve(Request(modality="toy", prompts=prompts or ("red",), **options), host)


def pixels(artifact: gen.Artifact) -> np.ndarray[Any, Any]:
    return artifact.arrays["pixels"]


def test_what_is_left_open_comes_from_the_model_then_from_the_plugin(host: Host) -> None:
    plan = planned(host)
    assert (plan.solver, plan.grid, plan.steps, plan.guidance) == ("ddim", "uniform", 4, 1.0)
    assert plan.params == {"width": 24, "height": 16, "gain": 1.0, "finish": "matt", "invert": False}
    assert (plan.negative, plan.dtype) == ("", "float32")
    assert plan.licence == "CC0-1.0"


def test_a_spec_may_name_another_solver_than_the_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    [spec] = host.models("toy")
    monkeypatch.setattr(host, "models", lambda modality: (replace(spec, solver="DPM++ 2M"),))
    assert planned(host).solver == "dpmpp_2m"
    assert planned(host, solver="heun").solver == "heun"


def test_default_stands_in_a_plan_for_a_solver_and_a_grid_by_the_steps_and_the_guidance(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    [spec] = host.models("toy")
    monkeypatch.setattr(host, "models", lambda modality: (replace(spec, solver="default"),))
    plan = planned(host, steps=10, guidance=4.0)
    assert plan.solver == "flow_abm_3:first_order_above=0.2,spread=0.3,stable_above=-0.3"
    assert plan.grid == "flow_power:flow_shift=3,power=2"
    recipe = plan.recipe(plan.items[0])
    again = planned(host, steps=10, guidance=4.0, solver=recipe.solver, grid=recipe.grid)
    assert again.recipe(again.items[0]).solver == recipe.solver
    assert planned(host, steps=20, guidance=1.0).solver != planned(host, steps=20, guidance=2.0).solver
    assert planned(host, steps=10, grid="uniform").grid == "uniform"
    assert planned(host, steps=10, grid="uniform").solver.startswith("flow_abm_2:")
    assert planned(host, solver="heun").grid == "uniform"
    kept = planned(host, steps=10, guidance=4.0, grid="default:until=0.1")
    assert kept.grid == "flow_power:flow_shift=3,power=2,until=0.1"
    process = RectifiedFlow()
    solver, grid = presets.default_sampler(10, process, guidance=4.0)
    assert plan.choices.make_solver(process) == solver
    assert plan.choices.make_grid(10, process, lambda: grid).times == grid.times


def test_precedence(host: Host, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "config.toml").write_text("steps = 5\n[toy]\nwidth = 32\n")
    assert (planned(host).steps, planned(host).params["width"]) == (5, 32)
    (toy / "gen.toml").write_text("steps = 6\nseed = 11\n[toy]\nwidth = 40\n")
    assert (planned(host).steps, planned(host).params["width"]) == (6, 40)
    monkeypatch.setenv("GEN_STEPS", "7")
    monkeypatch.setenv("GEN_TOY_WIDTH", "48")
    assert (planned(host).steps, planned(host).params["width"]) == (7, 48)
    plan = planned(host, steps=8, params={"width": 56})
    assert (plan.steps, plan.params["width"]) == (8, 56)
    assert plan.items[0].seed == 11


def test_aliases_of_solvers_and_grids_become_the_listed_names(host: Host) -> None:
    plan = planned(host, solver="Euler a", grid="Turbo")
    assert (plan.solver, plan.grid) == ("euler_ancestral", "trailing")
    plan = planned(host, solver="DPM++ 2M Karras")
    assert (plan.solver, plan.grid) == ("dpmpp_2m", "karras")
    plan = planned(host, solver="DPM++ 2M Karras", grid="uniform")
    assert (plan.solver, plan.grid) == ("dpmpp_2m", "uniform")
    plan = planned(host, solver="DDIMScheduler")
    assert (plan.solver, plan.grid) == ("ddim", "uniform")


def test_a_list_of_sigmas_decides_the_steps_and_stays_in_the_recipe(host: Host, tmp_path: Path) -> None:
    (tmp_path / "sigmas.txt").write_text("9\n3\n1\n0.2\n")
    for given in (str(tmp_path / "sigmas.txt"), "9,3,1,0.2", "9, 3, 1, 0.2, 0"):
        plan = planned(host, grid=given)
        assert (plan.grid, plan.steps) == ("9, 3, 1, 0.2, 0", 4)
        recipe = plan.recipe(plan.items[0])
        assert planned(host, grid=recipe.grid, steps=recipe.steps).grid == plan.grid
    with pytest.raises(UsageError, match="the list of the grid has 4 steps, and steps says 5"):
        planned(host, grid="9,3,1,0.2", steps=5)


def test_the_grid_that_a_solver_names_wins_over_the_settings(host: Host, toy: Path) -> None:
    (toy / "gen.toml").write_text('grid = "trailing"\n')
    plan = planned(host, solver="DPM++ 2M Karras")
    assert (plan.solver, plan.grid) == ("dpmpp_2m", "karras")
    assert planned(host, solver="DPM++ 2M Karras", grid="uniform").grid == "uniform"
    assert planned(host, solver="heun").grid == planned(host).grid == "trailing"


def test_seeds_count_upwards_over_prompts_and_counts(host: Host) -> None:
    plan = planned(host, "red", "blue", count=2, seeds=(7,))
    assert [(item.prompt, item.seed) for item in plan.items] == [
        ("red", 7),
        ("red", 8),
        ("blue", 9),
        ("blue", 10),
    ]
    assert [item.seed for item in planned(host, "red", "blue", seeds=(5, 2)).items] == [5, 2]


def test_random_seeds_are_short_and_differ(host: Host) -> None:
    seeds = {planned(host).items[0].seed for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


WRONG = [
    ({"prompts": ()}, "no prompt"),
    ({"prompts": ("  ",)}, "prompt is empty"),
    ({"prompts": ("x" * 2001,)}, "2,001 characters"),
    ({"prompts": ("\ud800",)}, "not valid UTF-8"),
    ({"negative": "x" * 2001}, "negative has 2,001 characters"),
    ({"steps": 0}, "steps must be at least 1"),
    ({"steps": 10_001}, "at most 10,000, not 10,001"),
    ({"steps": 2.5}, "steps must be a whole number"),
    ({"guidance": -1.0}, "guidance must be at least 0"),
    ({"guidance": float("nan")}, "not nan"),
    ({"guidance": float("inf")}, "not inf"),
    ({"count": 0}, "count must be at least 1"),
    ({"count": 1001}, "at most 1,000"),
    ({"prompts": ("red",) * 600, "count": 2}, "1,200 items"),
    ({"seeds": (-1,)}, "seed must be"),
    ({"seeds": (2**63,)}, "seed must be"),
    ({"seeds": (1, 2)}, "2 seeds do not fit 1 items"),
    ({"solver": "nothing"}, "unknown solver"),
    ({"grid": "nothing"}, "unknown grid"),
    ({"dtype": "int8"}, "unknown dtype 'int8'"),
    ({"params": {"widht": 8}}, "did you mean 'width'"),
    ({"params": {"width": 0}}, "width must be at least 8 px and at most 64 px, not 0"),
    ({"params": {"width": 20}}, "multiple of 8"),
    ({"params": {"width": "wide"}}, "width must be a whole number"),
    ({"params": {"gain": float("nan")}}, "gain must be"),
    ({"params": {"finish": "rough"}}, "one of matt, gloss"),
    ({"params": {"invert": "maybe"}}, "true or false"),
    ({"strength": 0.5}, "needs something to start from"),
    ({"mask": "a.png"}, "needs something to start from"),
    ({"init": "none.png"}, "cannot read none.png"),
    ({"init": "none.xyz"}, "No such file"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_value_is_named_in_one_line(host: Host, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        resolve(Request(**{"modality": "toy", "prompts": ("red",), **options}), host)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("device", ["tpu", "cuda:999", "cpu:1", "cuda:x"])
def test_a_device_that_does_not_exist_is_a_device_error(host: Host, device: str) -> None:
    with pytest.raises(DeviceError, match=device):
        planned(host, device=device)


def test_unknown_modalities_and_models_have_errors_of_their_own(host: Host) -> None:
    with pytest.raises(PluginError, match="toi"):
        resolve(Request(modality="toi", prompts=("red",)), host)
    with pytest.raises(ModelError, match="did you mean 'crayon'"):
        planned(host, model="crayom")


def test_an_artifact_follows_prompt_parameters_and_seed() -> None:
    red, green = gen.toy(["red", "green"], seed=1)
    assert pixels(red).shape == (16, 24, 3)
    assert pixels(red)[..., 0].mean() > 0.7
    assert pixels(red)[..., 1].mean() < 0.3
    assert pixels(green)[..., 1].mean() > 0.7
    assert pixels(gen.toy("red", seed=1, width=8, gain=0.5)).shape == (16, 8, 3)
    assert pixels(gen.toy("red", seed=1, gain=0.5)).max() <= 0.5
    assert np.array_equal(pixels(gen.toy("red", seed=1)), pixels(red))
    assert not np.array_equal(pixels(gen.toy("red", seed=2)), pixels(red))


@pytest.mark.parametrize("solver", ["ddim", "ddpm", "dpmpp_2m_sde"])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_an_item_of_a_batch_is_the_single_run(host: Host, solver: str, batch_size: int) -> None:
    plan = planned(host, "red", "blue", count=2, seeds=(3,), solver=solver, guidance=2.0, negative="green")
    together = list(generate(plan, load(plan, host), batch_size=batch_size))
    for item, artifact in zip(plan.items, together, strict=True):
        alone = gen.toy(item.prompt, seed=item.seed, solver=solver, guidance=2.0, negative="green")
        assert np.array_equal(pixels(alone), pixels(artifact))
        assert artifact.recipe.seed == item.seed
        assert artifact.recipe.prompt == item.prompt


def test_guidance_pushes_away_from_the_negative_prompt() -> None:
    plain = pixels(gen.toy("red", seed=1, gain=1.0))
    pushed = pixels(gen.toy("red", seed=1, guidance=1.1, negative="blue"))
    assert pushed[..., 2].mean() < plain[..., 2].mean()


def test_every_step_is_reported_and_a_callback_can_cancel(host: Host) -> None:
    plan = planned(host, "red", "blue", steps=3)
    seen: list[tuple[int, int, int, int]] = []

    def watch(progress: Any) -> None:
        seen.append((progress.item, progress.items, progress.step.index, progress.step.total))

    assert len(list(generate(plan, load(plan, host), on_step=watch))) == 2
    assert seen == [(item, 2, step, 3) for item in (0, 1) for step in (0, 1, 2)]

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(generate(plan, load(plan, host), on_step=stop))


def test_a_variation_stays_near_what_it_starts_from_as_far_as_strength_says() -> None:
    start = gen.toy("blue", seed=1)
    near = gen.toy("blue", seed=2, init=start, strength=0.25)
    far = gen.toy("blue", seed=2, init=start, strength=1.0)

    def distance(artifact: gen.Artifact) -> float:
        return float(np.abs(pixels(artifact) - pixels(start)).mean())

    assert distance(near) < distance(far)
    assert near.recipe.strength == 0.25
    assert [(item.role, item.name) for item in near.recipe.inputs] == [("init", "memory")]
    assert near.recipe.parents == (start.recipe,)


def test_a_mask_keeps_its_dark_part() -> None:
    start = gen.toy("blue", seed=1)
    start.save("start.png")
    bright = np.zeros((16, 24, 3), np.float32)
    bright[:, 12:] = 1
    gen.Artifact("image", {"pixels": bright}).save("mask.png")
    painted = gen.toy("red", seed=2, init="start.png", mask="mask.png")
    assert np.abs(pixels(painted)[:, :12] - pixels(start)[:, :12]).max() < 0.01
    assert pixels(painted)[:, 12:, 0].mean() > 0.7
    assert [(item.role, item.name) for item in painted.recipe.inputs] == [
        ("init", "start.png"),
        ("mask", "mask.png"),
    ]


def test_an_input_of_another_size_is_a_usage_error() -> None:
    start = gen.toy("blue", seed=1, width=8)
    with pytest.raises(UsageError, match="the input is 8 x 16, not 24 x 16"):
        gen.toy("red", init=start)
    with pytest.raises(UsageError, match="the mask has 8 × 16 pixels and the input 24 × 16: "):
        gen.toy("red", init=gen.toy("blue"), mask=start)
    for height, width in ((32, 48), (11, 16)):
        mask = gen.Artifact("image", {"pixels": np.zeros((height, width, 3), np.float32)})
        with pytest.raises(UsageError, match=f"the mask is {width} x {height}, not 24 x 16"):
            gen.toy("red", init=gen.toy("blue"), mask=mask)
    with pytest.raises(UsageError, match="strength must be"):
        gen.toy("red", init=start, strength=0)


def test_what_a_codec_refuses_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nothing of 64 x 64"):
        gen.toy("red", width=64, height=64)


def test_a_network_that_fails_is_named_and_memory_has_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_FAILS", "a wire is loose")
    with pytest.raises(PluginError, match=r"the network of plugin toy .* RuntimeError: a wire is loose"):
        gen.toy("red")
    monkeypatch.setenv("TOY_FAILS", "CUDA out of memory. Tried to allocate 9 GiB")
    with pytest.raises(DeviceError, match="memory does not suffice"):
        gen.toy("red")
    monkeypatch.delenv("TOY_FAILS")
    monkeypatch.setenv("TOY_NAN", "1")
    with pytest.raises(PluginError, match="NaN"):
        gen.toy("red")


def test_the_recipe_tells_everything_and_makes_the_same_again() -> None:
    first = gen.toy("red blue", seed=9, steps=3, solver="ddpm", guidance=1.5, negative="green", width=8)
    recipe = first.recipe
    assert (recipe.modality, recipe.prompt, recipe.negative, recipe.seed) == ("toy", "red blue", "green", 9)
    assert (recipe.steps, recipe.solver, recipe.grid, recipe.guidance) == (3, "ddpm", "uniform", 1.5)
    assert dict(recipe.params) == {
        "width": 8,
        "height": 16,
        "gain": 1.0,
        "finish": "matt",
        "invert": False,
    }
    assert recipe.model.name == "crayon"
    assert len(recipe.model.sha256) == 64
    assert recipe.versions.keys() == {"gen", "torch", "python", "gen-toy"}
    assert recipe.versions["gen-toy"] == "1.0"
    again = gen.rerun(gen.Recipe.from_json(recipe.to_json()))
    assert np.array_equal(pixels(first), pixels(again))


def test_a_recipe_of_another_series_says_that_the_result_may_differ() -> None:
    recipe = gen.toy("red", seed=1, steps=2).recipe
    assert recipe is not None
    older = replace(recipe, versions={**recipe.versions, "gen": "0.1.3"})
    with pytest.warns(GenWarning, match=r"of gen 0\.1\.3, this is gen .*: the result may differ"):
        gen.rerun(older)
    same = replace(recipe, versions={**recipe.versions, "gen": gen.__version__ + ".post1"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gen.rerun(same)


def test_rerun_asks_for_the_very_same_model_and_inputs() -> None:
    start = gen.toy("blue", seed=1)
    start.save("start.png")
    start.save("bare.png", metadata="none")
    made = gen.toy("red", seed=2, init="start.png", strength=0.5)
    made.save("made.png")
    gen.toy("red", seed=2, init="bare.png", strength=0.5).save("of-bare.png")
    with pytest.raises(UsageError, match=r"needs bare\.png as init"):
        gen.rerun("of-bare.png")
    again = gen.rerun("made.png")
    assert np.array_equal(pixels(again), pixels(made)), "what it started from is made again, and rounded"
    assert again.recipe == replace(made.recipe, created=again.recipe.created)
    with pytest.raises(UsageError, match="is not the init of the recipe"):
        gen.rerun("made.png", init="made.png")
    assert np.array_equal(pixels(gen.rerun("made.png", init="start.png")), pixels(made))
    with pytest.raises(UsageError, match="the recipe has no input 'init'"):
        gen.rerun("start.png", init="start.png")
    with pytest.raises(UsageError, match="the recipe has no input 'left'"):
        gen.rerun("start.png", inputs={"left": "start.png"})
    import dataclasses

    model = dataclasses.replace(made.recipe.model, name="elsewhere")
    stranger = dataclasses.replace(made.recipe, model=model)
    with pytest.raises(ModelError, match="'elsewhere' is not installed"):
        gen.rerun(stranger, init="start.png")
    model = dataclasses.replace(made.recipe.model, sha256="0" * 64)
    with pytest.raises(ModelError, match="another version of the model"):
        gen.rerun(dataclasses.replace(made.recipe, model=model), init="start.png")


def test_a_recipe_opens_no_file_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from gen import formats

    made = gen.toy("red", seed=1)
    made.save("near.png")
    hostile = dataclasses.replace(made.recipe, params={**made.recipe.params, "left": "near.png"})
    monkeypatch.setattr(formats, "read", lambda *_, **__: pytest.fail("a file was opened"))
    with pytest.raises(UsageError, match="names a file as left that is not among its inputs"):
        gen.rerun(hostile)
    near = gen.recipe.Input(role="left", name="near.png", sha256="0" * 64)
    listed = dataclasses.replace(hostile, inputs=(near,))
    with pytest.raises(UsageError, match=r"needs near\.png as left"):
        gen.rerun(listed)
    Path("levels.txt").write_text("2, 1, 0")
    with pytest.raises(UsageError, match=r"unknown grid 'levels\.txt'"):
        gen.rerun(dataclasses.replace(made.recipe, grid="levels.txt", steps=2))


def test_zero_has_no_sign() -> None:
    made = gen.toy("red", guidance=-0.0)
    assert made.recipe is not None
    assert str(made.recipe.guidance) == "0.0"


def test_the_results_form_follows_the_prompts_form() -> None:
    assert isinstance(gen.toy("red"), gen.Artifact)
    assert [len(gen.toy("red", count=1)), len(gen.toy("red", count=2)), len(gen.toy(["red"]))] == [1, 2, 1]


def test_one_prompt_gives_one_artifact_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_COUNT", "2")
    made: list[int] = []
    assert isinstance(gen.toy("red", on_step=lambda progress: made.append(progress.items)), gen.Artifact)
    assert set(made) == {1}
    assert len(gen.toy(["red"])) == 2


def test_a_rerun_heeds_the_recipe_alone(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    made = gen.toy("red", seed=3)
    params = {name: value for name, value in made.recipe.params.items() if name != "gain"}
    monkeypatch.setenv("GEN_TOY_GAIN", "0.25")
    monkeypatch.setenv("GEN_STEPS", "1")
    (toy / "gen.toml").write_text("no settings at all")
    again = gen.rerun(dataclasses.replace(made.recipe, params=params))
    assert np.array_equal(pixels(again), pixels(made))


def test_inputs_of_another_type_are_named() -> None:
    for options in ({"init": np.zeros((16, 24, 3))}, {"init": "a.png", "mask": 3}, {"left": [1]}):
        gen.toy("red").save("a.png", overwrite=True)
        with pytest.raises(UsageError, match=r"must be a file or an artifact, not (ndarray|int|list)"):
            gen.toy("red", **options)


def test_the_digest_of_what_was_never_in_a_file_tells_attributes_apart(host: Host) -> None:
    import dataclasses

    start = gen.toy("blue", seed=1)
    tagged = dataclasses.replace(start, attributes={"dpi": 72})
    one, other = (planned(host, init=init).inputs[0].sha256 for init in (start, tagged))
    assert one != other
    assert one == planned(host, init=start).inputs[0].sha256


def test_a_loaded_model_gives_the_same_and_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import gen_toy.model

    expected = pixels(gen.toy("red", seed=4))
    handle = gen.load("crayon")
    monkeypatch.setattr(gen_toy.model, "load", None)
    assert np.array_equal(pixels(handle("red", seed=4)), expected)
    assert np.array_equal(pixels(handle(["blue", "red"], seed=[1, 4])[1]), expected)
    with pytest.raises(UsageError, match="device is fixed"):
        handle("red", device="cpu")


def test_a_model_is_loaded_from_a_path(toy_folder: Path, toy: Path) -> None:
    path = toy / "mine.safetensors"
    path.write_bytes((toy_folder / "gen_toy" / "weights" / "crayon.safetensors").read_bytes())
    handle = gen.load(path)
    assert handle("red").recipe.model.name == "mine"
    assert gen.toy("red", model=path).recipe.model.name == "mine"
    with pytest.raises(ModelError, match="unknown model 'nothing'"):
        gen.load("nothing")


def test_unknown_words_are_a_warning() -> None:
    with pytest.warns(GenWarning, match="does not know 'purple'; nearest are red, green, blue, white$"):
        gen.toy("purple red")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gen.toy("red")


def test_a_file_is_hashed_once_until_it_changes(
    toy_folder: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    hashed: list[str] = []
    whole = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, name: (hashed.append(file.name), whole(file, name))[1]
    )
    path = toy / "own.safetensors"
    content = (toy_folder / "gen_toy" / "weights" / "crayon.safetensors").read_bytes()
    path.write_bytes(content)
    handle = gen.load(path)
    for _ in range(2):
        handle("red")
    assert len(hashed) == 1
    path.unlink()
    path.write_bytes(content.replace(b"four crayons", b"some crayons"))
    with pytest.raises(ModelError, match="has changed"):
        handle("red")


def test_a_negative_prompt_without_guidance_is_a_warning() -> None:
    with pytest.warns(GenWarning, match="negative prompt has no effect at guidance 1"):
        gen.toy("red", negative="blue")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gen.toy("red", negative="blue", guidance=2)


def test_the_end_of_a_prompt_that_is_not_read_is_a_warning(host: Host) -> None:
    plan = planned(host, "red", "red red green", "red red green")
    model = load(plan, host)
    assert list(notices(plan, model)) == []
    type(model.encoder).unread = lambda _self, prompt, _params: prompt[8:]
    try:
        assert list(notices(plan, model)) == [
            "prompt 'red red green': the prompt is too long for the model crayon, which does not read 'green'"
        ]
    finally:
        del type(model.encoder).unread


def test_unknown_options_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'guidance'"):
        gen.toy("red", guidence=3)


def test_the_package_offers_what_is_installed_and_nothing_else() -> None:
    assert {"image", "toy", "load", "rerun", "Artifact", "Recipe", "errors"} <= set(dir(gen))
    assert not hasattr(gen, "sculpture")
    assert gen.errors.UsageError is UsageError
    assert gen.__version__[0].isdigit()


@pytest.mark.usefixtures("toy")
def test_numbers_of_numpy_are_numbers() -> None:
    made = gen.toy(["red", "blue"], seed=np.array([5, 9]), steps=np.int64(2), gain=np.float32(0.5))
    assert [artifact.recipe.seed for artifact in made] == [5, 9]
    assert type(made[0].recipe.steps) is int
    assert made[0].recipe.params["gain"] == 0.5


@pytest.mark.usefixtures("toy")
def test_what_a_callback_raises_comes_out_as_it_is(host: Host) -> None:
    def stop(_: object) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        gen.toy("red", on_step=stop)


@pytest.mark.usefixtures("toy")
def test_prompts_and_models_of_another_type_or_place() -> None:
    with pytest.raises(UsageError, match="prompt must be a text or a list of them, not int"):
        gen.toy(3)
    with pytest.raises(UsageError, match="there is no prompt"):
        gen.toy()
    with pytest.raises(ModelError, match=r"no model file none\.safetensors"):
        gen.load("none.safetensors")


def test_of_several_texts_the_bad_one_is_named_before_anything_is_made(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gen_toy.model import Words

    def settle(_self: object, prompt: str, _params: object, _seed: int) -> dict[str, int]:
        if "blue" in prompt:
            raise UsageError("no word of it can be said")
        return {}

    monkeypatch.setattr(Words, "settle", settle, raising=False)
    steps: list[Any] = []
    plan = planned(host, "red", "red red", "blue " * 40)
    with pytest.raises(UsageError) as raised:
        list(generate(plan, load(plan, host), on_step=steps.append))
    assert not steps
    assert raised.value.message.startswith("prompt 3 of 3, 'blue blue")
    assert raised.value.message.endswith("…': no word of it can be said")
    assert len(raised.value.message) < 150
    plan = planned(host, "blue")
    with pytest.raises(UsageError, match=r"^no word of it can be said$"):
        list(generate(plan, load(plan, host)))


@pytest.mark.parametrize("wrong", ["nan", "count", "type"])
def test_a_decoder_that_fails_is_no_mistake_of_the_user(
    host: Host, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    from gen_toy.model import Pixels

    def decode(_self: object, _x0: object, _params: object) -> list[object]:
        if wrong == "nan":
            return [gen.Artifact("image", {"pixels": np.full((2, 2, 3), np.nan, np.float32)})]
        return [] if wrong == "count" else ["a picture"]

    monkeypatch.setattr(Pixels, "decode", decode)
    plan = planned(host)
    expected = {
        "nan": "not finite",
        "count": "list of 0, not a list of one",
        "type": "'a picture', not an Art",
    }
    with pytest.raises(PluginError, match=f"codec.decode of plugin toy .gen-toy 1.0. .*{expected[wrong]}"):
        list(generate(plan, load(plan, host)))


def test_an_input_that_is_cropped_is_reported(host: Host) -> None:
    start = gen.Artifact("image", {"pixels": np.zeros((16, 24, 3), np.float32)})
    plan = planned(host, "red", init=start, params={"left": start})
    model = load(plan, host)
    assert list(notices(plan, model)) == []
    type(model.codec).cropped = lambda _self, artifact, _params: f"only half of {artifact.sizes['width']}"
    try:
        assert list(notices(plan, model)) == ["init: only half of 24", "left: only half of 24"]
    finally:
        del type(model.codec).cropped
