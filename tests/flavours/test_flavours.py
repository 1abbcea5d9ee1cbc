from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_merge.flavours import Look, flavour_of
from tests.build import write_json


def look(architecture: str = "", *files: str, chats: bool = False, **config: object) -> Look:
    given = {"architectures": [architecture]} if architecture else {}
    return Look(config={**given, **config}, files=frozenset(files), chats=chats)


def chain(kind: str, architecture: str = "BertModel", **config: object) -> Look:
    """A repository of sentence-transformers, saved from one of its classes."""
    seen = look(architecture, "modules.json", chats=False, **config)
    return replace(seen, setup={"model_type": kind})


@pytest.mark.parametrize(
    ("seen", "library", "task"),
    [
        (look("BertModel", "modules.json"), "sentence-transformers", "sentence-similarity"),
        (chain("SentenceTransformer"), "sentence-transformers", "sentence-similarity"),
        (chain("Unheard"), "sentence-transformers", "sentence-similarity"),
        (chain("SparseEncoder", "BertForMaskedLM"), "sentence-transformers", "feature-extraction"),
        (chain("MultiVectorEncoder"), "sentence-transformers", "feature-extraction"),
        (chain("ColBERT"), "sentence-transformers", "feature-extraction"),
        (
            chain("MultiVectorEncoder", "ColPaliForRetrieval", vlm_config={}),
            "sentence-transformers",
            "visual-document-retrieval",
        ),
        (chain("CrossEncoder", id2label={"0": "x"}), "sentence-transformers", "text-ranking"),
        (chain("CrossEncoder"), "sentence-transformers", "text-classification"),
        (
            look("BertForSequenceClassification", sentence_transformers={}, id2label={"0": "x"}),
            "sentence-transformers",
            "text-ranking",
        ),
        (look("ColPaliForRetrieval"), "transformers", "visual-document-retrieval"),
        (look("ColQwen2"), "colpali-engine", "visual-document-retrieval"),
        (look("BiQwen2_5"), "colpali-engine", "visual-document-retrieval"),
        (look("LlamaForCausalLM"), "transformers", "text-generation"),
        (look("GPT2LMHeadModel"), "transformers", "text-generation"),
        (
            look("Qwen2VLForConditionalGeneration", vision_config={}),
            "transformers",
            "image-text-to-text",
        ),
        (look("T5ForConditionalGeneration", is_encoder_decoder=True), "transformers", None),
        (
            look("WhisperForConditionalGeneration", is_encoder_decoder=True, num_mel_bins=80),
            "transformers",
            None,
        ),
        (look("BertForSequenceClassification"), "transformers", "text-classification"),
        (look("BertForQuestionAnswering"), "transformers", "question-answering"),
        (look("BertForMaskedLM"), "transformers", "fill-mask"),
        (look("ViTForImageClassification"), "transformers", "image-classification"),
        (look("BertModel", "tokenizer.json"), "transformers", "feature-extraction"),
        (look("Unheard"), "transformers", None),
        (look(), "transformers", None),
    ],
)
def test_library_and_task_follow_from_the_repository(
    seen: Look, library: str, task: str | None
) -> None:
    flavour = flavour_of(seen)
    assert (flavour.library_name, flavour.pipeline_tag(seen)) == (library, task)


@pytest.mark.parametrize("architectures", [None, [], "Llama", [1]])
def test_a_strange_config_is_no_crash(architectures: object) -> None:
    seen = Look(config={"architectures": architectures}, files=frozenset(), chats=False)
    assert seen.architecture == ""
    assert flavour_of(seen).snippet(seen, "./x", None)


def test_a_revision_is_pinned() -> None:
    for architecture in ("BertModel", "LlamaForCausalLM", "ColQwen2", "BertForMaskedLM"):
        seen = look(architecture, "tokenizer.json")
        assert "'org/x', revision='abc'" in flavour_of(seen).snippet(seen, "org/x", "abc")


def test_a_folder_is_looked_at_from_outside(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"architectures": ["LlamaForCausalLM"]})
    (tmp_path / "chat_template.jinja").write_text("x")
    seen = Look.at(tmp_path)
    assert (seen.architecture, seen.chats) == ("LlamaForCausalLM", True)
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "config_sentence_transformers.json").write_text("[]")
    assert (Look.at(tmp_path).config, Look.at(tmp_path).setup) == ({}, {})


@pytest.mark.parametrize(
    ("seen", "used"),
    [
        (chain("SparseEncoder"), "SparseEncoder('./x')"),
        (chain("ColBERT"), "MultiVectorEncoder('./x')"),
        (chain("CrossEncoder"), "predict("),
        (chain("SentenceTransformer"), "model.encode("),
        (
            replace(chain("SentenceTransformer"), setup={"prompts": {"query": "q: "}}),
            "encode_query(",
        ),
        (look("BiPali"), "score_single_vector(query"),
        (look("ColPali"), "score_multi_vector(query"),
    ],
)
def test_a_snippet_has_the_class_that_was_saved(seen: Look, used: str) -> None:
    assert used in flavour_of(seen).snippet(seen, "./x", None)
