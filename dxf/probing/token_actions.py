"""The actions that a token allows, where it is one that can be read.

Nothing is proven by that: only the registry can verify a token.
https://distribution.github.io/distribution/spec/auth/jwt/
"""

from base64 import urlsafe_b64decode

from dxf.exceptions import DXFError
from dxf.strict_json import load_object

MAX_LENGTH = 64 << 10
"""Characters of a token that are read."""


def actions_of(token: str, repository: str) -> list[str] | None:
    """Return what a token allows in a repository, sorted; ``None`` for a token that cannot be read."""
    parts = token.split('.')
    if len(parts) != 3 or len(token) > MAX_LENGTH:
        return None
    try:
        access = load_object(urlsafe_b64decode(parts[1] + '=' * (-len(parts[1]) % 4))).get('access', [])
    except (DXFError, ValueError):
        return None
    found: set[str] = set()
    for entry in access if isinstance(access, list) else []:
        if isinstance(entry, dict) and (entry.get('type'), entry.get('name')) == ('repository', repository):
            actions = entry.get('actions')
            found |= {str(action) for action in actions} if isinstance(actions, list) else set()
    return sorted(found)
