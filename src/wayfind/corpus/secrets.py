"""Secrets: in comes the text of a file, out comes the same text with passwords, tokens and keys replaced by asterisks.

What a secret looks like is known by the plugins of detect-secrets. They are slow to load (0.2 s) and to run, so a cheap
look at the text decides first which of them can find anything; most files need none.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

Span = tuple[int, int]


def mask(text: str, path: str = "") -> tuple[str, int]:
    """The text with every secret overwritten by as many `*`, so that lines and columns stay; and the number of secrets.

    Found are tokens of a known form, private keys, passwords in URLs, and values assigned to names like `password`.
    Left alone are placeholders, templates, and what reads like an identifier or a sentence. Of the path only the file
    name counts: in settings files (`.env`, `.ini`, `.yaml`, shell) values need no quotes.
    """
    spans = sorted({*_private_keys(text), *_tokens(text), *_logins(text), *_assigned(text, path)})
    if not spans:
        return text, 0
    pieces, end, count = [], 0, 0
    for first, last in spans:
        count += first >= end
        if last > end:  # two forms may fit the same characters
            first = max(first, end)
            pieces += [text[end:first], _BODY.sub(_stars, text[first:last])]
            end = last
    return "".join([*pieces, text[end:]]), count


# Quotes, escapes and white space of a key that is written over several lines or strings keep the file parsable.
_BODY = re.compile(r"(\\.)|[^\s\"'`\\]+")


def _stars(match: re.Match[str]) -> str:
    return match[1] or "*" * len(match[0])


# Tokens of a known form


class _Form(NamedTuple):
    """A plugin of detect-secrets, or a pattern of our own, with what must stand in a text before it is tried."""

    form: str
    """`module.Class` of the plugin, or a regular expression."""
    words: tuple[str, ...]
    """One of these stands in every line where it can find something."""
    hint: re.Pattern[str] | None = None
    """So does this, where the words are common."""


def _form(form: str, words: str, hint: str | None = None) -> _Form:
    return _Form(form, tuple(words.split()), re.compile(hint) if hint else None)


# The two entropy plugins are not here: on the 171,406 lines of Python of scrapy, werkzeug and tornado they mark 41 strings
# (0.24 in 1,000 lines, after the same filters), 40 of them checksums, nonces and alphabets, the other found without them.
_PLUGINS = (
    _form("artifactory.ArtifactoryDetector", "AKC AP", r"\b(?:AKC|AP[\dA-F])(?=[a-zA-Z]*\d)[a-zA-Z0-9]{8}"),
    _form("aws.AWSKeyDetector", "AKIA ASIA ABIA ACCA A3T aws AWS Aws", r"[0-9A-Z]{20}|[0-9a-zA-Z/+]{40}"),
    _form("azure_storage_key.AzureStorageKeyDetector", "AccountKey="),
    _form("cloudant.CloudantDetector", "cloudant Cloudant CLOUDANT", r"[0-9a-z]{24}"),
    _form("github_token.GitHubTokenDetector", "ghp_ gho_ ghu_ ghs_ ghr_"),
    _form("gitlab_token.GitLabTokenDetector", "glpat- gldt- glft- glsoat- glrt- GR1348941 glcbt- glimt- glptt- glagent- gloas-"),
    _form("ibm_cloud_iam.IbmCloudIamDetector", "ibm IBM iam_ IAM_", r"(?<![\w-])(?=[\w-]*\d)[\w-]{44}(?![\w-])"),
    _form("ibm_cos_hmac.IbmCosHmacDetector", "cos COS", r"(?<![a-f0-9])[a-f0-9]{48}(?![a-f0-9])"),
    _form("jwt.JwtTokenDetector", "eyJ"),
    _form("mailchimp.MailchimpDetector", "-us", r"[0-9a-z]{32}-us\d"),
    _form("npm.NpmDetector", "_authToken"),
    _form("openai.OpenAIDetector", "T3BlbkFJ"),
    _form("pypi_token.PypiTokenDetector", "pypi-AgE"),
    _form("sendgrid.SendGridDetector", "SG."),
    _form("slack.SlackDetector", "xox hooks.slack.com"),
    _form("softlayer.SoftlayerDetector", "softlayer SoftLayer SOFTLAYER", r"[a-z0-9]{64}"),
    _form("square_oauth.SquareOAuthDetector", "sq0csp-"),
    _form("stripe.StripeDetector", "k_live_"),
    _form("telegram_token.TelegramBotTokenDetector", ":AA"),
    _form("twilio.TwilioKeyDetector", "AC SK", r"(?<![A-Za-z0-9])(?:AC|SK)[a-z0-9]{32}(?![A-Za-z0-9])"),
)

# What detect-secrets 1.5 does not know, as the makers publish it.
_PATTERNS = (
    _form(r"github_pat_\w{22,}", "github_pat_"),
    _form(r"AIza[\w-]{35}", "AIza"),  # Google API key
    _form(r"GOCSPX-[\w-]{28}", "GOCSPX-"),  # Google OAuth client
    _form(r"ya29\.[\w-]{20,}", "ya29."),  # Google OAuth access
    _form(r"sk-ant-\w+-[\w-]{20,}", "sk-ant-"),  # Anthropic
    _form(r"npm_[A-Za-z0-9]{36}", "npm_"),
    _form(r"hf_[A-Za-z]{34}", "hf_"),  # Hugging Face
    _form(r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]+", "xapp-"),  # Slack app
    _form(r"dop_v1_[a-f0-9]{64}", "dop_v1_"),  # DigitalOcean
    _form(r"dapi[a-f0-9]{32}", "dapi"),  # Databricks
    _form(r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shpat_ shpca_ shppa_ shpss_"),  # Shopify
    _form(r"whsec_[A-Za-z0-9+/]{24,}", "whsec_"),  # Stripe webhook
    _form(r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "AGE-SECRET-KEY-1"),
    _form(r"(?i:authorization\W{1,6}(?:bearer|token)) ([\w.~+/-]{20,})", "uthorization AUTHORIZATION"),  # a header, in any quotes
    _form(r"SharedAccessKey=([A-Za-z0-9+/]{43}=)", "SharedAccessKey="),  # Azure
    # Discord: detect-secrets has a plugin for it, without a word to look for. The part before is the id of the bot.
    _form(r"(?<=[\w-]{24})\.([\w-]{6}\.[\w-]{27,38})(?![\w.-])", "."),
)


def _tokens(text: str) -> Iterator[Span]:
    for offset, line in _lines_with_runs(text):
        for form in _PLUGINS:
            if any(word in line for word in form.words) and (form.hint is None or form.hint.search(line)):
                plugin = _plugin(form.form)
                for regex in plugin.denylist:
                    yield from _found(regex, offset, line, getattr(plugin, "is_formally_valid", None))
        for form in _PATTERNS:
            if any(word in line for word in form.words):
                yield from _found(re.compile(form.form), offset, line)


# What all these tokens have in common: 20 characters in a row, with a digit early among them. Asking for each word of each
# form in the whole text instead took 0.5 ms a file; this takes 0.06 ms. Three forms have tokens without a digit too often.
_RUN = re.compile(r"(?a:\b(?:(?=[\w+/-]{20})(?=[A-Za-z_+/-]{0,60}\d)|hf_|A[KS]IA|[rs]k_live_)[\w+/-]+)")
_LONGEST_TOKEN = 8000
"""Longer runs are data."""


def _lines_with_runs(text: str) -> Iterator[tuple[int, str]]:
    end = 0
    for run in _RUN.finditer(text):
        if run.end() > end and len(run[0]) <= _LONGEST_TOKEN:
            start = max(text.rfind("\n", 0, run.start()) + 1, run.start() - _REACH)
            end = text.find("\n", run.end())
            end = min(len(text) if end < 0 else end, run.end() + _REACH)
            yield start, text[start:end]


def _found(regex: re.Pattern[str], offset: int, line: str, is_valid: Callable[[str], bool] | None = None) -> Iterator[Span]:
    for match in regex.finditer(line):
        if is_valid and not is_valid(match[0]):
            continue
        # A group is the secret itself, or a mere prefix of it (`ghp`).
        start, end = max((match.span(group) for group in range(1, regex.groups + 1)), key=_length, default=(0, 0))
        if end - start < 16:
            start, end = match.span()
        start += len(line[start:end]) - len(line[start:end].lstrip(" \t\"'=:"))
        end = _REST.match(line, end).end()  # newer tokens are longer than the plugins know; of a JWT they see the head
        if not _is_placeholder(line[start:end]):
            yield offset + start, offset + end


def _length(span: Span) -> int:
    return span[1] - span[0]


_REST = re.compile(r"[\w-]*(?:\.[\w-]{16,})*")


def _logins(text: str) -> Iterator[Span]:
    """Passwords in URLs, unless they lead to an example or to this machine."""
    for offset, line in _lines_with(text, ("://",)):
        if _LOGIN.search(line):
            for match in _plugin("basic_auth.BasicAuthDetector").denylist[0].finditer(line):
                if not _is_weak(match[1]) and not _NOWHERE.match(line, match.end()):
                    yield offset + match.start(1), offset + match.end(1)


_LOGIN = re.compile(r"://[^\s/:@]+:[^\s/:@]+@")
_NOWHERE = re.compile(
    r"(?:[\w.-]*\.)?(?:example(?:\.\w+)?|localhost|test|invalid|host(?:name)?|server|proxy)\b|127\.|0\.0\.0\.0|\[::1\]", re.IGNORECASE
)


# Private keys


def _private_keys(text: str) -> Iterator[Span]:
    """The bodies of private keys, as far as they are there; a mere mention of their first line is none."""
    if "PRIVATE KEY" in text or "Private-Lines" in text:
        for begin in _KEY_BEGIN.finditer(text):
            end = text.find("-----END", begin.end(), begin.end() + _LONGEST_KEY)
            if end < 0:
                end = _KEY_LINES.match(text, begin.end()).end()
            if sum(map(len, _KEY_RUN.findall(text, begin.end(), end))) >= _SHORTEST_KEY:
                yield begin.end(), end


_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|Private-Lines: \d+")
_KEY_LINES = re.compile(r"(?:(?:[\s\"'+,.#*/]|\\[nr])*[A-Za-z0-9+/=]{16,})*")
_KEY_RUN = re.compile(r"[A-Za-z0-9+/]{16,}")
_LONGEST_KEY = 20_000
_SHORTEST_KEY = 40
"""Characters of base64; an Ed25519 key has 64."""


# Values assigned to telling names


def _assigned(text: str, path: str) -> Iterator[Span]:
    small = text.lower()
    if len(small) != len(text):
        small = "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
    unquoted = _SETTINGS_FILE.search(path) is not None
    has_value = _UNQUOTED if unquoted else _QUOTED
    rules: Mapping[re.Pattern[str], int] = {}
    for offset, line in _lines_with(small, ("pass", "pwd", "secret", "key", "contrase")):
        if not has_value.search(line) or not _NAME.search(line):
            continue
        line = text[offset : offset + len(line)]
        rules = rules or _keyword_rules(path, unquoted)
        for regex, group in rules.items():
            for match in regex.finditer(line):
                value = match[group]
                if _UNLIKE_A_WORD.search(value) and not _is_weak(value) and not _heuristic().is_indirect_reference(match[0]):
                    yield offset + match.start(group), offset + match.end(group)


# The names that detect-secrets' keyword plugin knows.
_NAME = re.compile(
    r"passw(?:or)?d|pwd|secret|contrase|(?:db|database|key)_?pass"
    r"|(?:api|auth|service|account|db|database|priv|private|client)_?key"
)
_SETTINGS_FILE = re.compile(
    r"(?:^|/)\.?(?:env|envrc|netrc|npmrc|pypirc|pgpass|Dockerfile)[^/]*$|\.(?:env|ini|cfg|cnf|conf|config|properties|toml|ya?ml|sh|bash|zsh)$"
)
# What a line needs for the plugin's rules to find a value that is not weak; it is quoted unless the file is one of settings.
_QUOTED = re.compile(r"[\"'`][^\"'`]*[\d!@#^&*?+=~%|][^\"'`]*[\"'`]")
_UNQUOTED = re.compile(r"[=:].*[\d!@#^&*?+=~%|]")


def _keyword_rules(path: str, unquoted: bool) -> Mapping[re.Pattern[str], int]:
    keyword = importlib.import_module("detect_secrets.plugins.keyword")
    if unquoted:
        return keyword.CONFIG_DENYLIST_REGEX_TO_GROUP
    kind = keyword.determine_file_type(path)
    return keyword.REGEX_BY_FILETYPE.get(kind, keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP)


def _is_weak(value: str) -> bool:
    """Whether a value is no secret, or not told from a variable, a sentence, a template or an example."""
    heuristic = _heuristic()
    return (
        not _SHORTEST_PASSWORD <= len(value) <= _LONGEST_PASSWORD
        or any(character.isspace() for character in value)
        or _REFERENCE.search(value) is not None
        or _is_placeholder(value)
        or heuristic.is_templated_secret(value)
        or heuristic.is_not_alphanumeric_string(value)
        or heuristic.is_potential_uuid(value)
    )


_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 6, 500
_UNLIKE_A_WORD = re.compile(r"[\d!@#^&*?+=~%|]")
# A variable, a call, an interpolation, a path, an address, words with a number behind them, a number.
_REFERENCE = re.compile(
    r"^[$@&%*!]|[({<\[].*[)}>\]]|%[sd(]|^[./~]|://|^[\w.+-]+@[\w-]+\.\w+$|^[A-Za-z]+(?:[._-][A-Za-z]+)*[._-]?v?\d{1,2}$|^[\d.:-]+$"
)
_EXAMPLE = re.compile(r"(.)\1{4}|example|placeholder|change.?me|your|xxx|redacted|\.\.\.", re.IGNORECASE)
# In long random values these words stand by chance: once in a hundred tokens of 40 characters.
_SHORT_EXAMPLE = re.compile(r"sample|dummy|secret|passw|token|test|foo|bar|baz|1234|abcd|qwert", re.IGNORECASE)
_LONG = 20


def _is_placeholder(value: str) -> bool:
    return (
        _EXAMPLE.search(value) is not None
        or (len(value) < _LONG and _SHORT_EXAMPLE.search(value) is not None)
        or _heuristic().is_sequential_string(value)
    )


# Looking, and loading what is needed


_REACH = 2000
"""Of a longer line, so many characters before and after a word are looked at."""


def _lines_with(text: str, words: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines in which one of the words stands, and where they begin. A line may come more than once."""
    for word in words:
        at = text.find(word)
        while at >= 0:
            start = max(text.rfind("\n", 0, at) + 1, at - _REACH)
            line_end = text.find("\n", at)
            line_end = len(text) if line_end < 0 else line_end
            end = min(line_end, at + _REACH)
            yield start, text[start:end]
            # What a word near the end of a window names may lie behind it.
            at = text.find(word, max(end if end == line_end else end - _REACH // 2, at + 1))


@functools.cache
def _plugin(name: str):
    module, _, class_ = name.partition(".")
    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), class_)()


@functools.cache
def _heuristic():
    return importlib.import_module("detect_secrets.filters.heuristic")
