"""The tests of dxf.layout: a folder as a registry."""
