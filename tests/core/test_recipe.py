import dataclasses
import json
import pickle
import string
import sys
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.errors import UsageError
from gen.foreign_recipe import (
    ForeignRecipe,
    foreign_recipe,
    parse_a1111,
    parse_comfyui,
    parse_invokeai,
)
from gen.metadata import Metadata, decode_text, recipe_in_xmp, xmp_in_gif
from gen.recipe import (
    MAX_ANCESTORS,
    MAX_BYTES,
    MAX_GENERATIONS,
    MAX_PROMPT,
    MAX_SEED,
    Conversion,
    Input,
    ModelReference,
    Recipe,
    read_json,
    timestamp,
)

SHA = "0123456789abcdef" * 4


def make(**changes):
    fields = {
        "modality": "image",
        "prompt": "a red apple",
        "seed": 7,
        "steps": 20,
        "guidance": 4.5,
        "solver": "dpmpp_2m",
        "grid": "karras",
        "model": ModelReference(name="emoji", sha256=SHA, licence="OFL-1.1"),
        "params": {"width": 96, "height": 64},
        "versions": {"gen": "1.2.3"},
    }
    return Recipe(**fields | changes)


texts = st.text(st.characters(codec="utf-8"), max_size=40)
names = st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
finite = st.floats(-1e6, 1e6)
scalars = st.none() | st.booleans() | st.integers(-(2**63), MAX_SEED) | finite | names


@st.composite
def recipes(draw, depth=2):
    return Recipe(
        modality=draw(names),
        prompt=draw(texts),
        negative=draw(texts),
        seed=draw(st.integers(0, MAX_SEED)),
        steps=draw(st.integers(1, 10_000)),
        guidance=draw(finite),
        solver=draw(names),
        grid=draw(names),
        strength=draw(st.none() | st.floats(0.001, 1)),
        params=draw(st.dictionaries(names, scalars, max_size=4)),
        model=ModelReference(name=draw(names), sha256=draw(hashes)),
        inputs=tuple(
            Input(role=draw(names), name=draw(names), sha256=draw(hashes))
            for _ in range(draw(st.integers(0, 2)))
        ),
        parents=tuple(draw(st.lists(recipes(depth - 1), max_size=2))) if depth else (),
        versions=draw(st.dictionaries(names, names, max_size=3)),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(recipes())
def test_json_brings_back_the_same_recipe(recipe):
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe
    assert Recipe.from_json(text).to_json() == text


def test_json_is_canonical():
    recipe = make(params={"width": 96, "height": 64})
    again = make(params={"height": 64, "width": 96}, created=recipe.created)
    assert recipe.to_json() == again.to_json()
    table = json.loads(recipe.to_json())
    assert list(table) == sorted(table)
    assert table["schema"] == "gen.recipe/2"
    assert " " not in recipe.to_json().replace("a red apple", "")


def test_every_field_is_stored():
    stored = make(prompt="x").to_dict()
    assert {item.name for item in dataclasses.fields(Recipe)} | {"schema"} == stored.keys()


def test_recipes_are_values():
    recipe = make()
    assert hash(recipe) == hash(make(created=recipe.created))
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.seed = 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**63),
        ("seed", True),
        ("seed", 1.0),
        ("seed", "7"),
        ("steps", 0),
        ("guidance", float("nan")),
        ("guidance", float("inf")),
        pytest.param("guidance", 10**5000, id="guidance-huge"),
        ("guidance", True),
        ("strength", 0.0),
        ("strength", 1.1),
        ("strength", "much"),
        ("prompt", None),
        ("prompt", "x" * (MAX_PROMPT + 1)),
        ("prompt", "\ud800"),
        ("negative", ["no"]),
        ("modality", "../image"),
        ("modality", ""),
        ("solver", "a\nSeed: 1"),
        ("solver", "x" * 2000),
        ("device", "cpu\x1b[2J"),
        ("params", [1]),
        ("params", {"a b": 1}),
        ("params", {"a": [1]}),
        ("params", {"a": float("nan")}),
        ("params", {f"k{i}": 1 for i in range(1000)}),
        ("versions", {"torch": 2}),
        ("created", "yesterday"),
        ("model", None),
        ("inputs", 3),
        ("inputs", [{"role": "init"}]),
        ("parents", [None]),
    ],
)
def test_a_wrong_field_is_named(field, value):
    with pytest.raises(UsageError) as caught:
        make(**{field: value})
    assert field in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.sampled_from([item.name for item in dataclasses.fields(Recipe)]), json_values)
def test_a_hostile_field_is_refused_or_harmless(field, value):
    table = json.loads(make().to_json()) | {field: value}
    try:
        recipe = Recipe.from_json(json.dumps(table))
    except UsageError:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe


