"""Encoders of other makes: a folder of sentence-transformers or `transformers` with an ONNX graph in, what `Encoder` needs out.

Read are `config.json`, `modules.json` with its folders, `tokenizer.json` or `vocab.txt`, and the graph: `model.onnx`, `onnx/model.onnx`, or
the only `*.onnx` there is. A folder without one is converted once by `train.convert` (extra `train`), which writes a bundle.
"""

from __future__ import annotations

import json
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.config import default_home
from wayfind.errors import ModelError
from wayfind.model.bundle import MANIFEST, Bundle, digest_of, identity, load
from wayfind.model.text import TEXT_VERSION, chunk_text
from wayfind.model.wordpiece import FIRST, LAST, PAD, WordPiece

CONFIG = "config.json"
GRAPHS = ("model.onnx", "onnx/model.onnx")
WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")
TOKENIZERS = ("tokenizer.json", "vocab.txt")
DEPENDED_ON = (".json", ".txt", ".safetensors", ".bin")
"""Ends of the files on which a converted encoder depends."""
STATES = ("last_hidden_state", "token_embeddings", "hidden_states")
"""What exporters call the states of the tokens."""
POOLED = ("vector", "sentence_embedding")
"""What exporters call the vector of the text."""
NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
"""Types of inputs that are given to a graph."""
GIVEN = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
POOLINGS = {"cls_token": "first", "max_tokens": "max", "mean_tokens": "mean", "mean_sqrt_len_tokens": "mean_sqrt_len", "lasttoken": "last"}
"""Name of a mode in `1_Pooling/config.json`, after `pooling_mode_` -> what `pooled` calls it."""
QUERY_LENGTH, CODE_LENGTH = 64, 256
"""Tokens of a query and of a chunk at most, where the model takes as many."""
LONGEST_WORD = 100
"""Characters of a word at most; a longer one is unknown to BERT."""

def is_foreign(folder: Path) -> bool:
    """Whether the folder holds an encoder of another make."""
    return (folder / CONFIG).is_file()


def check_files(folder: Path) -> None:
    """Raise ModelError where a folder lacks a file that its encoder cannot do without, or says not what it is like."""
    if not graph_of(folder) and not weights_of(folder):
        raise ModelError(f"{folder} holds neither an ONNX graph nor weights")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelError(f"{folder} holds no tokenizer.json and no vocab.txt: it cannot be known how its model cuts texts")
    layout(folder)


def describe(folder: Path) -> Bundle:
    """The encoder in a folder, as a bundle that no manifest names. Raises ModelError."""
    graph = graph_of(folder)
    if graph is None:
        if not weights_of(folder):
            check_files(folder)
        if (converted_place(folder) / MANIFEST).is_file():
            return load(converted_place(folder))
        raise ModelError(f"{folder} holds weights for transformers and no ONNX graph; convert it once: wayfind index --encoder {folder}")
    part = {**layout(folder), "make": "onnx", "text": TEXT_VERSION, "weights": str(graph.relative_to(folder))}
    if part.pop("dense"):
        raise ModelError(f"{folder} has a Dense layer beside its ONNX graph; give the folder with its weights instead, which is converted with all its layers")
    files = [path for name in (CONFIG, "tokenizer.json", "vocab.txt", "modules.json") if (path := folder / name).is_file()]
    digests = {str(path.relative_to(folder)): digest_of(path) for path in [graph, *files]}
    return Bundle(folder, folder.resolve().name, identity(digests, {"encoder": part}), {"encoder": part}, {})


