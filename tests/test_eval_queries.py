"""Held-out queries: what is asked, that the answer is not given away, and that the gold is right. Real trees, real git."""

from __future__ import annotations

import subprocess
from collections import Counter

import histories
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wayfind
from wayfind.corpus.definitions import definitions
from wayfind.evaluate import scratch
from wayfind.evaluate.from_commits import clean_subject, commit_queries, commit_tree, cut
from wayfind.evaluate.from_docstrings import docstring_queries, first_sentence, without_docstring
from wayfind.evaluate.from_tests import test_queries as queries_from_tests
from wayfind.evaluate.queries import PARTS, Gold, Hit, digest, is_unnamed, judge, part, plain

PYTHON = '''\
"""Shapes."""


def area(width, height):
    """Multiply both sides to cover the plane.

    More about it.
    """
    if width < 0:
        raise ValueError(width)
    return width * height


class Box:
    """A thing with sides."""

    def grow(self, by):
        """Make every side longer by some amount."""
        self.side += by
        return self.side

    def side_of(self):
        """The side."""
        return self.side
'''

DOCUMENTED = {
    "python": (PYTHON, "area", "Multiply both sides"),
    "go": ("package a\n\n// Area multiplies both sides\n// to cover the plane.\nfunc Area(w int, h int) int {\n\tif w < 0 {\n\t\treturn 0\n\t}\n\treturn w * h\n}\n", "Area", "multiplies both sides"),
    "rust": ("/// Multiply both sides\n/// to cover the plane.\n#[inline]\npub fn area(w: u32, h: u32) -> u32 {\n    let a = w * h;\n    a\n}\n", "area", "Multiply both sides"),
    "typescript": ("/**\n * Multiply both sides.\n * @param w width\n */\nexport function area(w: number, h: number): number {\n  const a = w * h;\n  return a;\n}\n", "area", "Multiply both sides"),
    "java": ("class Box {\n  /** Multiply both sides to cover. */\n  int area(int w, int h) {\n    int a = w * h;\n    return a;\n  }\n}\n", "Box.area", "Multiply both sides"),
    "ruby": ("# Multiply both sides\n# to cover the plane.\ndef area(w, h)\n  a = w * h\n  a\nend\n", "area", "Multiply both sides"),
    "c": ("/* Multiply both sides\n   to cover the plane. */\nint area(int w, int h) {\n  int a = w * h;\n  return a;\n}\n", "area", "Multiply both sides"),
}


def opened(root, home):
    repo = wayfind.open(root, home=home)
    repo.refresh()
    return repo


def indexed(root, home):
    return list(opened(root, home).chunks())


@pytest.mark.parametrize("language", DOCUMENTED)
def test_documentation_is_removed_and_nothing_else(language):
    text, symbol, said = DOCUMENTED[language]
    blank = without_docstring(text, language, symbol)
    assert said in text and said not in blank
    assert blank.count("\n") == text.count("\n")
    before, after = ([c.symbol for c in definitions(t, language)[0]] for t in (text, blank))
    assert before == after
    kept = {line for line in blank.split("\n") if line}
    assert kept <= set(text.split("\n")), "what is left stands as it stood"
    assert next(c for c in definitions(blank, language)[0] if c.symbol == symbol).docstring == ""


def test_a_function_that_is_only_a_docstring_keeps_a_body():
    text = 'def later(a):\n    """To be written by someone else."""\n\n\ndef other():\n    return 1\n'
    blank = without_docstring(text, "python", "later")
    compile(blank, "later.py", "exec")
    assert "written" not in blank and "def other" in blank


def test_documentation_on_the_line_of_code_is_not_touched():
    assert without_docstring('def f(): "Say one thing on one line"\n', "python", "f") is None


def test_a_symbol_defined_twice_is_not_touched():
    text = 'def f():\n    """Say one thing here."""\n    return 1\n\n\ndef f():\n    """Say another thing here."""\n    return 2\n'
    assert without_docstring(text, "python", "f") == text or without_docstring(text, "python", "f") is None


