"""The tests of dxf.deletion: aliases and what they name are deleted."""
