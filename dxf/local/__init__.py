"""Files of this machine: written atomically, locked, read without surprise."""
