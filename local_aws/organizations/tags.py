"""Organizations: the tags of the root, units, accounts and policies.

Sources: API model, organizations; https://docs.aws.amazon.com/organizations/latest/userguide/orgs_tagging.html.
Real answers take an empty list of tags, and keys that nothing has: see `refusals`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from local_aws.organizations import refusals
from local_aws.organizations.directory import paged

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_MOST = 50


class Tags:
    """The tags of everything that `exists` knows by its id."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        """Begin without tags."""
        self._exists = exists
        self._tags: dict[str, dict[str, str]] = {}
        self.reads: Operations = {"ListTagsForResource": self.list_tags_for_resource}
        self.changes: Operations = {"TagResource": self.tag_resource, "UntagResource": self.untag_resource}

    def check(self, tags: Sequence[Mapping[str, str]], resource_id: str | None = None) -> None:
        """Refuse tags that a resource cannot get; None: one that will be made. Raises AwsError."""
        keys = [tag["Key"] for tag in tags]
        if len(set(keys)) < len(keys):
            raise refusals.invalid("DUPLICATE_TAG_KEY", "Your request includes duplicate tag keys.")
        _refuse_system(keys)
        if len({*keys, *self._tags.get(resource_id or "", ())}) > _MOST:
            raise refusals.constraint(
                "MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource."
            )

    def put(self, resource_id: str, tags: Sequence[Mapping[str, str]]) -> None:
        """Give a resource tags that `check` has passed."""
        self._tags.setdefault(resource_id, {}).update({tag["Key"]: tag["Value"] for tag in tags})

    def forget(self, resource_id: str) -> None:
        """Take all tags from a resource, which is gone."""
        self._tags.pop(resource_id, None)

    def list_tags_for_resource(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the tags of a resource."""
        tags = self._tags.get(self._resource(params), {})
        return paged("Tags", [{"Key": key, "Value": value} for key, value in tags.items()], params)

    def tag_resource(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give a resource tags, or other values for tags that it has."""
        resource_id = self._resource(params)
        self.check(params["Tags"], resource_id)
        self.put(resource_id, params["Tags"])
        return {}

    def untag_resource(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Take tags from a resource."""
        resource_id = self._resource(params)
        _refuse_system(params["TagKeys"])
        for key in params["TagKeys"]:
            self._tags.get(resource_id, {}).pop(key, None)
        return {}

    def _resource(self, params: dict[str, Any]) -> str:
        resource_id: str = params["ResourceId"]
        if not self._exists(resource_id):
            raise refusals.missing("TargetNotFoundException")
        return resource_id


def _refuse_system(keys: Sequence[str]) -> None:
    if any(key.lower().startswith("aws:") for key in keys):
        message = "You specified a tag key that is a system tag, which you can't add, edit or delete."
        raise refusals.invalid("INVALID_SYSTEM_TAGS_PARAMETER", message)
