"""Secrets are masked and nothing else is. All of them are made up here, at run time: the repository holds none."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import wayfind
from wayfind.corpus.secrets import mask

_RANDOM = random.Random(20)
_DIGITS = "0123456789"
_HEX = _DIGITS + "abcdef"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALL = _UPPER + _UPPER.lower() + _DIGITS


def some(length: int, alphabet: str = _ALL) -> str:
    """Random characters, with a digit early on and no word of an example in them."""
    return "7q" + "".join(_RANDOM.choice(alphabet) for _ in range(length - 2)) if alphabet is _ALL else "".join(
        _RANDOM.choice(alphabet) for _ in range(length)
    )


def _jwt() -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, {"sub": "17"})]
    return ".".join([*parts, some(43)])


TOKENS = {
    "aws access key": "AK" + "IA" + some(16, _UPPER + "234567"),
    "github": "gh" + "p_" + some(36),
    "github, fine-grained": "github_" + "pat_" + some(22) + "_" + some(59),
    "gitlab": "glp" + "at-" + some(20),
    "gitlab job": "glc" + "bt-1f_" + some(20),
    "slack": "xo" + "xb-" + some(12, _DIGITS) + "-" + some(12, _DIGITS) + "-" + some(24, _HEX),
    "slack webhook": "https://hooks.slack.com/" + "services/T" + some(8) + "/B" + some(8) + "/" + some(24),
    "stripe": "sk_" + "live_" + some(24),
    "stripe, longer than the plugin knows": "rk_" + "live_" + some(99),
    "json web token": _jwt(),
    "npm": "np" + "m_" + some(36),
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + some(100),
    "openai": "sk" + "-" + some(20) + "T3Blbk" + "FJ" + some(20),
    "anthropic": "sk-" + "ant-api03-" + some(95),
    "sendgrid": "SG" + "." + some(22) + "." + some(43),
    "twilio": "S" + "K" + some(32, _HEX),
    "telegram": "1234567" + "89:A" + "A" + some(33),
    "square": "sq0" + "csp-" + some(43),
    "mailchimp": some(32, _HEX) + "-us" + "17",
    "artifactory": "AK" + "C" + some(20),
    "google": "AI" + "za" + some(35),
    "hugging face": "h" + "f_" + some(34, _UPPER),
    "databricks": "da" + "pi" + some(32, _HEX),
    "age": "AGE-SECRET-" + "KEY-1" + some(58, _UPPER + "234567"),
}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("line", ['token = "{}"', '  - curl -H "Authorization: {}" x', "{}", '{{"a": "{}", "b": 2}}'])
def test_a_token_of_known_form_is_masked_whole(name: str, line: str) -> None:
    token = TOKENS[name]
    text = "first\n" + line.format(token) + "\nlast\n"
    masked, count = mask(text, "a.py")
    assert count == 1
    # What stands before the token, and the public beginning of an address, may stay
    assert token[12:] not in masked and token[-16:] not in masked
    assert masked.replace("*" * len(token), "{}") == "first\n" + line.format("{}") + "\nlast\n"


def test_a_bot_token_is_masked_but_for_the_id_of_the_bot() -> None:
    bot, rest = "M" + some(23), some(6) + "." + some(27)
    assert mask(f"run('{bot}.{rest}')") == (f"run('{bot}.{'*' * len(rest)}')", 1)


@pytest.mark.parametrize(
    ("template", "length", "alphabet"),
    [
        ('aws_secret_access_key = "{}"', 40, _ALL),
        ('"AccountName=a;Account' + 'Key={}"', 88, _ALL),
        ('"Endpoint=sb://a/;SharedAccess' + 'Key={}="', 43, _ALL),
        ('cloudant_password = "{}"', 64, _HEX),
        ('ibm_cloud_api_key = "{}"', 44, _ALL),
        ('cos_secret_access_key = "{}"', 48, _HEX),
        ('softlayer_api_key = "{}"', 64, _HEX),
        ('DB = "postgres://app:{}@db.shop.io:5432/x"', 12, _ALL),
        ("//registry.npmjs.org/:_auth" + "Token=npm_{}", 36, _ALL),
    ],
)
def test_a_secret_known_by_its_place_is_masked(template: str, length: int, alphabet: str) -> None:
    secret = some(length, alphabet)
    masked, count = mask(template.format(secret), "a.py")
    assert count == 1 and secret not in masked
    assert masked.startswith(template[:8])


ASSIGNMENTS = [
    ("a.py", 'password = "{}"'), ("a.py", "connect(host, password='{}', retry=many(1))"), ("a.json", '{{"db_password": "{}"}}'),
    ("a.yml", "  password: {}"), ("conf/.env", "DB_PASSWORD={}"), (".env.local", "API_KEY={}"), ("a.java", 'String apiKey = "{}";'),
    ("a.js", "const secret = '{}';"), ("a.go", 'dbPassword := "{}"'), ("a.rb", "config.client_key = '{}'"), ("a.php", "'password' => '{}',"),
    ("a.sh", "export API_KEY='{}'"), ("a.c", 'char *password = "{}";'), ("a.tf", '  secret_key = "{}"'), ("a.md", '    passwd = "{}"'),
    ("a.ini", "pwd = {}"), ("a.toml", 'password = "{}"'),
]  # fmt: skip


@pytest.mark.parametrize("value", ["hu" + "nt3r2", "S3c" + "r3t.9x", "kX9" + "#mQ2$vL", "let" + "mein!", "9f86d0" + "81884c7d659a2fea"])
@pytest.mark.parametrize(("path", "line"), ASSIGNMENTS)
def test_a_value_assigned_to_a_telling_name_is_masked(path: str, line: str, value: str) -> None:
    assert mask(line.format(value), path) == (line.format("*" * len(value)), 1)


@pytest.mark.parametrize(
    "value",
    ["password", "changeme1", "change-me!", "", "x", "example1", "your-key-1", "****", "<secret1>", "{secret1}", "${SECRET_1}", "$SECRET1", "%(p4ss)s"]
    + ["test1234", "not a 1 secret", "camelCaseName", "snake_case_name", "oauth2", "my-app-v1", "a@b.io", "/etc/key1", "https://a.io/1", "2024-01-01"]
    + ["xxxxxx1", "getPassword(1)", "settings[1]", "123e4567-e89b-12d3-a456-426614174000", "1" * 600],
)
@pytest.mark.parametrize(("path", "line"), ASSIGNMENTS)
def test_what_may_be_a_name_a_template_or_an_example_stays(path: str, line: str, value: str) -> None:
    assert mask(line.format(value), path) == (line.format(value), 0)


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['DB_1']", "password = get_password(1)", "if password == other2: pass", "def check(password: str = None, n=1): ...",
        "secret_1 = secret_2", 'url = "http://user:pass@host/1"', 'url = "https://{user}:{password1}@db.shop.io"', "https://me:pa55word@localhost/",
        'key = "AKIA' + 'IOSFODNN7EXAMPLE"', "sha256 = '" + "9f86d081884c7d65" * 4 + "'", "ghp_" + "x" * 36, "-----BEGIN " + "PRIVATE KEY-----",
        "x = '-----BEGIN RSA " + "PRIVATE KEY-----' in text and '-----END RSA' in text", "abc.defghi.jklmno", "import os.path.join1",
    ],
)  # fmt: skip
def test_code_without_secrets_stays(text: str) -> None:
    assert mask(text, "a.py") == (text, 0)


def _key(kind: str, lines: int = 5) -> list[str]:
    body = [some(64) for _ in range(lines)] + [some(20) + "=="]
    return [f"-----BEGIN {kind}" + "PRIVATE KEY-----", *body, f"-----END {kind}" + "PRIVATE KEY-----"]


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize(
    ("before", "between", "after"),
    [("", "\n", "\n"), ("key: |\n  ", "\n  ", "\n"), ('KEY = "', '\\n" +\n      "', '"'), ('{"key": "', "\\n", '"}')],
    ids=["file", "yaml", "strings", "json"],
)
def test_the_body_of_a_private_key_is_masked_over_all_its_lines(kind: str, before: str, between: str, after: str) -> None:
    first, *body, last = _key(kind)
    masked, count = mask("x\n" + before + between.join([first, *body, last]) + after + "\ny\n", "a.txt")
    assert count == 1
    assert masked == "x\n" + before + between.replace("+", "*").join([first, *("*" * len(line) for line in body), last]) + after + "\ny\n"


def test_a_private_key_cut_short_is_masked_to_where_it_ends() -> None:
    lines = _key("")[:-1]
    masked, count = mask("\n".join([*lines, "", "def keep_this(): pass"]))
    assert count == 1 and lines[1] not in masked and lines[4] not in masked
    assert masked.endswith("\n\ndef keep_this(): pass")


def test_the_private_lines_of_putty_are_masked() -> None:
    body = [some(64) for _ in range(3)]
    masked, count = mask("\n".join(["Private-" + "Lines: 3", *body, "Private-MAC: 1"]))
    assert (masked, count) == ("\n".join(["Private-" + "Lines: 3", *("*" * 64 for _ in body), "Private-MAC: 1"]), 1)


def test_each_secret_is_counted_once() -> None:
    one, two = "a1" + "B2c3D4", TOKENS["github"]
    assert mask(f'password = "{one}"\nsecret = "{two}"\npassword = "{one}"\n', "a.py")[1] == 3


def test_letters_that_change_length_in_lower_case_hide_nothing() -> None:
    value = "a1" + "B2c3D4"
    assert mask(f'# İstanbul\npassword = "{value}"', "a.py")[1] == 1


def test_a_secret_in_a_line_of_a_megabyte_is_found() -> None:
    value = "a1" + "B2c3D4"
    text = "[" + '"filler", ' * 50_000 + f'{{"password": "{value}"}}, ' + '"filler", ' * 50_000 + "]"
    masked, count = mask(text, "a.json")
    assert count == 1 and value not in masked and len(masked) == len(text)


# Laws

def test_a_token_is_masked_wherever_it_stands_in_a_long_line() -> None:
    for offset in range(1_900, 2_101):
        token = TOKENS["github"]
        line = "zqj0192837465abcdefghk " + "x " * (offset // 2) + " " * (offset % 2) + token + " y" * 200
        assert mask(line) == (line.replace(token, "*" * len(token)), 1), offset


def test_a_password_is_masked_wherever_it_stands_in_a_long_line() -> None:
    for apart in range(1_900, 2_101):
        first, second = ("password = '" + value + "'; " for value in ("Hu7!kl0pQw", "Zt6!wm9vRb"))
        line = first + "y" * (apart - len(first) - 1) + " " + second + "y " * 200
        assert mask(line, "a.py")[1] == 2, apart


_PIECES = st.sampled_from(
    ["password", " = ", "'", '"', "\n", "a1B2c3D4", "://", "@", ":", "eyJ", "secret", "api_key", "-----BEGIN " + "PRIVATE KEY-----", "\\n", "=", "=>", "("]
    + [" ", "é", "İ", "ghp" + "_", "Q7" * 20, "-----END", "aws", "(", "x"]
)


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(), st.sampled_from(["", "a.py", ".env", "a.yml", "a.go", "a.c"]))
@example("password = '" + "a1B2c3D4'", "a.py")
def test_lines_and_columns_stay_and_masking_twice_changes_nothing(text: str, path: str) -> None:
    masked, count = mask(text, path)
    assert len(masked) == len(text)
    assert all(new in (old, "*") and (new == old or old != "\n") for old, new in zip(text, masked))
    assert (masked == text) == (count == 0) or "*" in text
    assert mask(masked, path) == (masked, 0)


def test_detect_secrets_is_loaded_only_when_something_looks_like_a_secret() -> None:
    code = "import sys; from wayfind.corpus.secrets import mask; mask('def f(password):\\n    return 1\\n' * 99); print('detect_secrets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_wayfind_itself_holds_no_secret() -> None:
    for folder in (Path(wayfind.__file__).parent, Path(__file__).parent):
        for source in folder.rglob("*.py"):
            assert mask(source.read_text("utf-8"), source.name)[1] == 0, source


@pytest.mark.parametrize("line", ["Authorization: Bearer {}", 'curl -H "authorization: token {}"', "{{'Authorization': 'Bearer {}'}}", "AUTHORIZATION=Bearer {}"])
def test_what_bears_a_request_is_masked_whatever_its_form(line: str) -> None:
    token = some(30) + "7" + some(8)
    assert mask(line.format(token), "a.md") == (line.format("*" * len(token)), 1)
    assert mask(line.format("yourlongaccesstokengoeshere"), "a.md")[1] == mask(line.format("$TOKEN"), "a.md")[1] == 0
