"""Which model is the base: the one that the request names, the adapter's own, or a found one."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from adapter_merge.bases.advice import Survey, command
from adapter_merge.bases.candidates import safe_revision
from adapter_merge.bases.fit import why_quantised
from adapter_merge.bases.nearby import there
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.errors import (
    Corrupt,
    HubUnavailable,
    NotFound,
    QuantisedBase,
    RequestError,
    RevisionMissing,
    SourceError,
)
from adapter_merge.request import RepoRef
from adapter_merge.sources import Adapter, Base
from adapter_merge.written import Written, read_written


def choose_base(search: Search) -> RepoRef:
    """The base, as it can be written.

    Raises:
        RequestError: no base is named, several are, or an id where there is no Hub to ask.
        NotFound: the folder that is named isn't there, or none fits `--base auto`.
        HubUnavailable: nothing here fits `--base auto`, and the Hub doesn't answer.
    """
    given = search.request.base
    if given is None:
        adapter, text = _named(search)
        return _existing(_ref(text), search, by=adapter)
    return _automatic(search) if given.text == AUTO else _existing(given, search)


def no_such_base(search: Search, ref: RepoRef, error: SourceError) -> SourceError:
    """The error for a base that the Hub doesn't have or doesn't give, with what may be it instead."""
    if isinstance(error, RevisionMissing):
        bare = f"hf://{ref.repo}" if there(ref.repo or "") is not None else str(ref.repo)
        return RevisionMissing(
            error.message, hint=f"For its main branch: `{command(search, bare)}`. {error.hint}"
        )
    survey = Survey.of(search, known=True)
    told, hint = survey.told(besides=ref.repo), survey.hint()
    return type(error)(f"{error.message}{told}", hint=hint if survey.found else error.hint)


def out_of_reach(search: Search, error: HubUnavailable) -> HubUnavailable:
    """The error for a base on a Hub that doesn't answer, with what is here instead."""
    here = replace(search, around=replace(search.around, hub=None))
    survey = Survey.of(here)
    if not survey.found:
        return error
    return HubUnavailable(error.message, hint=f"{error.hint} What is here may do: {survey.hint()}")


def refuse_quantised(search: Search, base: Base) -> None:
    """Refuse a base that no delta can be added to.

    Raises:
        QuantisedBase: its weights are quantised.
    """
    why = why_quantised(base.config, base.checkpoint)
    if why is not None:
        survey = Survey.of(search, quantised=base, known=base.pinned.repo is not None)
        raise QuantisedBase(
            f"the base `{base.pinned.source}` is quantised ({why}){survey.told()}",
            hint=survey.hint(),
        )


def _named(search: Search) -> tuple[Adapter, str]:
    """The base that the adapters name, and one that does; who names none disagrees with nobody."""
    names = {name: a for a in search.adapters if (name := _name(a)) is not None}
    if len(names) == 1:
        ((name, adapter),) = names.items()
        return adapter, name
    survey = Survey.of(search)
    if names:
        raise RequestError(
            f"the adapters name different bases: {', '.join(f'`{n}`' for n in sorted(names))}",
            hint=f"Say which one counts. {survey.hint()}",
        )
    first = search.adapters[0]
    wrote = first.config.base_model_name_or_path
    said = f" (it wrote `{wrote}`)" if wrote else ""
    raise RequestError(
        f"`{first.pinned.source}` names no base model{said}{survey.told()}", hint=survey.hint()
    )


def _name(adapter: Adapter) -> str | None:
    """What an adapter's config names; a path says something where it leads to a folder, too."""
    text = (adapter.config.base_model_name_or_path or "").strip()
    is_path = text.startswith(("./", "../", "/", "~")) and text.strip("./~") != ""
    return text if is_path or read_written(text) is not None else None


def _ref(text: str) -> RepoRef | str:
    """The ref that a text is; the text itself where it is none, such as a path of Windows."""
    try:
        return RepoRef.model_validate(text)
    except ValidationError:
        return text


