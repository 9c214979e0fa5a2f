"""The tests of dxf.transfer: uploads and downloads."""
