"""People: a register of their names, and whom a secret in a text is about."""

from detectors.people.register import Mention, Register

__all__ = ["Mention", "Register"]
