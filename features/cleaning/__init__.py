"""From raw rows to clean rows and rejected rows with a reason: none is lost, none is guessed."""

from features.cleaning.aliases import read_aliases
from features.cleaning.clean import clean
from features.cleaning.cleaned import Cleaned, source_mark
from features.cleaning.fields import FIELDS
from features.cleaning.rules import Company

__all__ = ["FIELDS", "Cleaned", "Company", "clean", "read_aliases", "source_mark"]
