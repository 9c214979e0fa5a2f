"""Masking: the passwords in addresses that users typed are hidden before a message shows them."""

import re

_USERINFO = (r'(?a)(?<=://)[^\s/\'"@:]*:(?![0-9]+/)[^\s\'"]{0,8192}@'
             r'|(?<![\w.:/@-])[^\s/\'"@:]+:(?![0-9]+/)[^\s/\'"@:]+@(?!sha[0-9]+:)')
"""``user:password@`` at the beginning of an address, and not ``name:tag@sha256:...`` nor ``host:5000/...@``.

https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1

The length has a bound, as a text of many ``://`` would take quadratic time; tokens have a few thousand characters.
"""


def without_password(text: str) -> str:
    """Return a text in which no address has a user name and a password."""
    return re.sub(_USERINFO, '...@', text) if '@' in text else text
