"""Texts without anything that tells whom they are about. Pure.

What is found is masked more than too little; a person approves what came of it before anybody else sees it.
"""

from liangfa_joint_meeting.anonymising.masker import Masker, Named, Replaced

__all__ = ["Masker", "Named", "Replaced"]
