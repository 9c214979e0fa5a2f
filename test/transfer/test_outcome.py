"""Outcomes: what an error means for an upload, as a table. What an upload does then is in test_upload_faults."""

import io
import json

import pytest
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import SSLError

from dxf.exceptions import DXFDigestMismatchError, DXFHTTPError, DXFSourceError
from dxf.transfer.outcome import (Attempt, DuplicateBytesError, FoundError, Outcome, classify, is_final, is_race,
                                  is_retryable)

from ..helpers.in_memory_registry import answer

FIRST = Attempt(0, 10, 100, 10, has_alternative=True)
"""The first part of ten; the blob might go in another size."""
SECOND = FIRST._replace(start=10, end=20, largest_part=10)
GROWN = FIRST._replace(start=10, end=50, largest_part=10)
LAST = FIRST._replace(start=90, end=100, largest_part=10)
WHOLE = FIRST._replace(end=100, part=100)
SMALL_WHOLE = WHOLE._replace(is_resumable=False)
"""A blob so small that asking how much of it arrived is not worth it."""


def refusal(status: int, code: str = '') -> DXFHTTPError:
    """Return the error of a registry that refuses."""
    response = answer(status)
    response.raw = io.BytesIO(json.dumps({'errors': [{'code': code}]}).encode())
    return DXFHTTPError('', response=response)


BROKEN = NoConnection()


TABLE = [
    pytest.param(FIRST, refusal(405), Outcome.OTHER_SIZE, id='no PATCH: Google'),
    pytest.param(FIRST, refusal(413), Outcome.OTHER_SIZE, id='too large: Cloudflare'),
    pytest.param(FIRST, refusal(416), Outcome.OTHER_SIZE, id='too large: GHCR'),
    pytest.param(FIRST, refusal(500), Outcome.OTHER_SIZE, id='first part, 500'),
    pytest.param(FIRST, refusal(404), Outcome.OTHER_SIZE, id='first part, 404'),
    pytest.param(FIRST, refusal(503), Outcome.RESUME, id='first part, 503: busy'),
    pytest.param(FIRST, refusal(429), Outcome.RESUME, id='first part, 429'),
    pytest.param(FIRST, BROKEN, Outcome.RESUME, id='first part, no answer'),
    pytest.param(FIRST, refusal(401), Outcome.FAIL, id='first part, 401'),
    pytest.param(FIRST, refusal(403), Outcome.FAIL, id='first part, 403'),
    pytest.param(FIRST, refusal(409), Outcome.FAIL, id='first part, 409'),
    pytest.param(FIRST, SSLError(), Outcome.FAIL, id='a wrong certificate'),
    pytest.param(FIRST._replace(has_alternative=False), refusal(405), Outcome.FAIL, id='no PATCH, nothing else left'),
    pytest.param(FIRST._replace(has_alternative=False), refusal(500), Outcome.RESTART, id='500, and nothing else left'),
    pytest.param(FIRST._replace(has_alternative=False), refusal(404), Outcome.RESTART, id='404, and nothing else left'),
    pytest.param(SECOND, refusal(405), Outcome.FAIL, id='such a part was taken before'),
    pytest.param(SECOND, refusal(404), Outcome.RESUME, id='second part, 404: ask for the session'),
    pytest.param(SECOND, refusal(416), Outcome.RESUME, id='second part, 416: ask for the session'),
    pytest.param(SECOND, refusal(500), Outcome.RESUME, id='second part, 500'),
    pytest.param(SECOND, DuplicateBytesError(''), Outcome.RESTART, id='some bytes are there twice'),
    pytest.param(FIRST, DuplicateBytesError(''), Outcome.RESTART, id='some bytes of the first part are there twice'),
    pytest.param(GROWN, refusal(413), Outcome.SMALLER_PARTS, id='a part has grown too large'),
    pytest.param(GROWN, refusal(500), Outcome.SMALLER_PARTS, id='a part has grown too large, 500'),
    pytest.param(GROWN._replace(has_alternative=False), refusal(413), Outcome.SMALLER_PARTS, id='nothing else left'),
    pytest.param(GROWN, refusal(503), Outcome.RESUME, id='a part has grown, but the registry is busy'),
    pytest.param(GROWN, BROKEN, Outcome.RESUME, id='a part has grown, but the connection broke'),
    pytest.param(GROWN._replace(largest_part=40), refusal(413), Outcome.FAIL, id='as large a part was taken before'),
    pytest.param(LAST, refusal(413), Outcome.OTHER_SIZE, id='the last part is too large for a PUT'),
    pytest.param(LAST, refusal(400), Outcome.FAIL, id='last part, 400'),
    pytest.param(LAST, refusal(500), Outcome.RESUME, id='last part, 500'),
    pytest.param(LAST, BROKEN, Outcome.RESUME, id='last part, no answer'),
    pytest.param(WHOLE, refusal(413), Outcome.OTHER_SIZE, id='the blob is too large for a PUT'),
    pytest.param(WHOLE, refusal(400), Outcome.OTHER_SIZE, id='one PUT, 400'),
    pytest.param(WHOLE, refusal(400, 'DIGEST_INVALID'), Outcome.FAIL, id='the blob is another: a fault of the source'),
    pytest.param(WHOLE, BROKEN, Outcome.RESUME, id='one PUT, no answer'),
    pytest.param(SMALL_WHOLE, BROKEN, Outcome.RESTART, id='a small PUT, no answer'),
    pytest.param(SMALL_WHOLE, refusal(503), Outcome.RESTART, id='a small PUT, 503'),
    pytest.param(SMALL_WHOLE, refusal(404), Outcome.RESTART, id='a small PUT, 404: the session is lost'),
]


@pytest.mark.parametrize(('attempt', 'error', 'outcome'), TABLE)
def test_an_error_has_one_of_five_outcomes(attempt: Attempt, error: Exception, outcome: Outcome) -> None:
    assert classify(error, attempt) is outcome


def test_every_outcome_is_in_the_table() -> None:
    assert {row.values[2] for row in TABLE} == set(Outcome)


@pytest.mark.parametrize(('error', 'retryable', 'race', 'final'), [
    pytest.param(BROKEN, True, False, False, id='no answer'),
    pytest.param(SSLError(), False, False, False, id='a wrong certificate'),
    pytest.param(refusal(400), False, True, True, id='400: Nexus has it from another process'),
    pytest.param(refusal(400, 'DIGEST_INVALID'), False, False, True, id='400 DIGEST_INVALID'),
    pytest.param(refusal(404), True, False, True, id='404'),
    pytest.param(refusal(408), True, False, False, id='408'),
    pytest.param(refusal(409), False, True, True, id='409'),
    pytest.param(refusal(412), False, True, True, id='412'),
    pytest.param(refusal(416), True, False, True, id='416'),
    pytest.param(refusal(429), True, False, False, id='429'),
    pytest.param(refusal(500), True, False, False, id='500'),
    pytest.param(refusal(501), False, False, False, id='501'),
])
def test_an_error_tells_whether_to_try_again_to_look_or_to_give_up(error: Exception, retryable: bool, race: bool,
                                                                   final: bool) -> None:
    assert (is_retryable(error), is_race(error), is_final(error)) == (retryable, race, final)


@pytest.mark.parametrize(('error', 'final'), [
    (FoundError(), True), (DXFDigestMismatchError('', ''), True), (DXFSourceError(''), True),
    (DuplicateBytesError(''), True), (KeyboardInterrupt(), False), (ValueError(), False)])
def test_an_upload_that_can_be_continued_is_not_final(error: BaseException, final: bool) -> None:
    assert is_final(error) is final
