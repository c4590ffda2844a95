"""The recipes by name, as data: the published ones, each with the source of its numbers, and a fast one of our own."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from reslab.datasets import DATASETS, is_brought, is_named, known
from reslab.errors import ResLabError, nearest
from reslab.recipe import Recipe, Scalar, stretch, vary

WARMED_UP = 110
"""Depth from which the paper warms its networks up (section 4.2)."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Where a preset's recipe differs from what the source did, and how much that matters.

    `follow` holds the fields that would do as the source did, empty if no recipe can.  `points` is the most that the
    deviation changes the last-epoch test error of ResNet-20 on CIFAR-10, in percentage points, estimated as `basis`
    says; seeds alone have a standard deviation of 0.19.
    """

    theirs: str
    ours: str
    follow: Mapping[str, Scalar]
    points: float
    basis: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe on CIFAR-10 at depth 20, or at the source's depth for other families; or 50 on an image folder."""

    name: str
    recipe: Recipe
    source: str
    """Address of the paper or repository."""
    notes: tuple[str, ...]
    """What the source leaves open, and what it does that no field of a recipe expresses."""
    evidence: Mapping[str, str]
    """Place in the source, by the fields of the recipe that it settles (several separated by spaces)."""
    deviations: tuple[Deviation, ...] = ()
    """Where the source's schedule differs: not corrected here, since a preset's ids must not change."""
    published: bool = True
    """Whether the recipe is the source's; otherwise it is ours and draws on the source."""


def preset_recipe(
    name: str, *, dataset: str | None = None, depth: int | None = None, family: str | None = None
) -> Recipe:
    """Return the preset's recipe, for another data set, depth or family if given; an unknown name raises `ResLabError`.

    Deep networks get the source's warm-up.  On digits nothing is mirrored, since a mirrored digit is no longer that
    digit, and a batch has 32 images, since with 128 the 1,442 images give only 12 iterations an epoch.
    """
    if name not in PRESETS:
        raise ResLabError(f"there is no preset {name!r}; the presets are {', '.join(PRESETS)}{nearest(name, PRESETS)}")
    asked = {"dataset": dataset, "depth": depth, "family": family}
    changes: dict[str, Scalar] = {field: value for field, value in asked.items() if value is not None}
    if isinstance(dataset, str) and (is_brought(dataset) or (dataset in DATASETS and is_named(dataset))):
        changes |= {"image_size": 32}  # for all sets but folders of images, whatever their own size
    recipe = vary(PRESETS[name].recipe, **changes)
    dataset, depth, changes = recipe.dataset, recipe.depth, {}
    if name == "paper" and depth >= WARMED_UP:
        changes |= {"warmup": "until-error", "warmup_rate": 0.01, "warmup_error": 80.0}
    if name == "akamaster" and depth in (110, 1202):
        changes |= {"warmup": "fixed", "warmup_rate": 0.01, "warmup_length": 1.0}
    spec = known(dataset)
    if not spec.mirrored:
        changes |= {"mirror": "none"}
    if spec.batch_size is not None:
        changes |= {"batch_size": spec.batch_size}
    recipe = vary(recipe, **changes)
    if spec.is_small and recipe.schedule_unit == "iterations":
        return stretch(recipe, 164)  # 64,000 iterations would be 1,390 epochs of the digits
    return recipe


def with_papers_warmup(recipe: Recipe) -> Recipe | None:
    """Return the recipe with the paper's warm-up: a tenth of the rate until the training error is below 80%.

    None for a network that the paper trains without it, or a recipe that already warms up or whose rate rises.
    """
    fits = recipe.family == "residual" and recipe.depth >= WARMED_UP
    if not fits or recipe.warmup != "none" or recipe.schedule == "one-cycle":
        return None
    return vary(recipe, warmup="until-error", warmup_rate=recipe.learning_rate / 10, warmup_error=80.0)


def published_values(field: str) -> dict[Scalar, list[str]]:
    """Return a field's values in the published recipes for named data sets, with the presets that have each."""
    found: dict[Scalar, list[str]] = {}
    for name, preset in PRESETS.items():
        if preset.published and is_named(preset.recipe.dataset):
            found.setdefault(getattr(preset.recipe, field), []).append(name)
    return found


