"""Screening administrative cases for suspected crimes (疑似涉嫌犯罪筛查). Pure: text in, explained result out.

Three steps, each of which can be shown to a person: recognise candidate offences, extract their facts with the words
they came from, evaluate the filing standards. A hit is a prompt for review by a person, never a finding of guilt.
"""

from liangfa_screening.library import Library, load_library
from liangfa_screening.results import Earlier, OffenceFound, ScreeningInput, ScreeningResult
from liangfa_screening.screener import Screener

__all__ = [
    "Earlier",
    "Library",
    "OffenceFound",
    "Screener",
    "ScreeningInput",
    "ScreeningResult",
    "load_library",
]
