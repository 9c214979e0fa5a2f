"""The servers that the tests run against, and the tests of these servers."""