@lru_cache(maxsize=4096)
def preset_of(recipe: Recipe) -> Preset | None:
    """Return the preset that a recipe equals, including its length, at any precision; None if there is none."""
    for name, preset in PRESETS.items():
        with contextlib.suppress(ResLabError):  # this preset has no such network
            own = preset_recipe(name, dataset=recipe.dataset, depth=recipe.depth, family=recipe.family)
            if vary(own, precision=recipe.precision, images=recipe.images) == recipe:
                return preset
    return None


def muon_left(recipe: Recipe) -> str:
    """Return a warning if Muon's rate is a preset's but SGD's rate was changed without it, else "".

    The two are separate fields: changing one leaves the other.
    """
    usual = {base.muon_rate: base.learning_rate for base in (Recipe(), _FAST.recipe)}
    rate = usual.get(recipe.muon_rate)
    along_with = [muon * recipe.learning_rate / sgd for muon, sgd in usual.items()]
    if recipe.optimiser != "muon" or rate is None or any(math.isclose(recipe.muon_rate, one) for one in along_with):
        return ""
    along = float(f"{recipe.muon_rate * recipe.learning_rate / rate:.12g}")
    return (
        f"learning_rate {recipe.learning_rate:g} is that of SGD alone: Muon's, with which the 3x3 convolutions within "
        f"the blocks are trained, stays at {recipe.muon_rate:g} (muon_rate {along:g} would keep their proportion)"
    )


_PAPER = Preset(
    name="paper",
    source="https://arxiv.org/abs/1512.03385",
    recipe=Recipe(
        normalisation="pixel-mean",
        crop_padding=4,
        padding="mean",
        mirror="random",
        shortcut="A",
        initialisation="he-fan-in",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="iterations",
        length=64_000,
        first_drop=32_000,
        second_drop=48_000,
        drop_factor=0.1,
    ),
    notes=(
        "The schedule was fixed on a split of 45,000 training and 5,000 validation images; the paper "
        "does not say whether the networks of table 6 were then trained on all 50,000.  Here they are; "
        "holdout=5000 gives the split.",
        "The paper does not say what the weight decay applies to (here: everything; fb.resnet.torch assumes "
        "that only the convolutions' weights decayed), nor which form the momentum has (here: not "
        "Nesterov's).",
        "The paper does not say whether the mean is subtracted before the image is padded; here padded "
        "pixels are zero after it.",
        "The figure of depth 110 that the paper prints first, 6.43, is the best of five runs.",
        "On depth 1202 the paper says only that it is trained as described above; here that includes the "
        "warm-up of depth 110.",
    ),
    evidence={
        "normalisation": "section 4.2: per-pixel mean subtracted",
        "crop_padding mirror": "section 4.2: 4 pixels padded on each side, a 32x32 crop of that or its flip",
        "padding": "not stated",
        "shortcut": "section 4.2: identity shortcuts in all cases (option A)",
        "initialisation": "section 4.2 refers to He et al. 2015, section 2.2, equation 10",
        "batch_size weight_decay momentum": "section 4.2: 128, 0.0001 and 0.9",
        "nesterov decay_scope": "not stated",
        "learning_rate drop_factor": "section 4.2: 0.1, divided by 10",
        "schedule_unit first_drop second_drop length": "section 4.2: 32k, 48k and 64k iterations",
        "warmup warmup_rate warmup_error": "section 4.2, depth 110: 0.01 until the training error is below "
        "80% (about 400 iterations)",
    },
)

_ASSIGNMENT = Preset(
    name="assignment",
    source="https://github.com/bearpaw/pytorch-classification",
    recipe=Recipe(
        normalisation="channel-2023",
        crop_padding=4,
        padding="black",
        mirror="random",
        shortcut="B",
        initialisation="he-fan-out",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=164,
        first_drop=81,
        second_drop=122,
        drop_factor=0.1,
    ),
    notes=(
        "The assignment's report states the rates, schedule, batch, momentum and decay; the rest is from the "
        "code it is based on.  Its curves go to epoch 350, with the rate staying at a hundredth.",
        "Earlier versions of that code use bottleneck blocks from depth 44 on, so that what they call 56 "
        "and 110 has 83 and 164 layers; later ones use two-layer blocks by default.  Which version "
        "the report used is not known; here depth means depth.",
        "The same mean and standard deviation are used for CIFAR-10 and CIFAR-100; the deviation is that of "
        "single images averaged, not that of all pixels.",
    ),
    evidence={
        "learning_rate batch_size momentum weight_decay drop_factor": "the report, section 3; TRAINING.md",
        "schedule_unit first_drop second_drop length": "the report, sections 3 and 5; TRAINING.md, "
        "ResNet-110; cifar.py counts epochs from 0, so the rate falls after 81 and 122",
        "nesterov decay_scope": "cifar.py: SGD over model.parameters(), without Nesterov's form",
        "normalisation": "cifar.py: mean (.4914, .4822, .4465), deviation (.2023, .1994, .2010)",
        "crop_padding padding mirror": "cifar.py: RandomCrop(32, padding=4) before the normalisation; flip",
        "shortcut": "models/cifar/resnet.py: 1x1 convolution and batch norm where the size changes",
        "initialisation": "models/cifar/resnet.py: normal, sqrt(2 / (k k out)); linear layer as torch does",
    },
)

