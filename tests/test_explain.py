"""Explanations that are written: they name only what stands in the code, are the same everywhere and always, kept once written,
and come from one place. The decoder is a tiny one that was trained on a made-up language (`explainers.py`)."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from explainers import PART, bundle_of, function, path_of
from hypothesis import given, settings
from hypothesis import strategies as st

import wayfind
from wayfind import config
from wayfind.errors import ModelError, UsageError
from wayfind.index.explanations import ExplanationStore
from wayfind.model import bundle
from wayfind.model.explainer import Explainer, Rules
from wayfind.model.reading import LONGEST, MOST, places, reading, undocumented
from wayfind.model.wording import Known, invented, joined, names_in, repeats, spelled, written
from wayfind.model.wordpiece import WordPiece
from wayfind.search.explain import explain
from wayfind.types import Chunk, Target

SOURCE = Path(wayfind.__file__).parent
COMMON = {"the", "of", "a", "returns", "from"}


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(bundle_of(tmp_path_factory.mktemp("bundle")))


@pytest.fixture
def in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, and the tiny decoder as the model in use."""
    bundle_of(tmp_path / "bundle")
    monkeypatch.setenv("WAYFIND_MODEL", str(tmp_path / "bundle"))
    (tmp_path / "repo").mkdir()
    texts = [function("load", "file", "user")[1], function("save", "record", "tree")[1], 'def documented(x):\n    """Says what it does itself."""\n    return x']
    (tmp_path / "repo" / "a.py").write_text("\n\n\n".join(texts) + "\n", encoding="utf-8")
    return tmp_path


# What is written -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "noun", "other"), [("load", "file", "user"), ("save", "record", "tree"), ("open", "image", "page"), ("parse", "token", "index")])
def test_the_decoder_reads_the_code_and_copies_names(explainer: Explainer, verb: str, noun: str, other: str) -> None:
    chunk, text = function(verb, noun, other)
    said = explainer.write(reading(chunk, text, "python"))
    assert path_of(noun) in said and f"the {noun} of the {other}" in said


@settings(deadline=None)
@given(st.lists(st.sampled_from(["parse_header", "maxSize", "Set.add", "the", "of", "zork", "HTTPClient", "0x1F", "file", "returns"]), min_size=1, max_size=6), st.booleans())
def test_nothing_is_found_invented_that_stands_in_the_text_and_everything_that_does_not(words: list[str], present: bool) -> None:
    sentence = " ".join(words) + "."
    text = f"def f(): {' '.join(words)}" if present else "def f(): pass"
    lacking = invented(sentence, text, COMMON)
    assert lacking == ([] if present else [word for word in words if word not in COMMON])


def test_names_in_parts_and_inflected_words_count_as_present() -> None:
    text = "def serialise(maxSize): pass"
    assert not invented("Serialises the max size.", text, COMMON)
    assert invented("Serialises the min size.", text, COMMON) == ["min"]
    assert invented("Returns 3 of MAX_SIZE.", text, COMMON) == ["3"]
    assert invented("Returns a JSON of `maxSize`.", text, COMMON) == ["JSON"]


def test_a_name_in_capitals_is_a_name_even_if_its_parts_are_common() -> None:
    assert invented("Returns theOf.", "pass", COMMON) == ["theOf"]
    assert not Known("pass", COMMON).word("theof") and Known("pass", COMMON).word("of")


def test_names_are_restored_as_they_stand_and_marks_without_a_name_vanish() -> None:
    names = names_in("class ProtoComment: max_size = 3")
    assert written("returns a [NAME] proto comment of [NAME] max size".split(), names, {}) == "Returns a ProtoComment of max_size."
    assert written("returns a [NAME] proto thing".split(), names, {}) == "Returns a proto thing."


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ProtoComment", "max_size", "sorted", "by", "re-raised", "JSON"]), min_size=2, max_size=6))
def test_what_is_spelled_is_written_again(words: list[str]) -> None:
    sentence = "Returns " + " ".join(words) + "."
    again = written(spelled(sentence).removesuffix(" .").split(), names_in("ProtoComment max_size"), {"json": "JSON"})
    assert again == sentence


def said_of(language: str, symbol: str, code: str, sentence: str) -> bool:
    """Whether a sentence is grounded in a reading."""
    return Rules(f"{language}\n{symbol}\n{code}", COMMON).hold(sentence)


