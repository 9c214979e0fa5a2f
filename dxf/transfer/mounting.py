"""Mounts: a blob of one repository becomes one of another, and the same request as a question.

A mount from the repository itself finds out in one round trip whether it has a blob, and opens an upload if not.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository
"""

from http import HTTPStatus
from urllib.parse import urlencode

from requests import Response
from requests.exceptions import RequestException

from dxf.exceptions import DXFError, DXFMountFailed, DXFProtocolError, DXFUnauthorizedError
from dxf.transfer.outcome import status_of
from dxf.transfer.target import Target
from dxf.transfer.upload_session import UPLOADS, UploadSession, cancel_upload, next_url
from dxf.transport.attempts import RETRIED, is_transient
from dxf.transport.responses import check_digest_header, names_digest

MAX_ASKED = 1 << 20
"""Bytes of the largest blob that is asked for by a mount; for a larger one HEAD comes first.

A registry that ignores the question gets the first blob although it has it. 1 MiB takes 0.08 s on a line of 100 Mbit/s,
about as long as the round trip that is saved. A large upload takes so much longer that one more request costs nothing.
"""


def mount(target: Target, repository: str, digest: str, size: int | None) -> None:
    """Make a blob of another repository of the same registry a blob of this one.

    :param size: the blob's, if it is known
    :raises DXFMountFailed: the registry does not do it
    """
    response = _request(target, repository, digest)
    if response.status_code == HTTPStatus.ACCEPTED:  # it opened an upload instead
        cancel_upload(target, next_url(response))
    if response.status_code != HTTPStatus.CREATED:
        raise DXFMountFailed(f'the registry did not mount {digest} from {repository}')
    check_digest_header(response, digest)
    is_proven = names_digest(response, digest) and not target.doubts(digest)
    if not is_proven and target.find(digest, size, acknowledged=True) is None:
        raise DXFMountFailed(f'the registry accepted the mount of {digest} from {repository}, but does not have it')


def find_or_open(target: Target, session: UploadSession, digest: str, size: int) -> bool:
    """Return whether the registry confirms that it has a blob; if not, ``session`` may be open for it.

    :param session: of the blob, not open yet
    :raises DXFHTTPError: the registry refused
    """
    answers = target.mount_answers
    try:
        is_found = _may_ask(target, digest, size) and _ask(target, session, digest)
        # An open session means that the blob is missing, if the registry does not just ignore the question.
        if not is_found and (answers.is_useless or not session.url):
            is_found = target.find(digest, size) is not None
    except BaseException:
        session.cancel()
        raise
    if is_found:
        session.cancel()
    answers.expects_blob = is_found
    return is_found


def _may_ask(target: Target, digest: str, size: int) -> bool:
    """Return whether to ask for a blob by a mount; else HEAD is better, whose response has the length, too.

    A blob that is probably there costs one request in both ways.
    """
    answers = target.mount_answers
    is_expected = answers.expects_blob or digest in target.known
    return size <= MAX_ASKED and not is_expected and not answers.is_useless and digest not in target.doubtful


def _ask(target: Target, session: UploadSession, digest: str) -> bool:
    """Return whether the registry confirms that it has a blob. It may open the session instead.

    Some registries ignore the question, and open an upload for a blob that they have (zot); ECR mounts only what a
    manifest names: https://github.com/aws/containers-roadmap/issues/2860. So where no response has been 201 yet, a blob
    that is known to be there is asked for once, and the session is used for the other one.
    """
    answers = target.mount_answers
    sample = next(iter(target.known), None)
    if sample is not None and answers.begin_comparison() and not _confirms(target, session, sample):
        answers.is_useless = True
        return False
    return _confirms(target, session, digest)


def _confirms(target: Target, session: UploadSession, digest: str) -> bool:
    """Ask the registry to mount a blob from the repository itself, and return whether it says that it is there."""
    answers = target.mount_answers
    response = _answer(target, digest)
    if response is None:
        return False
    if response.status_code == HTTPStatus.CREATED and names_digest(response, digest):
        answers.is_proven = True
        return True
    try:
        session.take(response)
    except DXFError:  # no session, or none that can be used: HEAD and another POST find out what is wrong
        answers.is_useless = True
    return False


def _answer(target: Target, digest: str) -> Response | None:
    """Return the response to the question; ``None`` if the registry refuses it, so that HEAD has to find out.

    Registries refuse mounts in many ways, though they take uploads:
    https://github.com/containerd/containerd/issues/14086 (403), https://github.com/regclient/regclient/issues/398. To
    try again would only cost time (the latter): HEAD comes next, and is tried again.
    """
    try:
        return _request(target, target.repository, digest, limits=target.limits._replace(retries=0))
    except DXFUnauthorizedError as error:
        if error.response is None or _is_password_refused(error.response, target):
            raise
    except DXFProtocolError:  # a redirect that is not followed
        target.mount_answers.is_useless = True
    except RequestException as error:
        status = status_of(error)
        if status is None and not (target.limits.retries and is_transient(error)):
            raise
        if status is not None and status not in RETRIED:
            target.mount_answers.is_useless = True
    return None


def _is_password_refused(response: Response, target: Target) -> bool:
    """Return whether a 401 means that a password is wrong. It is not sent once more: accounts may be locked for that.

    A token may allow to pull and not to push, or not to mount, and HEAD is answered then.
    """
    return not response.url.startswith(target.url) or \
        response.headers.get('WWW-Authenticate', '').lower().startswith('basic')


def _request(target: Target, repository: str, digest: str, **options: object) -> Response:
    """Ask the registry to mount a blob."""
    query = urlencode({'mount': digest, 'from': repository})
    return target.request('post', f'{UPLOADS}?{query}', data=b'', **options)
