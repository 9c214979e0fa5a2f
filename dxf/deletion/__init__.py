"""Deletion of aliases, with what keeps the other aliases whole."""