@pytest.mark.parametrize(
    ("language", "symbol", "code", "true", "untrue"),
    [
        # from the sentences that were judged wrong: a verb that the name does not mean
        ("python", "sanitize_rst_roles", "def sanitize_rst_roles(text):\n    return sub(text)", "Sanitizes the rst roles for the given text.", "Returns the rst roles for the given text."),
        ("php", "Environment.setCache", "function setCache($cache)\n{ $this->cache = $cache; }", "Sets the cache of the environment.", "Returns the cache of the environment."),
        ("rust", "Builder.timer", "fn timer(mut self, timer: M) -> Self { self.t = timer; self }", "Sets the timer.", "Creates a timer."),
        ("kotlin", "RequestBody.writeTo", "fun writeTo(sink: Sink) { sink.write(bytes) }", "Writes to the sink.", "Returns the body of the request."),
        # an object that the name does not name, or says the other way round
        ("ruby", "Context.find_variable", "def find_variable(key)\n  @scopes[key]\nend", "Finds the variable of the context.", "Finds the context of the variable."),
        ("go", "Encoder.AppendTime", "func (Encoder) AppendTime(dst []byte, t Time) []byte {\n return x\n}", "Appends the time to the given dst.", "Appends the encoder to the given time."),
        # something given that is no parameter
        ("go", "Binding.ResetHeader", "func (b *Binding) ResetHeader() { b.header = nil }", "Resets the header of the binding.", "Resets the header for the given header."),
        # circular, and said twice
        ("python", "raw_fragment", "def raw_fragment(self):\n    return self._val.fragment", "Returns the raw fragment.", "Returns the fragment of the raw fragment."),
        # a function that asks, and one that does not
        ("python", "Tag.is_set", "def is_set(self):\n    return self._tag", "Returns true if the tag is set.", "Returns the set tag."),
        ("python", "Tag.name", "def name(self):\n    return self._name", "Returns the name of the tag.", "Returns true if the name is tag."),
        # what follows a preposition is not at hand
        ("python", "Text.find_line", "def find_line(self, number):\n    return lines[regex]", "Finds the line for the given number.", "Finds the line of the regex."),
    ],
)
def test_a_sentence_is_grounded_in_what_the_name_and_the_parameters_say(language: str, symbol: str, code: str, true: str, untrue: str) -> None:
    assert said_of(language, symbol, code, true)
    assert not said_of(language, symbol, code, untrue)


def test_short_forms_in_code_mean_their_words() -> None:
    known = Known("def f(cfg, idx): pass", COMMON)
    assert not known.lacks("Returns the configuration of the index.") and known.lacks("Returns the document.") == ["document"]


def test_a_form_of_a_word_that_is_no_word_is_not_said() -> None:
    known = Known("def etag(data): pass", COMMON, {"etags"})
    assert known.word("etags") and known.word("data") and not known.word("etager") and not known.word("dataed")


def test_an_article_agrees_with_what_follows() -> None:
    assert written("returns a adapter of a file".split(), {}, {}) == "Returns an adapter of a file."


def test_pieces_are_joined_to_words_and_repetitions_seen() -> None:
    assert joined(["a", "##b", "##c", "d"]) == ["abc", "d"]
    assert repeats("the the file".split()) and repeats("a b c d a b c".split()) and not repeats("a b c d a b d".split())


# What is read --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "docstring"),
    [
        ('def f(x):\n    """Zork the file.\n\n    Then zork it again.\n    """\n    return zap(x)', "Zork the file.\n\nThen zork it again."),
        ("/**\n * Zork the file.\n * @param x zork\n */\nint f(int x) {\n  return zap(x);\n}", "Zork the file.\n@param x zork"),
        ("// Zork the file.\nfunc f(x int) {\n\tzap(x)\n}", "Zork the file."),
        ("# Zork the file.\ndef f(x)\n  zap(x)\nend", "Zork the file."),
    ],
)
def test_documentation_is_hidden_and_code_is_not(text: str, docstring: str) -> None:
    bare = undocumented(Chunk(1, 3, "function", "f", "f(x)", docstring), text)
    assert "zork" not in bare.lower() and "zap(x)" in bare


