"""CloudWatch Logs: saved Logs Insights queries, which MiniStack lacks.

A query is saved as it is: only StartQuery reads it.  Sources: API model, logs (PutQueryDefinition has no
MalformedQueryException); users saw a definition whose query begins with a typographic quotation mark
(aws-cloudformation/cloudformation-coverage-roadmap#1867).
"""

import secrets
from typing import TYPE_CHECKING, Any

from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_LONGEST_PAGE = 1000
_PAGES = Pages("InvalidParameterException", "The specified nextToken is invalid.", "nextToken")
_LANGUAGE = "CWLI"
_MEMBERS = {"name", "queryString", "queryLanguage", "logGroupNames", "parameters"}


class SavedQueries:
    """The operations on query definitions."""

    def __init__(self, clock: Clock) -> None:
        """Begin without saved queries."""
        self._clock = clock
        self._queries: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._ids: dict[tuple[str, str, str], str] = {}
        """The id that a request got, by account, Region and client token."""
        self.operations: Operations = {
            "PutQueryDefinition": self.put_query_definition,
            "DescribeQueryDefinitions": self.describe_query_definitions,
            "DeleteQueryDefinition": self.delete_query_definition,
        }

    def put_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Save a query, or change the one whose id is given."""
        queries = self._of(account_id)
        query_id = params.get("queryDefinitionId")
        if query_id is not None and query_id not in queries:
            raise _no_query(query_id)
        if query_id is None:
            query_id = secrets.token_hex(16)
            if "clientToken" in params:
                query_id = self._ids.setdefault((*callers.scope(account_id), params["clientToken"]), query_id)
        kept = {name: value for name, value in params.items() if name in _MEMBERS}
        queries[query_id] = {"queryDefinitionId": query_id, "lastModified": int(self._clock.now().timestamp() * 1000), **kept}
        return {"queryDefinitionId": query_id}

    def describe_query_definitions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the saved queries whose names have the given prefix, in the given language."""
        prefix, language = params.get("queryDefinitionNamePrefix", ""), params.get("queryLanguage")
        found = [
            query
            for query in self._of(account_id).values()
            if query["name"].startswith(prefix) and language in {None, query.get("queryLanguage", _LANGUAGE)}
        ]
        page, token = _PAGES.page(found, params, _LONGEST_PAGE, of=f"query definitions {language} {prefix}")
        return {"queryDefinitions": page, **token}

    def delete_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a saved query."""
        if self._of(account_id).pop(params["queryDefinitionId"], None) is None:
            raise _no_query(params["queryDefinitionId"])
        return {"success": True}

    def _of(self, account_id: str) -> dict[str, dict[str, Any]]:
        return self._queries.setdefault(callers.scope(account_id), {})


def _no_query(query_id: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified query definition does not exist: {query_id}")
