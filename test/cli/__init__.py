"""The tests of dxf.main and dxf.cli: commands, settings, messages, terminals."""
