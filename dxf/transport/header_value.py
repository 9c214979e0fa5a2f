"""The value of an Authorization header: what one can carry. ``auth`` decides which request does."""

import re

from dxf.exceptions import DXFInvalidNameError

_HEADER = r'(?a)[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?'


def check_authorization(value: str) -> str:
    """Return the value of an Authorization header if it fits in one; requests' own error would show it.

    :raises DXFInvalidNameError: it has line ends or other characters that do not
    """
    if re.fullmatch(_HEADER, value) is None:
        raise DXFInvalidNameError('invalid credential: it has characters that no header can carry')
    return value