@given(st.text(max_size=60) | json_values.map(json.dumps))
def test_hostile_text_gives_one_line(text):
    with pytest.raises(UsageError) as caught:
        Recipe.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema":' * 20_000,
        '{"a":"' + "x" * MAX_BYTES + '"}',
        "é" * (MAX_BYTES - 1),
        "9" * 10_000,
        "{}",
        "null",
        '{"schema": "gen.recipe/2"}',
        '{"schema": "gen.recipe/1"}',
        '{"schema": "gen.recipe/1", "seed": NaN}',
        "\ud800",
        "",
    ],
)
def test_hopeless_text_is_refused(text):
    with pytest.raises(UsageError):
        Recipe.from_json(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_must_be_finite(constant):
    text = make(guidance=4.5).to_json()
    with pytest.raises(UsageError):
        Recipe.from_json(text.replace("4.5", constant))


def test_unknown_keys_are_left_out():
    recipe = make()
    table = recipe.to_dict() | {"solver_class": "os:system", "__class__": "x"}
    assert Recipe.from_json(json.dumps(table)) == recipe


def test_what_must_be_there_must_be_there():
    table = make().to_dict()
    for key in ("prompt", "seed", "created", "model"):
        with pytest.raises(UsageError, match=key):
            Recipe.from_dict({name: value for name, value in table.items() if name != key})


def test_import_strings_are_only_text():
    before = set(sys.modules)
    recipe = Recipe.from_dict(make().to_dict() | {"solver": "this:s", "grid": "antigravity:x"})
    assert recipe.solver == "this:s"
    assert not {"this", "antigravity"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/secret/a.png",
        "C:\\Users\\anna\\a.png",
        "~anna/a.png",
        "\\\\host\\anna\\a.png",
        "file:///anna/a.png",
    ],
)
def test_no_absolute_path_is_kept(path):
    recipe = make(
        model=ModelReference(name=path, sha256=SHA),
        inputs=[Input(role="init", name=path, sha256=SHA)],
        params={"lora": path},
    )
    assert "anna" not in recipe.to_json()
    assert recipe.inputs[0].name == recipe.model.name == recipe.params["lora"] == "a.png"


def test_references_to_models_that_are_not_paths_stay():
    for name in ("emoji", "hf:org/name@main", "models/a.safetensors"):
        assert ModelReference(name=name, sha256=SHA).name == name


def test_old_generations_of_parents_are_dropped():
    recipe = make(seed=0)
    for seed in range(1, 3 * MAX_GENERATIONS):
        recipe = make(seed=seed, parents=[recipe])
    assert Recipe.from_json(recipe.to_json()) == recipe
    seeds = []
    while recipe.parents:
        recipe = recipe.parents[0]
        seeds.append(recipe.seed)
    newest = 3 * MAX_GENERATIONS - 2
    assert seeds == list(range(newest, newest - MAX_GENERATIONS, -1))


def conversion(*parents, **changes):
    inputs = tuple(
        Input(role=role, name=f"{role}.png", sha256=SHA, format="png", parent=place)
        for place, role in zip(range(len(parents)), ("source", "next"), strict=False)
    )
    fields = {"converter": "join", "kind": "video", "params": {"fade": 0.5}, "inputs": inputs}
    return Conversion(**{**fields, "parents": parents, **changes})


def test_a_conversion_comes_back_with_its_parents():
    recipe = conversion(make(seed=1), conversion(make(seed=2)))
    again = read_json(recipe.to_json())
    assert again == recipe
    assert again.parent_of(again.inputs[1]) == recipe.parents[1]
    with pytest.raises(UsageError, match="that of a conversion"):
        Recipe.from_json(recipe.to_json())
    assert "Converter: join" in recipe.to_a1111()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"converter": "os.system('x')"}, "converter"),
        ({"kind": ""}, "kind"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"role": "next", "name": "a", "sha256": SHA}]}, "do not begin with the source"),
        ({"inputs": [{"role": "source", "name": "a", "sha256": SHA, "parent": 7}]}, "parent 7 of 1"),
        ({"inputs": [{"role": "source", "name": "a", "sha256": SHA, "parent": True}]}, "parent"),
        ({"inputs": [{"role": "source", "name": "a", "sha256": SHA, "format": "../x"}]}, "format"),
        ({"parents": [3]}, "object"),
        ({"params": {"a b": 1}}, "params"),
    ],
)
def test_a_hostile_conversion_is_refused(changes, fault):
    table = conversion(make(seed=1)).to_dict() | changes
    with pytest.raises(UsageError, match=fault):
        read_json(json.dumps(table))