def test_a_reading_is_no_longer_than_the_reader(explainer: Explainer) -> None:
    text = "def f(x):\n    # " + "word " * 500 + "\n" + "\n".join(f"    call_{n}(argument_{n})" for n in range(500))
    ids, parts = places(reading(Chunk(1, 502, "function", "A.f", "def f(x)"), text, "python"), WordPiece((PART / "decoder-pieces.txt").read_text()))
    assert len(ids) == len(parts) <= LONGEST and {part: parts.count(part) for part in set(parts)}.items() <= {part: min(n, parts.count(part)) for part, n in MOST.items()}.items()


# Always the same -----------------------------------------------------------------------------------------------------------

SAY = """
import sys
sys.path.insert(0, sys.argv[1])
from explainers import *
from wayfind.model.explainer import Explainer, Rules
e = Explainer(bundle_of(Path(sys.argv[2])), threads=int(sys.argv[3]))
for one in made_up(40):
    print(e.write(one.reading), [round(c.score, 6) for c in e.candidates(one.reading)])
"""


def test_two_processes_write_the_same(tmp_path: Path) -> None:
    done = [
        subprocess.run([sys.executable, "-c", SAY, Path(__file__).parent, tmp_path / f"bundle{n}", str(n)], capture_output=True, text=True, check=True).stdout
        for n in (1, 2)
    ]
    assert done[0] == done[1] and done[0].count("Path") >= 30


