"""The bytes of messages: what goes in comes out, and no bytes crash the reader."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steadycast import errors
from steadycast.errors import CallerError, SteadycastError
from steadycast.workers.envelope import EnvelopeError, failed_from, pack, raise_failed, unpack
from steadycast.workers.messages import MESSAGES, Failed, Hello, ViewerGone, WhepOffer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(
    st.one_of(
        st.builds(Hello, TEXT, st.integers(), st.integers(), TEXT),
        st.builds(WhepOffer, TEXT, st.lists(TEXT, max_size=5).map(tuple), TEXT),
        st.builds(ViewerGone, TEXT, TEXT),
    ),
    st.none() | st.integers(),
)
def test_there_and_back(message: Any, seq: int | None) -> None:
    envelope = unpack(pack(message, seq))
    assert (envelope.message, envelope.seq) == (message, seq)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    with contextlib.suppress(EnvelopeError):
        unpack(data)


@given(st.sampled_from(sorted(MESSAGES)), JSON, JSON)
def test_any_json_is_a_message_or_an_error(name: str, seq: Any, body: Any) -> None:
    with contextlib.suppress(EnvelopeError):
        unpack(json.dumps({"type": name, "seq": seq, "body": body}).encode())


ERRORS = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, SteadycastError)]


@given(st.sampled_from(ERRORS), TEXT, TEXT, st.none() | TEXT, st.none() | TEXT)
def test_every_error_comes_back_as_it_was(
    cls: type[SteadycastError], code: str, what: str, why: str | None, hint: str | None
) -> None:
    error = cls(code, what, why=why, hint=hint)
    failed = unpack(pack(failed_from(error), 1)).message
    assert isinstance(failed, Failed)
    try:
        raise_failed(failed)
    except SteadycastError as back:
        assert type(back) is cls
        assert (back.code, back.what, back.why, back.hint) == (code, what, why, hint)


def test_the_status_of_a_caller_error_comes_back() -> None:
    try:
        raise_failed(failed_from(CallerError("a", "b", status=415)))
    except CallerError as error:
        assert error.status == 415