def _existing(ref: RepoRef | str, search: Search, *, by: Adapter | None = None) -> RepoRef:
    """The ref, where it can be opened; `by` is the adapter that names it, None the request."""
    text = ref if isinstance(ref, str) else ref.text
    whose = "" if by is None else f", which `{by.pinned.source}` names as its base,"
    if isinstance(ref, str):
        raise _unusable(f"`{text}`{whose} is not a folder on this machine", search)
    if ref.folder is None:
        return _id(ref, whose, search, by)
    if by is not None and by.pinned.repo is not None:
        # What a stranger's config says must never decide which files of this machine are read.
        raise _unusable(f"`{text}`{whose} is a folder of the machine that trained it", search)
    if there(text) is not None:
        return ref
    survey = Survey.of(search)
    raise NotFound(
        f"there is no folder `{text}`{whose.removesuffix(',')}{survey.told()}", hint=survey.hint()
    )


def _id(ref: RepoRef, whose: str, search: Search, by: Adapter | None) -> RepoRef:
    text = ref.text
    folder = there(text)
    is_folder = folder is not None and folder.is_dir()
    clear = text.startswith("hf://") or (by is not None and by.pinned.repo is not None)
    if is_folder and not clear:
        raise RequestError(
            f"`{text}`{whose} is a folder here, and could be a Hub id",
            hint=f"For the folder: `{command(search, f'./{text}')}`; "
            f"for the repository: `{command(search, f'hf://{text}')}`.",
        )
    written = read_written(ref.repo if by is None else text)
    if search.around.hub is not None and (by is None or _is_id(text, written)):
        return _pinned_by(ref, by, search, start="hf://" if is_folder else "")
    if written is None or written.repo is None:
        problem = (
            f"`{text}`{whose} is not on this machine, and says not who published it on the Hub"
        )
        raise _unusable(problem, search)
    if written.path:
        raise _unusable(f"`{text}`{whose} is a path that isn't on this machine", search)
    what = "the Hub id of a quantised model" if written.quantised else "a Hub id"
    problem = f"`{text}`{whose} is {what}, and there is no Hub to ask"
    raise _unusable(problem, search, told=written.repo)


def _is_id(text: str, written: Written | None) -> bool:
    """Whether what an adapter wrote can be an id: a path of several parts is its machine's own business."""
    bare = text.removeprefix("hf://")
    return "/" not in bare or (
        written is not None and written.repo is not None and not written.path
    )


def _pinned_by(ref: RepoRef, by: Adapter | None, search: Search, *, start: str) -> RepoRef:
    """The id, at the revision that the adapter which names it was trained on, where it says one."""
    wanted = by.config.revision if by is not None else None
    bare = f"{start}{ref.text.removeprefix('hf://')}"
    if by is None or ref.revision is not None or wanted in {None, "", "main"}:
        return ref.model_copy(update={"text": bare})
    revision = safe_revision(wanted)
    if revision is None:
        raise Corrupt(
            f"`adapter_config.json` of `{by.pinned.source}` names a revision that is none: {ascii(wanted)[:200]}",
            hint=f"For the main branch of its base: `{command(search, bare)}`.",
        )
    return ref.model_copy(update={"text": f"{bare}@{revision}", "revision": revision})


def _unusable(problem: str, search: Search, *, told: str | None = None) -> RequestError:
    survey = Survey.of(search)
    return RequestError(f"{problem}{survey.told(besides=told)}", hint=survey.hint())


def _automatic(search: Search) -> RepoRef:
    survey = Survey.of(search)
    if len(survey.found) == 1:
        ref = RepoRef.model_validate(survey.found[0])
        # What fitted is what is opened, though its branch moves meanwhile.
        commit = survey.hosted.commits.get(survey.found[0])
        return ref.model_copy(update={"revision": commit}) if commit else ref
    if survey.found:
        listed = ", ".join(f"`{ref}`" for ref in survey.found)
        raise RequestError(
            f"`--base auto` found {len(survey.found)} models that fit: {listed}",
            hint=survey.hint(),
        )
    if survey.hosted.silent is not None:
        raise survey.hosted.silent
    raise NotFound(
        f"`--base auto` found no model that is the base and fits{survey.told()}",
        hint=survey.hint(),
    )
