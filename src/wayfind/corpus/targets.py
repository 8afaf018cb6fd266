"""A chunk and its text in, the chunk with its target out: what it does in words, and from where the words come.

The ladder is docstring > comment or header > synthetic > code; manual explanations are laid over it later, by `manual`.
A target is a function of the chunk alone, never of its file (origin defect 7).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wayfind.corpus.comments import inlined, without_keywords
from wayfind.corpus.documents import plain
from wayfind.corpus.templates import first_words, sentence
from wayfind.types import Chunk, Target

LONGEST = 200
"""Characters in a target at most."""

READ = 20_000
"""Characters of a chunk that are read for its target."""


def with_target(chunk: Chunk, text: str, language: str) -> Chunk:
    """The chunk with the best target that it has itself; `text` is the text of its lines.

    >>> with_target(Chunk(1, 2, "function", "load", "def load(path)", "Load the model.  Slow."), "", "python").target.text
    'Load the model. Slow.'
    """
    return replace(chunk, target=target_of(chunk, text[:READ], language))


def target_of(chunk: Chunk, text: str, language: str) -> Target:
    """The first rung of the ladder that says something."""
    if chunk.kind == "section":
        rungs = [("header", header)]
    elif chunk.kind == "entry":
        rungs = [("docstring", described), ("comment", lambda chunk, text, language: documented(chunk))]
    elif chunk.kind == "window":
        rungs = [("comment", lambda chunk, text, language: comment(comment_lines(text, language)))]
    else:
        rungs = [("docstring", lambda chunk, text, language: documented(chunk)), ("comment", noted)]
    rungs += [("synthetic", sentence), ("code", code)]
    for provenance, rung in rungs:
        if words := rung(chunk, text, language):
            return Target(shortened(words), provenance)
    return Target("", "code")


# Documentation ---------------------------------------------------------------------------------------------------------

_LICENCE = re.compile(
    r"copyright|\(c\) \d{4}|©|licen[sc]ed? (?:under|to)|spdx-license|permission is hereby|all rights reserved|warranty of|"
    r"without warranties|redistribution and use|is free software|this file is part of|@license|apache license|mit license|bsd-style|"
    r"gnu (?:lesser )?general public|found in the licen[sc]e file|do not edit|"
    r"^\W*(?:auto(?:matically|-)? ?)?generated (?:by|from|with|using|code|file|automatically)\b|^\W*auto-?generated\W*$|"
    r"\b(?:file|code|source|header|stubs?|bindings?) (?:is|was|has been|are|were) (?:auto(?:matically|-)? ?)?generated\b|"
    r"\b(?:file|code|source|header|stubs?|bindings?) (?:auto(?:matically|-)? ?)?generated (?:by|from)\b|"
    r"\bthis (?:file )?(?:is|was) (?:an? )?(?:auto(?:matically|-)? ?)?generated\b",
    re.IGNORECASE | re.MULTILINE,
)
_LICENCE_WORDS = (
    "copyright", "(c) ", "licen", "permission is hereby", "all rights reserved", "warrant", "redistribution and use", "is free software",
    "this file is part of", "bsd-style", "general public", "generated", "do not edit",
)  # fmt: skip
"""One of them stands wherever `_LICENCE` finds something in ASCII."""
_FIELDS = re.compile(
    r"\s*(?::(?:param|parameter|arg|argument|type|returns?|rtype|raises?|keyword|key|ivar|cvar|var|yields?|meta)\b|"
    r"[@\\](?!brief|summary|desc|short|internal|deprecated|code|link|ref|c\b|p\b|a\b|b\b|em\b)\w+|"
    r"<(?:param|returns|typeparam|exception|remarks|example|value|seealso|inheritdoc)\b|"
    r"(?:args?|arguments?|parameters?|params?|returns?|raises?|yields?|attributes?|examples?|usage|notes?|see also|references?|"
    r"keyword (?:args|arguments)|other parameters|methods|warnings?|todo|throws|errors|panics|safety|example usage)\s*:?\s*$|"
    r"#+ |>>> |\.\. [\w-]+::|```|~~~)",
    re.IGNORECASE,
)
_RETURNS = re.compile(r"\s*(?:[@\\]returns?|:returns?:|<returns>)\s*(?:\{[^}]*\})?\s*(.+)", re.IGNORECASE)
_TAGS = (
    (re.compile(r"<(?:see|seealso|paramref|typeparamref)\s+\w+=\"(?:\w:)?([^\"]+)\"\s*/?>"), r"\1"),
    (re.compile(r"[@\\](?:brief|summary|desc(?:ription)?|short|internal)\b:?\s*"), ""),
    (re.compile(r"[@\\](?:c|p|a|b|em|ref)\s+(?=\w)"), ""),
    (re.compile(r"\{@\w+\s*|@inheritdoc|\[Report a problem\]\([^)]*\)", re.IGNORECASE), ""),
    (re.compile(r"(?<![\w#!\]])\[`?([A-Za-z][\w.:()]*)`?\](?![\[(\w])"), r"\1"),
)
_TAGGED = re.compile(r"[@\\<\[]")
"""What stands wherever one of them finds something."""
_DEPRECATED = re.compile(r"\s*[@\\]deprecated\b[:,]?\s*", re.IGNORECASE)
_BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_BANNER = re.compile(r"\S\s*[-=~*#_]{6,}\s*$")
_NAME_ALONE = re.compile(r"\s*[\w.:]+\(\)\s*:?\s*$")
"""A heading filled up with dashes, or a function's name alone: what stands above the text proper, the name not in it."""