def weights_of(folder: Path) -> Path | None:
    """The first file of weights for `transformers` in a folder."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def converted_place(folder: Path) -> Path:
    """Where the bundle of a folder without a graph lies once it was converted: named by all that its vectors depend on, the files of the
    folder and of those of its modules (`1_Pooling`, `2_Dense` …), and the version of the texts that it reads."""
    files = sorted(path for part in (folder, *folder.glob("[0-9]*_*")) for path in part.glob("*") if path.suffix in DEPENDED_ON and path.is_file())
    return default_home() / "encoders" / identity({path.relative_to(folder).as_posix(): digest_of(path) for path in files}, {"text": TEXT_VERSION})


def graph_of(folder: Path) -> Path | None:
    """The ONNX graph of a folder. Raises ModelError where there are several and none is called as usual."""
    for name in GRAPHS:
        if (folder / name).is_file():
            return folder / name
    found = sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")])
    if len(found) > 1:
        raise ModelError(f"{folder} holds {len(found)} ONNX graphs ({', '.join(path.name for path in found)}); call the one to be used model.onnx")
    return found[0] if found else None


def layout(folder: Path) -> dict[str, Any]:
    """What the files of a folder say of its encoder: `dim`, `pooling`, `dense` (folders of its Dense layers), lengths, prompts.

    As sentence-transformers writes them. Without `modules.json` a vector is the mean of the states. Raises ModelError.
    """
    config = _json(folder / CONFIG)
    size = next((config[name] for name in ("hidden_size", "d_model", "dim") if isinstance(config.get(name), int)), None)
    if size is None:
        raise ModelError(f"{folder / CONFIG} names no hidden_size, d_model or dim: not an encoder of transformers")
    modules = _json(folder / "modules.json", list) if (folder / "modules.json").is_file() else []
    if not all(isinstance(module, dict) for module in modules):
        raise ModelError(f"{folder / 'modules.json'}: expected a list of objects")
    named = [(str(module.get("type", "")).rpartition(".")[2], str(module.get("path", ""))) for module in modules]
    known = {"Transformer", "Pooling", "Dense", "Normalize"}
    if strange := [kind for kind, _ in named if kind not in known]:
        raise ModelError(f"{folder / 'modules.json'}: {', '.join(strange)} is not known; known are {', '.join(sorted(known))}")
    dense = [path for kind, path in named if kind == "Dense"] or (["2_Dense"] if (folder / "2_Dense" / CONFIG).is_file() else [])
    for path in dense:
        size = int(_json(folder / path / CONFIG)["out_features"])
    pooling = next((path for kind, path in named if kind == "Pooling"), "1_Pooling" if (folder / "1_Pooling" / CONFIG).is_file() else "")
    longest = _longest(folder, config)
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {} if (folder / "config_sentence_transformers.json").is_file() else {}
    return {
        "dim": size, "pooling": _pooling(_json(folder / pooling / CONFIG)) if pooling else "mean", "dense": dense,
        "query_length": min(QUERY_LENGTH, longest), "code_length": min(CODE_LENGTH, longest),
        "query_prompt": prompts.get("query", ""), "code_prompt": next((prompts[name] for name in ("document", "passage") if name in prompts), ""),
    }


def pooled(states: np.ndarray, mask: np.ndarray, pooling: str) -> np.ndarray:
    """The vectors of texts, float [batch, dim], of their tokens' states, float [batch, token, dim], and the mask of what is text."""
    counted = mask[..., None].astype(np.float32)
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        return states[np.arange(len(states)), mask.sum(1) - 1]
    if pooling == "max":
        return np.where(counted > 0, states, -np.inf).max(1)
    total, number = (states * counted).sum(1), np.maximum(counted.sum(1), 1)
    return total / (np.sqrt(number) if pooling == "mean_sqrt_len" else number)


