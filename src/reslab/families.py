"""The families of networks, one entry each: names, depths and properties.

`reslab.models.networks.BUILDERS` builds them, under the same names.
"""

from dataclasses import dataclass

from reslab.errors import ResLabError

IMAGENET_DEPTHS = (18, 34, 50, 101, 152)
"""Depths of He et al. 2016, table 1.  The first two have basic blocks, the others bottlenecks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is known of a family without building one of its networks."""

    words: str
    """Its name for readers, which precedes the depth, as in ResNet-20."""
    id_words: str
    """Its name in a run's id, which precedes the depth."""
    source: str
    layers: tuple[int, int] | None = (6, 2)
    """(a, b): its depths are a n + b, n = 1, 2, ...; None: those of `IMAGENET_DEPTHS`."""
    examples: tuple[int, ...] = (20, 32, 44, 56, 110, 1202)
    """Depths of the source, for messages and tables."""
    has_shortcuts: bool = True
    projects: bool = False
    """Whether its shortcuts are projections where the size changes, whatever the recipe says."""
    has_width: bool = False
    has_dropout: bool = False
    """Whether its blocks can drop values between their convolutions."""
    norm_follows: bool = True
    """Whether batch norm follows every convolution.  If not, the scale of some weights matters: Muon leaves these to \
SGD, layer responses leave them out, and the kernels train single layers only, on the CPU."""

    @property
    def is_for_imagenet(self) -> bool:
        """Whether it is made for large images."""
        return self.layers is None


FAMILIES: dict[str, Family] = {
    "residual": Family(words="ResNet", id_words="resnet", source="He et al. 2016, section 4.2"),
    "plain": Family(words="plain", id_words="plain", source="He et al. 2016, section 4.2", has_shortcuts=False),
    "imagenet": Family(
        words="ImageNet ResNet",
        id_words="imagenet-resnet",
        source="He et al. 2016, table 1, stride in the 3x3 convolution of a bottleneck",
        layers=None,
        examples=IMAGENET_DEPTHS,
    ),
    "imagenet-1x1": Family(
        words="ImageNet ResNet (stride in the 1x1)",
        id_words="imagenet-1x1-resnet",
        source="He et al. 2016, table 1",
        layers=None,
        examples=IMAGENET_DEPTHS,
    ),
    "preact": Family(
        words="pre-activation ResNet",
        id_words="preact",
        source="He et al. 2016, Identity Mappings in Deep Residual Networks, figure 1 (b)",
        examples=(110,),
        norm_follows=False,
    ),
    "preact-bottleneck": Family(
        words="pre-activation bottleneck ResNet",
        id_words="preact-bottleneck",
        source="He et al. 2016, Identity Mappings in Deep Residual Networks, tables 2 to 4",
        layers=(9, 2),
        examples=(164, 1001),
        norm_follows=False,
    ),
    "wide": Family(
        words="WRN",
        id_words="wrn",
        source="Zagoruyko and Komodakis 2016, table 1",
        layers=(6, 4),
        examples=(16, 22, 28, 40),
        projects=True,
        has_width=True,
        has_dropout=True,
        norm_follows=False,
    ),
}
"""The families by name, in the order of listings."""


OWN = Family(words="own network", id_words="own", source="the user", has_shortcuts=False, norm_follows=False)
"""What is assumed of a network of the user's own; no recipe has a family of this name."""


def family_of(name: str) -> Family:
    """Return what is known of a recipe's family."""
    return OWN if name == "own" else FAMILIES[name]


MOST_LAYERS = 10_000
"""A typo could otherwise request a network too large for any memory."""


def check_depth(family: str, depth: int) -> None:
    """Raise `ResLabError` unless there is a network of this family and depth."""
    known = FAMILIES[family]
    if known.layers is None:
        if depth not in IMAGENET_DEPTHS:
            raise ResLabError(f"depth must be 18, 34, 50, 101 or 152 for a network of family {family}; not {depth}")
        return
    if depth > MOST_LAYERS:
        raise ResLabError(
            f"depth must be {MOST_LAYERS:,} or less, not {depth}; the deepest published network has 1,202"
        )
    step, rest = known.layers
    least = step + rest
    if depth < least or (depth - rest) % step:
        near = max(least, depth - (depth - rest) % step)
        hint = f"; try {near}" if near >= depth else f"; try {near} or {near + step}"
        *first, last = _examples(known)
        whose = "" if family in ("residual", "plain") else f" for a network of family {family}"
        said = f"{', '.join(map(str, first))} or {last}" if first else f"{last}"
        raise ResLabError(f"depth must be {step}n+{rest}{whose}, as in {said}; not {depth}{hint}")


def is_depth(family: str, depth: int) -> bool:
    """Say whether there is a network of this family and depth."""
    layers = FAMILIES[family].layers
    if layers is None:
        return depth in IMAGENET_DEPTHS
    step, rest = layers
    return depth >= step + rest and (depth - rest) % step == 0


def num_blocks(family: str, depth: int) -> int:
    """Return the number of blocks per stage of a network for 32 x 32 images."""
    layers = FAMILIES[family].layers
    assert layers is not None
    return (depth - layers[1]) // layers[0]


def _examples(family: Family) -> tuple[int, ...]:
    return (8, 14, *family.examples) if family.layers == (6, 2) and family.norm_follows else family.examples
