import errno
import hashlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen import formats
from gen.artifact import Artifact
from gen.atomic import atomic_file, check_writable
from gen.errors import OutputError, PluginError, UsageError, damaged_file
from gen.formats import encode, find_format, inspect, read, read_recipe, write
from gen.plugin import FormatSpec
from gen.recipe import ModelReference, Recipe


def write_note(artifact, file, metadata):
    text = "".join(map(chr, artifact.arrays["text"]))
    file.write(json.dumps({"text": text, "gen": metadata.recipe, "parameters": metadata.parameters}).encode())


@damaged_file()
def read_note(file):
    return note(json.load(file)["text"])


@damaged_file()
def read_note_entries(file):
    return {key: value for key, value in json.load(file).items() if value and key != "text"}


def write_badly(_artifact, file, _metadata):
    file.write(b"half of it")
    raise RuntimeError("the encoder\nbroke")


def interrupted(_artifact, _file, _metadata):
    signal.raise_signal(signal.SIGINT)


def spec(name, *suffixes, writer="write_note", reader="read_note", kind="note"):
    return FormatSpec(
        name=name,
        kind=kind,
        suffixes=suffixes,
        media_type=f"application/x-{name}",
        writer=f"{__name__}:{writer}",
        reader=f"{__name__}:{reader}" if reader else "",
        metadata_reader=f"{__name__}:read_note_entries",
    )


NOTE = spec("note", ".note", ".memo")
FORMATS = (
    NOTE,
    spec("diary", ".diary"),
    spec("sealed", ".sealed", reader=""),
    spec("bad", ".bad", writer="write_badly", reader="does_not_exist"),
    spec("picture", ".note", kind="image"),
)
RECIPE = Recipe(
    modality="note",
    prompt="hello",
    seed=3,
    steps=2,
    guidance=1,
    solver="ddim",
    grid="uniform",
    model=ModelReference(name="m", sha256="a" * 64),
)


def note(text="hello", recipe=None):
    return Artifact("note", {"text": np.array([ord(character) for character in text])}, recipe=recipe)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Finding a format


@pytest.mark.parametrize(
    ("path", "name", "found"),
    [
        ("a.note", None, "note"),
        ("a.MEMO", None, "note"),
        ("/b.diary/a.note", None, "note"),
        ("a.diary", "diary", "diary"),
        ("a.memo", "note", "note"),
        ("a", "diary", "diary"),
        ("a.b", "memo", "note"),
        (None, "NOTE", "note"),
    ],
)
def test_the_ending_or_the_name_finds_the_format(path, name, found):
    assert find_format(FORMATS, path=path, name=name, kind="note").name == found


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("a.diry", None, "did you mean .diary?"),
        ("a.mp3", None, ".note, .memo, .diary"),
        ("a", None, "no file ending"),
        (".note", None, "no file ending"),
        (None, None, "no file ending"),
        ("a.note", "dairy", "did you mean diary?"),
        (None, "", "known: note"),
        ("a.note", "diary", "name the file .diary"),
    ],
)
def test_what_cannot_be_a_format_is_named(path, name, said):
    with pytest.raises(UsageError) as caught:
        find_format(FORMATS, path=path, name=name, kind="note")
    assert said in one_line(caught)


def test_formats_of_other_kinds_are_left_out():
    assert find_format(FORMATS, path="a.note", kind="image").name == "picture"
    with pytest.raises(UsageError):
        find_format(FORMATS, path="a.diary", kind="image")


# Writing


