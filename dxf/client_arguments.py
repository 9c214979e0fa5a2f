"""Arguments of the clients: how a registry is reached, with whose credential, and within which limits.

``arguments`` has those of their methods. ``parameters`` calls the checks with the value, the parameter's name and the
function's. No message quotes a value: it may be a secret, or large.
"""

import os
from collections.abc import Collection
from typing import Any

from dxf.arguments import BYTES, check_count, check_home, check_text, kind_of
from dxf.rate_limit import RateLimit


class Shown:
    """A public attribute that shows a private one.

    It is no property: a subclass that was written before dxf had it may have an attribute of that name itself.

    :param name: the private attribute's
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> str:
        return str(getattr(instance, self._name, ''))


NO = ('0', 'false', 'no', 'off', 'none')
_YES = ('1', 'true', 'yes', 'on')
"""What variables and files of settings hold in place of a truth value."""

AUTH = 'auth=lambda dxf, response: dxf.authenticate(USERNAME, PASSWORD, response=response)'
"""How what answers challenges is written."""


def check_auth(auth: Any, _name: str, _function: str) -> None:
    """Check that what is to answer challenges can be called; requests itself takes a pair of user and password.

    :raises TypeError: it cannot, or is the function that returns it
    """
    if getattr(auth, '__name__', '') == 'from_docker_config':
        raise TypeError('auth is what from_docker_config returns: write auth=from_docker_config()')
    if auth is not None and not callable(auth):
        raise TypeError(f'auth is a function: {AUTH}')


def check_insecure(insecure: Any, _name: str, _function: str) -> None:
    """Check whether http is to be used: the text 'false' would count as true.

    :raises TypeError: a text in place of a truth value
    """
    if isinstance(insecure, str) and insecure.lower() in NO:
        raise TypeError(f'insecure is True or False, and not {kind_of(insecure)}: write insecure=False')


def check_tlsverify(tlsverify: Any, _name: str, _function: str) -> None:
    """Check whether, or by which file, certificates are verified: the text 'false' would be the path of a file.

    :raises TypeError: a text in place of a truth value
    """
    wanted = 'tlsverify is True, False or the path of a file of CA certificates'
    if isinstance(tlsverify, BYTES):
        raise TypeError(f'{wanted}, and not {kind_of(tlsverify)}')
    word = tlsverify.lower() if isinstance(tlsverify, str) and not os.path.lexists(tlsverify) else ''
    if word in (*NO, *_YES):
        raise TypeError(f'{wanted}, and not a str: write tlsverify={word in _YES}')
    if isinstance(tlsverify, (str, os.PathLike)):
        check_home(tlsverify, 'tlsverify')


def check_host_type(host: Any, name: str, _function: str) -> None:
    """Check that the name of a registry is a text.

    :param name: the argument's
    :raises TypeError: it is not
    """
    if not isinstance(host, str):
        check_text(host, name, "'registry.example.com:5000', '' for Docker Hub, or 'oci:./folder'")


def check_actions(actions: Any, _name: str, _function: str) -> None:
    """Check the actions that a token is to allow.

    :raises TypeError: they are neither a text nor several
    """
    if not isinstance(actions, str) and not (
            isinstance(actions, Collection) and all(isinstance(each, str) for each in actions)):
        raise TypeError("actions is a str, or several in a list: write actions=['pull', 'push']")


def check_response(response: Any, _name: str, _function: str) -> None:
    """Check that a challenge is a response of a registry.

    :raises TypeError: it is not
    """
    if not hasattr(response, 'status_code'):
        raise TypeError(f'response is a Response, and not {kind_of(response)}: write {AUTH}')


def check_options(options: Any, _name: str, _function: str) -> None:
    """Check that options are ours.

    :raises TypeError: they are not
    """
    if isinstance(options, type) or not hasattr(options, 'limits'):
        raise TypeError(f'options is an Options, and not {kind_of(options)}: write dxf.Options(jobs=...)')


def check_cert(cert: Any, _name: str, _function: str) -> None:
    """Check that a client certificate is given by one path or two.

    :raises TypeError: it is not
    """
    pair = cert if isinstance(cert, (tuple, list)) else (cert, cert)
    if len(pair) != 2 or not all(isinstance(each, (str, os.PathLike)) for each in pair):
        raise TypeError(f"cert is the path of a file, or a pair of paths, and not {kind_of(cert)}: write "
                        "cert=('certificate.pem', 'key.pem')")


def check_proxies(proxies: Any, _name: str, _function: str) -> None:
    """Check that proxies are ours.

    :raises TypeError: they are not
    """
    if isinstance(proxies, type) or not hasattr(proxies, 'bypassed'):
        raise TypeError(f'proxies is a Proxies, and not {kind_of(proxies)}: write '
                        'dxf.transport.proxies.Proxies(https=...)')


def check_limits(limits: Any, _name: str, _function: str) -> None:
    """Check that limits are ours, and numbers.

    :raises TypeError: they are not
    :raises ValueError: one is less than 0
    """
    if isinstance(limits, type) or not hasattr(limits, '_asdict'):
        raise TypeError(f'limits is a Limits, and not {kind_of(limits)}: write dxf.Limits(retries=...)')
    numbers = limits._asdict()
    rate = numbers.pop('rate', None)
    if rate is not None and not isinstance(rate, RateLimit):
        raise TypeError(f'rate of limits is a RateLimit, and not {kind_of(rate)}: write dxf.RateLimit(10 << 20)')
    for name, value in numbers.items():
        if not isinstance(value, (int, float)):
            raise TypeError(f'{name} of limits is a number, and not {kind_of(value)}')
        if value < 0:
            raise ValueError(f'{name} of limits is a number of at least 0')


def check_jobs(jobs: Any, name: str, function: str) -> None:
    """Check how many things are to be done at once.

    :raises TypeError: it is no whole number
    :raises ValueError: it is less than 1
    """
    check_count(jobs, name, function, ' of things to do at once', 1)


def check_timeout(timeout: Any, _name: str, _function: str) -> None:
    """Check that seconds are a number, or a pair of numbers; urllib3 would refuse others at the first request.

    :raises TypeError: they are not
    :raises ValueError: a number of 0 or less
    """
    parts = timeout if isinstance(timeout, (tuple, list)) else (timeout,)
    wrong = [part for part in parts if isinstance(part, (str, *BYTES, tuple, list, bool, dict, set))]
    if wrong or isinstance(timeout, list) or isinstance(timeout, tuple) and len(timeout) != 2:
        raise TypeError(f'timeout is a number of seconds, or a pair of two, and not {kind_of((*wrong, timeout)[0])}')
    if any(isinstance(part, (int, float)) and part <= 0 for part in parts):
        raise ValueError('timeout is a number of seconds above 0, or None for no limit')
