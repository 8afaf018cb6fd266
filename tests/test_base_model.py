"""The model that comes with Wayfind: whole, small, offline, the same everywhere, and of use where words fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import wayfind
from wayfind.files import replace_file
from wayfind.model import bundle
from wayfind.model.encoder import Encoder
from wayfind.model.text import chunk_text, plain
from wayfind.search import latents
from wayfind.search.rank import WEIGHTS

MOST_BYTES = 25_000_000
FILES = {
    "shop/cart.py": "class Cart:\n    def discard(self, item):\n        self.items.remove(item)\n\n    def amount_due(self):\n        return sum(i.price for i in self.items)\n",
    "shop/mail.py": "def notify_customer(address, body):\n    server = connect()\n    server.send(address, body)\n",
    "shop/clock.py": "def sleep_until(moment):\n    while now() < moment:\n        pause(1)\n",
    "shop/login.py": "def verify_credentials(user, secret):\n    return digest(secret) == user.digest\n",
}


@pytest.fixture(scope="module")
def base() -> Encoder:
    return Encoder(bundle.load(bundle.BASE))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    for path, text in FILES.items():
        (tmp_path / "repo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / path).write_text(text)
    return tmp_path / "repo"


def test_the_bundle_is_whole_small_and_says_what_it_is():
    found = bundle.load(bundle.BASE)
    found.check()
    assert sum(path.stat().st_size for path in bundle.BASE.iterdir()) < MOST_BYTES
    card = (bundle.BASE / "MODEL_CARD.md").read_text()
    assert all(word in card for word in ("Data", "Licences", "Recipe", "Commit", "Scores", "Limits", found.id))


@pytest.mark.parametrize("symbol", ["Cart.discard", None])
def test_the_parts_of_a_long_chunk_hold_every_word_of_it_once_behind_path_and_symbol(symbol):
    shipped = bundle.load(bundle.BASE)
    lines = "\n".join(f"    self.items.remove(item{number})  # number {number}" for number in range(200))
    reader = Encoder(replace(shipped, parts={**shipped.parts, "encoder": {**shipped.parts["encoder"], "parts": 99}}))._reader
    whole = reader._vocabulary.ids(plain(chunk_text("shop/cart.py", symbol, lines)), 10**6)
    head = reader._vocabulary.ids(plain(chunk_text("shop/cart.py", symbol, "")), 10**6)
    first, *further = [part[1:-1] for part in [reader.chunk("shop/cart.py", symbol, lines), *reader.further("shop/cart.py", symbol, lines, 98)]]
    assert len(further) > 5 and all(part[: len(head)] == head for part in further)
    assert first + [number for part in further for number in part[len(head) :]] == whole
    assert max(map(len, further)) + 2 == shipped.parts["encoder"]["code_length"] and not reader.further("shop/cart.py", symbol, "pass", 98)
    assert reader.further("shop/cart.py", symbol, lines, 2) == reader.further("shop/cart.py", symbol, lines, 98)[:2]


def test_a_text_has_the_same_code_alone_and_in_any_company(base):
    texts = [("a.py", "f", "def f(): return 1"), ("b/c.go", None, "func Long() { " + "x := compute(y); " * 60 + "}"), ("", "", "")]
    texts += [(f"m{n}.py", f"g{n}", "return value " * n) for n in range(40)]
    together = base.chunks(texts)
    for place in (0, 1, 2, 17, 42):
        alone = base.chunks([texts[place]])[0]
        assert np.abs(alone.astype(int) - together[place]).max() <= 1
    assert np.abs(base.chunks(texts[::-1])[::-1].astype(int) - together).max() <= 1


def test_two_processes_make_the_same_codes(base):
    code = (
        "import json; from wayfind.model import bundle; from wayfind.model.encoder import Encoder\n"
        "e = Encoder(bundle.load(bundle.BASE), threads=1); print(json.dumps(e.query('where is a request retried').tolist()))"
    )
    other = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert np.abs(np.array(other) - base.query("where is a request retried")).max() <= 1


def test_words_are_cut_as_by_the_library_that_trained_with_them(base):
    tokenizers = pytest.importorskip("tokenizers")
    part = bundle.load(bundle.BASE).parts["encoder"]
    library = tokenizers.BertWordPieceTokenizer(str(bundle.BASE / part["vocabulary"]), lowercase=True)
    texts = [*FILES.values(), "déjà vu 读取文件 ςΣ", "parseHTTPResponse(max_size=10) // [CLS]"]
    for text in map(plain, texts):
        assert base._reader._vocabulary.ids(text, 10_000) == library.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("question", "symbol"),
    [
        ("drop a product from the basket", "Cart.discard"),
        ("email the buyer", "notify_customer"),
        ("check a password", "verify_credentials"),
        ("wait for a given time", "sleep_until"),
        ("total price of the order", "Cart.amount_due"),
    ],
)
def test_a_question_without_a_word_of_the_code_finds_it_at_the_first_search(shop, tmp_path, question, symbol):
    with wayfind.open(shop, home=tmp_path / "home") as repository:
        answer = repository.search(question)
        assert symbol in [result.symbol for result in answer.results[:2]]
        assert answer.index.encoded == 0
        repository.encode()
        again = repository.search(question)
        assert again.index.encoded == 1.0 and again.index.model == bundle.load(bundle.BASE).name
        assert [r.symbol for r in again.results[:2]] == [r.symbol for r in answer.results[:2]]


@pytest.mark.parametrize("question, read", [
    ("python forget something that was to be bought", "forget something that was to be bought"),
    ("take a thing out in Python", "take a thing out"),
    ("find the python interpreter", "find the python interpreter"),
    ("python cart", "python cart"),
    ("take a thing out in ruby", "take a thing out in ruby"),
])
def test_a_model_reads_a_question_without_the_name_of_the_language_that_all_is_in(shop, tmp_path, question, read):
    with wayfind.open(shop, home=tmp_path / "home") as repository:
        repository.encode()
        answer, searcher = repository.search(question), repository.searcher()
        near, snapshot = searcher.meanings.nearness(read), searcher.snapshot
    for result in answer.results:
        chunk = next(at for at in range(snapshot.chunks) if (snapshot.paths[snapshot.file[at]], snapshot.start[at]) == (result.path, result.start_line))
        assert result.signals.get("meaning", 0.0) == pytest.approx(WEIGHTS["meaning"] * near[chunk], abs=1e-6)
    assert answer.results and "python" not in answer.reason.lower()


def test_it_works_with_sockets_blocked_and_without_torch(shop, tmp_path):
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network used')\n"
        "socket.socket = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "sys.modules['torch'] = None; sys.modules['transformers'] = None; sys.modules['tokenizers'] = None\n"
        "import wayfind\n"
        "with wayfind.open(sys.argv[1], home=sys.argv[2]) as repository:\n"
        "    repository.encode()\n"
        "    print(repository.search('email the buyer').results[0].symbol)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, shop, tmp_path / "home"], capture_output=True, text=True)
    assert done.stdout.strip() == "notify_customer", done.stderr


def test_index_makes_vectors_and_status_says_how_many(shop, tmp_path):
    def run(*arguments):
        surroundings = {**os.environ, "WAYFIND_HOME": str(tmp_path / "home")}
        return subprocess.run([sys.executable, "-m", "wayfind", *arguments, shop], capture_output=True, text=True, env=surroundings, check=True).stdout

    assert "vectors made" not in run("index", "--no-vectors")
    assert "0.0% of the chunks" in run("status")
    assert "vectors made" in run("index")
    assert "100.0% of the chunks" in run("status")
    assert "made" not in run("index")


def test_another_model_holds_from_the_next_search_on(shop, tmp_path, monkeypatch):
    with wayfind.open(shop, home=tmp_path / "home") as repository:
        assert "meaning" in repository.search("email the buyer").results[0].signals
        monkeypatch.setenv("WAYFIND_MODEL", "none")
        answer = repository.search("email the buyer")
        assert answer.index.model == "lexical" and not any("meaning" in result.signals for result in answer.results)
        monkeypatch.setenv("WAYFIND_MODEL", "base")
        assert "meaning" in repository.search("email the buyer").results[0].signals


def test_a_tuned_encoder_that_is_gone_or_damaged_stops_no_search(shop, tmp_path):
    base = bundle.load(bundle.BASE)
    bundle.use_tuned(tmp_path, "gone", base.encoder_id)
    assert bundle.current(tmp_path).id == base.id
    bundle.use_tuned(tmp_path, "damaged", base.encoder_id)
    replace_file(tmp_path / bundle.TUNED / "damaged" / bundle.MANIFEST, b"{}")
    assert bundle.current(tmp_path).id == base.id


def test_a_latent_model_takes_part_and_goes_without_another_generation(shop, tmp_path):
    with wayfind.open(shop, home=tmp_path / "home") as repository:
        repository.refresh()
        before = repository.searcher()
        assert repository.searcher() is before
        record = latents.folder_of(repository.tree.folder) / latents.RECORD
        replace_file(record, latents.as_json(latents.Record("bundle", "id")).encode())
        learned = repository.searcher()
        assert learned is not before and repository.searcher() is learned
        record.unlink()
        assert repository.searcher() is not learned


def test_a_search_for_a_name_asks_no_model(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(Encoder, "query", lambda *_: pytest.fail("a name was encoded"))
    with wayfind.open(shop, home=tmp_path / "home") as repository:
        assert repository.search("verify_credentials").results[0].symbol == "verify_credentials"


@pytest.mark.parametrize("wanted", ["on", "off"])
def test_the_resident_process_makes_vectors_behind_searches_unless_that_is_switched_off(shop, tmp_path, monkeypatch, wanted):
    monkeypatch.setenv("WAYFIND_BACKGROUND_VECTORS", wanted)
    from wayfind.search.engine import Ask
    from wayfind.serve.workspace import Workspace

    with Workspace(tmp_path / "home", watching=False) as workspace:
        entry = workspace.open(shop)
        assert entry.wait(60)
        workspace.search([shop], Ask("email the buyer"))
        if entry._encoding is not None:
            entry._encoding.wait(60)
        answer = workspace.search([shop], Ask("email the buyer")).parts[0].answer
        assert answer.index.encoded == (1.0 if wanted == "on" else 0.0) and answer.results[0].symbol == "notify_customer"


def test_the_model_leaves_nothing_in_the_users_home(shop, tmp_path):
    (tmp_path / "user").mkdir()
    surroundings = {**os.environ, "HOME": str(tmp_path / "user"), "WAYFIND_HOME": str(tmp_path / "home")}
    surroundings.pop("XDG_CACHE_HOME", None)
    code = "import sys, wayfind; print(wayfind.open(sys.argv[1]).search('email the buyer').results[0].symbol)"
    done = subprocess.run([sys.executable, "-c", code, shop], capture_output=True, text=True, env=surroundings)
    assert done.stdout.strip() == "notify_customer", done.stderr
    assert not [path for path in (tmp_path / "user").rglob("*") if path.is_file()]


PROSE = (
    "The weather in the mountains was cold that morning.\nWe walked to the village, bought bread and wine, and my sister said that the train\n"
    "would be late again.\nSo we sat down by the river and talked about the summer until the sun was gone.\nNobody came to send us home."
)
REPORT = (
    "A customer who is notified twice\n\nWhen the mail server is slow, notify_customer waits for the connection and sends the same body again.\n"
    "The address is right, but two mails arrive.\nIt should connect once, send the body, and give up when the server does not answer."
)


def test_pasted_prose_is_told_from_a_pasted_report(shop, tmp_path):
    with wayfind.open(shop, home=tmp_path / "home") as repo:
        repo.refresh()
        prose, report = repo.search(PROSE), repo.search(REPORT)
    assert prose.abstained and not report.abstained
    assert prose.confidence < report.confidence
    assert report.results[0].symbol == "notify_customer"