@pytest.mark.parametrize(
    ("documentation", "symbol", "sentence"),
    [
        ("Make it so. Then rest.", "", "Make it so"),
        ("Read ``a`` with :func:`~b.c` e.g. here.\n\nMore.", "", "Read a with b.c e.g. here"),
        ("Area multiplies both sides.", "geo.Area", "multiplies both sides"),
        ("Area Multiplier", "Area", "Area Multiplier"),
        ("Return {@link Foo the foo} of <b>it</b>\n@param x y", "", "Return the foo of it"),
        ("\n\n:param x: y\nGive back x\nover lines", "", "Give back x over lines"),
        ("Use [the manual](https://example.org/a.b) now", "", "Use the manual now"),
        ("", "", ""),
    ],
)
def test_the_first_sentence_is_plain_words(documentation, symbol, sentence):
    assert first_sentence(documentation, symbol) == sentence


def test_docstring_queries_ask_for_functions_whose_documentation_is_gone(tmp_path):
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    (root / "shapes.py").write_text(PYTHON)
    (root / "tests/test_shapes.py").write_text('def test_area():\n    """Check that sides are multiplied well."""\n    a = 1\n    assert a\n')
    made = docstring_queries(root, indexed(root, tmp_path / "home"), tmp_path / "copy")
    assert {q.text: str(q.gold[0]) for q in made.queries} == {
        "Multiply both sides to cover the plane": "shapes.py:area",
        "Make every side longer by some amount": "shapes.py:Box.grow",
    }
    assert made.dropped["fewer than 4 words"] == 1
    copy = (made.root / "shapes.py").read_text()
    assert "Multiply" not in copy and "longer" not in copy and "A thing with sides" in copy
    assert (root / "shapes.py").read_text() == PYTHON, "the repository itself is never written to"
    held = [c for c in indexed(made.root, tmp_path / "home2") if c.symbol in ("area", "Box.grow")]
    assert len(held) == 2 and not any(c.docstring() for c in held)
    assert not any(q.text in c.text() for q in made.queries for c in indexed(made.root, tmp_path / "home2"))