def test_a_recipe_with_too_many_ancestors_keeps_its_parents():
    recipe = make(seed=0)
    generations = 0
    while 2 * (1 + recipe.ancestors) <= MAX_ANCESTORS:
        recipe = conversion(recipe, recipe)
        generations += 1
    assert recipe.generations == generations
    cut = conversion(recipe, recipe)
    assert cut.ancestors == 2
    assert {item.parent for parent in cut.parents for item in parent.inputs} == {None}
    assert read_json(cut.to_json()) == cut


def test_what_a_conversion_says_about_its_source():
    made, photo = (
        conversion(make(seed=1)),
        conversion(make(seed=1), inputs=[Input(role="source", name="a", sha256=SHA)]),
    )
    both = conversion(make(seed=1), conversion(make(seed=2)), inputs=[*made.inputs, *photo.inputs])
    ends = [Metadata.of(recipe, "full").source_type.rpartition("/")[2] for recipe in (made, photo, both)]
    assert ends == [
        "trainedAlgorithmicMedia",
        "algorithmicallyEnhanced",
        "compositeWithTrainedAlgorithmicMedia",
    ]


def test_more_generations_than_we_write_are_refused():
    table = make().to_dict()
    for _ in range(MAX_GENERATIONS + 1):
        table = make().to_dict() | {"parents": [table]}
    with pytest.raises(UsageError, match="generations"):
        Recipe.from_dict(table)