_UNDERLINE = re.compile(r"\s*([-=~^*#_.\"'+])\1{2,}\s*$")


def documented(chunk: Chunk) -> str:
    """The first sentence or two of the docstring; empty when it says nothing but licence, fields or the name again."""
    text, symbol = without_keywords(chunk.docstring[:READ]), chunk.symbol or ""
    if not text:
        return ""
    paragraphs = _BLANK_LINES.split(text)
    if _is_licence(text):
        paragraphs = [paragraph for paragraph in paragraphs if not _is_licence(paragraph)]
    prose = _lead("\n\n".join(_behind_fields(paragraphs)).split("\n"), symbol)
    if not _says_more(prose, symbol):
        found = next((found for line in text.split("\n") if (found := _RETURNS.match(line))), None)
        prose = f"Returns {_untagged(found.group(1))}" if found else ""
        if not _says_more(prose, symbol):
            return ""
    return first_sentences(prose)


_BLANK_LINES = re.compile(r"\n\s*\n")


def _behind_fields(paragraphs: Sequence[str]) -> Sequence[str]:
    """The paragraphs below the fields of reST that a documentation begins with, each with what is indented under it."""
    first = next((at for at, paragraph in enumerate(paragraphs) if not _REST_FIELDS.match(paragraph)), len(paragraphs))
    return paragraphs[first:]


_REST_FIELDS = re.compile(r":(?:param|parameter|arg|argument|type|raises?|keyword|key|ivar|cvar|var|meta)\b[^:\n]*:|\s+\S")


def _is_licence(text: str) -> bool:
    """Whether a text speaks of rights. Most hold none of its words, which is cheaper to see; beyond ASCII cases pair oddly."""
    if text.isascii():
        small = text.lower()
        if not any(word in small for word in _LICENCE_WORDS):
            return False
    return _LICENCE.search(text) is not None


