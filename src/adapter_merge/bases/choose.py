"""Which folder is the base: the one that the request names, the adapter's own, or a found one."""

from __future__ import annotations

from pydantic import ValidationError

from adapter_merge.bases.advice import Survey, command
from adapter_merge.bases.fit import why_quantised
from adapter_merge.bases.nearby import there
from adapter_merge.bases.search import AUTO, Search
from adapter_merge.errors import NotFound, QuantisedBase, RequestError
from adapter_merge.request import RepoRef
from adapter_merge.sources import Adapter, Base
from adapter_merge.written import read_written


def choose_base(search: Search) -> RepoRef:
    """The base's folder, as it can be written.

    Raises:
        RequestError: no base is named, several are, or the name is a Hub id.
        NotFound: the folder that is named isn't there, or none fits `--base auto`.
    """
    given = search.request.base
    if given is None:
        adapter, text = _named(search)
        return _existing(_ref(text), search, by=adapter)
    return _automatic(search) if given.text == AUTO else _existing(given, search)


def refuse_quantised(search: Search, base: Base) -> None:
    """Refuse a base that no delta can be added to.

    Raises:
        QuantisedBase: its weights are quantised.
    """
    why = why_quantised(base.config, base.checkpoint)
    if why is not None:
        survey = Survey.of(search, quantised=base)
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
    """The ref, where its folder is there; `by` is the adapter that names it, None the request."""
    text = ref if isinstance(ref, str) else ref.text
    whose = "" if by is None else f", which `{by.pinned.source}` names as its base,"
    if isinstance(ref, str):
        raise _unusable(f"`{text}`{whose} is not a folder on this machine", search)
    if ref.folder is None:
        raise _id(ref, whose, search)
    if there(text) is not None:
        return ref
    survey = Survey.of(search)
    raise NotFound(
        f"there is no folder `{text}`{whose.removesuffix(',')}{survey.told()}", hint=survey.hint()
    )


def _id(ref: RepoRef, whose: str, search: Search) -> RequestError:
    text = ref.text
    folder = there(text)
    if folder is not None and folder.is_dir():
        return RequestError(
            f"`{text}`{whose} is a folder here, and could be a Hub id",
            hint=f"For the folder: `{command(search, f'./{text}')}`; "
            f"for the repository: `{command(search, f'hf://{text}')}`.",
        )
    written = read_written(ref.repo)
    if written is None or written.repo is None:
        problem = (
            f"`{text}`{whose} is not on this machine, and says not who published it on the Hub"
        )
        return _unusable(problem, search)
    what = "the Hub id of a quantised model" if written.quantised else "a Hub id"
    problem = f"`{text}`{whose} is {what}, and the Hub edge is not built yet"
    return _unusable(problem, search, told=written.repo)


def _unusable(problem: str, search: Search, *, told: str | None = None) -> RequestError:
    survey = Survey.of(search)
    return RequestError(f"{problem}{survey.told(besides=told)}", hint=survey.hint())


def _automatic(search: Search) -> RepoRef:
    survey = Survey.of(search)
    if len(survey.found) == 1:
        return RepoRef.model_validate(survey.found[0])
    if survey.found:
        listed = ", ".join(f"`{ref}`" for ref in survey.found)
        raise RequestError(
            f"`--base auto` found {len(survey.found)} folders that fit: {listed}",
            hint=survey.hint(),
        )
    raise NotFound(
        f"`--base auto` found no folder here that is the base and fits{survey.told()}",
        hint=survey.hint(),
    )
