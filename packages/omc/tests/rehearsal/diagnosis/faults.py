"""All faults, by name and in a fixed order."""

from __future__ import annotations

from rehearsal.diagnosis import faults_of_data, faults_of_services
from rehearsal.diagnosis.fault import FAULTS, Fault, Truth

__all__ = ["FAULTS", "Fault", "Truth", "faults_of_data", "faults_of_services"]
