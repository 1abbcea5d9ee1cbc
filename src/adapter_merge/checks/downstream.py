"""D001 to D007: whether other programs can load the folder, and then serve the merged model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapter_merge.checks.check import NEEDS_WEIGHTS, failed, passed, skipped, warned
from adapter_merge.checks.consumers import (
    Consumer,
    Judged,
    Status,
    consumer,
    facts_of,
    judge,
)
from adapter_merge.checks.seen import Seen
from adapter_merge.finding import Finding

_VERBS = {
    Status.LOADS: "loads it, with a remark",
    Status.FAILS: "can't load it",
    Status.WRONG: "loads it, but serves something else",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadsIn:
    """One program; its rules are data, in `consumers/`.

    Attributes:
        code: the check's.
        name: the program's, as `check --for` takes it.
        title: what must hold.
        why: what goes wrong otherwise.
    """

    code: str
    name: str
    title: str
    why: str
    fix: str = "Do what the finding says; its evidence names the source where the rule was read."
    ignore: str = (
        "No need to: without `--for` it only warns, so leave out programs that you don't use."
    )

    @property
    def look(self) -> str:
        """The command that asks for this program alone."""
        return f"`adapter-merge check FOLDER --for {self.name} --json` has the rules and their sources as evidence."

    def judge(self, seen: Seen) -> Iterable[Finding]:
        """What its rules say of the folder; only a program that was asked for can fail."""
        program = consumer(self.name)
        if seen.checkpoint is None:
            yield self._untold(seen, program)
            return
        judged = judge(program, facts_of(seen))
        message, evidence = _message(program, judged), _evidence(program, judged)
        if judged.status is Status.NOT_SERVED:
            # Most programs serve some kinds of models only: nobody wants to be told at each merge.
            say = failed if self.name in seen.wanted else passed
        elif judged.status is not Status.LOADS:
            say = failed if self.name in seen.wanted else warned
        else:
            say = warned if judged.broken else passed
        yield say(self, seen, message, **evidence)

    def _untold(self, seen: Seen, program: Consumer) -> Finding:
        say = failed if self.name in seen.wanted else skipped
        return say(self, seen, NEEDS_WEIGHTS, consumer=program.name, version=program.version)


def _message(program: Consumer, judged: Judged) -> str:
    name = f"{program.title} {program.version}"
    if judged.status is Status.NOT_SERVED:
        return f"{name}: {program.otherwise}"
    if not judged.broken:
        return f"{name} loads it"
    said = "; ".join(rule.says for rule in judged.broken)
    return f"{name} {_VERBS[judged.status]}: {said}. {judged.broken[0].fix}"


def _evidence(program: Consumer, judged: Judged) -> dict[str, object]:
    return {
        "consumer": program.name,
        "title": program.title,
        "version": program.version,
        "status": judged.status.value,
        "rules": [rule.id for rule in judged.broken],
        "sources": [rule.source for rule in judged.broken],
        "fixes": [rule.fix for rule in judged.broken],
    }


DOWNSTREAM = (
    LoadsIn(
        code="D001",
        name="transformers",
        title="transformers 5 loads the merged model",
        why="What transformers can't load, few others can: most programs read configs and tokenizers with it.",
    ),
    LoadsIn(
        code="D002",
        name="transformers-4",
        title="transformers 4.57 loads the merged model",
        why="transformers 5 writes tokenizers and positions in a form that 4.57 can't read, or reads wrongly in silence.",
    ),
    LoadsIn(
        code="D003",
        name="sentence-transformers",
        title="sentence-transformers loads the merged model",
        why="A module that is missing or unknown gives other embeddings, or none.",
    ),
    LoadsIn(
        code="D004",
        name="colpali-engine",
        title="colpali-engine loads the merged model",
        why="A projection that isn't in the file is filled with random values.",
    ),
    LoadsIn(
        code="D005",
        name="vllm",
        title="vLLM serves the merged model",
        why="vLLM prefers other weight files that lie beside the merged ones, and knows only the classes of its registry.",
    ),
    LoadsIn(
        code="D006",
        name="tei",
        title="Text Embeddings Inference serves the merged model",
        why="TEI prefers ONNX files, and leaves out a Dense layer under a name that it doesn't know, both in silence.",
    ),
    LoadsIn(
        code="D007",
        name="llama-cpp",
        title="llama.cpp converts the merged model",
        why="Its converter knows certain classes, and reads tokenizers with transformers 4.57.",
    ),
)