_FB = Preset(
    name="fb-resnet-torch",
    source="https://github.com/facebookarchive/fb.resnet.torch",
    recipe=Recipe(
        normalisation="channel",
        crop_padding=4,
        padding="mean",
        mirror="random",
        shortcut="A",
        initialisation="he-fan-out",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=164,
        first_drop=80,
        second_drop=121,
        drop_factor=0.1,
    ),
    notes=(
        "Epochs are counted from 1 and the rate of epoch 81 is the lower one, so that it falls after 80 and "
        "121 completed epochs.",
        "The linear layer's bias starts at zero; here, with he-fan-out, it is uniform as its weights are.",
    ),
    evidence={
        "normalisation": "datasets/cifar10.lua: mean (125.3, 123.0, 113.9), deviation (63.0, 62.1, 66.7)",
        "crop_padding padding mirror": "datasets/cifar10.lua: ColorNormalize, flip, RandomCrop(32, 4)",
        "shortcut": "TRAINING.md: A is used for all CIFAR-10 experiments",
        "initialisation": "models/resnet.lua: normal, sqrt(2 / (k k out)); the linear layer as torch does",
        "batch_size": "TRAINING.md: -batchSize 128",
        "learning_rate momentum weight_decay": "opts.lua: 0.1, 0.9, 1e-4",
        "nesterov": "train.lua: nesterov = true, dampening 0",
        "decay_scope": "README.md, Notes: applied to all weights and biases; train.lua: getParameters()",
        "schedule_unit first_drop second_drop drop_factor": "train.lua: epoch >= 81, epoch >= 122, 0.1 each",
        "length": "opts.lua: 164 epochs for CIFAR",
    },
)

_AKAMASTER = Preset(
    name="akamaster",
    source="https://github.com/akamaster/pytorch_resnet_cifar10",
    recipe=Recipe(
        normalisation="imagenet",
        crop_padding=4,
        padding="black",
        mirror="random",
        shortcut="A-centred",
        initialisation="he-fan-in",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=200,
        first_drop=100,
        second_drop=150,
        drop_factor=0.1,
    ),
    notes=(
        "The linear layer's bias is left as torch draws it, uniform; here, with he-fan-in, it is zero.",
        "The warm-up of depths 110 and 1202 sets the rate by hand and leaves it to the scheduler to restore "
        "it: that worked with the torch of its day, but with today's the rate stays at a tenth to the end.",
        "Its published errors are those of the best epoch on the test set.",
    ),
    evidence={
        "normalisation": "trainer.py: ImageNet's mean (.485, .456, .406) and deviation (.229, .224, .225)",
        "crop_padding padding mirror": "trainer.py: flip, RandomCrop(32, 4), then the normalisation",
        "shortcut": "resnet.py: every second pixel, channels // 4 zero channels on both sides",
        "initialisation": "resnet.py: kaiming_normal_ on convolutions and linear layer (fan in)",
        "batch_size learning_rate momentum weight_decay": "trainer.py: 128, 0.1, 0.9, 1e-4",
        "nesterov decay_scope": "trainer.py: SGD over model.parameters(), without Nesterov's form",
        "schedule_unit first_drop second_drop length drop_factor": "trainer.py: drops at 100 and 150 of 200",
        "warmup warmup_rate warmup_length": "trainer.py: depths 110 and 1202, a tenth of the rate in epoch 1",
    },
    deviations=(
        Deviation(
            theirs="the rate drops after 101 and 151 completed epochs: MultiStepLR of the PyTorch that the code is "
            "written for (before 1.1) counts its first call, made after the first epoch, as epoch 0",
            ours="after 100 and 150, as its milestones read and as it runs with PyTorch from 1.1 on",
            follow={"first_drop": 101.0, "second_drop": 151.0},
            points=0.03,
            basis="one more epoch at the high rate: before the first drop the test error of our three full runs (164 "
            "epochs) falls by 0.03 points an epoch, little of which remains at the end",
        ),
    ),
)

