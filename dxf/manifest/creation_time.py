"""Creation times: when a manifest was made, by its own annotations. No other document is read.

https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys
"""

import re
from datetime import datetime, timedelta, timezone

from dxf.strict_json import Json

CREATED = 'org.opencontainers.image.created'

_TIME = r'(?a)(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))'
"""A time of RFC 3339: https://www.rfc-editor.org/rfc/rfc3339#section-5.6. Python 3.10 reads neither Z nor nanoseconds.
"""

ZERO = datetime(1, 1, 1, tzinfo=timezone.utc)
"""What programs in Go write where they know no time: https://pkg.go.dev/time#Time.IsZero"""


def created(document: dict[str, Json]) -> datetime | None:
    """Return when a manifest or an index was made, in UTC; ``None`` if its annotations have no time.

    :param document: the manifest, as :func:`dxf.strict_json.load_object` returns it
    """
    annotations = document.get('annotations')
    return read_time(annotations.get(CREATED)) if isinstance(annotations, dict) else None


def read_time(value: Json) -> datetime | None:
    """Return the time that a text stands for, in UTC; ``None`` for everything else."""
    found = re.fullmatch(_TIME, value) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        local = datetime.fromisoformat(f'{day}T{clock}.{(fraction or "")[:6]:0<6}+00:00')
        ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        time = local + ahead if sign == '-' else local - ahead
    except (ValueError, OverflowError):  # a 13th month, or a year before the first
        return None
    return None if time == ZERO else time