def test_docstring_queries_are_spread_over_files_and_seeded(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    for name in "abcde":
        functions = [
            f'def f{name}{n}(x):\n    """Do the thing {name} number {n} well."""\n    y = x + {n}\n    return y\n' for n in range(6)
        ]
        (root / f"{name}.py").write_text("\n\n".join(functions))
    chunks = indexed(root, tmp_path / "home")
    asked = [docstring_queries(root, chunks, tmp_path / f"copy{n}", limit=limit, seed=seed) for n, (limit, seed) in enumerate([(200, 0), (5, 0), (5, 0), (5, 1)])]
    assert set(Counter(q.gold[0].path for q in asked[0].queries).values()) == {3}
    assert set(Counter(q.gold[0].path for q in asked[1].queries).values()) == {1}
    assert asked[1].queries == asked[2].queries != asked[3].queries
    thirds = [docstring_queries(root, chunks, tmp_path / p, parts=(p,)).queries for p in PARTS]
    keys = [{q.gold[0].path for q in third} for third in thirds]
    assert all(part(key) == p for p, third in zip(PARTS, keys, strict=True) for key in third)


def test_one_sentence_on_two_functions_asks_for_neither(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    body = '    """Return the string for people to read."""\n    text = str(self)\n    return text\n'
    (root / "a.py").write_text(f"def one(self):\n{body}\n\ndef two(self):\n{body}")
    made = docstring_queries(root, indexed(root, tmp_path / "home"), tmp_path / "copy")
    assert made.queries == () and made.dropped["same sentence on several functions"] == 2
    assert "no function with documentation" in made.note


def test_the_copy_of_a_git_tree_holds_the_working_tree_and_the_history(tmp_path):
    root = histories.make(tmp_path / "tree", [("Begin the work", {"pkg/shapes.py": PYTHON, "gone.py": "x = 1\n"})])
    (root / "pkg/shapes.py").write_text(PYTHON + "\n\ndef new_one(a):\n    return a\n")
    (root / "gone.py").unlink()
    copy = scratch.tree_of(root / "pkg", ["shapes.py"], tmp_path / "copy")
    assert copy == tmp_path / "copy/pkg"
    assert "new_one" in (copy / "shapes.py").read_text() and not (tmp_path / "copy/gone.py").exists()
    assert histories.git(copy, "log", "--format=%s").strip() == "Begin the work"
    assert histories.git(root, "status", "--porcelain").split("\n")[:2] == [" D gone.py", " M pkg/shapes.py"], "nothing was written there"


# commits


def function(name, value):
    return f"def {name}(x):\n    y = x + {value}\n    z = y * 2\n    return z\n"


def module(values):
    return "\n\n".join(function(name, value) for name, value in values.items())


def changing_history(folder, commits=80):
    """A history in which commit n changes the function numbered n % 8 in words of its own."""
    values = {f"step{n}": 0 for n in range(8)}
    history = [("Begin with eight steps", {"pkg/steps.py": module(values), "README.md": "# Steps\n"})]
    for n in range(1, commits):
        values[f"step{n % 8}"] = n
        history.append((f"fix(steps): adjust number {n} of the sequence (#{n})", {"pkg/steps.py": module(values)}))
    return histories.make(folder, history)


def made_at_cutoff(root, tmp_path, **options):
    history = cut(root)
    folder = commit_tree(history, tmp_path / "copy")
    return history, commit_queries(root, folder, history, indexed(folder, tmp_path / "home"), **options)


def test_commit_queries_ask_for_what_each_later_commit_changed(tmp_path):
    root = changing_history(tmp_path / "tree")
    _, made = made_at_cutoff(root, tmp_path)
    assert {q.text: str(q.gold[0]) for q in made.queries} == {
        f"adjust number {n} of the sequence": f"pkg/steps.py:step{n % 8}" for n in range(64, 80)
    }
    assert all(len(q.gold) == 1 for q in made.queries)


def test_a_history_whose_contents_are_not_all_there_is_no_shorter_history(tmp_path):
    root = changing_history(tmp_path / "tree")
    with (root / "pkg/steps.py").open("a") as file:
        file.write("\n\ndef later(x):\n    return x\n")
    histories.git(root, "commit", "-qam", "Say what comes later than all steps")
    blob = histories.git(root, "rev-parse", "HEAD:pkg/steps.py").strip()
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(scratch.GitError, match=blob):
        made_at_cutoff(root, tmp_path)


def test_signatures_that_the_user_wants_shown_change_nothing(tmp_path):
    root = changing_history(tmp_path / "tree")
    program = tmp_path / "gpg"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in\n"
        "*--verify*) echo 'gpg: Good signature from me' >&2; printf '\\n[GNUPG:] GOODSIG 1234 me\\n[GNUPG:] VALIDSIG 1 2 3 4 5 6 7 8 9 10\\n';;\n"
        "*) cat >/dev/null; printf '\\n[GNUPG:] SIG_CREATED D\\n' >&2; printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n';;\n"
        "esac\n"
    )
    program.chmod(0o755)
    for name, value in {"gpg.program": str(program), "log.showSignature": "true", "user.signingKey": "1234"}.items():
        histories.git(root, "config", name, value)
    steps = root / "pkg/steps.py"
    steps.write_text(steps.read_text().replace("x + 73", "x + 500"))
    histories.git(root, "commit", "-S", "-qam", "Leave one step of the whole sequence")
    assert "Good signature" in histories.git(root, "log", "-n1"), "git shows what the program says"
    _, made = made_at_cutoff(root, tmp_path)
    assert len(made.queries) == 16


def test_nothing_from_after_the_cutoff_is_in_the_tree_its_history_or_its_index(tmp_path):
    root = changing_history(tmp_path / "tree")
    with (root / "pkg/steps.py").open("a") as file:
        file.write("\n\ndef unfinished_zebra(x):\n    return x\n")
    (root / "later_giraffe.py").write_text("def later_giraffe():\n    return 1\n")
    histories.git(root, "add", ".")
    histories.git(root, "commit", "-qm", "Introduce the giraffe of step one")
    histories.git(root, "tag", "v9")
    history = cut(root)
    folder = commit_tree(history, tmp_path / "copy")
    later = histories.git(root, "rev-list", f"{history.cutoff}..HEAD").split()
    assert later and not set(histories.git(folder, "rev-list", "--all", "HEAD", "--reflog").split()) & set(later)
    assert histories.git(folder, "for-each-ref") == ""
    repo = opened(folder, tmp_path / "home")
    held = " ".join(f"{c.path} {c.symbol} {c.text()}" for c in repo.chunks())
    assert "giraffe" not in held and "zebra" not in held
    touches = repo.touches()
    assert touches and not {t.commit for t in touches} & set(later) and not any("giraffe" in t.subject for t in touches)
    made = commit_queries(root, folder, history, repo.chunks())
    assert not any("giraffe" in str(gold) or "zebra" in str(gold) for q in made.queries for gold in q.gold)
    assert not any("giraffe" in q.text for q in made.queries), "it changed nothing that was there before"


def test_a_cutoff_needs_enough_history(tmp_path):
    assert "59 usable commits; 60 are needed" in cut(changing_history(tmp_path / "short", 59))
    assert not isinstance(cut(changing_history(tmp_path / "long", 60)), str)
    (tmp_path / "plain").mkdir()
    assert cut(tmp_path / "plain") == "not a git repository"
    subprocess.run(["git", "init", "-q", str(tmp_path / "plain")], check=True)
    assert cut(tmp_path / "plain") == "the repository has no commit yet"


def test_commits_of_a_folder_within_the_repository_are_asked_with_paths_from_there(tmp_path):
    root = changing_history(tmp_path / "tree")
    _, made = made_at_cutoff(root / "pkg", tmp_path)
    assert {q.gold[0].path for q in made.queries} == {"steps.py"} and len(made.queries) == 16


def test_a_file_moved_since_the_cutoff_is_asked_for_where_it_was(tmp_path):
    root = changing_history(tmp_path / "tree")
    (root / "src").mkdir()
    histories.git(root, "mv", "pkg", "src/pkg")
    histories.git(root, "commit", "-qm", "Move the package below src")
    file = root / "src/pkg/steps.py"
    file.write_text(file.read_text().replace("x + 79", "x + 790"))
    histories.git(root, "commit", "-qam", "Raise the last of all steps")
    _, made = made_at_cutoff(root, tmp_path)
    assert {q.text: str(q.gold[0]) for q in made.queries}["Raise the last of all steps"] == "pkg/steps.py:step7"
    assert "Move the package below src" not in {q.text for q in made.queries}


def test_commits_that_change_too_much_or_say_too_little_are_left_out_and_counted(tmp_path):
    root = changing_history(tmp_path / "tree")
    new = {f"step{n}": 1000 + n for n in range(8)}
    (root / "pkg/steps.py").write_text(module(new))
    histories.git(root, "commit", "-qam", "Change all of the steps at once")
    (root / "pkg/steps.py").write_text(module(new | {"step1": 5}))
    histories.git(root, "commit", "-qam", "Fix typo")
    (root / "pkg/steps.py").write_text(module(new | {"step1": 6}))
    histories.git(root, "commit", "-qam", "adjust number 3 of the sequence")
    _, made = made_at_cutoff(root, tmp_path)
    assert made.dropped["more than 5 functions changed"] == 1
    assert made.dropped["subject says nothing"] == 1
    assert made.dropped["subject also before the cut-off"] == 1


def test_commit_queries_are_limited_and_seeded(tmp_path):
    root = changing_history(tmp_path / "tree")
    history, made = made_at_cutoff(root, tmp_path, limit=5, seed=3)
    chunks = indexed(tmp_path / "copy", tmp_path / "home")
    again = commit_queries(root, tmp_path / "copy", history, chunks, limit=5, seed=3)
    other = commit_queries(root, tmp_path / "copy", history, chunks, limit=5, seed=4)
    assert len(made.queries) == 5 and made.queries == again.queries != other.queries


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("fix(parser): keep empty lines in tables (#812)", "keep empty lines in tables"),
        ("Fixed #35489 -- Fixed vertical alignment of raw fields.", "Fixed vertical alignment of raw fields"),
        ("Refs #1, #22 -- Added tests for it", "Added tests for it"),
        ("Refs CVE-2026-12 -- Prevented collisions of salts.", "Prevented collisions of salts"),
        ("[PROJ-12] Close idle connections early", "Close idle connections early"),
        ("gh-1234: Close idle connections early (GH-99)", "Close idle connections early"),
        ("[3.12] bpo-99: Close idle connections", "Close idle connections"),
        ("net/http: close idle connections", "net/http: close idle connections"),
        ("feat!: drop old engines", "drop old engines"),
        ('keep "raw" output with -verbose', "keep raw output with verbose"),
        ("Fix typo", None),
        ("Fix CI and build failures", None),
        ("Release the lock when a build fails", "Release the lock when a build fails"),
        ("Bump foo from 1.2 to 1.3", None),
        ('Revert "Close idle connections"', None),
        ("Merge branch 'main' into feature", None),
        ("v1.2.3 is out now", None),
        ("", None),
    ],
)
def test_subjects_are_cleaned(subject, text):
    assert clean_subject(subject) == text