def _lead(lines: Sequence[str], symbol: str) -> str:
    """The first paragraph before any field, example or underlined section; one that holds nothing but the symbol is passed over."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        if _BANNER.search(line) or not kept and _NAME_ALONE.match(line):
            kept = []
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        is_field = _FIELDS.match(line)
        if deprecated := _DEPRECATED.match(line):
            if kept:
                break
            line = f"Deprecated: {rest}" if (rest := line[deprecated.end() :].strip()) else ""
        if _UNDERLINE.match(line) or _UNDERLINE.match(below) and not kept and not is_field:
            continue
        if is_field or _UNDERLINE.match(below):
            if kept:
                break
            if is_field and not line.lstrip().startswith("#"):
                return ""
            continue
        if not line.strip():
            if _says_more(" ".join(kept), symbol):
                break
            kept = []
            continue
        if kept and _BULLET.match(line):
            break
        kept.append(line.strip())
    return _untagged(" ".join(kept))


def _untagged(text: str) -> str:
    if _TAGGED.search(text):
        text = inlined(text)
        for pattern, instead in _TAGS:
            text = pattern.sub(instead, text)
    return plain(text).strip(" -*").lstrip(":")


def _says_more(prose: str, symbol: str) -> bool:
    """Whether the prose holds a word of letters that the symbol does not."""
    if not prose:
        return False
    known = {part.lower() for part in _PART.findall(symbol)}
    fresh = any(word.lower() not in known for word in _LETTERS.findall(prose))
    return fresh and (len(prose.split()) > 1 or not prose.isascii())


_PART = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|fig|no|dr|mr|mrs|st|incl|excl|a\.k\.a)|\b[A-Za-z])\.$", re.IGNORECASE
)


def first_sentences(prose: str) -> str:
    """The first sentence, and the second where both are short.

    >>> first_sentences("Opens a file, e.g. a log. Closes it. And more that nobody asked for, at length.")
    'Opens a file, e.g. a log. Closes it.'
    """
    sentences = _sentences(prose)
    if (
        len(sentences) > 1
        and len(sentences[0]) < 60
        and sentences[1][-1:] != ":"
        and len(sentences[0]) + len(sentences[1]) < LONGEST
    ):
        return f"{sentences[0]} {sentences[1]}".rstrip(" :")
    return sentences[0].rstrip(" :") if sentences else ""


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\sa-z])|(?<=[。！？])")


def _sentences(prose: str) -> list[str]:
    """Sentences of a paragraph, in order."""
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(prose[:2_000]):
        if not _ABBREVIATION.search(prose[start : match.start()]):
            found.append(prose[start : match.start()].strip())
            start = match.end()
    return [*found, prose[start:].strip()]


def shortened(text: str) -> str:
    """The text in at most `LONGEST` characters, cut at a sentence if half of them fit, else at a word."""
    text = " ".join(text.split())
    if len(text) <= LONGEST:
        return text
    whole = [found.end() for found in re.finditer(r"[.!?](?=\s)", text[:LONGEST])]
    if whole and whole[-1] > LONGEST // 2:
        return text[: whole[-1]]
    cut = text[: LONGEST - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:(") + "…"


# Comments --------------------------------------------------------------------------------------------------------------

_DIRECTIVE = re.compile(
    r"\W*(?:todo|fixme|xxx|hack|bug|note to self|nocommit|temp|eslint|jshint|jslint|global[s]? |noqa|type:|pylint|pragma|ts-|@ts-|@\w|prettier|"
    r"istanbul|c8 |v8 |coverage|mypy|pyright|pyre|nosec|fmt:|yapf|isort|flake8|ruff|black|clang-format|nolint|region|endregion|#region|go:|"
    r"\+build|codespell|spell|cspell|shellcheck|rubocop|sourcemappingurl|vim:|-\*-|biome|deno-lint|tslint|sonar|noinspection|"
    r"language=|stylelint|doctest|swiftlint|swiftformat|lint|mark:|sourcery|https?://\S+$|see https?://\S+$|ignore|skipcq|webpack|frozen_string|"
    r"coding[:=]|encoding[:=]|line \d|end (?:of|if|for)|fall ?through|yarn lint|phpcs|phpstan|psalm|keep|unused|else|endif)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[;{}]\s*$|^\s*[})\]]|(?<![=!<>\w])[\w.\[\]'\"]+\s*[-+*/|&]?=(?!=)\s*\S|==|=>|!=|&&|\|\||\+\+|\+=|::\w+\(|^\s*[\w.]+\([^)]*\)?[;,:]?\s*$|"
    r"^\s*(?:if|for|while|elif|else|return|import|from|def|class|var|let|const|print|assert|raise|try|except|with|public|private|static|void|int|"
    r"func|fn|use|require|yield|await|switch|case|throw|new|delete|echo|SELECT|self\.)\b[^a-z]*[\w.]*\s*[\(\[{:=.]|^\s*@\w+|</?\w+[^>]*>$|^\s*\$ |^\s*[\w-]+:\s*[\w\"'\[{<.-]+,?$",
)
_MARKERS = re.compile(r"^[\s#/*!;%<>-]+|[\s#/*=~-]+$")


NEAR = 6
"""Lines from the beginning of a block in which a comment is taken to be about it."""

HEADS = frozenset({"class", "interface", "enum", "type"})
"""Kinds whose inner comments are about their members."""


def noted(chunk: Chunk, text: str, language: str) -> str:
    """The first informative comment on a line of its own, before the first statement of a function or near a block's top.

    One that stands deeper, or behind code, is about that code: as the explanation of the whole it would mislead.
    """
    if chunk.kind in HEADS or not chunk.comments:
        return ""
    lines = text.split("\n")
    is_function = chunk.kind in ("function", "method", "test")
    body = _body_start(lines, chunk.signature) if is_function else 0
    reach = (
        next((at for at in range(body, len(lines)) if _STATEMENT.match(lines[at])), len(lines)) if is_function else NEAR
    )
    beginning = "\n".join(line for line in lines[body if is_function else 0 : reach] if not _STATEMENT.match(line))
    near = (words for first, words in _joined(chunk.comments.split("\n")) if first[:40] in beginning)
    return next((first_sentences(words) for words in near if _informative(words)), "")


_STATEMENT = re.compile(
    r"(?!\s*(?:#(?!\s*(?:define|if|el|end|include|undef|pragma))|//|--|/\*|\*|%|;|\(\*|\{-|[{}()\[\]]*\s*$))\s*\S"
)
"""A line that holds more than a comment or brackets."""


def _body_start(lines: Sequence[str], signature: str) -> int:
    """Index of the line after the signature's last."""
    wanted = "".join(signature.split())
    seen = ""
    for at, line in enumerate(lines[:40]):
        seen += "".join(line.split())
        if wanted and wanted in seen:
            return at + 1
    return 1


