"""Weights that are a pickle, made safetensors: only where a request allows it, and never in this process."""

from __future__ import annotations

from adapter_merge.pickles.convert import Converter

__all__ = ["Converter"]
