"""The tests of the classes and functions that programs import: DXF, DXFBase, names, errors, copies, referrers."""
