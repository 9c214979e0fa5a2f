"""The tests of the project itself: architecture, documentation, examples, benchmark, packaging."""
