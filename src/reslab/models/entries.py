"""The named arrays anywhere in a file's content, and which of them may be weights of one of our networks."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reslab.errors import CheckpointError
from reslab.files import one_line
from reslab.foreign import printable
from reslab.inert import Record, Table
from reslab.models.names import our_name
from reslab.models.stored import Storages, Stored, parts, stored

MAX_DEPTH = 32
"""Maximum nesting depth that is searched."""

_A_LAYER = "layer1.0.conv1.weight"
"""A layer of every one of our networks: a group of arrays that has it is a network, not a part of another."""

_NORM_FIRST = re.compile(
    r"norm\.(weight|bias|running_mean|running_var|num_batches_tracked)|layer[123]\.\d+\.downsample\.weight"
)
"""Parameters that only pre-activation and wide networks have: a final batch norm, projections without batch norm."""

TOP = "top"
"""The label of weights at the top level."""


@dataclass(frozen=True)
class Entry:
    """Arrays in one place that share a prefix, by their names in our networks."""

    label: str
    """Where they are, such as state_dict_ema or state_dict.encoder_q."""
    prefix: str
    """The prefix removed from their names, such as module; empty for none."""
    arrays: dict[str, Stored]
    twice: str = ""
    """A name that two arrays have, if any."""
    unknown: dict[str, Stored] = field(default_factory=dict)
    """Arrays with the same prefix that are not named as in our networks, by their names in the file."""
    outside: tuple[str, ...] = ()
    """Names in the same place with other prefixes."""


@dataclass
class Contents:
    """What was found in a file."""

    entries: list[Entry]
    num_arrays: int
    """Number of named arrays."""
    names: list[str]
    """Some of their names."""
    modules: list[str]
    """Classes of pickled networks."""
    top: list[str]
    """Names of the top-level entries."""
    odd: str = ""
    """Why some array is not a plain one."""


def find_entries(root: Any, storages: Storages) -> Contents:
    """Return the named arrays in a file's content, the least nested first; each object is searched once."""
    found = Contents([], 0, [], [], [name for name, _ in parts(root) if name is not None][:20])
    todo: deque[tuple[tuple[str, ...], Any]] = deque([((), root)])
    seen: set[int] = set()
    while todo:
        path, value = todo.popleft()
        if id(value) in seen or len(path) > MAX_DEPTH:
            continue
        seen.add(id(value))
        if isinstance(value, Record) and _is_module(value):
            found.modules.append(value.maker)
            continue
        arrays: dict[str, Stored] = {}
        for name, part in _flat(value):
            array = stored(part, storages)
            if array is not None and name is not None:
                own = one_line(name)
                plain = own if "." in own else own.replace("/", ".")
                arrays[own if plain in arrays else plain] = array
            elif array is None and isinstance(part, Table | Record | list | tuple):
                todo.append(((*path, one_line(name)) if name is not None else path, part))
        if arrays:
            found.num_arrays += len(arrays)
            found.names.extend(list(arrays)[: 20 - len(found.names)])
            found.odd = found.odd or next((array.odd for array in arrays.values() if array.odd), "")
            found.entries.extend(_by_prefix(".".join(path), arrays))
    return found


def _flat(value: Any) -> Iterable[tuple[str | None, Any]]:
    """Return the parts of a value; pairs in a list count as named, as in old ordered dicts and some files."""
    pairs = value
    if isinstance(value, Record) and value.maker == "collections.OrderedDict" and type(value.arguments) is tuple:
        pairs = value.arguments[0] if value.arguments else None
    if type(pairs) in (list, tuple) and pairs and all(_is_pair(pair) for pair in pairs):
        named = parts(Table([(pair[0], pair[1]) for pair in pairs]))
        return named if pairs is value else [*named, *parts(value)]
    return parts(value)


def _is_pair(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) == 2 and type(value[0]) in (str, bytes)


def _is_module(value: Record) -> bool:
    return isinstance(value.state, Table) and {"_modules", "_parameters"} <= value.state.named().keys()


def _by_prefix(path: str, arrays: dict[str, Stored]) -> list[Entry]:
    """Return the entries among the arrays in one place: one for each prefix, the shortest first."""
    groups: dict[str, dict[str, Stored]] = {}
    twice: dict[str, str] = {}
    unknown: dict[str, Stored] = {}
    for name, array in arrays.items():
        known = our_name(name)
        if known is None:
            unknown[name] = array
            continue
        prefix, ours = known
        if ours.endswith("num_batches_tracked") and (array.shape != () or array.dtype.is_floating_point):
            continue  # converted along with the weights; nothing needs it
        group = groups.setdefault(prefix, {})
        if ours in group:
            twice[prefix] = ours
        group[ours] = array
    entries = []
    for prefix in sorted(groups, key=len):
        begin = f"{prefix}." if prefix else ""
        within = {name: array for name, array in unknown.items() if name.startswith(begin)}
        outside = [name for name in arrays if not name.startswith(begin)]
        for other, more in groups.items():
            if other != prefix and other.startswith(begin) and _A_LAYER not in more:  # a part that our networks lack
                within |= {f"{other}.{name}": array for name, array in more.items()}
        label = ".".join(part for part in (path, prefix if len(groups) > 1 else "") if part) or TOP
        own = groups[prefix]
        if f"{begin}norm.weight" in within:
            later = {
                name: name.removeprefix(begin) for name in within if _NORM_FIRST.fullmatch(name.removeprefix(begin))
            }
            own = own | {ours: within.pop(name) for name, ours in later.items()}
        entries.append(Entry(label, prefix, own, twice.get(prefix, ""), within, tuple(outside)))
    return entries


def mixed(entries: list[Entry]) -> Entry | None:
    """Return the arrays of several entries as one, if no two have the same name; else None."""
    arrays: dict[str, Stored] = {}
    for entry in entries:
        if entry.twice or arrays.keys() & entry.arrays.keys():
            return None
        arrays |= entry.arrays
    return Entry(entries[0].label.partition(".")[0], "", arrays, "", {}, ())


def listed(names: Iterable[str], most: int = 6) -> str:
    """Return names from a file in printable form, at most `most` of them."""
    every = [printable(name) for name in names]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def check_anything(found: Contents) -> None:
    """Raise `CheckpointError`, with a clause about "it", if a file has no named arrays."""
    if found.entries or found.num_arrays:
        return
    if found.modules:
        raise CheckpointError(
            f"it holds a whole network (an object of {printable(found.modules[0])}), which only its own program can "
            "load; save only its weights: torch.save(model.state_dict(), ...)"
        )
    entries = f"its entries are {listed(found.top)}" if found.top else "it has no entries"
    raise CheckpointError(f"it holds no weights: there are no named arrays in it ({entries})")