class ForeignReader:
    """Cuts texts and runs the graph of a folder. Raises ModelError where the graph does not take or give what is needed."""

    def __init__(self, bundle: Bundle, session: Callable[[Path], Any]):
        self._settings = bundle.parts["encoder"]
        self._words = tokenizer_of(bundle.folder)
        self.pad = self._words.pad
        path = bundle.folder / self._settings["weights"]
        self._session = session(bundle.checked(self._settings["weights"]) if bundle.digests else path)
        self._folder, self._dim = bundle.folder, self._settings["dim"]
        self._takes = {one.name: NUMBERS.get(one.type) for one in self._session.get_inputs()}
        outputs = {one.name: one.shape for one in self._session.get_outputs()}
        shapes = {name: len(shape) for name, shape in outputs.items()}
        self._vector = next((name for name in POOLED if shapes.get(name) == 2), None)
        self._states = next((name for name in (*STATES, *shapes) if shapes.get(name) == 3), None)
        self._tokens = "tokens" if "late" in bundle.parts else None
        if not {"input_ids", "attention_mask"} <= self._takes.keys() or not (self._vector or self._states) or (self._tokens and self._tokens not in shapes):
            raise ModelError(f"{path} takes {', '.join(sorted(self._takes))} and gives {', '.join(shapes)}; expected input_ids and attention_mask, and {STATES[0]} or {POOLED[1]}")
        if strange := [one.name for one in self._session.get_inputs() if one.name not in GIVEN or one.type not in NUMBERS]:
            raise ModelError(f"{path} also takes {', '.join(strange)}; what can be given is {', '.join(GIVEN)}, as int64 or int32")
        self._check_width(outputs[self._vector or self._states][-1])

    def further(self, path: str, symbol: str | None, lines: str, most: int) -> list[list[int]]:
        """None: of a long chunk such an encoder reads the beginning."""
        return []

    def query(self, text: str) -> list[int]:
        """Ids of a query with the tokens of its frame."""
        return self._words.framed(self._settings["query_prompt"] + text, self._settings["query_length"])

    def chunk(self, path: str, symbol: str | None, lines: str) -> list[int]:
        """Ids of a chunk with the tokens of its frame."""
        return self._words.framed(self._settings["code_prompt"] + chunk_text(path, symbol, lines), self._settings["code_length"])

    def told(self, ids: np.ndarray) -> np.ndarray:
        """Which tokens are kept: all, as XTR does."""
        return np.ones_like(ids, bool)

    def run(self, ids: np.ndarray, mask: np.ndarray, tokens: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors [batch, dim], and unit vectors of tokens [batch, token, late dim] where they are asked for."""
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids), "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape)}
        names = [self._vector or self._states, *([self._tokens] if tokens and self._tokens else [])]
        try:
            first, *others = self._session.run(names, {name: np.ascontiguousarray(value, self._takes[name]) for name, value in given.items() if name in self._takes})
        except Exception as problem:  # those of the library have no class of their own
            said = str(problem).strip().partition("\n")[0]
            raise ModelError(f"{self._folder}: its graph cannot read texts as its tokenizer cuts them: {said}; are they of one model?") from problem
        self._check_width(first.shape[-1])
        return first if self._vector else pooled(first, mask, self._settings["pooling"]), others[0] if others else None

    def _check_width(self, width: int | str | None) -> None:
        """Raise ModelError where the graph gives another width than its configuration says; a name stands for any."""
        if isinstance(width, int) and width != self._dim:
            raise ModelError(f"{self._folder}: its graph gives {width} components and {CONFIG} says {self._dim}; fetch both from one place")


def tokenizer_of(folder: Path) -> BertWords | LibraryWords:
    """How a folder's model cuts texts: WordPiece by our own code, all else by the library `tokenizers`. Raises ModelError."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        if (folder / "vocab.txt").is_file():
            lower = _json(folder / "tokenizer_config.json").get("do_lower_case", True) if (folder / "tokenizer_config.json").is_file() else True
            return BertWords((folder / "vocab.txt").read_text(encoding="utf-8"), lower, lower)
        raise ModelError(f"{folder} holds no tokenizer.json and no vocab.txt: it cannot be known how its model cuts texts")
    return _own_words(path) or LibraryWords(path)


def _own_words(path: Path) -> BertWords | None:
    """Own code for a `tokenizer.json` of BERT, None for what is made otherwise. Raises ModelError where it is none."""
    try:
        return _word_pieces(_json(path))
    except (AttributeError, KeyError, TypeError) as problem:
        raise ModelError(f"{path}: no tokenizer: {type(problem).__name__}: {problem}; fetch the file again") from None


def _word_pieces(said: Mapping[str, Any]) -> BertWords | None:
    """Own code for what a `tokenizer.json` of BERT says, None for what is made otherwise."""
    model, before, words = said.get("model") or {}, said.get("normalizer") or {}, (said.get("pre_tokenizer") or {}).get("type")
    if model.get("type") != "WordPiece" or model.get("continuing_subword_prefix") != "##" or before.get("type") != "BertNormalizer" or words != "BertPreTokenizer":
        return None
    if not {PAD, FIRST, LAST, "[UNK]"} <= model["vocab"].keys() or not _is_berts_frame(said.get("post_processor") or {}, model["vocab"]) or sorted(model["vocab"].values()) != list(range(len(model["vocab"]))):
        return None
    lower = bool(before.get("lowercase"))
    accents = before.get("strip_accents")
    return BertWords("\n".join(sorted(model["vocab"], key=model["vocab"].get)), lower, lower if accents is None else accents)


def _is_berts_frame(said: Mapping[str, Any], numbers: Mapping[str, int]) -> bool:
    """Whether [CLS] comes before a text and [SEP] after it: others take BERT's pieces and a frame of their own, `<s> … </s>`."""
    if said.get("type") == "BertProcessing":
        return [said["cls"], said["sep"]] == [[FIRST, numbers[FIRST]], [LAST, numbers[LAST]]]
    if said.get("type") != "TemplateProcessing":
        return False
    parts = [(kind, value["id"]) for one in said["single"] for kind, value in one.items()]
    marks = {name: one["ids"] for name, one in said["special_tokens"].items()}
    return parts == [("SpecialToken", FIRST), ("Sequence", "A"), ("SpecialToken", LAST)] and [marks[FIRST], marks[LAST]] == [[numbers[FIRST]], [numbers[LAST]]]


class BertWords:
    """BERT's way: white space and signs part words, then WordPiece. The same ids as `tokenizers` gives, which a test holds."""

    def __init__(self, vocabulary: str, lower: bool, strip_accents: bool):
        self.pieces, self._lower, self._strip = WordPiece(vocabulary), lower, strip_accents
        self.pad = self.pieces.pad

    def framed(self, text: str, longest: int) -> list[int]:
        return self.pieces.framed(" ".join(self._split(text)), longest)

    def _split(self, text: str) -> list[str]:
        if not text.isascii():
            text = "".join(f" {c} " if _ideograph(c) else c for c in text)
            if self._strip:
                text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        text = "".join(" " if c in "\t\n\r" or unicodedata.category(c)[0] == "Z" else "" if _control(c) else f" {c} " if _sign(c) else c for c in text)
        words = (text.lower() if self._lower else text).split(" ")
        return ["[UNK]" if len(word) > LONGEST_WORD else word for word in words]


class LibraryWords:
    """Any tokenizer, by the library `tokenizers`. Raises ModelError where it is not installed or does not know the file."""

    def __init__(self, path: Path):
        try:
            import tokenizers
        except ImportError:
            raise ModelError(f"{path} is cut by the library tokenizers: pip install 'wayfind[encoders]'") from None
        try:
            self._own = tokenizers.Tokenizer.from_file(str(path))
        except Exception as problem:  # the library raises bare Exception
            raise ModelError(f"{path}: {problem}") from None
        self._own.no_padding()
        self._one = threading.Lock()
        found = next((number for mark in (PAD, "<pad>", "<|padding|>", "<|endoftext|>") if (number := self._own.token_to_id(mark)) is not None), 0)
        self.pad: int = found

    def framed(self, text: str, longest: int) -> list[int]:
        with self._one:  # how much is read is a state of the tokenizer, and queries are shorter than chunks
            self._own.enable_truncation(longest)
            return self._own.encode(text).ids


    def ids(self, text: str) -> list[int]:
        """Ids of a whole text without special tokens."""
        with self._one:
            self._own.no_truncation()
            return self._own.encode(text, add_special_tokens=False).ids

    def pieces(self) -> list[str]:
        """All pieces, by number."""
        return [self._own.id_to_token(number) or "" for number in range(self._own.get_vocab_size())]


class LibraryPieces:
    """The pieces of any tokenizer, in the frame that a training put around them: what `WordPiece` is for a `vocab.txt`."""

    def __init__(self, words: LibraryWords, before: Sequence[int], after: Sequence[int], pad: int):
        self._words, self.before, self.after, self.pad = words, list(before), list(after), pad
        self.wordless = np.array([not any(map(str.isalnum, piece.lstrip(SPACES))) for piece in words.pieces()])
        """Of each piece, whether it is a sign without a letter or digit."""

    def ids(self, text: str, most: int) -> list[int]:
        """Ids of the first `most` pieces of a plain text, without special tokens."""
        return self._words.ids(text)[: max(most, 0)]

    def framed(self, text: str, longest: int) -> list[int]:
        """Ids of a plain text with the frame, at most `longest` in all."""
        return [*self.before, *self.ids(text, longest - len(self.before) - len(self.after)), *self.after]


SPACES = "\u2581\u0120\u010a"
"""Signs that stand for white space at the beginning of a piece."""


def pieces_of(path: Path, before: Sequence[int], after: Sequence[int], pad: int) -> WordPiece | LibraryPieces:
    """How a `tokenizer.json` cuts plain texts (`model.text.plain`): BERT's by our own code, all else by the library `tokenizers`.
    Raises ModelError."""
    if own := _own_words(path):
        return own.pieces
    return LibraryPieces(LibraryWords(path), before, after, pad)


def _longest(folder: Path, config: Mapping[str, Any]) -> int:
    """Tokens that the model reads at most, by the first file that says so."""
    said = folder / "sentence_bert_config.json"
    if said.is_file() and isinstance(length := _json(said).get("max_seq_length"), int):
        return length
    length = config.get("max_position_embeddings", config.get("n_positions", 512))
    offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0  # their positions begin after the padding's
    return int(length) - offset if isinstance(length, int) and length > 2 else 512


def _pooling(config: Mapping[str, Any]) -> str:
    modes = [name for name in POOLINGS if config.get(f"pooling_mode_{name}")]
    if len(modes) != 1:
        raise ModelError(f"1_Pooling asks for {', '.join(modes) or 'a mode that is not known'}; expected one of {', '.join(POOLINGS)}")
    return POOLINGS[modes[0]]


def _json(path: Path, kind: type = dict) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error})") from error
    if not isinstance(found, kind):
        raise ModelError(f"{path}: expected {'an object' if kind is dict else 'a list'}, found {type(found).__name__}")
    return found


def _ideograph(c: str) -> bool:
    return any(first <= ord(c) <= last for first, last in _IDEOGRAPHS)


_IDEOGRAPHS: Sequence[tuple[int, int]] = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def _control(c: str) -> bool:
    return c in "\0\ufffd" or unicodedata.category(c)[0] == "C"


def _sign(c: str) -> bool:
    return unicodedata.category(c)[0] == "P" or (c.isascii() and c.isprintable() and not c.isalnum() and c != " ")
