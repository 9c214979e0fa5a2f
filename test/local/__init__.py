"""The tests of dxf.local: files of this machine, and where output goes."""
