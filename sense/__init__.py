"""SENSE kit: databases in, a released text-to-SQL model out.

Modules are imported by name (`from sense.schema import read_schema`); importing this package
loads nothing heavy.
"""
