"""``python -m dxf``: the command line."""

import sys

from dxf.main import main

if __name__ == '__main__':
    sys.exit(main())
