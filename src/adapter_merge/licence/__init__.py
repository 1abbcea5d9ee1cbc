"""Under which licence merged weights are, what their card has to say, and which files go along."""

from __future__ import annotations

from adapter_merge.licence.files import is_licence_file
from adapter_merge.licence.known import Family, Kind, Licence
from adapter_merge.licence.merged import terms_of
from adapter_merge.licence.terms import Concern, Doubt, Terms, decide

__all__ = [
    "Concern",
    "Doubt",
    "Family",
    "Kind",
    "Licence",
    "Terms",
    "decide",
    "is_licence_file",
    "terms_of",
]
