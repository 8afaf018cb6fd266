"""Names for a folder: one that all clones and work trees of a repository share, and one for this folder alone."""

from __future__ import annotations

import hashlib
import os

from wayfind.corpus.git import ask


def repository_id(root: str | os.PathLike[str]) -> str:
    """32 hex digits: the same in every clone and work tree of a repository, for the same folder inside it.

    Made from the root commits. From the path (`tree_id`) where they are unknown: no repository, no commit, a shallow
    clone, or a history that takes longer than 5 seconds to read.
    """
    commits = ask(root, "rev-list", "--max-parents=0", "HEAD", seconds=5.0)
    if not commits or ask(root, "rev-parse", "--is-shallow-repository") != "false":
        return tree_id(root)
    folder = ask(root, "rev-parse", "--show-prefix") or ""
    return _digest("repository", *sorted(commits.split()), folder)


def tree_id(root: str | os.PathLike[str]) -> str:
    """32 hex digits of the folder's real path."""
    return _digest("tree", os.path.realpath(root))


def _digest(*words: str) -> str:
    return hashlib.sha256(b"\0".join(map(os.fsencode, words))).hexdigest()[:32]
