"""CloudWatch Logs: saved Logs Insights queries, which MiniStack lacks."""

import secrets
from collections.abc import Callable
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError

Operations = dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]]


class SavedQueries:
    """The operations on query definitions."""

    def __init__(self, clock: Clock) -> None:
        """Begin without saved queries."""
        self._clock = clock
        self._queries: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.operations: Operations = {
            "PutQueryDefinition": self.put_query_definition,
            "DescribeQueryDefinitions": self.describe_query_definitions,
            "DeleteQueryDefinition": self.delete_query_definition,
        }

    def put_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Save a query, or change the one whose id is given."""
        queries = self._of(account_id)
        query_id = params.get("queryDefinitionId") or secrets.token_hex(16)
        if "queryDefinitionId" in params and query_id not in queries:
            raise _no_query(query_id)
        kept = {name: value for name, value in params.items() if name in {"name", "queryString", "logGroupNames"}}
        queries[query_id] = {"queryDefinitionId": query_id, "lastModified": int(self._clock.now().timestamp() * 1000), **kept}
        return {"queryDefinitionId": query_id}

    def describe_query_definitions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the saved queries whose names have the given prefix."""
        prefix = params.get("queryDefinitionNamePrefix", "")
        queries = self._of(account_id).values()
        return {"queryDefinitions": [query for query in queries if query["name"].startswith(prefix)]}

    def delete_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a saved query."""
        if self._of(account_id).pop(params["queryDefinitionId"], None) is None:
            raise _no_query(params["queryDefinitionId"])
        return {"success": True}

    def _of(self, account_id: str) -> dict[str, dict[str, Any]]:
        region = ministack_seams.module("ministack.core.responses").get_region()
        return self._queries.setdefault((account_id, region), {})


def _no_query(query_id: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified query definition does not exist: {query_id}")
