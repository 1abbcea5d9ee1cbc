"""Who may read a published result: never more people than its sources and their licences allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapter_merge.errors import LicenceConflict, Refused
from adapter_merge.finding import Finding
from adapter_merge.publishing import Publishing
from adapter_merge.receipt import FindingRecord
from adapter_merge.remote import Access, RemoteTarget
from adapter_merge.report import visibility
from adapter_merge.sending.parties import Party


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """The decision.

    Attributes:
        private: of a repository that is made; None leaves it to its owner's default.
        gated: of a repository that is made.
        why: the reason in a few words, for people; empty where there is none to give.
    """

    private: bool | None = None
    gated: bool = False
    why: str = ""

    def word(self, target: RemoteTarget) -> str:
        """What people call it: of a repository that stands, what it is; of a new one, what it will be."""
        if target.access is not None:
            return visibility(target.access)
        if self.private is None:
            return "public, or as its owner's default says"
        made = Access.PRIVATE if self.private else Access.GATED if self.gated else Access.OPEN
        return visibility(made)


def audience(parties: tuple[Party, ...], target: RemoteTarget, wish: Publishing) -> Audience:
    """Who may read the target.

    Raises:
        LicenceConflict: a gated source would become readable without asking.
        Refused: the target stands, and more people may read it than may read the sources, as far as is known; or
            `--public` would open a source that only an adapter names.
    """
    if wish.public:
        _refuse_unnamed(parties)
    if target.access is None:
        return _of_a_new_one(parties, wish)
    _refuse_wider(target, target.access, wish, parties)
    return Audience(why="it stands already")


def _refuse_unnamed(parties: tuple[Party, ...]) -> None:
    """Refuse to open a closed source that the operator did not name."""
    closed = (p for p in parties if not p.is_named and p.access in {None, Access.PRIVATE})
    party = next(closed, None)
    if party is None:
        return
    what = "is private" if party.access is Access.PRIVATE else "is a folder"
    raise Refused(
        f"`--public` does not open the base model `{party.name}`: it {what}, and only the adapter names it",
        hint=f"Name it to publish what is made of it: `{_named(party)}`, for a finished folder with `--rebuild`. "
        "Otherwise leave out `--public`.",
    )


def _named(party: Party) -> str:
    return f"--base {party.name if party.repo is not None else f'./{party.name}'}"


def _of_a_new_one(parties: tuple[Party, ...], wish: Publishing) -> Audience:
    gated = _first(parties, Access.GATED)
    if wish.private:
        return Audience(private=True, gated=wish.gated, why="asked for")
    if wish.public:
        if gated is not None and not wish.gated:
            raise LicenceConflict(
                f"`{gated.name}` is gated: people have to ask before they may read it, and anybody could read the result",
                hint="Gate the result too, with `--public --gated`, or publish it with `--private`.",
            )
        return Audience(private=False, gated=wish.gated, why="asked for")
    why = _why_private(parties, gated=None if wish.gated else gated)
    return Audience(private=True if why else None, gated=wish.gated, why=why)


def _why_private(parties: tuple[Party, ...], *, gated: Party | None) -> str:
    private = _first(parties, Access.PRIVATE)
    if private is not None:
        return f"`{private.name}` is private" + (
            "; `--public` opens it" if private.is_named else ""
        )
    if gated is not None:
        return f"`{gated.name}` is gated; `--gated` lets people ask for it"
    folder = _folder(parties)
    if folder is not None:
        return _says_nothing(folder) + ("; `--public` opens it" if folder.is_named else "")
    return ""


def _refuse_wider(
    target: RemoteTarget, access: Access, wish: Publishing, parties: tuple[Party, ...]
) -> None:
    private, gated = _first(parties, Access.PRIVATE), _first(parties, Access.GATED)
    settings = f"hf repos settings {target.repo}"
    if wish.private and access is not Access.PRIVATE:
        raise Refused(
            f"`{target.repo}` stands already, and isn't private", hint=f"`{settings} --private`."
        )
    if wish.gated and access is Access.OPEN:
        raise Refused(
            f"`{target.repo}` stands already, and isn't gated", hint=f"`{settings} --gated manual`."
        )
    if gated is not None and access is Access.OPEN:
        raise Refused(
            f"`{gated.name}` is gated, and anybody may read the target `{target.repo}`",
            hint=f"`{settings} --gated manual`, or `{settings} --private`.",
        )
    if private is not None and access is not Access.PRIVATE and not wish.public:
        raise Refused(
            f"`{private.name}` is private, and others may read the target `{target.repo}`",
            hint=f"`{settings} --private`, or say `--public` where all may read the result.",
        )
    folder = _folder(parties)
    if folder is not None and access is not Access.PRIVATE and not wish.public:
        raise Refused(
            f"{_says_nothing(folder)}, and others may read the target `{target.repo}`",
            hint=f"Say `--public` where all may read the result, or `{settings} --private`.",
        )


def refuse_by_licence(
    findings: Iterable[Finding | FindingRecord], target: RemoteTarget, decided: Audience
) -> None:
    """What the checks of licences have found counts here, where something is passed on.

    Raises:
        LicenceConflict: a licence forbids a repository of that kind.
    """
    private = target.access is Access.PRIVATE or bool(decided.private)
    for found in findings:
        if found.code.startswith("L") and found.evidence.get(_kind(private=private)) is False:
            may = not private and found.evidence.get(_kind(private=True)) is not False
            raise LicenceConflict(
                f"{found.code}: {found.message}; so `{target.repo}` may not have it"
                + ("" if private else " where others can read it"),
                hint=_way_out(target) if may else "Keep the result in a folder: `--to ./NAME`.",
            )


def _way_out(target: RemoteTarget) -> str:
    if target.access is None:
        return "Publish it with `--private`, or settle the licence first."
    return f"`hf repos settings {target.repo} --private`, or settle the licence first."


def _kind(*, private: bool) -> str:
    return "private" if private else "public"


def _folder(parties: tuple[Party, ...]) -> Party | None:
    """The first that doesn't say who may read it: whoever put it there may have meant nobody else."""
    return next((party for party in parties if party.access is None), None)


def _says_nothing(folder: Party) -> str:
    return f"`{folder.name}` is a folder, which doesn't say who may read it"


def _first(parties: tuple[Party, ...], access: Access) -> Party | None:
    return next((party for party in parties if party.access is access), None)