# tests


def test_test_queries_ask_for_the_function_that_the_test_calls_and_names(tmp_path):
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    (root / "shapes.py").write_text(PYTHON + "\n\ndef parse(text):\n    return text\n\n\ndef parse_table(text):\n    return parse(text)\n")
    (root / "tests/test_shapes.py").write_text(
        "from shapes import parse, parse_table, area\n\n"
        "def test_parse_rejects_empty():\n    assert parse('') is None\n\n"
        "def test_parse_table_keeps_blank_rows():\n    assert parse_table(parse(' '))\n\n"
        "def test_area():\n    assert area(1, 2) == 2\n\n"
        "def test_area_of_nothing_is_zero():\n    assert 1\n\n"
        "def test_nothing_to_parse_is_fine():\n    assert parse('') == ''\n"
    )
    made = queries_from_tests(root, indexed(root, tmp_path / "home"))
    assert {q.text: str(q.gold[0]) for q in made.queries} == {
        "parse rejects empty": "shapes.py:parse",
        "parse table keeps blank rows": "shapes.py:parse_table",
    }
    assert made.without_tests
    assert made.dropped == {"name says no more than the function's": 1, "calls no function that its name holds": 2}


# what all kinds share


def test_the_thirds_are_a_partition_of_about_equal_size_and_depend_on_the_key_alone():
    sizes = Counter(part(f"a/b{n}.py") for n in range(3000))
    assert set(sizes) == set(PARTS) and max(sizes.values()) - min(sizes.values()) < 150
    assert part("django/http/request.py") == part("django/http/request.py")


