"""Which classes an adapter may have been trained on."""

from __future__ import annotations

from adapter_merge.adapters.hollow.classes import class_makers
from tests.contract.makers import bert


def test_the_classes_of_a_config() -> None:
    config = bert().config
    names = ("AutoModelForSequenceClassification", "BertForMaskedLM", "os", "NoSuchClass")
    found = [name for name, _ in class_makers(config, names)]
    assert found == ["BertForSequenceClassification", "BertForMaskedLM", "BertModel"]
    assert [n for n, _ in class_makers(config, ("AutoModelForSpeechSeq2Seq",))] == ["BertModel"]
