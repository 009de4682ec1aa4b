"""CloudFormation: documents of Systems Manager.

Source: https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm, aws-ssm-document.
"""

import secrets
from typing import Any

from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError, Service, refuse_unknown
from local_aws.core import ministack_seams
from local_aws.ssm.documents import Documents, content_of


class DocumentType:
    """AWS::SSM::Document."""

    _UPDATED = ("Content", "DocumentFormat", "TargetType", "VersionName")
    """Changes of these make a new version if UpdateMethod is NewVersion, else a new document."""
    _KNOWN = (*_UPDATED, "DocumentType", "Name", "Tags", "UpdateMethod")

    def __init__(self, documents: Documents) -> None:
        """Keep documents in `documents`."""
        self._call = Service("ssm", documents)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Create the document."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        return self._create(properties.get("Name") or generated(stack_name, logical_id, max_len=128), properties)

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Make a new version and the default of it or, if UpdateMethod is Replace, make a new document.

        A new document needs another name: if the template names the document, it has to change the name.
        """
        refuse_unknown(properties, self._KNOWN)
        name = properties.get("Name")
        if name not in {None, physical_id} or properties.get("DocumentType") != old.get("DocumentType"):
            return self._replace(physical_id, name if name != physical_id else None, properties)
        if any(properties.get(key) != old.get(key) for key in self._UPDATED):
            if properties.get("UpdateMethod", "Replace") != "NewVersion":
                if name is not None:
                    message = (
                        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                        f"Rename {name} and update the stack again."
                    )
                    raise ResourceFailedError(message)
                return self._replace(physical_id, None, properties)
            version = self._call("UpdateDocument", {"DocumentVersion": "$LATEST", **self._params(physical_id, properties)})
            made = {"Name": physical_id, "DocumentVersion": version["DocumentDescription"]["DocumentVersion"]}
            self._call("UpdateDocumentDefaultVersion", made)
        if properties.get("Tags") != old.get("Tags"):
            which = {"ResourceType": "Document", "ResourceId": physical_id}
            self._call("RemoveTagsFromResource", {**which, "TagKeys": [tag["Key"] for tag in old.get("Tags", [])]})
            self._call("AddTagsToResource", {**which, "Tags": properties.get("Tags", [])})
        return physical_id, {}

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        listed = self._call("ListDocuments", {"Filters": [{"Key": "Name", "Values": [physical_id]}]})["DocumentIdentifiers"]
        if any(document["Name"] == physical_id for document in listed):
            self._call("DeleteDocument", {"Name": physical_id})

    def _create(self, name: str, properties: Properties) -> Provisioned:
        refuse_unknown(properties, self._KNOWN)
        optional = {key: properties[key] for key in ("DocumentType", "Tags") if key in properties}
        self._call("CreateDocument", {**self._params(name, properties), **optional})
        return name, {}

    def _replace(self, physical_id: str, name: str | None, properties: Properties) -> Provisioned:
        """Create another document; MiniStack deletes the earlier one."""
        return self._create(name or f"{physical_id.rpartition('-')[0]}-{secrets.token_hex(6).upper()}", properties)

    def _params(self, name: str, properties: Properties) -> dict[str, Any]:
        given = {key: properties[key] for key in self._UPDATED if key in properties}
        return {**given, "Name": name, "Content": content_of(properties["Content"], properties.get("DocumentFormat", "JSON"))}
