"""The command line: what stands between the parser in ``main`` and the library."""
