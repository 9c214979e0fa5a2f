"""Options: one frozen record, given to a constructor or shared by ``from_base``, beside the keywords."""

import inspect
import pickle
from typing import Any

import pytest

import dxf
from dxf import DXF, DXFBase, Limits, Options
from dxf.exceptions import DXFCertificateError
from dxf.main import doit
from dxf.transport.proxies import Proxies

from ..helpers.endpoints import Endpoint
from ..servers.certificates import Certificates

REPO = 'fred/datalogger'


@pytest.fixture(name='options')
def make_options(certificates: Certificates) -> Options:
    """Options that all differ from the defaults."""
    return Options(limits=Limits(retries=1), cert=certificates.both, proxies=Proxies(https='http://proxy:1'), jobs=2,
                   schema='oci')


def test_each_of_these_options_differs_from_its_default(options: Options) -> None:
    assert not [name for name, value in Options()._asdict().items() if getattr(options, name) == value]


@pytest.mark.parametrize('change', [{'jobs': 3}, {'schema': 'v1'}, {'limits': Limits(retries=7)}])
def test_a_keyword_of_a_client_wins_over_its_options(options: Options, change: dict[str, Any]) -> None:
    assert DXF('localhost', REPO, options=options, **change).options == options.replace(**change)


def test_keywords_of_a_client_and_its_options_are_one_record(options: Options) -> None:
    client = DXF('localhost', REPO, limits=options.limits, cert=options.cert, schema='oci', jobs=2)
    assert client.options == options.replace(proxies=None)
    assert DXF('localhost', REPO, options=options).options is options
    assert DXFBase('localhost', limits=options.limits, cert=options.cert).options == \
        Options(limits=options.limits, cert=options.cert)


def test_options_cannot_be_changed(options: Options) -> None:
    with pytest.raises(AttributeError):
        setattr(options, 'jobs', 3)
    assert hash(options) == hash(pickle.loads(pickle.dumps(options)))
    assert pickle.loads(pickle.dumps(options)) == options


def test_options_are_given_by_keyword() -> None:
    kinds = {parameter.kind for parameter in inspect.signature(Options).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_a_repository_from_a_base_has_all_its_options(options: Options) -> None:
    base = DXFBase('localhost', options=options)
    client = DXF.from_base(base, REPO)
    assert client.options is options
    assert DXF.from_base(client, 'fred/other').options is options
    assert client.schema == 'oci'


class Narrow(DXF):
    """A subclass whose constructor takes no more than programs rely on."""

    def __init__(self, host: str, repo: str, auth: Any = None, insecure: bool = False, auth_host: str | None = None,
                 tlsverify: Any = True, timeout: Any = 20) -> None:
        super().__init__(host, repo, auth, insecure, auth_host, tlsverify, timeout)
        MADE.append(self)


class NarrowBase(DXFBase):
    """The same for a registry."""

    def __init__(self, host: str, auth: Any = None, insecure: bool = False, auth_host: str | None = None,
                 tlsverify: Any = True, timeout: Any = 20) -> None:
        super().__init__(host, auth, insecure, auth_host, tlsverify, timeout)
        MADE.append(self)


MADE: list[DXFBase] = []


def test_a_subclass_with_a_constructor_of_its_own_has_all_options_of_its_base(options: Options) -> None:
    assert Narrow.from_base(DXFBase('localhost', options=options), REPO).options is options


@pytest.mark.parametrize('name, kind, operands', [('DXF', Narrow, ['list-aliases', REPO]),
                                                  ('DXFBase', NarrowBase, ['list-repos'])])
def test_a_command_gives_its_settings_to_a_class_in_place_of_ours(
        open_registry: Endpoint, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[DXFBase],
        operands: list[str]) -> None:
    MADE.clear()
    monkeypatch.setattr(dxf, name, kind)
    doit(operands, {**open_registry.environ(), 'DXF_JOBS': '3', 'DXF_RETRIES': '2', 'DXF_SCHEMA': 'oci',
                    'DXF_TIMEOUT': '50'})
    assert [client.options for client in MADE] == [
        Options(limits=Limits(retries=2, stall_seconds=50), proxies=Proxies(), jobs=3, schema='oci')]


@pytest.mark.parametrize('wrong, error, text', [
    ({'jobs': 0}, ValueError, 'at least 1'),
    ({'jobs': 'many'}, TypeError, 'jobs is an int'),
    ({'schema': 'v3'}, ValueError, 'schema is one of v2, oci, v1'),
    ({'cert': '/nowhere.pem'}, DXFCertificateError, 'No such file'),
])
def test_a_value_that_cannot_be_right_is_refused(wrong: dict[str, Any], error: type[Exception], text: str) -> None:
    for make in (lambda: Options(**wrong), lambda: Options().replace(**wrong),
                 lambda: DXF('localhost', REPO, **wrong)):
        with pytest.raises(error, match=text):
            make()


def test_the_text_of_options_has_no_password() -> None:
    options = Options(proxies=Proxies(https='http://fred:s3cret@proxy:1'))
    assert 's3cret' not in repr(options) + repr(DXF('localhost', REPO, options=options))


@pytest.mark.parametrize('host, schema', [('localhost', 'v2'), ('oci:/nowhere', 'oci')])
def test_the_schema_depends_on_the_registry_where_none_is_given(host: str, schema: str) -> None:
    assert DXF(host, REPO).schema == DXF.from_base(DXFBase(host), REPO).schema == schema
    assert DXF(host, REPO, schema='v1').schema == 'v1'
