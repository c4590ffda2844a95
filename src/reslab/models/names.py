"""The names of parameters in files, and those in our networks, which are torchvision's."""

import re

MAX_COMPONENTS = 12
"""How many dot-separated parts of a name are searched for the start of ours."""


def our_name(name: str) -> tuple[str, str] | None:
    """Return the prefix of a parameter's name (module, encoder_q or ""), and the name in our networks; None if unknown.

    layer1.0.shortcut.1.bias becomes layer1.0.downsample.1.bias, linear.weight and head.fc.weight become fc.weight, and
    stage1.block1.conv1.weight (hysts) becomes layer1.0.conv1.weight.
    """
    components = name.split(".", MAX_COMPONENTS) if len(name) <= 300 else []
    for start in range(len(components)):
        ours = _translated(
            ".".join([components[start], *(one for one in components[start + 1 :] if one not in _WRAPPERS)])
        )
        if ours is not None:
            return ".".join(components[:start]), ours
    return None


def _translated(rest: str) -> str | None:
    if (match := _STEM.fullmatch(rest)) is not None:
        return f"{match[1]}1.{match[2]}"
    if (match := _HEAD.fullmatch(rest)) is not None:
        return f"fc.{match[1]}"
    if (match := _IN_BLOCK.fullmatch(rest)) is None:
        return None
    stage, counts_from_one, block, within = match.groups()
    place = int(block) - (1 if counts_from_one else 0)
    if (shortcut := _SHORTCUT.fullmatch(within)) is not None:
        within = f"downsample.{_PLACES.get(shortcut[1], shortcut[1])}.{shortcut[2]}"
    elif _LAYER.fullmatch(within) is None:
        return None
    return f"layer{stage}.{place}.{within}" if place >= 0 else None


_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
"""What torch inserts into the names of parts that are compiled, checkpointed or sharded individually."""

_PARAMETER = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_STEM = re.compile(rf"(conv|bn)1?\.{_PARAMETER}")
_HEAD = re.compile(
    r"(?:fc|linear|classifier|head|head\.fc|heads\.head|last_linear|output|logits|out|dense)(?:\.\d)?\.(weight|bias)"
)
_IN_BLOCK = re.compile(r"(?:layer|stage)([1-4])\.(block)?(\d{1,4})\.(.+)")
_LAYER = re.compile(rf"(?:conv|bn)[123]\.{_PARAMETER}")
_SHORTCUT = re.compile(rf"(?:downsample|shortcut|projection|proj|skip)\.([01]|conv|bn)\.{_PARAMETER}")
_PLACES = {"conv": "0", "bn": "1"}