_HYSTS = Preset(
    name="hysts",
    source="https://github.com/hysts/pytorch_resnet",
    recipe=Recipe(
        normalisation="channel",
        crop_padding=4,
        padding="black",
        mirror="random",
        shortcut="B",
        initialisation="he-fan-out",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=160,
        first_drop=80,
        second_drop=120,
        drop_factor=0.1,
    ),
    notes=(
        "The linear layer's bias starts at zero; here, with he-fan-out, it is uniform as its weights are.",
        "The scheduler steps before each epoch, so that with the torch of its day the rate falls after 80 "
        "and 120 completed epochs.",
        "Its file dataloader.py was not available: normalisation, crop and padding are those of the same "
        "author's pytorch_resnet_preact, which also leaves out the smaller last batch of an epoch.",
    ),
    evidence={
        "normalisation crop_padding padding mirror": "pytorch_resnet_preact/dataloader.py (see the notes)",
        "shortcut": "resnet.py: 1x1 convolution and batch norm where the number of channels changes",
        "initialisation": "resnet.py: kaiming_normal_, fan out, on convolutions; linear layer as torch does",
        "batch_size learning_rate momentum nesterov weight_decay": "main.py: 128, 0.1, 0.9, True, 1e-4",
        "decay_scope": "main.py: SGD over model.parameters()",
        "schedule_unit first_drop second_drop length drop_factor": "main.py: 80 and 120 of 160 epochs, 0.1",
    },
    deviations=(
        Deviation(
            theirs="an epoch is 390 batches of 128: the last 80 images of its order are left out (see the notes)",
            ours="an epoch is 391 batches, the last of 80 images",
            follow={},
            points=0.01,
            basis="0.26% more iterations at each rate; between 16 and 164 epochs the test error falls as the length to "
            "the power of -0.22",
        ),
    ),
)

_TF = Preset(
    name="tf-models",
    source="https://github.com/tensorflow/models/tree/master/official/r1/resnet",
    recipe=Recipe(
        normalisation="per-image",
        crop_padding=4,
        padding="black",
        mirror="random",
        shortcut="B",
        initialisation="he-fan-in",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=2e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=182,
        first_drop=91,
        second_drop=136,
        drop_factor=0.1,
    ),
    notes=(
        "Its first block has a projection shortcut too, although nothing changes size: 288 parameters more than "
        "shortcut B.",
        "Its convolutions are drawn with half the variance (truncated normal, 1 / inputs), its linear layer "
        "by Glorot's rule; he-fan-in is the nearest here.",
        "Its running statistics decay by 0.997 per iteration; here by 0.9.",
        "The networks are the paper's (version 1); version 2, with batch norm before the convolutions, is an "
        "option that was the default until September 2018.",
    ),
    evidence={
        "normalisation padding": "cifar10_main.py: per_image_standardization of the padded, cropped image",
        "crop_padding mirror": "cifar10_main.py: 4 more pixels on each side, random crop, random flip",
        "shortcut": "resnet_model.py: projection and batch norm in the first block of a stage",
        "initialisation": "resnet_model.py: variance_scaling_initializer with its defaults (see the notes)",
        "batch_size length": "cifar10_main.py: 128, 182 epochs",
        "learning_rate drop_factor": "resnet_run_loop.py: 0.1 for batches of 128; cifar10_main.py: 0.1 each",
        "momentum nesterov": "cifar10_main.py: 0.9; resnet_run_loop.py: MomentumOptimizer, not Nesterov's",
        "weight_decay decay_scope": "cifar10_main.py: 2e-4, on all variables",
        "schedule_unit first_drop second_drop": "cifar10_main.py: boundaries 91, 136 and 182 epochs",
    },
    deviations=(
        Deviation(
            theirs="batches span the ends of epochs, and the rate drops after 35,547 and 53,126 iterations of "
            "128 images (resnet_run_loop.py: int(390.625 x epochs), the boundary itself still at the rate before)",
            ours="an epoch is 391 batches, the last of 80 images: the rate drops after 35,581 and 53,176 iterations, "
            "and as many images to within one batch",
            follow={},
            points=0.01,
            basis="0.1% more iterations at each rate on the same images; between 16 and 164 epochs the test error "
            "falls as the length to the power of -0.22",
        ),
    ),
)

