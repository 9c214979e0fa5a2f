"""The command line: its parsers, its commands, and what they print."""