def test_time_of_creation(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert timestamp() == "1970-01-02T00:00:00Z"
    assert make().created == timestamp()
    for wrong in ("soon", "9" * 30, "1.5"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
            timestamp()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert make().created > "2026"
    with pytest.raises(UsageError, match="created in the recipe"):
        make(created="9999-99-99T99:99:99Z")


def test_zero_has_no_sign():
    assert str(make(guidance=-0.0).guidance) == "0.0"


def test_a_byte_order_mark_is_no_part_of_a_text():
    text = make().to_json()
    assert Recipe.from_json("\ufeff" + text) == make()
    for content in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert decode_text(content) == text
    assert decode_text("a ü".encode("utf-16-be")[2:] + b"\xff").endswith("\ufffd")
    assert parse_a1111("\ufeffcat\nSteps: 5, Seed: 1").prompt == "cat"


@pytest.mark.parametrize(
    "packet",
    [
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">{}</x:xmpmeta>',
        '<?xpacket begin="\ufeff"?><y:xmpmeta xmlns:y="adobe:ns:meta/">{}</y:xmpmeta><?xpacket end="w"?>\n\0',
        "{}",
    ],
)
@pytest.mark.parametrize(
    "description",
    [
        '<rdf:Description xmlns:g="urn:gen-toolkit:xmp:1/" g:recipe="{}"/>',
        "<rdf:Description xmlns:g='urn:gen-toolkit:xmp:1/'><g:recipe>{}</g:recipe></rdf:Description>",
        '<rdf:Description xmlns:g="urn:gen-toolkit:xmp:1/"><g:recipe>\n<rdf:Alt><rdf:li xml:lang="x-default">'
        "{}</rdf:li></rdf:Alt></g:recipe></rdf:Description>",
    ],
)
def test_xmp_in_every_form_that_it_allows(packet, description):
    rdf = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF>'
    text = '{"a": "<&>"}'
    assert recipe_in_xmp(packet.format(rdf.format(description.format(escape(text))))) == text


def test_levels_of_metadata():
    recipe = make(prompt="my secret", seed=123456789)
    full, minimal, none = (Metadata.of(recipe, level) for level in ("full", "minimal", "none"))
    assert Recipe.from_json(full.recipe) == recipe
    assert "my secret" in full.parameters
    for text in (*dataclasses.astuple(minimal), minimal.xmp(with_recipe=True)):
        assert "my secret" not in text
        assert "123456789" not in text
    assert minimal.software == "gen 1.2.3"
    assert minimal.source_type.endswith("/trainedAlgorithmicMedia")
    assert none == Metadata.of(None, "full") == Metadata()
    assert none.xmp(with_recipe=True) == ""
    assert list(none.png_texts()) == []
    assert [key for key, _ in minimal.png_texts()] == ["Software", "XML:com.adobe.xmp"]
    assert dict(full.png_texts())["gen"] == full.recipe
    assert recipe_in_xmp(full.xmp(with_recipe=True)) == full.recipe
    assert recipe_in_xmp(full.xmp(with_recipe=False)) == recipe_in_xmp("<x:xmpmeta gen:recipe") == ""
    with pytest.raises(UsageError, match="some"):
        Metadata.of(recipe, "some")


@pytest.mark.parametrize("colours", [0, 2, 256])
def test_a_gif_tells_the_program_and_the_source(colours):
    flags = 0x80 | (colours.bit_length() - 2) if colours else 0
    header = b"GIF89a" + bytes([4, 0, 4, 0, flags, 0, 0]) + bytes(3 * colours)
    said = Metadata.of(make(), "full")
    content = said.in_gif(header + b"rest;")
    assert content.startswith(header + b"!\xff\x0bXMP DataXMP")
    assert content.endswith(b"\0\0rest;")
    assert xmp_in_gif(content).decode() == said.xmp(with_recipe=False)
    assert Metadata().in_gif(header) == header
    assert xmp_in_gif(header) == b""
    # Whatever byte a reader takes for the length of a block, it ends at the end of the extension.
    at = content.index(b"XMP DataXMP") + 11
    for start in range(at, at + 256):
        place = start
        while content[place]:
            place += content[place] + 1
        assert content[place + 1 :] in (b"rest;", b"\0rest;")


def test_a_masked_edit_is_a_composite():
    edit = make(inputs=[Input(role="mask", name="m.png", sha256=SHA)])
    assert Metadata.of(edit, "minimal").source_type.endswith("/compositeWithTrainedAlgorithmicMedia")


@given(texts, texts, st.integers(0, MAX_SEED))
def test_a1111_text_is_read_back(prompt, negative, seed):
    recipe = make(prompt=prompt, negative=negative, seed=seed)
    found = parse_a1111(recipe.to_a1111())
    assert (found.seed, found.steps, found.guidance, found.sampler) == (seed, 20, 4.5, "dpmpp_2m")
    assert (found.width, found.height, found.model) == (96, 64, "emoji")
    prompt, negative = (
        f"{text}\n".replace("\0", "").replace("\r\n", "\n").removesuffix("\n") for text in (prompt, negative)
    )
    assert found.prompt == prompt.removeprefix("\ufeff").lstrip("\n")
    assert found.negative == (negative.strip() or None)


def test_a1111_settings_cannot_be_injected():
    recipe = make(model=ModelReference(name='a, Seed: 1, x: "q"', sha256=SHA))
    found = parse_a1111(recipe.to_a1111())
    assert found.seed == 7
    assert found.model == 'a, Seed: 1, x: "q"'


def test_a1111_as_the_web_interface_writes_it():
    text = (
        "masterpiece, (cat:1.2),\non a mat\nNegative prompt: blurry,\nbad hands\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 3812345678, "
        "Size: 512x768, "
        'Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: 1f, b: 2c", Version: v1.10.1'
    )
    assert parse_a1111(text) == ForeignRecipe(
        source="a1111",
        prompt="masterpiece, (cat:1.2),\non a mat",
        negative="blurry,\nbad hands",
        seed=3812345678,
        steps=28,
        guidance=6.5,
        width=512,
        height=768,
        sampler="DPM++ 2M",
        model="v1-5",
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "settings",
    [
        'Steps: 20, Sampler: Euler, Seed: 5, Template: "a, b\n\nSize: 1x1", Size: 64x32',
        "Steps: 20, Sampler: Euler, Seed: 5, Size: 64x32\nTemplate: {cat|dog}, Seed: 6\nOther: dog",
        "Seed: 5, Steps: 20, Sampler: Euler, Size: 64x32",
    ],
)
def test_a1111_settings_over_several_lines(settings, end):
    text = f"cat\nSteps: many\nNegative prompt: dog,\ncow\n{settings}\n".replace("\n", end)
    found = parse_a1111(text)
    assert (found.prompt, found.negative) == ("cat\nSteps: many", "dog,\ncow")
    assert (found.seed, found.steps, found.sampler) == (5, 20, "Euler")
    assert (found.width, found.height) == (64, 32)


@pytest.mark.parametrize("text", ["", "just a caption", "a: b, c: d", "\n\n", "x" * (MAX_BYTES + 1)])
def test_other_text_is_not_taken_for_a1111(text):
    assert parse_a1111(text) is None


@pytest.mark.parametrize("unit", ['a: "', 'a: "\\",', "a: ", "a", "Seed: ", '\\"'])
def test_hostile_a1111_text_ends(unit):
    found = parse_a1111(unit * (MAX_BYTES // len(unit)))
    assert found is None or found.seed is None


COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 42,
            "steps": 25,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 448, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["4", 1]}},
}
COMFY_FOUND = ForeignRecipe(
    source="comfyui",
    prompt="a cat",
    negative="a dog",
    seed=42,
    steps=25,
    guidance=7.5,
    width=512,
    height=448,
    sampler="euler",
    model="v1-5.safetensors",
)


def test_comfyui_graph():
    assert parse_comfyui(json.dumps(COMFY)) == COMFY_FOUND


def test_comfyui_graph_with_separate_nodes():
    graph = {
        "1": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["2", 0],
                "guider": ["3", 0],
                "sampler": ["4", 0],
                "sigmas": ["5", 0],
                "latent_image": ["6", 0],
            },
        },
        "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": 9}},
        "3": {"class_type": "BasicGuider", "inputs": {"model": ["8", 0], "conditioning": ["7", 0]}},
        "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "heun"}},
        "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 4}},
        "6": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 32}},
        "7": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["9", 0]}},
        "8": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "a tower", "clip": ["10", 0]}},
    }
    found = parse_comfyui(json.dumps(graph))
    assert found.to_dict() == {
        "source": "comfyui",
        "prompt": "a tower",
        "seed": 9,
        "steps": 4,
        "guidance": 3.5,
        "width": 64,
        "height": 32,
        "sampler": "heun",
        "model": "flux.safetensors",
    }


