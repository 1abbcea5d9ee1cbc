"""`merge_receipt.json`: what a merged folder was made from, and the digest of every file in it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from adapter_merge.finding import Finding, Outcome

RECEIPT_NAME = "merge_receipt.json"
COSINE_DIGITS = 9  # after the point


class _Record(BaseModel):
    # A receipt may have been written by a newer version: what isn't known is left alone.
    # What was ignored may hold NaN, which JSON lacks; as `null` it couldn't be read again.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class FileRecord(_Record):
    """Size in bytes and sha256 of one file."""

    size: int
    sha256: str


class MethodRecord(_Record):
    """How an adapter was trained: its PEFT method, and rank and alpha where it has such.

    `variant`: what the method's options make of it, such as `DoRA`; empty where they don't.
    """

    peft_type: str
    variant: str = ""
    rank: float | None = None
    alpha: float | None = None


class ExpertRecord(_Record):
    """How the factors of one fused parameter, such as `gate_up_proj` of a mixture's experts, were read.

    Attributes:
        adapter: the adapter, as the user named it.
        parameter: name of the parameter, with its module and `*` for numbers.
        layout: order of the columns of `lora_B`.
        layout_source: what decided on the layout.
        orientation: `direct` where an expert's delta is `B @ A`, `transposed` where it is `(B @ A).T`.
        orientation_source: what decided on the orientation.
        conflict: evidence against the reading, where a setting overrides it; empty without one.
        read_by_peft: whether PEFT from 0.19.1 on, with transformers 5, reads the factors so.
    """

    adapter: str
    parameter: str
    layout: Literal["rank-major", "grouped-by-expert"]
    layout_source: str
    orientation: Literal["direct", "transposed"]
    orientation_source: str
    conflict: str = ""
    read_by_peft: bool = True


class SourceRecord(_Record):
    """An adapter or a base as it was read: where from, and the digests of the files that counted."""

    source: str
    commit: str | None = None
    weight: float | None = None
    method: MethodRecord | None = None
    digests: dict[str, str]


class ChangeRecord(_Record):
    """A declared change: something in the result that differs from the base on purpose."""

    subject: str
    before: Any
    after: Any
    why: str


class FindingRecord(_Record):
    """A finding as the receipt keeps it."""

    code: str
    outcome: Literal["pass", "warn", "fail", "skip"]
    subject: str
    message: str
    evidence: dict[str, Any]

    def finding(self) -> Finding:
        """The finding that was recorded."""
        return Finding(
            code=self.code,
            outcome=Outcome(self.outcome),
            subject=self.subject,
            message=self.message,
            evidence=self.evidence,
        )


class GroupRecord(_Record):
    """One group of outputs, such as `text.logits` or `page.vectors`; see `probed.Distance`.

    `base_cosines`: empty in receipts of versions that didn't keep them.
    """

    group: str
    effect: float
    gap: float
    error: float
    rounding: float
    norm: float
    kl: float | None = None
    top: float | None = None
    cosines: tuple[float, ...]
    base_cosines: tuple[float, ...] = ()


class RetrievalRecord(_Record):
    """What queries find among one group of documents, as nDCG@5; see `probed.Retrieval`."""

    group: str
    given: bool
    queries: int
    documents: int
    base: float
    reference: float
    merged: float
    agreement: float | None = None


class ProbeRecord(_Record):
    """What running base with adapter and the merged model on the same inputs has shown; see `probed.Ran`.

    `needs`: what it would have taken, where nothing ran. `merged`: None where that folder doesn't load.
    """

    needs: str | None = None
    reference: str | None = None
    merged: str | None = None
    groups: tuple[GroupRecord, ...] = ()
    towers: dict[str, float] = {}
    unreached: tuple[str, ...] = ()
    retrieval: tuple[RetrievalRecord, ...] = ()

    @property
    def ran(self) -> bool:
        """Whether both models ran."""
        return self.merged is not None


class RunRecord(_Record):
    """The workflow's run that made a result, and the commit that started it; never a part of the recipe.

    `repository`, `workflow`, `url`: None where strangers may not know of the repository.
    """

    run_id: int
    attempt: int
    commit: str
    repository: str | None = None
    workflow: str | None = None
    url: str | None = None


class Receipt(_Record):
    """The receipt. Every file of the folder is in `files`, but the receipt and `README.md`.

    `base_is_named`: whether the operator named the base; False where an adapter chose it, None in older receipts.
    """

    schema_version: Literal[1]
    recipe: str
    base: SourceRecord
    base_is_named: bool | None = None
    adapters: tuple[SourceRecord, ...]
    settings: dict[str, str]
    counts: dict[str, int]
    changes: tuple[ChangeRecord, ...]
    left_behind: dict[str, str]
    experts: tuple[ExpertRecord, ...] = ()
    findings: tuple[FindingRecord, ...]
    relative_changes: dict[str, float] = {}
    probe: ProbeRecord | None = None
    versions: dict[str, str]
    run: RunRecord | None = None
    files: dict[str, FileRecord]

    @property
    def bundles(self) -> bool:
        """Whether the adapter lies beside the weights, and isn't in them."""
        return self.settings.get("layout") == "bundled"
