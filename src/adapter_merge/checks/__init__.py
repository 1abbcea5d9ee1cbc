"""Checks: each judges the facts that one pass over the disk gave; only the pipeline decides.

To add one: a small class in its family's file, a line in `CHECKS`, a planted fault in its tests.
"""

from __future__ import annotations

from adapter_merge.checks.agreement import ConfigAgrees
from adapter_merge.checks.bundle import LeadsToItself, LoadersFindAll
from adapter_merge.checks.card import (
    CardCheck,
    CardSeen,
    MetadataHolds,
    NamesItsBase,
    NothingActive,
    SaysWhatWasMerged,
)
from adapter_merge.checks.check import Check, Explained
from adapter_merge.checks.downstream import DOWNSTREAM
from adapter_merge.checks.experts import ExpertsAsTrained
from adapter_merge.checks.files import (
    FilesPresent,
    IndexAgrees,
    NoAdapterLeft,
    OneWeightSet,
    SizesRecorded,
)
from adapter_merge.checks.filled import ParametersFilled
from adapter_merge.checks.fit import ConfigFits, TokenizerFits
from adapter_merge.checks.licence import (
    DerivativesAllowed,
    FamilyHonoured,
    LicenceFilesCarried,
    LicenceKnown,
    LicencesAgree,
)
from adapter_merge.checks.outputs import (
    LoadsAlike,
    OutputsEqual,
    PlainLoaderTold,
    ProbesReach,
    RoundingShown,
)
from adapter_merge.checks.seeds import NothingDrawn
from adapter_merge.checks.tensors import ChangedSet, Dtypes, Names, Shapes, TieHolds, UsedOnce
from adapter_merge.checks.training import NamedBase, TrainedUnquantised
from adapter_merge.checks.values import Finite, Recomputed, RoundingLoss, SizeOfChange, Untouched

__all__ = [
    "ALL_CHECKS",
    "CARD_CHECKS",
    "CHECKS",
    "LICENCE_CHECKS",
    "CardCheck",
    "CardSeen",
    "Check",
    "Explained",
]

# They judge by the sources' cards, which may change while the result stays.
LICENCE_CHECKS: tuple[Check, ...] = (
    LicenceKnown(),
    DerivativesAllowed(),
    LicencesAgree(),
    LicenceFilesCarried(),
    FamilyHonoured(),
)

CHECKS: tuple[Check, ...] = (
    FilesPresent(),
    OneWeightSet(),
    IndexAgrees(),
    NoAdapterLeft(),
    ConfigFits(),
    TokenizerFits(),
    SizesRecorded(),
    LeadsToItself(),
    LoadersFindAll(),
    Names(),
    Shapes(),
    Dtypes(),
    Untouched(),
    Recomputed(),
    Finite(),
    UsedOnce(),
    ChangedSet(),
    TieHolds(),
    RoundingLoss(),
    ConfigAgrees(),
    TrainedUnquantised(),
    NothingDrawn(),
    ParametersFilled(),
    ExpertsAsTrained(),
    NamedBase(),
    SizeOfChange(),
    *LICENCE_CHECKS,
    *DOWNSTREAM,
    OutputsEqual(),
    LoadsAlike(),
    ProbesReach(),
    RoundingShown(),
    PlainLoaderTold(),
)

# The card is written after all others have judged, as it lists what they found.
CARD_CHECKS: tuple[CardCheck, ...] = (
    MetadataHolds(),
    SaysWhatWasMerged(),
    NothingActive(),
    NamesItsBase(),
)

ALL_CHECKS: tuple[Explained, ...] = (*CHECKS, *CARD_CHECKS)
