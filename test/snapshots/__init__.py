"""The tests of dxf.snapshots: folders that are stored again and again, of which only what changed is sent."""
