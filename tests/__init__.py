"""Tests of Liangfa. Folders are levels: unit, conformance, service, system, faults, architecture, evaluation."""
