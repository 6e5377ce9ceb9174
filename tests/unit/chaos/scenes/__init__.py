"""Scenarios in miniature, for the tests of their runner."""
