"""Passwords in addresses: no message shows them, and everything else is shown."""

import pytest

from dxf import DXF
from dxf.exceptions import DXFError
from dxf.masking import without_password

from ..helpers.processes import Runner

HASH = 'sha256:' + '0' * 64
WITH_PASSWORD = ('https://fred:s3cret@registry.example.com/fred/x', 'fred:s3cret@registry.example.com/fred/x',
                 'https://fred:s3cret/with/@signs@h/x', 'docker://:s3cret@h/x')
PLAIN = (f'fred/x:v1@{HASH}', 'registry.example.com:5000/fred/x@alias', f'docker://registry:5000/fred/x@{HASH}',
         'fred/x:v1@alias', 'set -alias fred/x v1', 'mail fred@example.com', f'x:v1@{HASH}')


@pytest.mark.parametrize('address', WITH_PASSWORD)
def test_no_message_shows_the_password_in_an_address(address: str) -> None:
    assert 's3cret' not in without_password(f"invalid repository '{address}': want letters")
    with pytest.raises(DXFError) as caught:
        DXF('registry.example.com', address)
    assert 's3cret' not in str(caught.value)
    run = Runner({'DXF_HOST': 'localhost:1', 'DXF_RETRIES': '0'})
    for typed in (['list-aliases', address], ['push-blob', 'fred/x', address], ['pull-blob', 'fred/x', f'@{address}'],
                  ['set-alias', 'fred/x', address, HASH], [address]):
        [line] = run.run(*typed).insist(2).lines
        assert 's3cret' not in line


def test_a_password_that_is_longer_than_a_message_shows_is_hidden_too() -> None:
    with pytest.raises(DXFError) as caught:
        DXF('registry.example.com', f'oauth2:{"s3cret" * 500}@registry.example.com/fred/x')
    assert 's3cret' not in str(caught.value)


@pytest.mark.parametrize('text', PLAIN)
def test_what_is_no_password_is_shown(text: str) -> None:
    assert without_password(text) == text
