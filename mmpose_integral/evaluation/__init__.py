"""Arithmetic (``functional``), metrics that mmpose runs, and the challenge's submission format."""