def test_a_written_file_is_described(tmp_path):
    written = write(note(recipe=RECIPE), tmp_path / "a.note", FORMATS)
    content = (tmp_path / "a.note").read_bytes()
    assert written.path == tmp_path / "a.note"
    assert written.bytes == len(content)
    assert written.sha256 == hashlib.sha256(content).hexdigest()
    assert (written.format, written.media_type) == ("note", "application/x-note")
    assert content == encode(note(recipe=RECIPE), NOTE)
    assert names(tmp_path) == ["a.note"]


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_written_is_read_back(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("x") / "a.note"
    write(note(text, RECIPE), path, FORMATS)
    back = read(path, FORMATS)
    assert np.array_equal(back.arrays["text"], note(text).arrays["text"])
    assert back.recipe == RECIPE


def test_levels_of_metadata(tmp_path):
    for level, expected in (("full", RECIPE), ("minimal", None), ("none", None)):
        path = tmp_path / f"{level}.note"
        write(note(recipe=RECIPE), path, FORMATS, metadata=level)
        assert read_recipe(path, FORMATS) == expected
    with pytest.raises(UsageError, match="loud"):
        write(note(recipe=RECIPE), tmp_path / "loud.note", FORMATS, metadata="loud")
    assert not (tmp_path / "loud.note").exists()


def test_the_rights_of_a_new_file_follow_the_umask_and_those_of_an_old_one_stay(tmp_path):
    path = tmp_path / "a.note"
    old = os.umask(0o027)
    try:
        write(note(), path, FORMATS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write(note("new"), path, FORMATS, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"new" in path.read_bytes()


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path):
    path = tmp_path / "a.note"
    path.write_text("mine")
    with pytest.raises(OutputError) as caught:
        write(note(), path, FORMATS)
    assert "`overwrite=True`" in one_line(caught)
    assert path.read_text() == "mine"
    write(note(), path, FORMATS, overwrite=True)
    assert path.read_text() != "mine"
    assert names(tmp_path) == ["a.note"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real.note").write_text("mine")
    (tmp_path / "link.note").symlink_to("folder/real.note")
    with pytest.raises(OutputError):
        write(note(), tmp_path / "link.note", FORMATS)
    write(note(), tmp_path / "link.note", FORMATS, overwrite=True)
    assert (tmp_path / "link.note").is_symlink()
    assert b"hello" in (tmp_path / "folder" / "real.note").read_bytes()


def test_a_link_to_nothing_counts_as_existing(tmp_path):
    (tmp_path / "link.note").symlink_to("gone.note")
    with pytest.raises(OutputError):
        write(note(), tmp_path / "link.note", FORMATS)
    write(note(), tmp_path / "link.note", FORMATS, overwrite=True)
    assert names(tmp_path) == ["gone.note", "link.note"]


def bad_paths(folder):
    (folder / "file").write_text("x")
    (folder / "folder.note").mkdir()
    (folder / "circle.note").symlink_to("circle.note")
    os.mkfifo(folder / "pipe.note")
    return {
        "missing folder": (folder / "none" / "a.note", "does not exist"),
        "file as folder": (folder / "file" / "a.note", "not a folder"),
        "a folder": (folder / "folder.note", "it is a folder"),
        "a new folder": (f"{folder}/new.note/", "it is a folder"),
        "a device": ("/dev/null", "device"),
        "a full device": ("/dev/full", "device"),
        "a pipe": (folder / "pipe.note", "pipe"),
        "a circle": (folder / "circle.note", "circle"),
        "long name": (folder / ("x" * 300 + ".note"), "too long"),
        "long path": (str(folder) + "/x" * 5000 + ".note", "too long"),
        "null": (f"{folder}/a\0.note", "not a valid path"),
        "surrogate": (f"{folder}/\ud800.note", "not a valid path"),
        "empty": ("", "does not exist"),
    }


BAD_PATHS = (
    "missing folder",
    "file as folder",
    "a folder",
    "a new folder",
    "a device",
    "a full device",
    "a pipe",
    "a circle",
    "long name",
    "long path",
    "null",
    "surrogate",
    "empty",
)


@pytest.mark.parametrize("case", BAD_PATHS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_path_that_cannot_be_written_is_named_before_and_while_writing(tmp_path, case, overwrite):
    path, said = bad_paths(tmp_path)[case]
    before = names(tmp_path)
    with pytest.raises(OutputError) as caught:
        check_writable(path, overwrite)
    assert said in one_line(caught)
    assert len(one_line(caught)) < 500
    with pytest.raises(OutputError) as caught:
        write(note(), path, FORMATS, name="note", overwrite=overwrite)
    assert said in one_line(caught)
    assert names(tmp_path) == before


def test_checking_writes_nothing(tmp_path):
    check_writable(tmp_path / "a.note")
    assert names(tmp_path) == []
    (tmp_path / "a.note").write_text("mine")
    with pytest.raises(OutputError):
        check_writable(tmp_path / "a.note")
    check_writable(tmp_path / "a.note", overwrite=True)
    assert (tmp_path / "a.note").read_text() == "mine"


def test_a_file_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("a.note")
    write(note(), "a.note", FORMATS)
    assert names(tmp_path) == ["a.note"]


def test_a_folder_without_rights():
    # In a process of its own, since the superuser, whom no rights bind, has to become somebody else.
    script = """
        import os, sys
        from gen.atomic import atomic_file, check_writable
        from gen.errors import OutputError
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        for action in (check_writable, lambda path: atomic_file(path).__enter__()):
            try:
                action(sys.argv[1])
            except OutputError as error:
                print(error)
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        command = [sys.executable, "-c", textwrap.dedent(script), f"{folder}/a.note"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    lines = said.splitlines()
    assert len(lines) == 2
    assert all("permission denied" in line and folder in line for line in lines)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.note"
    path.write_text("mine")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError) as caught:
            write(note("x" * 100_000), path, FORMATS, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "size limit" in one_line(caught)
    assert names(tmp_path) == ["a.note"]
    assert path.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_is_full_only_at_the_end(tmp_path, monkeypatch, number, call):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    if call == "link":
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError) as caught:
        write(note(), tmp_path / "a.note", FORMATS)
    assert "disk" in one_line(caught)
    assert names(tmp_path) == []


def overtaken(path):
    """Another program takes the name while the file is being written."""
    with pytest.raises(OutputError, match="exists"), atomic_file(path) as file:  # noqa: PT012
        file.write(b"ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", fail)
    write(note(), tmp_path / "a.note", FORMATS)
    assert names(tmp_path) == ["a.note"]
    overtaken(tmp_path / "b.note")
    assert names(tmp_path) == ["a.note", "b.note"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    overtaken(tmp_path / "a.note")
    assert names(tmp_path) == ["a.note"]


def test_of_many_writers_exactly_one_wins(tmp_path):
    path, results = tmp_path / "a.note", []
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        try:
            with atomic_file(path) as file:
                file.write(f"{number}".encode() * 1000)
            results.append(number)
        except OutputError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 1
    assert path.read_text() == str(results[0]) * 1000
    assert names(tmp_path) == ["a.note"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, RuntimeError, MemoryError])
def test_an_interrupt_leaves_nothing_behind(tmp_path, failure):
    with pytest.raises(failure), atomic_file(tmp_path / "a.note") as file:  # noqa: PT012
        file.write(b"half of it")
        raise failure
    assert names(tmp_path) == []


def test_until_the_end_the_name_is_free_or_old(tmp_path):
    path = tmp_path / "a.note"
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    with atomic_file(path, overwrite=True) as file:
        file.write(b"newer")
        file.flush()
        assert path.read_bytes() == b"new"
    assert path.read_bytes() == b"newer"


def test_a_writer_that_fails_gives_one_line_and_no_file(tmp_path):
    with pytest.raises(PluginError) as caught:
        write(note(), tmp_path / "a.bad", FORMATS)
    assert "the encoder broke" in one_line(caught)
    assert names(tmp_path) == []


def test_ctrl_c_in_a_writer_passes_through(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(note(), tmp_path / "a.stop", [spec("stop", ".stop", writer="interrupted")])
    assert names(tmp_path) == []


def test_an_artifact_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match="image"):
        encode(note(), FORMATS[-1])
    with pytest.raises(UsageError, match="picture holds image, not note"):
        write(note(), tmp_path / "a.note", FORMATS[-1:], name="picture")


def test_a_format_may_hold_further_kinds(tmp_path):
    both = replace(spec("both", ".both", kind="image"), also=("note",))
    assert find_format([*FORMATS, both], path="a.both", kind="note") is both
    write(note(), tmp_path / "a.both", [*FORMATS, both])
    assert read(tmp_path / "a.both", [both], kind="image").kind == "note"


def test_a_library_that_is_missing_is_named():
    missing = FormatSpec(name="x", kind="note", suffixes=(".x",), media_type="", writer="no_such_library:f")
    with pytest.raises(PluginError) as caught:
        encode(note(), missing)
    assert "no_such_library" in one_line(caught)
    assert "pip install" in one_line(caught)


# Reading


def bad_inputs(folder):
    (folder / "empty.note").write_bytes(b"")
    (folder / "binary.note").write_bytes(bytes(range(256)))
    (folder / "folder.note").mkdir()
    os.mkfifo(folder / "pipe.note")
    (folder / "a.sealed").write_text("{}")
    (folder / "a.xyz").write_text("{}")
    with (folder / "huge.note").open("wb") as file:
        file.truncate(formats.MAX_FILE_BYTES + 1)
    return {
        "empty.note": "it is damaged, or not of the kind that its ending says",
        "binary.note": "it is damaged",
        "folder.note": "not a file",
        "pipe.note": "not a file",
        "a.sealed": "only be written",
        "a.xyz": "unknown file ending",
        "huge.note": "larger",
        "none.note": "No such file",
        "a\0.note": "null",
        "x" * 300 + ".note": "too long",
        "none": "No such file",
        "two\nlines": "No such file",
        "two\nlines.note": "No such file",
    }


def test_what_cannot_be_read_is_named(tmp_path):
    for name, said in bad_inputs(tmp_path).items():
        for action in (read, inspect):
            with pytest.raises(UsageError) as caught:
                action(tmp_path / name, FORMATS)
            assert said in one_line(caught), name


def test_what_cannot_be_read_as_the_kind_that_is_wanted(tmp_path):
    (tmp_path / "a.sheet").write_text("{}")
    sheet = spec("sheet", ".sheet", reader="")
    with pytest.raises(UsageError, match=r"a\.sheet as note") as caught:
        read(tmp_path / "a.sheet", (*FORMATS, sheet), kind="note")
    assert caught.value.hint == "note is read from .note, .memo, .diary, .bad"
    with pytest.raises(UsageError) as caught:
        find_format((*FORMATS, replace(sheet, suffixes=(".note",))), path="a.x")
    assert caught.value.hint.count(".note") == 1


def test_a_fault_of_the_text_entries_is_reported_once(tmp_path):
    (tmp_path / "a.note").write_text("{")
    with pytest.raises(UsageError) as caught:
        read_recipe(tmp_path / "a.note", FORMATS)
    assert one_line(caught).count("cannot read") == 1


def test_a_broken_plugin_is_not_called_a_broken_file(tmp_path):
    (tmp_path / "a.bad").write_text("{}")
    with pytest.raises(PluginError) as caught:
        read(tmp_path / "a.bad", FORMATS)
    assert "does_not_exist" in one_line(caught)


def test_a_hostile_recipe_is_refused_where_it_is_asked_for_and_left_out_elsewhere(tmp_path):
    path = tmp_path / "a.note"
    path.write_text(json.dumps({"text": "hello", "gen": '{"schema": "gen.recipe/1", "seed": "os:system"}'}))
    assert read(path, FORMATS).recipe is None
    for action in (read_recipe, inspect):
        with pytest.raises(UsageError) as caught:
            action(path, FORMATS)
        assert str(path) in one_line(caught)


def test_a_file_without_a_recipe(tmp_path):
    (tmp_path / "a.note").write_text('{"text": "hello"}')
    assert read_recipe(tmp_path / "a.note", FORMATS) is None
    assert read(tmp_path / "a.note", FORMATS).recipe is None


def test_inspection(tmp_path):
    path = tmp_path / "a.note"
    written = write(note(recipe=RECIPE), path, FORMATS)
    found = inspect(path, FORMATS)
    assert json.loads(json.dumps(found)) == found
    assert (found["sha256"], found["bytes"]) == (written.sha256, written.bytes)
    assert (found["kind"], found["format"], found["path"]) == ("note", "note", str(path))
    assert Recipe.from_dict(found["recipe"]) == RECIPE
    assert found["foreign"] is None


def test_inspection_of_another_programs_file(tmp_path):
    path = tmp_path / "a.note"
    path.write_text(json.dumps({"text": "x", "parameters": "a cat\nSteps: 5, Seed: 12"}))
    found = inspect(path, FORMATS)
    assert found["recipe"] is None
    assert found["foreign"] == {"source": "a1111", "prompt": "a cat", "steps": 5, "seed": 12}


def starts_with_brace(head):
    return head.startswith(b"{")


def starts_with_bracket(head):
    return head.startswith(b"[")


def wrong_answer(_head):
    return "perhaps"


def test_content_decides_between_formats_of_one_ending(tmp_path):
    path = tmp_path / "a.note"
    path.write_text('{"text": "hello"}')
    mine = replace(spec("mine", ".note"), plugin="mine", can_read=f"{__name__}:starts_with_bracket")
    theirs = replace(spec("theirs", ".note"), plugin="theirs", can_read=f"{__name__}:starts_with_brace")
    silent = replace(spec("silent", ".note"), plugin="silent")
    for formats_ in ([mine, theirs], [theirs, mine], [mine, silent, theirs]):
        assert inspect(path, formats_)["format"] == "theirs"
    # Where nobody recognises it, those that say nothing count.
    assert inspect(path, [mine, silent])["format"] == "silent"
    # Those that are only written are no choice for a file that is read.
    drawn = [replace(spec(name, ".note", reader=""), plugin=name) for name in ("one", "two")]
    assert inspect(path, [theirs, *drawn])["format"] == "theirs"
    path.write_text("text")
    with pytest.raises(UsageError, match=r"cannot read .*a\.note: it is damaged, or not of the kind"):
        read_recipe(path, [mine, *drawn, theirs])
    path.write_text('{"text": "hello"}')
    own = replace(silent, name="own", plugin="own", own=True)
    assert inspect(path, [silent, own])["format"] == "own"
    other = replace(silent, name="other", plugin="other")
    with pytest.raises(
        UsageError, match=r"'\.note' is that of silent of plugin silent and of other"
    ) as caught:
        inspect(path, [silent, other])
    assert "--format NAME" in caught.value.hint
    assert inspect(path, [silent, other], name="other")["format"] == "other"
    with pytest.raises(UsageError, match="is that of silent"):
        write(note(), tmp_path / "b.note", [silent, other])
    assert write(note(), tmp_path / "b.note", [silent, own]).format == "own"
    assert write(note(), tmp_path / "c.note", [silent, other], name="other").format == "other"
    unsure = replace(mine, can_read=f"{__name__}:wrong_answer")
    with pytest.raises(PluginError, match="the can_read of mine of plugin mine returned 'perhaps'"):
        read(path, [unsure, theirs])


def test_an_ending_that_two_formats_share_means_the_one_that_can_be_read():
    sketch, diary = spec("sketch", ".diary", reader="", kind="image"), FORMATS[1]
    assert find_format((sketch, diary), path="x.diary") is diary
    assert find_format((sketch, diary), path="x.diary", kind="image") is sketch
