"""Made people: a documented simulator of vital signs at minutes and at seconds, and a library of faults.

Always `simulated`, never a measurement. Model, numbers and limits: docs/models/physiology.md.
"""
