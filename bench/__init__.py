"""The benchmark of ``make bench``: dxf beside its peers on a real registry of this machine.

Measures and reports; asserts nothing. What must hold on every machine are counts, and the tests have those.
"""