@pytest.mark.parametrize(
    ("text", "gold", "unnamed"),
    [
        ("where are retries counted", Gold("src/http.py", "Session.request"), True),
        ("request a page", Gold("src/http.py", "Session.request"), False),
        ("what requests do", Gold("src/http.py", "Session.request"), False),  # `request` begins `requests`
        ("authentication of people", Gold("src/auth/login.py", "check"), False),  # `auth` in the path
        ("the check", Gold("a.py", "is_the"), True),  # stop words name nothing
        ("HTTP status", Gold("src/parseHTTPResponse.ts"), False),
    ],
)
def test_unnamed_means_that_no_word_names_the_function_or_its_file(text, gold, unnamed):
    assert is_unnamed(text, [gold]) is unnamed


def test_a_hit_covers_by_symbol_then_by_lines_then_by_file():
    gold = Gold("a.py", "C.m", 10, 20)
    assert Hit("a.py", 1, 5, "C.m").covers(gold)
    assert not Hit("a.py", 10, 20, "C.n").covers(gold)
    assert not Hit("b.py", 10, 20, "C.m").covers(gold)
    assert Hit("a.py", 15, 15).covers(gold), "a command that prints path:line"
    assert not Hit("a.py", 21, 30).covers(gold)
    assert not Hit("a.py").covers(gold), "a whole file is no answer to a question for a function"
    assert Hit("a.py").covers(Gold("a.py")) and Hit("a.py", 3, 4, "f").covers(Gold("a.py"))
    assert not Hit("a.py", 3, 4, "f").covers(Gold("a.py", None, 5, 9))


def test_a_second_hit_on_one_gold_earns_nothing_and_one_hit_earns_once():
    file, other = Gold("a.py"), Gold("b.py")
    hits = [Hit("a.py", 1, 2), Hit("a.py", 3, 4), Hit("b.py", 1, 2)]
    assert judge(hits, [file, other]) == [file, 1, other]
    lines = [Gold("a.py", None, 1, 2), Gold("a.py", None, 3, 4)]
    assert judge([Hit("a.py", 1, 9)], lines) == [lines[0]]


@given(st.text(max_size=60))
def test_plain_text_holds_no_syntax_of_the_search_and_stays_plain(text):
    from wayfind.search.query import parse

    said = plain(text)
    assert plain(said) == said
    if said:
        assert not parse(said).filters


def test_a_query_id_is_made_of_its_content():
    from wayfind.evaluate.queries import query

    first = query("spec", "a question", [Gold("a.py"), Gold("b.py")])
    assert first == query("spec", "a question", [Gold("b.py"), Gold("a.py")])
    assert first.id != query("spec", "a question", [Gold("a.py")]).id


def test_a_question_has_one_digest_with_and_without_its_stop():
    """A lesson keeps the stop of the sentence that `eval` asks without it; what was learned is not to be asked."""
    assert digest("Reads the settings.") == digest("reads  the settings") != digest("Reads the setting")