def test_comfyui_workflow_of_the_editor():
    def node(number, kind, values, **links):
        slots = [{"name": name, "link": link} for name, link in links.items()]
        return {"id": number, "type": kind, "widgets_values": values, "inputs": slots}

    sampling = [42, "fixed", 25, 7.5, "euler", "normal", 1]
    workflow = {
        "nodes": [
            node(3, "KSampler", sampling, model=1, positive=2, negative=3, latent_image=4),
            node(4, "CheckpointLoaderSimple", ["v1-5.safetensors"]),
            node(5, "EmptyLatentImage", [512, 448, 1]),
            node(6, "CLIPTextEncode", ["a cat"], clip=5),
            node(7, "CLIPTextEncode", ["a dog"], clip=5),
        ],
        "links": [
            [1, 4, 0, 3, 0, "MODEL"],
            [2, 6, 0, 3, 1, "CONDITIONING"],
            [3, 7, 0, 3, 2, "CONDITIONING"],
            [4, 5, 0, 3, 3, "LATENT"],
            [5, 4, 1, 6, 0, "CLIP"],
        ],
    }
    assert parse_comfyui(json.dumps(workflow)) == COMFY_FOUND


def test_comfyui_graph_that_runs_in_a_circle():
    graph = {key: dict(node) for key, node in COMFY.items()}
    graph["6"] = {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": ["6", 0], "conditioning_2": ["3", 0]},
    }
    del graph["5"]
    found = parse_comfyui(json.dumps(graph))
    assert (found.seed, found.width) == (42, None)


def test_invokeai():
    text = json.dumps(
        {
            "positive_prompt": "a fox",
            "negative_prompt": "",
            "seed": 5,
            "steps": 30,
            "cfg_scale": 7,
            "width": 640,
            "height": 512,
            "scheduler": "euler_a",
            "model": {"key": "x", "name": "Dreamshaper"},
        }
    )
    found = parse_invokeai(text)
    assert (found.prompt, found.seed, found.guidance, found.width) == ("a fox", 5, 7.0, 640)
    assert (found.sampler, found.model) == ("euler_a", "Dreamshaper")


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "workflow", "invokeai_metadata", "parameters", string.ascii_letters]),
        st.text(max_size=40) | json_values.map(json.dumps),
    )
)
def test_foreign_entries_never_raise(entries):
    found = foreign_recipe(entries)
    assert found is None or json.dumps(found.to_dict(), allow_nan=False)


@given(st.sampled_from(["3", "4", "5", "6"]), st.sampled_from(["class_type", "inputs"]), json_values)
def test_damaged_comfyui_graphs_never_raise(node, key, value):
    graph = COMFY | {node: COMFY[node] | {key: value}}
    found = foreign_recipe({"prompt": json.dumps(graph)})
    assert found is None or found.source == "comfyui"


@given(json_values, json_values)
def test_damaged_comfyui_workflows_never_raise(nodes, links):
    nodes = (
        nodes if isinstance(nodes, list) else [{"id": nodes, "type": "KSampler", "inputs": [{"link": links}]}]
    )
    foreign_recipe({"workflow": json.dumps({"nodes": nodes, "links": links})})


def test_the_first_that_is_understood_wins():
    entries = {"parameters": make().to_a1111(), "prompt": "not json", "invokeai_metadata": "[]"}
    assert foreign_recipe(entries).source == "a1111"
    assert foreign_recipe({"comment": "hello"}) is None
