"""Identifiers in, English out: the words of a name, verbs in the third person, lists and articles.

Only what a name says is said: no word comes from anywhere but the name, apart from articles, prepositions and the verb's
ending. A first word that is no known verb is not taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[A-Z]{2,}(?=s\b|s?_|\b|\d|[A-Z][a-z])\d*|[A-Z](?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+|[^\W\d_A-Za-z]+")

IRREGULAR = {
    "get": "returns",
    "do": "does",
    "go": "goes",
    "has": "has",
    "is": "is",
    "fetch": "fetches",
    "undo": "undoes",
    "redo": "redoes",
}
"""Third persons that the rules of spelling do not give, and `get`, which in code means that something is returned."""

VERBS = frozenset(
    """
    abort accept access accumulate acquire activate adapt add adjust advance aggregate align allocate allow alter
    analyze analyse announce annotate append apply approve archive arrange ask assemble assert assign associate
    attach attempt authenticate authorize average await back backup balance begin bind block bootstrap break
    broadcast browse build bump cache calculate call cancel capitalize capture cast catch center change check choose
    clamp classify clean cleanup clear click clip clone close coerce collapse collect combine commit compact compare
    compile complete compose compress compute concat concatenate configure confirm connect construct consume contain
    continue contribute convert copy correct count crawl create crop cut cycle deactivate deallocate debug decide
    declare decode decompress decorate decrease decrement decrypt deduce dedupe deduplicate defer define delay
    delegate delete deliver denormalize deploy dequeue derive describe deserialize destroy detach detect determine
    diff digest disable discard disconnect discover dispatch display dispose divide do download drag drain draw drop
    dump duplicate echo edit emit enable encode encrypt end enforce enqueue ensure enter enumerate erase escape
    establish estimate evaluate evict exchange exclude execute exit expand expect expire explain export expose
    extend extract fail fetch fill filter finalize find finish fire fit fix flag flatten flip flush focus fold
    follow force fork format forward free freeze gather generate get give go grab grant group grow guard guess halt
    handle hide highlight hold identify ignore implement import include increase increment indent index infer
    inflate inherit init initialise initialize inject insert inspect install instantiate interpolate interpret
    intersect invalidate invert invoke issue iterate join jump keep kill launch lead leave lex lift limit link list
    listen load localize locate lock log login logout look lookup lower make manage map mark mask match materialize
    maximize measure memoize merge migrate minimize mock modify monitor mount move multiply mutate mute navigate
    negate normalise normalize note notify observe obtain offset omit open optimize order output overflow override
    pack pad paginate parse partition pass paste patch pause peek perform permute persist pick ping place play plot
    poll pop populate post postprocess predict prefetch prepare prepend preprocess present preserve press prevent
    print probe process produce promote prompt propagate protect prove provide prune publish pull purge push put
    query queue quit quote raise randomize rank read reap rebase rebuild recalculate receive recompute reconcile
    reconnect record recover redirect redo reduce refactor refer refine reflect refresh refund refuse register
    reindex reject relax release reload remap remember remove rename render reopen reorder repair repeat replace
    replay reply report represent request require reschedule reserve reset reshape resize resolve respond restart
    restore restrict resume retrieve retry return reuse reverse revert review revoke rewind rewrite roll rollback
    rotate round route run sample sanitize save scale scan schedule score scrape scroll seal search seed seek select
    send separate serialise serialize serve set setup shift show shrink shuffle shutdown sign signal simplify
    simulate skip sleep slice slugify smooth snapshot solve sort spawn specify splice split squash stack start stash
    stop store stream stringify strip stub submit subscribe subtract suggest sum summarize supply suppress suspend
    swap switch sync synchronize synthesize tag take tear tell terminate test throttle throw tick toggle tokenize
    touch trace track train transcode transfer transform translate transmit transpose traverse trigger trim truncate
    try tune turn unbind uncompress undo unescape unify uninstall unlink unlock unmount unpack unpatch unquote
    unregister unset unsubscribe unwrap unzip update upgrade upload upsert use validate verify visit wait walk warm
    warn warp wash watch weigh wire wrap write yield zip zoom
    """.split()
)
"""Verbs of names in code, in the first person, from the names in some twenty repositories."""

NOUNS_ALONE = frozenset(
    """
    access average back block cache call cast center change check click clip clone color compact contain copy count
    cut cycle debug default delay diff digest display draw drop echo edit end exit export fit fix flag focus fold
    force fork format forward free function group guard guess hash hold import index init input issue join jump key
    lead leave limit link list lock log login look lookup map mark mask match measure mock name note notice object
    offset open order output overflow pack pad pass patch pause pick ping place play plot point poll pop post
    present press print probe process produce prompt prune pull push query queue quote rank read record release
    reply report request require reserve reset result return reverse review roll rollback round route sample scale
    schedule score search seal seed sense set setup shift show sign signal size slice snapshot sort split stack
    start state stop store stream strip stub sum supply swap switch sync tag test tick time touch trace track train
    transfer transform trigger try tune turn type update upgrade upload use view wait walk watch wire wrap zip zoom
    filter
    """.split()
)
"""Verbs that are nouns as often: taken for verbs only where something follows them, or a call to them is the whole point."""

PREPOSITIONS = frozenset(
    """
    about above after against along among around as at before behind below beside between by down during for from if
    in inside into like of off on once onto or out outside over per since through till to toward under until up upon
    using via when while with within without and but not than then
    """.split()
)

_PLURAL = re.compile(r"([A-Z]{2,}s)(?![a-z])")
_CONSONANT = re.compile(r"U[A-Z]|[Ee]u|[Oo]ne(?![a-z])|[Oo]nce|[Uu](?:ni(?![nm])|se|r[il]|ti|sa|tf|u|$|[A-Z_])")
"""Names that begin with a vowel that is spoken as a consonant."""
_LETTER = re.compile(r"[FHLMNRSX](?:[A-Z0-9]|$)")


def words(name: str) -> list[str]:
    """The words of an identifier; acronyms keep their capitals.

    >>> words("parseHTTPResponse"), words("split_sha256"), words("userIDs")
    (['parse', 'HTTP', 'response'], ['split', 'sha256'], ['user', 'IDs'])
    """
    found = _joined_plural(_WORD.findall(_PLURAL.sub(r"\1_", name)))
    return [word if _is_acronym(word) and not name.isupper() else word.lower() for word in found]


def _is_acronym(word: str) -> bool:
    return len(word.rstrip("s")) > 1 and word.rstrip("s").isupper()


def _joined_plural(found: Sequence[str]) -> list[str]:
    """The words with the plural s put back to its acronym (`IDs`)."""
    joined: list[str] = []
    for word in found:
        if word == "s" and joined and _is_acronym(joined[-1]):
            joined[-1] += "s"
        else:
            joined.append(word)
    return joined


def third_person(verb: str) -> str:
    """The verb as `it` takes it.

    >>> [third_person(verb) for verb in ("get", "parse", "push", "copy", "deploy", "fix", "do")]
    ['returns', 'parses', 'pushes', 'copies', 'deploys', 'fixes', 'does']
    """
    if verb in IRREGULAR:
        return IRREGULAR[verb]
    if verb in COMPOUND:
        first, rest = COMPOUND[verb]
        return f"{third_person(first)} {rest}".strip()
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    if verb in ("quiz", "whiz"):
        return verb + "zes"
    return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


COMPOUND = {
    "init": ("initialize", ""),
    "setup": ("set", "up"),
    "cleanup": ("clean", "up"),
    "login": ("log", "in"),
    "logout": ("log", "out"),
    "lookup": ("look", "up"),
    "shutdown": ("shut", "down"),
    "rollback": ("roll", "back"),
    "backup": ("back", "up"),
    "teardown": ("tear", "down"),
    "concat": ("concatenate", ""),
    "diff": ("compare", ""),
}
"""Verbs written as one word in names, as verb and particle."""


THIRD_PERSONS = frozenset(map(third_person, VERBS)) | frozenset(
    """
    is are has have can cannot does should must will was were gets works shows looks wins needs keeps
    """.split()
)
"""Verbs as tests and predicates have them in their names (`test_parse_rejects_empty_input`)."""


def article(name: str) -> str:
    """`a` or `an`, by the sound of the name's beginning.

    >>> [article(name) for name in ("Router", "Index", "User", "HTTPError", "URL", "SQLQuery", "Unit", "hour")]
    ['a', 'an', 'a', 'an', 'a', 'an', 'a', 'an']
    """
    start = name.lstrip("_$@")
    if start.lower().startswith(("hour", "honest", "heir")):
        return "an"
    if _LETTER.match(start) and (len(start) < 2 or not start[1:2].islower()):
        return "an"
    if _CONSONANT.match(start):
        return "a"
    return "an" if start[:1].lower() in "aeiou" and start else "a"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names with commas, `and` before the last; of too many only the first ones, and how many more there are.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d"], most=2)
    ('a', 'a and b', 'a, b and 2 more')
    """
    unique = list(dict.fromkeys(names))
    if len(unique) > most:
        return f"{', '.join(unique[:most])} and {len(unique) - most} more"
    return " and ".join(filter(None, (", ".join(unique[:-1]), unique[-1]))) if unique else ""


def noun_phrase(parts: Sequence[str]) -> str:
    """Words of a name as the object of a verb: an article unless a preposition, number or nothing leads.

    >>> noun_phrase(["user", "by", "id"]), noun_phrase(["from", "file"])
    ('the user by id', 'from file')
    """
    phrase = " ".join(parts)
    bare = not parts or parts[0].lower() in PREPOSITIONS or parts[0].lower() in BARE or parts[0][0].isdigit()
    return phrase if bare else f"the {phrase}"


BARE = frozenset(
    """
    a all an and any both each either every everything its it many more most my no nothing one only other our same
    self some such that the their this these those up down out in off on back again all at once away forward
    backward
    """.split()
)
"""Words that no article precedes."""


def is_verb(word: str, alone: bool) -> bool:
    """Whether the first word of a name is a verb; `alone` when it is the whole name."""
    return word in VERBS and not (alone and word in NOUNS_ALONE)
