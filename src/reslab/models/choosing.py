"""Which of the named arrays in a file are the weights: those of our only network in it, or of the one requested."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import torch

from reslab.errors import CheckpointError, ResLabError
from reslab.models.entries import Contents, Entry, listed, mixed
from reslab.models.fitting import (
    Shaped,
    infer_classes,
    infer_depth,
    infer_families,
    infer_shortcut,
    infer_width,
    misfits,
)
from reslab.models.made_over import check_made_over
from reslab.models.networks import skeleton
from reslab.models.stored import Stored


def choose(contents: Contents, entry: str | None, path: Path) -> tuple[Entry, list[str]]:
    """Return the requested entry, or the only one that is a network, and remarks on the others."""
    entries = _whole_networks(contents.entries)
    alike = [one for one in entries if _is_network(one.arrays) and not _unexpected(one)]
    networks = _distinct(alike)
    if entry is not None:
        chosen = _named(entries, networks, entry, path)
    elif len(networks) > 1:
        raise ResLabError(
            f"{path} holds the weights of {len(networks)} networks: {listed((one.label for one in networks), 20)}.  "
            f"Choose one with --entry, e.g. --entry {shlex.quote(networks[0].label)}"
        )
    elif networks:
        chosen = networks[0]
    elif entries:
        chosen = max(entries, key=lambda one: len(one.arrays))
    else:
        arrays = "array is" if contents.num_arrays == 1 else f"{contents.num_arrays} arrays are"
        raise CheckpointError(
            f"its {arrays} not of any of ResLab's networks (those of He et al. 2016): {listed(contents.names)}"
        )
    if chosen.twice:
        raise CheckpointError(f"it holds {chosen.twice} twice, under two names")
    if chosen not in networks:
        check_made_over(chosen)
    unexpected = _unexpected(chosen)
    if unexpected and not networks:
        return Entry(chosen.label, chosen.prefix, chosen.arrays | unexpected), []
    return chosen, _left_out(chosen, alike, entries)


def _whole_networks(entries: list[Entry]) -> list[Entry]:
    """Return the entries, completed if their linear layer, or a part of their arrays, is in another entry."""
    if any(_is_network(one.arrays) for one in entries):
        return entries
    heads = [one for one in entries if {"fc.weight", "fc.bias"} == one.arrays.keys()]
    bodies = []
    for one in entries:
        top = one.label.partition(".")[0]
        near = heads if len(heads) == 1 else [head for head in heads if head.label.partition(".")[0] == top]
        if len(near) == 1 and _is_network(one.arrays | near[0].arrays) and not one.unknown:
            label = one.label if len(heads) == 1 else top
            bodies.append(Entry(label, one.prefix, one.arrays | near[0].arrays, one.twice))
    if bodies:
        return bodies
    union = mixed(entries) if len(entries) > 1 else None
    return [union] if union is not None and _is_network(union.arrays) else entries


def _distinct(entries: list[Entry]) -> list[Entry]:
    """Return the entries without duplicates: those that are the same arrays in the file, or have the same numbers."""
    found: list[Entry] = []
    for one in entries:
        if not any(_are_same(one.arrays, other.arrays) for other in found):
            found.append(one)
    return found


def _are_same(first: Mapping[str, Stored], second: Mapping[str, Stored]) -> bool:
    if first.keys() != second.keys():
        return False
    pairs = [(first[name], second[name]) for name in first]
    return all(
        one.identity == other.identity or (one.shape == other.shape and torch.equal(one.read(), other.read()))
        for one, other in pairs
    )


def _named(entries: list[Entry], networks: list[Entry], name: str, path: Path) -> Entry:
    by_label = [one for one in entries if name in (one.label, f"{one.label}.{one.prefix}")]
    ending = [one for one in networks if one.label.endswith(f".{name}") or one.label.startswith(f"{name}.")]
    found = by_label or (ending if len(ending) == 1 else [])
    if len(_distinct([one for one in by_label if one in networks])) > 1:
        raise CheckpointError(f"several of its entries are called {name!r}; save the one that you mean by itself")
    if not found:
        there = listed(dict.fromkeys(one.label for one in networks or entries), 20)
        raise ResLabError(f"{path} has no entry {name!r} with weights; it has {there}")
    return max(found, key=lambda one: len(one.arrays))


def _is_network(arrays: Mapping[str, Shaped]) -> bool:
    """Return whether these are all the parameters of one of our networks, with the right shapes."""
    depth, classes = infer_depth(arrays), infer_classes(arrays)
    if depth is None or classes is None:
        return False
    family, shortcut = infer_families(arrays)[0], infer_shortcut(arrays)
    width = infer_width(arrays)
    return not misfits(skeleton(family, depth, shortcut, classes, width=width).state_dict(), arrays)


def _unexpected(entry: Entry) -> dict[str, Stored]:
    """Return the arrays with a network's prefix that it has no place for, except counters and similar scalars."""
    return {name: array for name, array in entry.unknown.items() if not _is_counter(name, array)}


def _is_counter(name: str, array: Shaped) -> bool:
    is_one = all(length == 1 for length in array.shape)
    return is_one and (not array.dtype.is_floating_point or re.search(_COUNTED, name) is not None)


_COUNTED = r"(^|[._])(n_averaged|num_updates|num_batches_tracked|epoch|step|iter\w*|decay|best\w*|acc\w*|loss|lr)$"


def _left_out(chosen: Entry, networks: list[Entry], entries: list[Entry]) -> list[str]:
    beside = [name for name in chosen.outside if not name.endswith(("n_averaged", "num_batches_tracked"))]
    beside = [name for name in beside if not any(one.prefix and name.startswith(one.prefix) for one in networks)]
    partly = [
        one.label
        for one in entries
        if one.label != chosen.label and 2 * len(one.arrays) > len(chosen.arrays) and one not in networks
    ]
    remarks = []
    if beside:
        remarks.append(f"{len(beside)} arrays that are not part of the network are ignored: {listed(beside)}")
    if partly:
        remarks.append(f"the file also has weights that make no complete network: {listed(partly)}")
    return remarks
