"""What the written name of a base says: a Hub id, the end of a path, a quantisation, or nothing.

Training tools write what they were given: an id, a folder of the machine that trained, a placeholder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LONGEST = 255  # of a folder's name
_CACHED = re.compile(r"models--(?:(?P<owner>[^/]+?)--)?(?P<name>[^/]+)")
_URL = re.compile(r"(?:hf://|https?://(?:www\.)?(?:huggingface\.co|hf\.co)/)(?P<rest>.*)")

# What tools write where they know no name.
_NOTHING = frozenset({"", "none", "null", "nan", "unknown", "unsloth_model", "base_model"})
# Folders that say nothing of the model in them: as the last part of a path they are passed over, and
# before the last part they are no owner.
_FOLDERS = re.compile(
    r"ai|app|assets|autodl-tmp|bases?|base_models?|cache|checkpoints?|ckpts?|content|data|datasets?|dbfs"
    r"|desktop|documents|downloads?|drive|final|hf|hf_models|home|hub|huggingface|input|kaggle|llms?"
    r"|local|local_models|media|merged|mnt|models?|mydrive|mymodels?|opt|outputs?|pretrain"
    r"|pretrained(?:_models?)?|pytorch|results?|root|save|saved|saved_models?|scratch|shared|snapshots"
    r"|spaces|src|storage|temp|tmp|train|training|transformers|users?|usr|var|volumes|weights|work|working"
    r"|workspace",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"\d+|[0-9a-f]{40}|(?:checkpoint|epoch|step|v)[-_]?\d+", re.IGNORECASE)
# Homes hold people, not owners of models; a mirror calls the owners by names of its own.
_HOMES = frozenset({"home", "users"})
_MIRRORS = frozenset({"ai-modelscope", "llm-research", "modelscope", "shanghai_ai_laboratory"})
# The Hub once had models without an owner; each still answers to its one word. No new ones came since.
_OWNERLESS = re.compile(
    r"(?:albert|bert|camembert|ctrl|distilbert|distilgpt2|distilroberta|gpt2|openai-gpt|roberta|t5"
    r"|transfo-xl|xlm|xlm-roberta|xlnet)(?:-.+)?"
)

# Owners that quantise what others published: under their name lies no unquantised model.
_QUANTISERS = re.compile(
    r"bartowski|casperhansen|hugging-quants|ista-daslab|lmstudio-community|mlx-community|modelcloud"
    r"|neuralmagic|redhatai|solidrust|thebloke",
    re.IGNORECASE,
)
_ENDING = re.compile(
    r"""
    (?:[-_.](?:unsloth|hf|mlx|quantized))?
    (?: [-_.](?:gptq|awq|gguf|exl2)(?:[-_.\d][\w.-]*)?
      | (?: [-_.](?:bnb|[2-8]-?bits?|int[48]|nf4|(?:nv|mx)?fp[48]|w\d+a\d+|hqq)
            (?:[-_.](?:dynamic|static|block|kv|mlx|\d+g|g\d+))* )+
    )$
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A name of a base that says something.

    Attributes:
        name: the last part, as folders and repositories are called.
        repo: the Hub id that it is or ends in; None where only the name is known.
        path: whether it was written as a path, so that `repo` is a guess.
        quantised: the ending that speaks of quantised weights, such as `-bnb-4bit`; empty without one.
    """

    name: str
    repo: str | None
    path: bool
    quantised: str

    @property
    def plain(self) -> Written:
        """The same without its quantisation; the id falls away where its owner only quantises."""
        if not self.quantised:
            return self
        repo = self.repo.removesuffix(self.quantised) if self.repo else None
        if repo is not None and _QUANTISERS.fullmatch(repo.partition("/")[0]):
            repo = None
        name = self.name.removesuffix(self.quantised)
        return replace(self, name=name, repo=repo, quantised="")


def read_written(text: str | None) -> Written | None:
    """Read a written base; None where it names nothing."""
    bare = (text or "").strip().strip("\"'")
    url = _URL.fullmatch(bare)
    bare = url["rest"] if url is not None else bare
    if bare.lower() in _NOTHING:
        return None
    parts = [part for part in bare.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    cached = [match for part in parts if (match := _CACHED.fullmatch(part)) is not None]
    if cached:
        return _written(cached[-1]["name"], cached[-1]["owner"], path=False)
    path = bare.startswith((".", "/", "~")) or "\\" in bare or len(parts) > 2
    if not path and parts:
        parts[-1] = parts[-1].partition("@")[0]
    while parts and _says_nothing(parts[-1]) and (path or not _is_id(parts)):
        parts.pop()
    return _written(parts[-1], _owner(parts[:-1]), path=path) if parts else None


def _is_id(parts: list[str]) -> bool:
    """Whether two parts are an owner and its repository, which may be called `model`."""
    return len(parts) == 2 and not _says_nothing(parts[0]) and not _COUNTED.fullmatch(parts[1])


def _written(name: str, owner: str | None, *, path: bool) -> Written | None:
    name = name.replace("___", ".")  # as the cache of ModelScope spells a dot
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        return None
    ending = _ENDING.search(name)
    if owner is not None:
        repo: str | None = f"{owner}/{name}"
    else:
        repo = name if _OWNERLESS.fullmatch(name) else None
    return Written(name=name, repo=repo, path=path, quantised=ending[0] if ending else "")


def _says_nothing(part: str) -> bool:
    is_folder = _FOLDERS.fullmatch(part) or _COUNTED.fullmatch(part)
    return is_folder is not None or part.lower() in _NOTHING


def _owner(before: list[str]) -> str | None:
    """The part before the last, where it can be the owner of a repository."""
    if not before or _says_nothing(before[-1]) or _NAME.fullmatch(before[-1]) is None:
        return None
    at_home = len(before) > 1 and before[-2].lower() in _HOMES
    return None if at_home or before[-1].lower() in _MIRRORS else before[-1]
