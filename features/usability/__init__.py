"""What the data can carry: errors, warnings and recommendations, each with its way out."""

from features.usability.check import CHECKS, check_ledger
from features.usability.finding import Finding, RejectedReason, Report, rejected_of

__all__ = ["CHECKS", "Finding", "RejectedReason", "Report", "check_ledger", "rejected_of"]
