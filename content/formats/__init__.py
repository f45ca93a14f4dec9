"""Formats in which content comes and goes."""
