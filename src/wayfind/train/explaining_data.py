"""What the decoder learns from: pairs of documentation and code, as built, in; lessons, one sentence and one reading each, out.

A lesson is kept only if its sentence can be said truly: every name in it stands in the code, every other word is common or
stands there too. What may be generated is learned here as well: the words that the sentences of several projects share.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from wayfind.corpus.english import THIRD_PERSONS, is_verb, third_person
from wayfind.errors import NotFound, UsageError
from wayfind.model.reading import READING_VERSION, read_text
from wayfind.model.grounding import BREAKS, FREE, LOOSE_ENDS, Grounds
from wayfind.model.wording import TOKEN, Known, invented, is_name, parts, repeats, stem, tokens
from wayfind.train.duplicates import body
from wayfind.train.pairs import Part, read_pairs
from wayfind.train.quality import is_english

FEWEST_WORDS, MOST_WORDS = 3, 25
COMMON_IN = 4
"""Projects whose sentences hold a word from which it is common: a name of one project is not."""
MOST_COMMON = 4_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a chunk is read as, and a sentence that says what it does."""

    sentence: str
    reading: str
    language: str
    origin: str
    part: Part = "train"
    weight: float = 1.0


_PARENTHESES = re.compile(r"\s*[(\[{][^()\[\]{}]*[)\]}]")
_MARKUP = re.compile(r"[`\"“”*|]|(?<!\w)'|'(?!\w)")
_SELF = re.compile(
    r"^(?:this|the|an?)\s+(?:\w+\s+)?(?:method|function|class|struct|module|interface|constructor|procedure|macro|type)\s+(?:that\s+|which\s+|is\s+used\s+to\s+|will\s+|can\s+be\s+used\s+to\s+)?(?=[a-z])"
    r"|^(?:method|function|class|helper|utility)(?:\s+function|\s+method|\s+class)?\s+(?:to|that|which)\s+|^(?:helper|utility)\s+(?:function|method|class)\s+",
    re.IGNORECASE,
)
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!?;:](?=\s|$)|\s-{1,2}\s|,\s*(?:e\.g\.|i\.e\.|see\b|which is deprecated)")
_ODD = re.compile(r"[^A-Za-z0-9 ,.'/_$:#>()-]|\b(?:we|our|us|you|your|TODO|FIXME|XXX|param|etc|deprecated|below|above|following|see)\b|https?:|^(?:how|why|when|if|note|used)\b", re.IGNORECASE)


def cleaned(sentence: str) -> str:
    """The first sentence of a documentation as it is learned, in the third person; "" where it is not worth learning.

    >>> cleaned("Return the `name` of a Node (if any). Never fails."), cleaned("TODO: explain")
    ('Returns the name of a Node', '')
    """
    bare = _MARKUP.sub("", _PARENTHESES.sub("", sentence)).strip()
    bare = " ".join(_SELF.sub("", _END.split(bare, maxsplit=1)[0]).split()).strip(" ,.-")
    words = bare.split()
    if not FEWEST_WORDS <= len(words) <= MOST_WORDS or _ODD.search(bare) or not is_english(bare):
        return ""
    if sum(map(is_name, tokens(bare))) > 3 or repeats([word.lower() for word in words], 4):
        return ""
    first = words[0]
    if not is_name(first):
        small = first.lower()
        first = third_person(small) if is_verb(small, alone=False) else small if first.istitle() else first
        first = first[0].upper() + first[1:]
    return " ".join([first, *words[1:]])


def lessons(pairs: Path) -> Iterator[Lesson]:
    """The lessons of a folder of `wayfind data build`: of its pairs of documentation and code, out of whose code the documentation
    was taken already. Raises NotFound."""
    for pair in read_pairs(pairs):
        if pair.kind == "docstring" and (said := cleaned(pair.query)):
            yield Lesson(said, read_text(pair.language, pair.symbol or "", body(pair)), pair.language, pair.origin, pair.part, pair.weight)


def common_words(lessons: Iterable[Lesson]) -> dict[str, str]:
    """The words that the sentences of `COMMON_IN` projects hold, in small letters -> as they are mostly written, the most frequent
    first; no names, no numbers."""
    origins: defaultdict[str, set[str]] = defaultdict(set)
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in lessons:
        for place, token in enumerate(tokens(one.sentence)):
            if token.isascii() and token.isalpha() and not is_name(token):
                origins[token.lower()].add(one.origin)
                forms[token.lower()][token if place else token.lower()] += 1
    known = sorted((word for word in origins if len(origins[word]) >= COMMON_IN), key=lambda word: (-forms[word].total(), word))
    return {word: max(forms[word], key=lambda form: (forms[word][form], form)) for word in known[:MOST_COMMON]}


