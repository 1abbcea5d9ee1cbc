"""What is wrong with a key, as a sentence about merges.yaml."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel

from adapter_merge.merges.spec import kebab

_PLAIN = {
    "dict_type": "it has to be keys with values",
    "missing": "it has to be given",
    "model_type": "it has to be keys with values",
    "too_short": "it is empty",
    "tuple_type": "it has to be a list",
}
_LONGEST = 200  # characters of a value


def sentence(error: Any, kind: type[BaseModel]) -> str:
    """One of pydantic's errors; `kind` is what has the keys."""
    value = str(error["input"])[:_LONGEST]
    match error["type"]:
        case "value_error":
            # The sentences of options name them as the command line spells them.
            return str(error["ctx"]["error"]).replace("`--", "`")
        case "extra_forbidden":
            return _unknown(str(error["loc"][-1]), kind)
        case "literal_error":
            known = str(error["ctx"]["expected"]).replace("'", "`")
            return f"`{value}` is not one of {known}"
        case "string_pattern_mismatch":
            return f"`{value}` is not `settled`, `push`, `tag:GLOB` or `title:GLOB`"
    message = error["msg"]
    return _PLAIN.get(error["type"]) or f"`{value}`: {message[:1].lower()}{message[1:]}"


def _unknown(key: str, kind: type[BaseModel]) -> str:
    names = [info.alias or field for field, info in kind.model_fields.items()]
    close = next(iter(difflib.get_close_matches(kebab(key), names, n=1)), None)
    return f"there is no key `{key[:_LONGEST]}`{f'; did you mean `{close}`?' if close else ''}"
