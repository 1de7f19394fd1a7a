"""Utilities for all other folders."""
