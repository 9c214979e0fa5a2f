"""The errors that programs catch: their texts, their attributes, and what else they are."""

import copy
import pickle
from collections.abc import Callable

import pytest
import requests

import dxf
from dxf import exceptions as ex

DIGESTS = ('sha256:' + 'b' * 64, 'sha256:' + 'a' * 64)


def identity(error: Exception) -> Exception:
    """Return the error itself."""
    return error


def pickled(error: Exception) -> Exception:
    """Return the error after a journey to another process."""
    found = pickle.loads(pickle.dumps(error))
    assert isinstance(found, Exception)
    return found


JOURNEYS = pytest.mark.parametrize('journey', [identity, copy.copy, copy.deepcopy, pickled])
Journey = Callable[[Exception], Exception]


@JOURNEYS
@pytest.mark.parametrize('kind, got, expected, text', [
    (ex.DXFUnexpectedError, 1, 'a', None),  # the contract does not give its text
    (ex.DXFUnexpectedStatusCodeError, 500, 401, 'expected status code 401, got 500'),
    (ex.DXFDigestMismatchError, *DIGESTS, f'expected digest {DIGESTS[1]}, got {DIGESTS[0]}'),
    (ex.DXFUnexpectedKeyTypeError, 'oct', 'EC', 'expected key type EC, got oct'),
    (ex.DXFUnexpectedDigestMethodError, 'md5', 'sha256', 'expected digest method sha256, got md5'),
    (ex.DXFSizeMismatchError, 1, 2, None),
])
def test_an_unexpected_error_says_what_came_and_what_should_have(
        kind: type[ex.DXFUnexpectedError], got: object, expected: object, text: str | None,
        journey: Journey) -> None:
    error = journey(kind(got, expected))
    assert error.__class__ is kind
    assert isinstance(error, ex.DXFUnexpectedError)
    assert (error.got, error.expected) == (got, expected)
    if text is not None:
        assert str(error) == text


@pytest.mark.parametrize('value', [None, 7, b'x', ('a', 'b'), {'a': 1}])
def test_what_came_and_what_should_have_may_be_of_any_type(value: object) -> None:
    kinds: list[type[ex.DXFUnexpectedError]] = [ex.DXFUnexpectedError, *ex.DXFUnexpectedError.__subclasses__()]
    for kind in kinds:
        error = kind(value, value)
        assert (error.got, error.expected) == (value, value)
        assert str(value) in str(error)


@JOURNEYS
@pytest.mark.parametrize('kind, text', [
    (ex.DXFUnauthorizedError, 'unauthorized'),
    (ex.DXFAuthInsecureError, 'Auth requires HTTPS'),
])
def test_some_texts_are_relied_upon(kind: type[ex.DXFError], text: str, journey: Journey) -> None:
    error = journey(kind())
    assert error.__class__ is kind
    assert str(error) == text


@JOURNEYS
@pytest.mark.parametrize('error, attribute, value', [
    (ex.DXFDisallowedSignatureAlgorithmError('none'), 'alg', 'none'),
    (ex.DXFUnsupportedSchemaType('text/html'), 'media_type', 'text/html'),
    (ex.DXFPlatformDataNotFound('linux/amd64'), 'platform', 'linux/amd64'),
    (ex.DXFSizeMismatchError(1000, 1 << 70, DIGESTS[0]), 'digest', DIGESTS[0]),
    (ex.DXFFileNotFoundError('a.csv', ['b.csv']), 'name', 'a.csv'),
])
def test_some_errors_name_what_they_are_about(error: ex.DXFError, attribute: str, value: str,
                                              journey: Journey) -> None:
    found = journey(error)
    assert getattr(found, attribute) == value
    assert value in str(found)


@pytest.mark.parametrize('name', [
    'DXFDisallowedSignatureAlgorithmError', 'DXFSignatureChainNotImplementedError', 'DXFUnauthorizedError',
    'DXFAuthInsecureError', 'DXFDigestNotAvailableForSchema1', 'DXFMountFailed', 'DXFUnsupportedSchemaType',
    'DXFPlatformDataNotFound', 'DXFUnexpectedError'])
def test_these_stand_directly_under_the_root(name: str) -> None:
    assert getattr(dxf.exceptions, name).__bases__ == (ex.DXFError,)


def test_unexpected_errors_stand_under_theirs() -> None:
    for kind in (ex.DXFUnexpectedStatusCodeError, ex.DXFDigestMismatchError, ex.DXFUnexpectedKeyTypeError,
                 ex.DXFUnexpectedDigestMethodError):
        assert kind.__bases__ == (ex.DXFUnexpectedError,)


def test_the_root_is_an_ordinary_exception() -> None:
    assert ex.DXFError.__bases__ == (Exception,)


@JOURNEYS
@pytest.mark.parametrize('error', [
    ex.DXFSignatureChainNotImplementedError(), ex.DXFDigestNotAvailableForSchema1(), ex.DXFMountFailed(),
    ex.DXFInvalidNameError('invalid'), ex.DXFInvalidDocumentError('invalid'), ex.DXFProtocolError('wrong'),
    ex.DXFSourceError('changed'), ex.DXFMissingSignaturesError('signatures')])
def test_every_error_has_a_text_that_travels(error: ex.DXFError, journey: Journey) -> None:
    assert str(error)
    assert journey(error).__class__ is error.__class__
    assert str(journey(error)) == str(error)


@pytest.mark.parametrize('error, also', [
    pytest.param(ex.DXFInvalidNameError('x'), ValueError, id='a name is a value'),
    pytest.param(ex.DXFInvalidDocumentError('x'), ValueError, id='a document is a value'),
    pytest.param(ex.DXFMissingSignaturesError('signatures'), KeyError, id='what misses is a key'),
    pytest.param(ex.DXFHTTPError('404 Not Found'), requests.exceptions.HTTPError, id="requests' own"),
    pytest.param(ex.DXFHTTPError('404 Not Found'), OSError, id='as all that requests raises'),
])
def test_some_errors_tell_two_truths(error: Exception, also: type[Exception]) -> None:
    for kind in (ex.DXFError, also):
        with pytest.raises(kind):
            raise error


def test_missing_signatures_do_not_show_as_a_quoted_key() -> None:
    assert str(ex.DXFMissingSignaturesError('signatures')) == 'the schema 1 manifest carries no signatures'


@JOURNEYS
def test_an_http_error_carries_its_response(journey: Journey) -> None:
    response = requests.Response()
    response.status_code = 404
    response.raw = None
    error = journey(ex.DXFHTTPError('404 Not Found', response=response))
    assert isinstance(error, ex.DXFHTTPError)
    assert str(error) == '404 Not Found'
    assert error.response is not None
    assert error.response.status_code == 404
