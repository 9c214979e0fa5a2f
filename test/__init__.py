"""The tests of dxf, and the real servers that they run against."""
