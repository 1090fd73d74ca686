"""The fixtures of tool_runs.py; tests import other names from there, since many folders have a conftest."""

from tool_runs import extra, namespace, parquet, powerless, run, wire

__all__ = ["extra", "namespace", "parquet", "powerless", "run", "wire"]
