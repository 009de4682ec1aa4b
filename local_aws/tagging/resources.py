"""The Resource Groups Tagging API: which resources have which tags. MiniStack keeps the tags, and sets and removes them.

Source: the API reference (GetResources: all resources that have tags, by type, key and value, in pages). Guess: the code for a
token that it never gave.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

_SERVICES = ("events", "lambda", "s3", "sns", "sqs")
"""The services whose resources exist here, as their ARNs name them."""
_COMPLIANCE = ("ExcludeCompliantResources", "IncludeComplianceDetails", "TagsPerPage")
_PAGE, _KEYS = 50, 1000


class TaggedResources:
    """The operations that read tags."""

    def __init__(self) -> None:
        """Read what MiniStack keeps."""
        self._collectors = ministack_seams.module("ministack.services.tagging")._COLLECTORS
        self._pages = Pages("InvalidParameterException", "The pagination token is invalid.", "PaginationToken")

    @property
    def operations(self) -> Operations:
        """Return what answers each operation."""
        return {
            "GetResources": self._get_resources,
            "GetTagKeys": self._get_keys,
            "GetTagValues": self._get_values,
            **dict.fromkeys(("TagResources", "UntagResources"), _check_keys),
        }

    def _get_resources(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in _COMPLIANCE if params.get(name)]
        if unknown:
            raise AwsError("InvalidParameterException", f"The local AWS does not emulate {', '.join(unknown)}.")
        arns, filters = params.get("ResourceARNList", []), params.get("TagFilters", [])
        if arns and len(params) > 1:
            raise AwsError("InvalidParameterException", "ResourceARNList cannot be specified with any other parameter.")
        found = [
            {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            for arn, tags in self._tagged()
            if (not arns or arn in arns)
            and _is_of_type(arn, params.get("ResourceTypeFilters", []))
            and all(_has(tags, each) for each in filters)
        ]
        page, token = self._pages.page(found, {**params, "MaxResults": params.get("ResourcesPerPage")}, _PAGE, of="resources")
        return {"ResourceTagMappingList": [*page], **({"PaginationToken": ""} | token)}

    def _get_keys(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        keys = sorted({key for _, tags in self._tagged() for key in tags})
        page, token = self._pages.page(keys, params, _KEYS, of="keys")
        return {"TagKeys": [*page], **({"PaginationToken": ""} | token)}

    def _get_values(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        values = sorted({tags[params["Key"]] for _, tags in self._tagged() if params["Key"] in tags})
        page, token = self._pages.page(values, params, _KEYS, of=params["Key"])
        return {"TagValues": [*page], **({"PaginationToken": ""} | token)}

    def _tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Find ARN and tags of each resource of the present account and Region that has tags."""
        for service in _SERVICES:
            for arn, tags in self._collectors[service]():
                if tags:
                    yield arn, {tag["Key"]: tag["Value"] for tag in tags}


def _check_keys(_: str, params: dict[str, Any]) -> None:
    """Refuse tags that AWS reserves. MiniStack does the rest."""
    for key in (*params.get("Tags", ()), *params.get("TagKeys", ())):
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidParameterException", f"Tag keys that begin with aws: are reserved for AWS: {key}")


def _is_of_type(arn: str, types: list[str]) -> bool:
    """Tell whether an ARN is of one of the types, "sns" or "lambda:function", or whether there are none."""
    service, _, _, resource = arn.split(":", 5)[2:]
    kinds = {service, f"{service}:{resource.replace('/', ':').partition(':')[0]}"}
    return not types or any(each in kinds for each in types)


def _has(tags: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    return wanted["Key"] in tags and (not wanted.get("Values") or tags[wanted["Key"]] in wanted["Values"])
