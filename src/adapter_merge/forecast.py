"""What a merge will ask of the machine, for the person who waits for it: guesses, never promises."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What it takes to run both models: seconds, and resident memory of the process that does so."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Bytes that must be free on a disk, and those that are."""

    needed_bytes: int
    free_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What goes to and from a Hub.

    Attributes:
        pulled_bytes: of files that are read and don't lie here yet.
        stored_bytes: of all files of those repositories.
        repo: the target there; None for a folder.
        visibility: who will be able to read it; empty where nothing is published.
        why: the reason for that, for people; empty where there is none to give.
        added_bytes: what its owner's storage will hold more of, unless the Hub knows parts of it.
    """

    pulled_bytes: int = 0
    stored_bytes: int = 0
    repo: str | None = None
    visibility: str = ""
    why: str = ""
    added_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Guesses from the plan and from what was measured elsewhere; where a GPU computes, memory is short of what it takes.

    Attributes:
        memory_bytes: resident memory at its peak, with the process that runs models.
        needed_bytes: what must be free on the target's file system; an old target goes last. What is
            pulled counts where the Hub's cache lies there too.
        free_bytes: what is free there.
        seconds: the whole run, with files in the page cache; a slow disk takes longer, and so does a Hub.
        traffic: None where no Hub is asked.
        proof_seconds: those of them in which models are run; 0 where none is.
        cache: of the disk of the Hub's cache, where that is another one and something is pulled to it.
    """

    memory_bytes: int
    needed_bytes: int
    free_bytes: int
    seconds: float
    traffic: Traffic | None = None
    proof_seconds: float = 0
    cache: Room | None = None
