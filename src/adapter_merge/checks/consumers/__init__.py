"""Programs that load a result: for each one a data file with the rules that were read in its source.

To add one: a `.toml` file here, its name in `NAMES`, a line in `DOWNSTREAM`, a planted fault for each
rule in its test.
"""

from __future__ import annotations

from adapter_merge.checks.consumers.book import Consumer, Outcome, Rule, consumer
from adapter_merge.checks.consumers.facts import Facts, facts_of
from adapter_merge.checks.consumers.verdict import Judged, Status, judge

__all__ = [
    "NAMES",
    "Consumer",
    "Facts",
    "Judged",
    "Outcome",
    "Rule",
    "Status",
    "consumer",
    "facts_of",
    "judge",
]

# As `check --for` takes them.
NAMES = (
    "transformers",
    "transformers-4",
    "sentence-transformers",
    "colpali-engine",
    "vllm",
    "tei",
    "llama-cpp",
)