_PREACT = Preset(
    name="preact",
    source="https://arxiv.org/abs/1603.05027",
    recipe=vary(
        _PAPER.recipe,
        family="preact-bottleneck",
        depth=164,
        shortcut="B",
        initialisation="he-fan-out",
        warmup="fixed",
        warmup_rate=0.01,
        warmup_length=400,
    ),
    notes=(
        "ResNet-164 and ResNet-1001 have bottlenecks; the paper's ResNet-110 has blocks of two 3x3 convolutions and "
        "shortcut A: --family preact --depth 110 --shortcut A.",
        "The paper remarks that its networks do not need the warm-up.",
        "Images, crops, mirror images and momentum are those of He et al. 2015, which the paper refers to; it does not "
        "say what the weight decay applies to (here: everything).",
        "The published code trains ResNet-1001 in batches of 64, for 200 epochs of fb.resnet.torch's schedule; the "
        "paper's batches have 128 images.",
        "The linear layer's bias starts at zero; here, with he-fan-out, it is uniform as its weights are.",
    ),
    evidence={
        "normalisation crop_padding padding mirror momentum nesterov decay_scope": "as He et al. 2015, section 4.2, "
        "which the paper refers to",
        "family depth": "table 4; KaimingHe/resnet-1k-layers: resnet-pre-act.lua, 9n+2 layers of 16 to 256 filters",
        "shortcut": "resnet-pre-act.lua: 1x1 convolution of what was activated, where the number of channels changes",
        "initialisation": "resnet-pre-act.lua: normal, sqrt(2 / (k k out)); the paper refers to He et al. 2015b",
        "batch_size learning_rate weight_decay": "appendix: 128, 0.1, 0.0001",
        "schedule_unit first_drop second_drop length drop_factor": "appendix: divided by 10 at 32k and 48k iterations, "
        "as He et al. 2015, which ends at 64k",
        "warmup warmup_rate warmup_length": "appendix: 0.01 for the first 400 iterations",
    },
)

_WIDE = Preset(
    name="wide",
    source="https://github.com/szagoruyko/wide-residual-networks",
    recipe=Recipe(
        normalisation="channel",
        crop_padding=4,
        padding="reflect",
        mirror="random",
        family="wide",
        depth=28,
        width=10,
        initialisation="he-fan-out",
        batch_size=128,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=200,
        first_drop=60,
        second_drop=120,
        third_drop=160,
        drop_factor=0.2,
    ),
    notes=(
        "Without dropout, like its WRN-28-10 with 4.00% and 19.25%; with dropout 0.3 the source has 3.89% and 18.85%.",
        "The linear layer's bias starts at zero; here, with he-fan-out, it is uniform as its weights are.",
        "These are its later figures, for images normalised by the mean and deviation of the channels; the first "
        "version of the paper whitened the images.",
        "Where the rate drops, its code also forgets the momentum.",
    ),
    evidence={
        "normalisation": "README.md: meanstd normalization, as in fb.resnet.torch",
        "crop_padding padding mirror": "train.lua: randomcrop = 4, hflip; scripts/train_cifar.sh: reflection",
        "family depth width": "README.md: WRN-28-10; models/wide-resnet.lua",
        "shortcut": "models/wide-resnet.lua: 1x1 convolution where the number of channels changes",
        "initialisation": "models/utils.lua, MSRinit: normal, sqrt(2 / (k k out)); the linear layer as torch does",
        "batch_size learning_rate momentum weight_decay": "train.lua: 128, 0.1, 0.9, 0.0005",
        "nesterov": "scripts/train_cifar.sh: nesterov=true",
        "decay_scope": "train.lua: optim.sgd over model:getParameters()",
        "schedule_unit first_drop second_drop third_drop length drop_factor": "scripts/train_cifar.sh: 60, 120, 160 of "
        "200, 0.2",
    },
    deviations=(
        Deviation(
            theirs="the rate drops after 59, 119 and 159 completed epochs: train.lua changes it before the epoch of "
            "that number, counted from 1",
            ours="after 60, 120 and 160, as the paper says",
            follow={"first_drop": 59.0, "second_drop": 119.0, "third_drop": 159.0},
            points=0.03,
            basis="one epoch less at the high rate, as with akamaster",
        ),
        Deviation(
            theirs="an epoch is 390 batches of 128: the last 80 images of its order are left out",
            ours="an epoch is 391 batches, the last of 80 images",
            follow={},
            points=0.01,
            basis="0.26% more iterations at each rate, as with hysts",
        ),
    ),
)

