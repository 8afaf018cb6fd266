"""Which questions and codes are worth training on: in comes one of each, out comes the reason against them, or nothing.

Against a question: too few or too many words, no English, code, a licence, what a tool wrote or a template gives, a note to
oneself. Against a code: too short, too long, hardly any words. Against the two: the question stands in the code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
FEWEST_WORDS = {"docstring": 4, "name": 2, "comment": 4, "section": 5, "test": 3, "commit": 3, "pair": 1}
"""Kind -> words that its questions have at least."""
MOST_WORDS = 80
FEWEST_LINES = {"docstring": 2, "name": 3, "comment": 2, "section": 2, "test": 2, "commit": 2, "pair": 1}
"""Kind -> lines with a word that its codes have at least, the signature's among them."""
HEAD_LINES = 2
"""Path and symbol stand above the lines of a code that was cut here."""
MOST_CHARACTERS = 12_000
"""A longer code is read only at its beginning by any encoder of ours; what answers the question may lie behind."""
COPIED = 6
"""So many words of a question in a row in the code are a copy (all of them where it has fewer)."""

BOILERPLATE = re.compile(
    r"""(?xi)
    ^\W*(?:todo|fixme|xxx|hack|note\b|see\b|deprecated|obsolete|internal\b|private\b|undocumented|no\s+description|missing\s+doc
      |(?:simple\s+)?(?:getter|setter|accessor|mutator)s?\b|(?:default\s+|empty\s+)?(?:constructor|destructor)s?\b
      |(?:auto-?|automatically\s)generated|generated\s+(?:by|from|code)|non-?javadoc|inherit(?:s|ed)?[\s-]?doc|see\s+(?:also|base|super|parent)
      |same\s+as\b|like\s+\w+\s+but|this\s+(?:method|function|class)\s+(?:is\s+)?(?:auto|generated|deprecated)|(?:api\s+)?(?:reference|documentation)\s+(?:for|of)\b|describe\s+your|your\s+code
      |(?:implements?|overrides?)\s+(?:the\s+)?\S+\s*$|constructs?\s+a\s+new\s+(?:instance\b.*)?$|(?:creates?|initiali[sz]es?)\s+a\s+new\s+instance\b
      |gets?\s+or\s+sets?\b|sets?\s+the\s+value\s+of\b|gets?\s+the\s+value\s+of\b|value\s+(?:for|of)\s+field|test\s+(?:class|case|for)\b|tests?\s+for\b
      |(?:arrange|act|assert|given|when|then|setup|teardown|arguments?|parameters?|returns?|usage|examples?|default)\W*$)
    | \b(?:is|are|was|has\s+been)\s+(?:now\s+)?(?:deprecated|obsolete)\b | \{@inheritdoc\} | @inheritdoc | do\s+not\s+edit | lorem\s+ipsum | eslint-disable | \bnoqa\b | pragma:
    """
)
LICENCE = re.compile(
    r"copyright|\(c\)\s*\d{4}|licen[sc]ed?\s+(?:under|to)|spdx-|permission is hereby|all rights reserved|redistribution and use|"
    r"gnu (?:lesser )?general public|apache license|mit license|without warrant",
    re.IGNORECASE,
)
CODE = re.compile(r"\w\)?\s[*+/=<>%|^]\s\(?[\w@]|[;{}]\s*$|=>|->\s*\w|==|!=|&&|\|\||::\w+\(|\w\(\w*\)\.|^\s*(?:import|from \S+ import|def|class|var|let|const|return|if|for)\b.*[:;{(]\s*$")
CALL = re.compile(r"[\w.!?]+\([^()]*\)")
ADDRESS = re.compile(r"https?://\S+")
OTHER_LANGUAGES = frozenset(
    """
    de la el los las una para por con que es del se der die das und ist nicht ein eine wird mit von auf für les des est pour dans avec sur une
    qui pas ou ce il di che non per sono della nel um uma não os ao com mais och att för inte het een van niet voor naar
    """.split()
)
"""Small words of Spanish, German, French, Italian, Portuguese, Swedish and Dutch that no English word is spelt like."""
ENGLISH = frozenset(
    """
    a an the of to in for is are be with from by on as at or and if that this it its when not all into which can will should must has have
    whether using used only no any each given between current new than then
    """.split()
)


def problem(query: str, code: str, kind: str) -> str | None:
    """Why a question and a code make no pair of a kind, in a few words; None when they do.

    >>> problem("Getter for the name field", "def name(self):\\n    x = 1\\n    return self._name", "docstring")
    'question is boilerplate'
    """
    return question_problem(query, kind) or code_problem(code, kind) or ("question stands in the code" if is_copied(query, code) else None)


def question_problem(query: str, kind: str) -> str | None:
    """Why a question of a kind is not worth training on."""
    found = words(query)
    if len(found) < FEWEST_WORDS[kind]:
        return "question too short"
    if len(found) > 2 * MOST_WORDS:
        return "question too long"
    if kind != "pair" and LICENCE.search(query):
        return "question is a licence"
    if kind in ("docstring", "comment", "section") and BOILERPLATE.search(query):
        return "question is boilerplate"
    if kind in ("docstring", "comment", "section", "commit") and not is_prose(query):
        return "question is no prose"
    return None if is_english(query) else "question is no English"


def code_problem(code: str, kind: str) -> str | None:
    """Why a code of a kind is not worth training on."""
    lines = [line for line in code.split("\n") if WORD.search(line)]
    if len(code) > MOST_CHARACTERS:
        return "code too long"
    if len(lines) < FEWEST_LINES[kind] + (0 if kind == "pair" else HEAD_LINES):
        return "code too short"
    letters = sum(map(str.isalpha, code))
    return "code is data" if letters < 0.35 * len("".join(code.split())) else None


def words(text: str) -> list[str]:
    """The words of a text in small letters, identifiers split, in order."""
    return [word.lower() for word in WORD.findall(text)]


def is_english(text: str) -> bool:
    """Whether a text is in English as far as its letters and small words tell.

    >>> is_english("Return the sum of both"), is_english("Devuelve la suma de los valores"), is_english("返回两个数的和")
    (True, False, False)
    """
    letters = [letter for letter in text if letter.isalpha()]
    if not letters or sum(letter.isascii() for letter in letters) < 0.95 * len(letters):
        return False
    found = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(word in OTHER_LANGUAGES for word in found)
    return foreign < 2 or foreign <= sum(word in ENGLISH for word in found)


def is_prose(text: str) -> bool:
    """Whether a text is sentences rather than code, an address or a table."""
    bare = ADDRESS.sub("", text)
    if CODE.search(bare):
        return False
    if len(CALL.findall(bare)) > 1 and len(CALL.sub("", bare).split()) < 5:
        return False
    spoken = sum(letter.isalpha() or letter.isspace() for letter in bare)
    plain = sum(word.isalpha() for word in re.split(r"[\s,.;:()'\"`/-]+", bare) if word)
    return spoken >= 0.8 * len(bare) and plain >= 3


def is_copied(query: str, code: str) -> bool:
    """Whether `COPIED` words of the question follow each other in the code, or all of them where it has fewer.

    >>> is_copied("split the header", "x\\ndef f(t):\\n    # Split the header.\\n    return t")
    True
    """
    asked = words(query)
    length = min(len(asked), COPIED)
    said = f" {' '.join(words(code))} "
    return length > 0 and any(f" {' '.join(run)} " in said for run in _runs(asked, length))


def _runs(asked: Sequence[str], length: int) -> list[Sequence[str]]:
    return [asked[at : at + length] for at in range(len(asked) - length + 1)]
