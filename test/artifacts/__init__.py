"""The tests of dxf.artifacts: files and folders that are pushed and pulled with their names."""
