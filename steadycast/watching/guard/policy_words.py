"""Texts that a policy is made of: names, words, commands."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _without_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a null character")
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Word = Annotated[str, Field(max_length=4096), AfterValidator(_without_null)]
Command = Annotated[tuple[Word, ...], Field(min_length=1, max_length=256)]
