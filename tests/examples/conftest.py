"""The fixtures of tool_runs.py; tests import what they need by name from there, since many folders have a conftest."""

from tool_runs import namespace, powerless, run

__all__ = ["namespace", "powerless", "run"]
