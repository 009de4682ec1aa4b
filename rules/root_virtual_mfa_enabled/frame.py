"""What the rule takes from rdklib, without boto3, which rdklib imports first.

Only rdklib's ClientFactory uses boto3, and clients.py stands in for that.  With all that boto3 imports in turn it would be a
fifteenth of a cold start, and a rule that runs once a day starts cold every time.  So rdklib gets a module in its place that
is boto3 as soon as something of it is used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["ClientFactory", "ComplianceType", "ConfigRule", "Evaluation", "InvalidParametersError"]


class _Boto3OnDemand(ModuleType):
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever boto3 has
        self.withdraw()
        return getattr(import_module("boto3"), name)

    def withdraw(self) -> None:
        """Leave the name to boto3 itself, for everybody else."""
        if sys.modules.get("boto3") is self:
            del sys.modules["boto3"]


_boto3 = _Boto3OnDemand("boto3")
sys.modules.setdefault("boto3", _boto3)
try:
    from rdklib import ClientFactory, ComplianceType, ConfigRule, Evaluation, InvalidParametersError
finally:
    _boto3.withdraw()