_IMAGENET = Preset(
    name="imagenet",
    source="https://arxiv.org/abs/1512.03385",
    recipe=Recipe(
        dataset="imagefolder",
        image_size=224,
        normalisation="imagenet",
        mirror="random",
        family="imagenet",
        depth=50,
        shortcut="B",
        initialisation="he-fan-in",
        batch_size=256,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        decay_scope="all",
        schedule_unit="epochs",
        length=90,
        first_drop=30,
        second_drop=60,
        drop_factor=0.1,
    ),
    notes=(
        "The paper divides the rate by 10 when the error plateaus and trains for up to 600,000 iterations (120 "
        "epochs of ImageNet); it does not say when the plateaus came.  Here the rate falls after 30 and 60 of 90 "
        "epochs, as in fb.resnet.torch.",
        "The paper resizes the shorter side to a length drawn from 256 to 480 pixels, takes a random crop of "
        "224 x 224 of that and changes its colours; here, as in most code since, the crop has 8% to 100% of the "
        "image's area and sides of 3:4 to 4:3, is resized, and keeps its colours.",
        "The paper subtracts the per-pixel mean; here the mean and deviation of ImageNet's channels are used, for "
        "measuring a mean would take a pass over all files.",
        "The stride is in the 3x3 convolution of a bottleneck, as in nearly all code since; the paper's networks "
        "have it in the first 1x1: family=imagenet-1x1.",
        "The paper's headline errors are of ten crops, or of several sizes and networks; here only an image's central "
        "crop is evaluated, so that errors are not comparable with the paper's.",
        "The paper does not say what the weight decay applies to (here: everything), nor which form the momentum "
        "has (here: not Nesterov's).",
    ),
    evidence={
        "image_size mirror": "section 3.4: a 224x224 crop of an image or its horizontal flip",
        "crop_padding padding": "have no effect: crops are resized (see the notes)",
        "normalisation": "not the paper's (see the notes); the constants are torchvision's",
        "shortcut": "section 4.1 and table 3: B, projections where the size changes, in ResNet-50 and deeper",
        "initialisation": "section 3.4 refers to He et al. 2015, section 2.2, equation 10",
        "batch_size learning_rate drop_factor": "section 3.4: 256; 0.1, divided by 10",
        "weight_decay momentum": "section 3.4: 0.0001 and 0.9",
        "nesterov decay_scope": "not stated",
        "schedule_unit length first_drop second_drop": "not stated; fb.resnet.torch: opts.lua, 90 epochs; train.lua, a "
        "tenth every 30",
    },
)

_FAST = Preset(
    name="fast",
    source="https://github.com/KellerJordan/cifar10-airbench",
    published=False,
    recipe=Recipe(
        normalisation="channel",
        crop_padding=2,
        padding="reflect",
        mirror="alternating",
        shortcut="A",
        initialisation="he-fan-in",
        batch_size=128,
        optimiser="muon",
        muon_rate=0.025,
        muon_momentum=0.8,
        learning_rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        decay_scope="weights",
        schedule="linear",
        schedule_unit="epochs",
        length=16,
        warmup="linear",
        warmup_length=1.6,
    ),
    notes=(
        "Not a published recipe: the paper's networks, unchanged, in a tenth of the epochs.  Its settings were "
        "chosen on 5,000 training images held out; docs/notebook.md lists what was tried.",
        "From the source come the ideas of Muon with weights of fixed size, of alternating mirrors, and of "
        "reflected edges of 2 pixels; its network, its initialisation and its treatment of test images are not used.",
        "Its error stands beside the paper's as that of another recipe of another length; it does not show whether the "
        "paper's own training can be reproduced.",
    ),
    evidence={
        "normalisation": "as fb-resnet-torch has it",
        "crop_padding padding mirror": "airbench94_muon.py: 2 pixels, reflected; alternating flips",
        "shortcut initialisation batch_size": "the paper's, section 4.2",
        "optimiser muon_rate muon_momentum": "airbench94_muon.py: Muon; rate and momentum by docs/notebook.md",
        "learning_rate momentum nesterov weight_decay decay_scope": "usual for short trainings; not tuned",
        "schedule schedule_unit length warmup warmup_length": "docs/notebook.md; linear, after a tenth of warm-up",
    },
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (_PAPER, _ASSIGNMENT, _FB, _AKAMASTER, _HYSTS, _TF, _PREACT, _WIDE, _IMAGENET, _FAST)
}
"""The presets by name."""
