"""The tests of dxf.reading and dxf.writing: blobs as files."""
