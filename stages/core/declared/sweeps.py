"""What a sweep of params.yaml tries: a grid of values, or draws from ranges.

`sweeps` maps a data set to a tree like its section, with the values to try in place of a value. A
list is tried as it stands; `choice(a, b)` and `range(1, 4)` are lists by the names that the queue
of DVC gives them. `log(1e-4, 1e-2)` and `interval(0.0, 0.5)` are ranges: `random: 40` draws from
them.
"""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from stages.core.declared import strict_yaml
from stages.core.declared.sections import Section, dotted
from stages.core.declared.strict_yaml import SHORT, Wrong

# What may vary: any key of a group, or these alone.
GROUPS = {"preprocess": (), "model": (), "fit": (), "kfold": ("epochs",)}
MOST = 1000  # candidates
SHOWN = 10  # wrong values, in a message
DIGITS = 3  # of a number that is drawn
# What `dvc exp run -S` takes as it stands: it follows ${...} and changes line ends and backslashes.
TEXT, KEY = (
    re.compile(r"[^\\$\x00-\x1f\x7f]*"),
    re.compile(r"(?!(?i:true|false|null)$)[A-Za-z_]\w*", re.A),
)
CALL = re.compile(r"\s*(\w+)\((.*)\)\s*", re.DOTALL)
AS_IT_IS = "params.yaml as it is"
EXPECTED = (
    "a list of values, choice(...), range(...), log(low, high) or interval(low, high); low below "
    "high, and above 0 for log"
)

Path = tuple[str, str]  # a group of a section and a key of the group


class Candidate(NamedTuple):
    """Values that are tried together, by path such as "fit.learning_rate", their section, and what
    `dvc exp run -S` takes to set them all; nothing for the section as it stands.
    """

    values: dict[str, object]
    section: Section
    settings: list[str]

    @property
    def said(self) -> str:
        """What sets its values, for people."""
        return " ".join(self.settings) or AS_IT_IS


class Range(NamedTuple):
    """Numbers from low to high: evenly spread, or their logarithms."""

    low: float | int
    high: float | int
    logarithms: bool

    def draw(self, random) -> float | int:
        """A number, as short as people write it; a whole one between whole numbers."""
        if self.logarithms:
            drawn = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        else:
            drawn = random.uniform(self.low, self.high)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return min(max(round(drawn), self.low), self.high)
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.low), self.high)


def candidates(name: str, tree, content: dict, seed: int, checked: Callable) -> list[Candidate]:
    """What the sweep of a data set tries, each once; the section as it stands is the first.

    tree: `sweeps` of the data set. content: its section. seed: of draws. checked: content -> the
    section as its type. Raises Wrong with a line for each fault.
    """
    at = dotted("sweeps", name)
    if not isinstance(tree, dict):
        raise Wrong(f"{at}: expected keys and values, got {SHORT.repr(tree)}")
    count = tree.get("random")
    if "random" in tree and (type(count) is not int or not 1 <= count <= MOST):
        expected = f"a whole number of draws from 1 to {MOST:,}"
        raise Wrong(f"{at}.random: expected {expected}, got {SHORT.repr(count)}")
    tried = dict(_tried(at, tree))
    settings = _grid(at, tried) if count is None else _draws(tried, count, seed)
    given = [{}, *settings]
    found = {}
    for section in _sections(at, content, [*given, *_ends(tried, settings)], checked)[: len(given)]:
        found.setdefault(repr(section.model_dump()), section)
    if len(found) < 2:
        raise Wrong(f"{at}: expected other values than those of params.yaml, got none")
    base, *others = (_values(section, tried) for section in found.values())
    settings = [[], *(_settings(f"datasets.{name}", content, each) for each in others)]
    texts = [{".".join(path): value for path, value in each.items()} for each in (base, *others)]
    return [*map(Candidate, texts, found.values(), settings)]


