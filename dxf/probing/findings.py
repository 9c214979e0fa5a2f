"""Findings: what a probe has found out, and the answers of a registry that it is read from."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import DXFUnauthorizedError
from dxf.limits import Limits
from dxf.transport.response_body import discard
from dxf.transport.responses import error_codes, message_of, phrase_of

YES, NO, UNKNOWN = 'yes', 'no', 'unknown'
"""The answers to a question about what a registry can do."""

UNSUPPORTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""Statuses by which registries say that they do not offer something."""


class Finding(NamedTuple):
    """What a probe has found out.

    :param subject: what was looked at, such as ``chunked uploads``
    :param answer: ``yes``, ``no``, ``unknown`` or a text
    :param detail: what else is known; may be empty
    """

    subject: str
    answer: str
    detail: str = ''

    @property
    def line(self) -> str:
        """The finding as a line for people."""
        return f'{self.subject}: {self.answer}' + (f'; {self.detail}' if self.detail else '')


class Answer(NamedTuple):
    """The answer of a registry, of any status.

    :param response: ``None`` where the token server gave no token for the request
    """

    status: int
    codes: tuple[str, ...]
    response: Response | None

    @property
    def text(self) -> str:
        """The status, and the registry's own codes."""
        return ' '.join([str(self.status), *(self.codes or (phrase_of(self.status),))])

    @property
    def message(self) -> str:
        """The status, and the registry's own words."""
        if self.response is None or self.status < HTTPStatus.BAD_REQUEST:
            return self.text
        said = message_of(self.response.content)
        return f'{self.status} {said}' if said else self.text

    def header(self, name: str) -> str:
        """Return a header; empty without one."""
        return '' if self.response is None else self.response.headers.get(name, '')


def ask(request: Callable[..., Response], limits: Limits, method: str, path: str, /, **options: Any) -> Answer:
    """Make a request, and return its answer; a refusal is one too.

    :param request: makes a request of a repository or a registry, and raises an error for a refusal
    :raises requests.exceptions.RequestException: there was no answer
    """
    try:
        response: Response | None = request(method, path, **options)
    except (HTTPError, DXFUnauthorizedError) as error:
        response = error.response
        status = HTTPStatus.UNAUTHORIZED if response is None else response.status_code
        return Answer(int(status), () if response is None else error_codes(response), response)
    if response is None:  # a subclass answers in its own way
        return Answer(HTTPStatus.OK, (), None)
    if method == 'get':
        discard(response, limits)
    return Answer(response.status_code, (), response)