def true_lessons(lessons: Iterable[Lesson], common: dict[str, str]) -> list[Lesson]:
    """Those whose sentence names nothing that the reading lacks."""
    return [one for one in lessons if not invented(one.sentence, one.reading, common)]


UNSAID = "…"
"""Stands in a lesson for a word that the code does not bear out: it is read, and never learned to be said."""
MOST_UNSAID = 2
"""Words of a lesson that are not learned; the sentence is cut before a third."""


def grounded(sentence: str, read: str) -> str:
    """The sentence as far as the reading bears it out: a verb that the name does not warrant, and words that do not stand there, become
    `UNSAID`; too many of them cut it. "" where the rest does not name what the function is named for.

    >>> grounded("Loads the pages of a book from the attic", "python\\nload_pages\\ndef _(book): return book.pages")
    'Loads the pages of a book from the …'
    """
    grounds, known = Grounds(read), Known(read, FREE)
    if not grounds.leads:
        return ""
    if sentence[:4] == "The " and "returns" in grounds.leads:
        sentence = f"Returns the {sentence[4:]}"
    found = list(TOKEN.finditer(sentence))
    own = [parts(token.group()) if token.group()[0].isalnum() or token.group()[0] in "_$" else [] for token in found]
    if not own or not own[0]:
        return ""
    warranted = own[0][0] in grounds.leads
    if not warranted and own[0][0] in THIRD_PERSONS and len(grounds.leads) == 1 and grounds.object_is_named([word for words in own for word in words]):
        own[0], warranted = [grounds.leads[0]], True
    said = [own[0][0].capitalize() if warranted else UNSAID]
    words, kept, unsaid = [own[0][0]], (1, 1), 0
    for token, mine, before in zip(found[1:], own[1:], found):
        bears = all(known.word(word) and stem(word) not in {stem(one) for one in words if one not in FREE} for word in mine) or all(word in FREE for word in mine)
        unsaid += not bears
        if unsaid > MOST_UNSAID:
            break
        if mine and mine[0] in BREAKS:
            kept = (len(said), len(words))
        glue = "" if token.start() == before.end() else " "
        said.append(glue + (token.group() if bears else UNSAID))
        words += mine if bears else []
    else:
        kept = (len(said), len(words))
    told = "".join(said[: kept[0]]).strip(" ,-/'")
    if kept[1] < FEWEST_WORDS or not any(stem(word) in grounds.objects for word in words[1 : kept[1]]) and grounds.objects or words[kept[1] - 1] in LOOSE_ENDS and not told.endswith(UNSAID):
        return ""
    return told


def grounded_lessons(lessons: Iterable[Lesson]) -> list[Lesson]:
    """The lessons as far as their code bears them out."""
    return [replace(one, sentence=said) for one in lessons if (said := grounded(one.sentence, one.reading))]


def write_lessons(path: Path, lessons: Iterable[Lesson]) -> int:
    """Write lessons, one JSON object a line, packed. Returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"reading": READING_VERSION}) + "\n")
        for one in lessons:
            file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_lessons(path: Path) -> list[Lesson]:
    """The lessons of a file. Raises NotFound, UsageError where another version of readings wrote it, or it is no such file."""
    if not path.is_file():
        raise NotFound(f"{path}: no such file of lessons")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found = json.loads(file.readline()).get("reading")
            if found != READING_VERSION:
                raise UsageError(f"{path}: readings of version {found}, expected {READING_VERSION}; delete it, and train again")
            return [Lesson(**json.loads(line)) for line in file]
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, TypeError, AttributeError) as problem:
        raise UsageError(f"{path}: damaged, or no lessons as a training leaves them, packed by gzip: {problem}; name another file, or data.pairs instead") from None


def stories(path: Path) -> Iterator[str]:
    """The stories of a text file in the format of TinyStories (Eldan & Li, 2023, https://arxiv.org/abs/2305.07759): plain text, one
    story after another, `<|endoftext|>` on a line between them. Raises NotFound, UsageError where nothing is told.

    Read line by line: such files are gigabytes.
    """
    if not path.is_file():
        raise NotFound(f"{path}: no such file of stories")
    told, any_told = [], False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            *whole, rest = line.split("<|endoftext|>")
            for part in whole:
                if story := " ".join(" ".join([*told, part]).split()):
                    any_told = True
                    yield story
                told = []
            told.append(rest)
    if story := " ".join(" ".join(told).split()):
        any_told = True
        yield story
    if not any_told:
        raise UsageError(f"{path}: no story in it; expected plain text with <|endoftext|> between stories")