def _sections(at, content, settings, checked) -> list[Section]:
    """The section with each of these settings. Raises Wrong with a line for each fault."""
    found, faults = [], {}
    for setting in settings:
        try:
            found.append(checked(_with(content, setting)))
        except Wrong as error:
            faults |= {line: setting for line in error.args if line not in faults}
    if faults:
        lines = [f"{at}, {_said(setting)}: {line}" for line, setting in faults.items()]
        more = [f"{at}: and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise Wrong(*lines[:SHOWN], *more)
    return found


def _values(section, tried):
    """What a section has at these paths; None where its network has no such argument."""
    return {path: getattr(getattr(section, path[0]), path[1], None) for path in tried}


def _settings(at, content, values) -> list[str]:
    """What sets these values, whatever was set before; the final networks train as long as those of
    the folds.
    """
    given = dict(values)
    if epochs := given.get(("kfold", "epochs")):
        given["final", "epochs"] = content["final"]["epochs"] if epochs == "best" else epochs
    settings = []
    for path, value in given.items():
        place, before = f"{at}.{'.'.join(path)}", content[path[0]].get(path[1])
        new = "" if path[1] in content[path[0]] else "++"
        if isinstance(before, dict):  # into which DVC would merge another
            settings.append(f"~{place}")
            new = "+"
        settings.append(f"{new}{place}={_as_setting(value)}")
    return settings


def _as_setting(value) -> str:
    """A value as `-S` takes it: as in JSON, but for the keys of mappings."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_as_setting(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_as_setting, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _said(setting):
    return ", ".join(f"{'.'.join(path)}={json.dumps(value)}" for path, value in setting.items())


def _tried(at, tree) -> Iterator[tuple[Path, list | range | Range]]:
    """The values of each key that varies."""
    groups = {group: keys for group, keys in tree.items() if group != "random"}
    if not groups:
        raise Wrong(f"{at}: expected values to try below {', '.join(GROUPS)}, got none")
    for group, keys in groups.items():
        if group not in GROUPS:
            expected = f"{', '.join(GROUPS)} or random"
            raise Wrong(f"{at}.{group}: there is no such key to vary; expected {expected}")
        if not isinstance(keys, dict) or not keys:
            expected = f"keys of {group} and the values to try"
            raise Wrong(f"{at}.{group}: expected {expected}, got {SHORT.repr(keys)}")
        for key, given in keys.items():
            place = f"{at}.{dotted(group, key)}"
            if not isinstance(key, str):
                raise Wrong(f"{place}: expected the name of a key, got {SHORT.repr(key)}")
            if GROUPS[group] and key not in GROUPS[group]:
                expected = ", ".join(GROUPS[group])
                raise Wrong(f"{place}: there is no such key to vary; expected {expected}")
            values = given if isinstance(given, list) else _called(given)
            if not values:
                raise Wrong(f"{place}: expected {EXPECTED}, got {SHORT.repr(given)}")
            if isinstance(values, list):
                _check(place, values)
            yield (group, key), values


def _check(place, value):
    """Raise Wrong for what `dvc exp run -S` would change, within lists and mappings too."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not KEY.fullmatch(key):
                expected = "a key of letters, digits and _ that -S takes for text"
                raise Wrong(f"{place}: expected {expected}, got {SHORT.repr(key)}")
    if isinstance(value, str) and not TEXT.fullmatch(value):
        expected = "text on a line that -S takes as it stands, without $ and backslash"
        raise Wrong(f"{place}: expected {expected}, got {SHORT.repr(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise Wrong(f"{place}: expected numbers that are finite, got {value}")
    within = value.values() if isinstance(value, dict) else value
    for each in within if isinstance(value, (dict, list)) else ():
        _check(place, each)


def _called(given) -> list | range | Range | None:
    """What a text such as "range(1, 4)" stands for; None where it is no such text."""
    call = CALL.fullmatch(given) if isinstance(given, str) else None
    try:
        kind, values = call[1], strict_yaml.read(f"[{call[2]}]")
        if kind == "choice":
            return values
        if kind == "range":
            found = range(*values)
            return found if len(found) else None  # too many raise OverflowError
        low, high = (each + 0 for each in values)
        least = {"log": 0.0, "interval": -math.inf}[kind]
        known = least < low < high and math.isfinite(float(high) - float(low))
        return Range(low, high, kind == "log") if known else None
    except (Wrong, TypeError, ValueError, KeyError, OverflowError):
        return None


def _grid(at, tried) -> list[dict]:
    """All combinations, the last key changing fastest."""
    for path, values in tried.items():
        if isinstance(values, Range):
            place, expected = ".".join(path), "`random: 40`, or another number of draws, beside it"
            raise Wrong(f"{at}.{place}: expected {expected}, got a range in a grid")
    size = math.prod(map(len, tried.values()))
    if size > MOST:
        raise Wrong(f"{at}: expected at most {MOST:,} candidates, got {size:,}; or `random: 40`")
    return [dict(zip(tried, each, strict=True)) for each in itertools.product(*tried.values())]


def _draws(tried, count, seed) -> list[dict]:
    """So many combinations, each once; fewer where there are no more."""
    random, found = np.random.default_rng(seed), {}
    if not any(isinstance(values, Range) for values in tried.values()):
        count = min(count, math.prod(map(len, tried.values())))
    for _ in range(100 * count):
        drawn = {path: _drawn(values, random) for path, values in tried.items()}
        found.setdefault(json.dumps([*drawn.values()]), drawn)
        if len(found) == count:
            break
    return [*found.values()]


def _ends(tried, settings) -> list[dict]:
    """A draw with each end of each range, so that what is allowed there does not hang on luck."""
    ranges = {path: values for path, values in tried.items() if isinstance(values, Range)}
    return [
        settings[0] | {path: end}
        for path, values in ranges.items()
        for end in (values.low, values.high)
    ]


def _drawn(values, random):
    if isinstance(values, Range):
        return values.draw(random)
    return values[int(random.integers(len(values)))]


def _with(content, setting):
    """The content of a section with these values."""
    changed = {group: dict(keys) for group, keys in content.items()}
    for (group, key), value in setting.items():
        changed[group][key] = value
    return changed
