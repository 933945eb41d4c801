"""Figures that are files of their own."""
