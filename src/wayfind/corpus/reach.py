"""How far a walk goes, asked path by path: in comes a path that changed, out comes whether a walk could tell.

`walk` itself lists a tree from the top; a watcher knows single paths, of which most are often ignored (a build, an install).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from wayfind.corpus import walk as walking
from wayfind.corpus.ignore import Rules, rules_above

MANUAL = ".wayfind/explanations.json"
"""Read by a refresh, though no walk lists it."""
DECISIVE = frozenset({".gitignore", ".wayfindignore", "CACHEDIR.TAG", "pyvenv.cfg", ".git"})
"""Entries that decide what else is looked at. When one changes, make a new `Reach`."""


class Reach:
    """What a walk of `root` looks at. Remembers the verdicts on folders. Raises NotFound and UsageError like `walk`."""

    def __init__(self, root: str | os.PathLike[str]):
        self._top = walking._folder(root)
        self._rules: dict[str, Rules | None] = {"": rules_above(self._top).below("", walking._entries(self._top) or [])}

    def folders(self, folder: str = "") -> Iterator[str]:
        """The folders that are entered, from this one on, each before those that lie in it. The root is "", others end in `/`.

        A folder is read when the next is asked for, so that what is done with the last happens before that.
        """
        pending = [folder]
        while pending:
            folder = pending.pop()
            if folder and not os.path.isdir(os.path.join(self._top, folder)):
                continue
            yield folder
            for entry in walking._entries(os.path.join(self._top, folder)) or []:
                if entry.is_dir(follow_symlinks=False) and self.enters(f"{folder}{entry.name}/"):
                    pending.append(f"{folder}{entry.name}/")

    def enters(self, folder: str) -> bool:
        """Whether a walk goes into this folder, or would if it were there."""
        return self._rules_in(folder) is not None

    def sees(self, path: str, *, modified: bool = False) -> bool:
        """Whether a walk or a refresh could tell that there is another thing at this path. `modified`: it was there
        before, and only its content changed; then what is refused by its name makes no difference."""
        if path == MANUAL or path in (".wayfind/", ".wayfind"):
            return True
        folder, _, name = path.rpartition("/")
        rules = self._rules_in(f"{folder}/" if folder else "")
        if rules is None or name in walking._NOT_CONTENT:
            return False
        verdict = rules.verdict(path, name)
        if verdict == "ignored":
            return False
        return not (modified and (walking._is_binary(name) or (verdict is None and walking._name_problem(name))))

    def _rules_in(self, folder: str) -> Rules | None:
        """The rules that hold in a folder; None where it is not entered."""
        if folder not in self._rules:
            above, _, name = folder[:-1].rpartition("/")
            self._rules[folder] = self._entered(folder, name, self._rules_in(f"{above}/" if above else ""))
        return self._rules[folder]

    def _entered(self, folder: str, name: str, above: Rules | None) -> Rules | None:
        whole = os.path.join(self._top, folder)
        if above is None or name in walking._NOT_CONTENT or os.path.islink(whole[:-1]):
            return None
        if walking._folder_problem(name, above.verdict(folder, f"{name}/")):
            return None
        entries = walking._entries(whole)
        if entries is None:
            return above
        if walking._is_cache(entries) or walking._is_worktree_of(self._top, entries):
            return None
        return above.below(folder, entries)