def comment(lines: Sequence[str]) -> str:
    """The first informative comment of those given one a line: no directive, disabled code, licence or separator."""
    return next((first_sentences(words) for _, words in _joined(lines) if _informative(words)), "")


def _joined(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first line as it stands, and whole sentences: a line that goes on where the one before did not end is put to it."""
    first = kept = ""
    for line in lines:
        words = plain(_MARKERS.sub("", line))
        if (
            kept
            and words
            and (_HALF.search(kept) or words[:1].islower() and kept[-1] not in ".!?:;" and len(kept) > 40)
        ):
            kept = f"{kept} {words}"
            continue
        if kept:
            yield first, kept
        first, kept = line, words
    if kept:
        yield first, kept


_HALF = re.compile(r"(?:,|\b(?:and|or|the|an?|of|to|in|for|with|by|is|are|be|from|as|if|when))$")
"""The end of a line that cannot be the end of a sentence."""


def _informative(words: str) -> bool:
    if without_keywords(words) != words or _DIRECTIVE.match(words) or _CODE.search(words) or _is_licence(words):
        return False
    letters = _LETTERS.findall(words)
    dense = sum(map(len, letters)) >= 0.6 * len(words)
    return dense and (min(len(letters), len(words.split())) >= 3 or not words.isascii() and len(words) >= 6)


_BLOCK = r"/\*+(?P<block>[\s\S]*?)\*/"
_SLASHES = re.compile(rf"^\s*//+(?P<line>.*)|{_BLOCK}", re.MULTILINE)
_HASH = re.compile(r"^\s*#+(?!!)(?P<line>.*)(?P<block>)", re.MULTILINE)
_DASHES = re.compile(rf"^\s*--+(?P<line>.*)|{_BLOCK}", re.MULTILINE)
_SEMICOLONS = re.compile(r"^\s*;+(?P<line>.*)(?P<block>)", re.MULTILINE)
_PERCENT = re.compile(r"^\s*%+(?P<line>.*)(?P<block>)", re.MULTILINE)
_ANGLES = re.compile(r"(?P<line>(?!))|<!--(?P<block>[\s\S]*?)-->")
_COMMENT_STYLES = {
    _SLASHES: "css less sass glsl protobuf solidity d thrift verilog systemverilog fsharp gdshader metal wgsl haxe odin pascal typst dart",
    _DASHES: "sql elm vhdl purescript ada",
    _SEMICOLONS: "clojure commonlisp scheme racket emacslisp assembly smtlib wat janet ini",
    _PERCENT: "latex erlang prolog matlab",
    _ANGLES: "html xml vue svelte erb",
    _HASH: "make dockerfile cmake nix r fish awk hcl graphql meson just nim crystal coffeescript tcl cython gdscript nushell dotenv yaml toml "
    "mojo gleam proguard qmake",
}
_STYLE = {language: pattern for pattern, languages in _COMMENT_STYLES.items() for language in languages.split()}


def comment_lines(text: str, language: str) -> list[str]:
    """Comments of a text without grammar, one line each; none where the language's comments are not known."""
    pattern = _STYLE.get(language)
    if pattern is None:
        return []
    blocks: list[str] = []
    end = -1
    for match in pattern.finditer(text):
        words = match.group("line") or match.group("block") or ""
        goes_on = blocks and not text[end : match.start()].strip(" \t") and match.group("block") in (None, "")
        blocks[-1:] = [f"{blocks[-1]}\n{words}"] if goes_on else [*blocks[-1:], words]
        end = match.end() + 1
    return [line for block in blocks if not _is_licence(block) for line in block.split("\n")]


# Headers and code ------------------------------------------------------------------------------------------------------


_DESCRIPTION = re.compile(r"^([ \t]*)[\"']?(?:description|summary|help)[\"']?\s*[:=]\s*([\"']?)(\w.{9,})", re.MULTILINE)


def described(chunk: Chunk, text: str, language: str) -> str:
    """What a configuration entry says about itself under `description` or `summary`, where it lies next to its keys."""
    found = _DESCRIPTION.search(text)
    if found is None:
        return ""
    first = next((line for line in text.split("\n")[1:] if line.strip()), "")
    if len(found.group(1)) > max(4, 2 * (len(first) - len(first.lstrip()))):
        return ""
    words = found.group(3).rstrip(", ").rstrip(found.group(2) or None).replace('\\"', '"')
    return first_sentences(plain(words)) if len(words.split()) > 2 else ""


_SHELL = re.compile(r"\.\. _.*|\.\. [\w:-]+::|[`~|]{2,}\w*|^\s*[|:]|\|\s*$|^\s*(?:[-*+$]|\d+[.)])\s")
"""Marks around the words of a line: directives, fences, tables, lists."""


_SIGN = re.compile(r"[^\W_]")


def header(chunk: Chunk, text: str, language: str) -> str:
    """A section's heading with the first sentence of its prose, or with its first line where it has none."""
    title = (chunk.symbol or "").rpartition(" > ")[2]
    said = first_sentences(plain(chunk.docstring))
    if not said and title:
        known = {title, title.rpartition(".")[2]}
        lines = (plain(_SHELL.sub("", line)) for line in text.split("\n") if line.strip() != chunk.signature)
        said = next((line for line in lines if len(_SIGN.findall(line)) > 2 and line not in known), "")
    words = ": ".join(filter(None, (title, said)))
    return html.unescape(words) if language == "markdown" else words


def code(chunk: Chunk, text: str, language: str) -> str:
    """The first line that says something, else that holds a word: raw text, which explains nothing."""
    said = first_words(text) if chunk.kind in ("window", "section") else ""
    return said or next((line.strip() for line in text.split("\n") if _LETTERS.search(line)), "")
