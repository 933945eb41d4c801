"""`expunge doctor`: is this installation whole, and what is there on this machine?"""

from editor.api.doctor.finding import Diagnosis, Finding
from editor.api.doctor.machine import check_devices, check_disks, check_memory
from editor.api.doctor.models import check_hub_cache, check_ner_models
from editor.api.doctor.packages import check_names, check_python, check_versions

__all__ = ["Diagnosis", "Finding", "run_doctor"]

CHECKS = (
    check_python,
    check_versions,
    check_names,
    check_devices,
    check_memory,
    check_ner_models,
    check_hub_cache,
    check_disks,
)
"""What is looked at, in the order in which it is told."""


def run_doctor() -> Diagnosis:
    """Look at the installation and the machine. Nothing is changed, downloaded or asked of a network."""
    return Diagnosis(findings=tuple(finding for check in CHECKS for finding in check()))