def test_what_was_written_is_kept_by_content_and_model(in_use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk, text = function("load", "file", "user")
    first = explain(chunk, text, "python", "generated", in_use / "home")
    calls = []
    monkeypatch.setattr(Explainer, "write", lambda self, read, habits, own: calls.append(read) or "Other.")
    assert explain(chunk, text, "python", "generated", in_use / "home") == first and not calls
    assert explain(chunk, text.replace("homePath", "urlPath"), "python", "generated", in_use / "home").text == "Other." and len(calls) == 1
    assert explain(chunk, text, "python", "generated").text == "Other."
    store = ExplanationStore(in_use / "home")
    assert store.count() == 2
    store.thin(1)
    assert store.count() == 1
    assert os.stat(store.path).st_mode & 0o077 == 0


def test_a_store_that_cannot_be_used_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = ExplanationStore(tmp_path / "file" / "home")
    store.put("m", "r", "Says.")
    assert store.get("m", "r") is None and store.count() == 0
    (tmp_path / "explanations.sqlite").write_bytes(b"no database, only bytes" * 100)
    assert ExplanationStore(tmp_path).get("m", "r") is None


# Which sentence is shown ---------------------------------------------------------------------------------------------------


def _by_symbol(in_use: Path, mode: str) -> dict[str, Target]:
    with wayfind.open(in_use / "repo", home=in_use / "home") as repository:
        return {result.symbol: result.explanation for result in repository.search("load file save record documented", explain=mode).results}


def test_auto_writes_what_nobody_described_and_leaves_what_people_wrote(in_use: Path) -> None:
    shown = _by_symbol(in_use, "auto")
    assert shown["load_file"] == Target("Loads the file of the user from homePath.", "generated")
    assert shown["documented"] == Target("Says what it does itself.", "docstring")


def test_source_writes_nothing_and_generated_all(in_use: Path) -> None:
    assert {one.provenance for one in _by_symbol(in_use, "source").values()} == {"synthetic", "docstring"}
    shown = _by_symbol(in_use, "generated")
    assert shown["load_file"].provenance == "generated"
    assert shown["documented"].provenance in ("generated", "synthetic") and "itself" not in shown["documented"].text


def test_where_the_decoder_is_sure_of_nothing_the_template_speaks(in_use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explainer, "write", lambda self, read, habits, own: "")
    chunk, text = function("load", "file", "user")
    assert explain(chunk, text, "python", "generated") == Target("Loads the file, given user and homePath.", "synthetic")
    synthetic = Chunk(1, 2, "function", "load_file", "def load_file(user)", target=Target("Loads it.", "synthetic"))
    assert explain(synthetic, text, "python", "auto") == Target("Loads it.", "synthetic")


def test_a_decoder_that_trusts_nothing_writes_nothing(tmp_path: Path) -> None:
    chunk, text = function("load", "file", "user")
    assert Explainer(bundle_of(tmp_path, least=1.0)).write(reading(chunk, text, "python")) == ""


def test_a_bundle_without_a_decoder_explains_as_before(tmp_path: Path, in_use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle.write(tmp_path / "bare", "bare", {}, {}, {})
    monkeypatch.setenv("WAYFIND_MODEL", str(tmp_path / "bare"))
    assert _by_symbol(in_use, "auto")["load_file"].provenance == "synthetic"
    with pytest.raises(UsageError, match="no decoder"):
        _by_symbol(in_use, "generated")


def test_a_decoder_that_reads_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="version"):
        Explainer(bundle_of(tmp_path, reading="0"))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    found = bundle_of(tmp_path)
    (tmp_path / "decoder-words.txt").write_text("other\n")
    with pytest.raises(ModelError, match="not the file"):
        Explainer(found)


def test_every_interface_takes_its_sentences_from_one_place() -> None:
    """Nothing that answers but `search.explain` asks the decoder (its export and its adaptation measure it), and nothing else builds a generated target."""
    asking, naming = set(), set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "wayfind.model.explainer":
                asking.add(own)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Target" and any(isinstance(one, ast.Constant) and one.value == "generated" for one in node.args):
                naming.add(own)
    assert asking - {"train/explaining_export.py", "train/adapt/sentences.py"} == {"search/explain.py"} and naming == {"search/explain.py"}


def test_writing_needs_no_network(in_use: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network used')\n"
        "socket.socket = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "import wayfind\n"
        "print(wayfind.open(sys.argv[1], home=sys.argv[2]).search('load file', explain='generated').results[0].explanation.provenance)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, in_use / "repo", in_use / "home2"], capture_output=True, text=True)
    assert done.stdout.strip() == "generated", done.stderr


def test_the_decoder_of_the_seeds_never_saw_its_target_and_ours_sees_no_documentation(in_use: Path) -> None:
    """Origin defects 6 and 7: a decoder that can read its answer learns to copy it."""
    text = 'def documented(x):\n    """Says what it does itself."""\n    return x'
    chunk = Chunk(1, 3, "function", "documented", "def documented(x)", "Says what it does itself.", target=Target("Says what it does itself.", "docstring"))
    assert "itself" not in reading(chunk, text, "python")
    assert reading(chunk, text, "python") == reading(Chunk(1, 2, "function", "documented", "def documented(x)"), "def documented(x):\n    return x", "python")


def test_the_setting_may_ask_for_generated_explanations() -> None:
    assert config.SETTINGS["explain"].read("generated") == "generated"


def test_what_was_written_counts_in_the_size_of_a_home_and_is_thinned(in_use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wayfind.index import explanations
    from wayfind.index.home import sizes
    from wayfind.index.maintain import gc

    _by_symbol(in_use, "generated")
    assert sizes(in_use / "home").explanations > 0
    monkeypatch.setattr(explanations.ExplanationStore.thin, "__defaults__", (1,))
    gc(in_use / "home")
    assert ExplanationStore(in_use / "home").count() == 1


SHELF = '''class Shelf:
    def clear_books(self):
        self.books = []

    def find(self, title):
        """Says what it does itself."""
        return title
'''
SHIPPED = """
import socket, sys
def refuse(*a, **k): raise AssertionError('network used')
socket.socket.connect = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse
from wayfind.serve.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_decoder_that_is_shipped_speaks_when_it_is_asked_to_and_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "decoder" not in bundle.load(bundle.BASE).parts:
        pytest.skip("no bundle comes with this tree")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.py").write_text(SHELF)
    environment = {**os.environ, "WAYFIND_HOME": str(tmp_path / "home"), "WAYFIND_MODEL": "base"}
    said = {}
    for mode in ("generated", "auto", "source"):
        done = subprocess.run([sys.executable, "-c", SHIPPED, "search", "clear the books of a shelf", tmp_path / "repo", "--explain", mode, "--json"], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        said[mode] = {one["symbol"]: one["explanation"] for one in json.loads(done.stdout)["results"]}
    assert said["generated"]["Shelf.clear_books"]["provenance"] == "generated" and said["generated"]["Shelf.clear_books"]["text"].startswith("Clears the books")
    assert said["auto"] == said["source"] and said["auto"]["Shelf.clear_books"]["provenance"] == "synthetic"
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    with wayfind.open(tmp_path / "repo", home=tmp_path / "home") as repository:
        (shown,) = [one.explanation for one in repository.search("clear the books of a shelf", explain="generated").results if one.symbol == "Shelf.clear_books"]
    assert (shown.text, shown.provenance) == tuple(said["generated"]["Shelf.clear_books"].values())
