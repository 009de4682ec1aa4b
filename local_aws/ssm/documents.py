"""Systems Manager documents of type Automation, and their versions.

Sources: API model, ssm; https://docs.aws.amazon.com/systems-manager/latest/userguide/documents.html
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import TYPE_CHECKING, Any

import yaml

from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from local_aws.ssm.runbooks import InvalidContentError, Parameter, Runbook, UnknownSchemaVersionError, parse, text

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

AUTOMATION = "Automation"
_TAGGED = "Document"
_LARGEST = 64 * 1024
"""The most bytes of a document. Source: https://docs.aws.amazon.com/general/latest/gr/ssm.html"""
_MOST_VERSIONS = 1000
_PAGE = 50
_PAGES = Pages("InvalidNextToken")
_PLATFORMS = ["Windows", "Linux", "MacOS"]
_RESERVED = ("aws-", "amazon", "amzn")
"""Prefixes that a name must not have.

Source: API model, CreateDocumentRequest.Name, and the resource provider of AWS::SSM::Document.
"""


@dataclass(frozen=True)
class Version:
    """A version of a document, with its content and the runbook that it holds."""

    number: int
    name: str | None
    content: str
    format: str
    target_type: str | None
    display_name: str | None
    created: datetime
    runbook: Runbook


@dataclass
class Document:
    """A document. `versions` are in their order."""

    name: str
    owner: str
    tags: dict[str, str]
    versions: dict[int, Version]
    default: int

    @property
    def latest(self) -> int:
        """The number of the newest version."""
        return max(self.versions)

    def version(self, number: str | None) -> Version | None:
        """Return a version by its number, $DEFAULT (also None) or $LATEST."""
        known = {None: self.default, "$DEFAULT": self.default, "$LATEST": self.latest}
        return self.versions.get(known[number] if number in known else int(number or 0))


class Documents:
    """The documents of every account and Region."""

    def __init__(self, clock: Clock) -> None:
        """Start without documents."""
        self._clock = clock
        self._documents: dict[callers.Scope, dict[str, Document]] = {}
        self._lock = RLock()
        self.operations: Operations = {
            "CreateDocument": self.create_document,
            "UpdateDocument": self.update_document,
            "UpdateDocumentDefaultVersion": self.update_document_default_version,
            "DescribeDocument": self.describe_document,
            "GetDocument": self.get_document,
            "ListDocuments": self.list_documents,
            "ListDocumentVersions": self.list_document_versions,
            "DeleteDocument": self.delete_document,
            "AddTagsToResource": self.add_tags_to_resource,
            "RemoveTagsFromResource": self.remove_tags_from_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    def find(self, account_id: str, region: str, name: str) -> Document | None:
        """Return a document by its name or ARN, or None."""
        document_name = name.removeprefix(f"arn:aws:ssm:{region}:{account_id}:document/")
        return self._documents.get((account_id, region), {}).get(document_name)

    def create_document(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a document. Its first version is the default."""
        _refuse_not_emulated(params, "Attachments", "Requires")
        if params.get("DocumentType", "Command") != AUTOMATION:
            message = f"The local AWS emulates documents of the DocumentType {AUTOMATION} only."
            raise AwsError("InvalidDocumentContent", message)
        name = params["Name"]
        if name.lower().startswith(_RESERVED):
            message = f"The name of a document does not begin with {', '.join(_RESERVED)}: {name}"
            raise AwsError("ValidationException", message)
        with self._lock:
            documents = self._documents.setdefault(callers.scope(account_id), {})
            if name in documents:
                message = f"There is a document {name} already."
                raise AwsError("DocumentAlreadyExists", message)
            version = self._version(1, params)
            documents[name] = Document(name, account_id, _tags(params), {1: version}, 1)
        return {"DocumentDescription": _description(documents[name], version)}

    def update_document(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a new version of a document. The default stays."""
        _refuse_not_emulated(params, "Attachments")
        with self._lock:
            document = self._get(account_id, params["Name"])
            if params.get("DocumentVersion", "$LATEST") not in {"$LATEST", str(document.latest)}:
                message = f"Only the latest version of {document.name}, which is {document.latest}, can be updated."
                raise AwsError("InvalidDocumentVersion", message)
            latest = document.versions[document.latest]
            version = self._version(document.latest + 1, {"DocumentFormat": "JSON", **params})
            if any(known.name == version.name is not None for known in document.versions.values()):
                message = f"There is a version with the name {version.name} already."
                raise AwsError("DuplicateDocumentVersionName", message)
            if (version.content, version.format) == (latest.content, latest.format):
                message = f"The content is that of version {latest.number}."
                raise AwsError("DuplicateDocumentContent", message)
            if len(document.versions) >= _MOST_VERSIONS:
                message = f"A document has {_MOST_VERSIONS} versions at most."
                raise AwsError("DocumentVersionLimitExceeded", message)
            document.versions[version.number] = version
        return {"DocumentDescription": _description(document, version)}

    def update_document_default_version(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Make a version the default."""
        with self._lock:
            document = self._get(account_id, params["Name"])
            version = _choose(document, params)
            document.default = version.number
        names = {"DefaultVersionName": version.name} if version.name else {}
        return {"Description": {"Name": document.name, "DefaultVersion": str(document.default), **names}}

    def describe_document(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a version of a document, by default the default version."""
        document = self._get(account_id, params["Name"])
        return {"Document": _description(document, _choose(document, params))}

    def get_document(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a version, by default the default version, in its own format."""
        document = self._get(account_id, params["Name"])
        version = _choose(document, params)
        if params.get("DocumentFormat", version.format) != version.format:
            message = f"The local AWS gives {document.name} in its own format, {version.format}, only."
            raise AwsError("ValidationException", message)
        return {
            **_summary(document, version),
            "Content": version.content,
            "DocumentType": AUTOMATION,
            "Status": "Active",
        }

    def list_documents(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the account's own documents. Amazon's are not emulated."""
        filters = [(given["Key"], given["Values"]) for given in params.get("Filters", [])]
        filters += [(given["key"], [given["value"]]) for given in params.get("DocumentFilterList", [])]
        documents = [
            document
            for _, document in sorted(self._documents.get(callers.scope(account_id), {}).items())
            if all(_passes(document, key, values) for key, values in filters)
        ]
        page, token = _PAGES.page(documents, params, _PAGE)
        return {"DocumentIdentifiers": [_identifier(document) for document in page], **token}

    def list_document_versions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the versions of a document, the newest first."""
        document = self._get(account_id, params["Name"])
        versions = sorted(document.versions.values(), key=lambda version: -version.number)
        page, token = _PAGES.page(versions, params, _PAGE)
        listed = [
            {**_summary(document, version), "IsDefaultVersion": version.number == document.default, "Status": "Active"}
            for version in page
        ]
        return {"DocumentVersions": listed, **token}

    def delete_document(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete one version of a document or, if the request names none, the whole document.

        AWS does not document which versions stay. Here the default version does, since a document needs one.
        """
        with self._lock:
            document = self._get(account_id, params["Name"])
            if "DocumentVersion" not in params and "VersionName" not in params:
                del self._documents[callers.scope(account_id)][document.name]
                return {}
            try:
                version = _choose(document, params)
            except AwsError as error:
                raise AwsError("InvalidDocument", error.message) from error  # the only code in the API model that fits
            if version.number == document.default:
                message = f"Version {version.number} of {document.name} is its default version."
                raise AwsError("InvalidDocumentOperation", message)
            del document.versions[version.number]
        return {}

    # Tags

    def add_tags_to_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Tag a document."""
        self._tagged(account_id, params).tags |= _tags(params)
        return {}

    def remove_tags_from_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Remove tags from a document."""
        document = self._tagged(account_id, params)
        document.tags = {key: value for key, value in document.tags.items() if key not in params["TagKeys"]}
        return {}

    def list_tags_for_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the tags of a document."""
        return {"TagList": _listed(self._tagged(account_id, params).tags)}

    def _tagged(self, account_id: str, params: Mapping[str, Any]) -> Document:
        if params["ResourceType"] != _TAGGED:
            message = f"The local AWS keeps tags of documents only, not of the type {params['ResourceType']}."
            raise AwsError("InvalidResourceType", message)
        document = self.find(*callers.scope(account_id), params["ResourceId"])
        if document is None:
            message = f"There is no document {params['ResourceId']}."
            raise AwsError("InvalidResourceId", message)
        return document

    def _get(self, account_id: str, name: str) -> Document:
        document = self.find(account_id, callers.scope(account_id)[1], name)
        if document is None:
            message = f"Document with name {name} does not exist."
            raise AwsError("InvalidDocument", message)
        return document

    def _version(self, number: int, params: Mapping[str, Any]) -> Version:
        content, document_format = params["Content"], params.get("DocumentFormat", "JSON")
        if len(content.encode()) > _LARGEST:
            message = f"The document has {len(content.encode())} bytes: {_LARGEST} are the most."
            raise AwsError("MaxDocumentSizeExceeded", message)
        if document_format == "TEXT":
            message = "A document of type Automation is in the format JSON or YAML."
            raise AwsError("InvalidDocumentContent", message)
        try:
            runbook = parse(content, document_format)
        except InvalidContentError as error:
            raise AwsError("InvalidDocumentContent", str(error)) from error
        except UnknownSchemaVersionError as error:
            raise AwsError("InvalidDocumentSchemaVersion", str(error)) from error
        return Version(
            number,
            params.get("VersionName"),
            content,
            document_format,
            params.get("TargetType"),
            params.get("DisplayName"),
            self._clock.now(),
            runbook,
        )


def _refuse_not_emulated(params: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if params.get(name):
            message = f"The local AWS does not emulate {name} of a document."
            raise AwsError("InvalidDocumentContent", message)


def _choose(document: Document, params: Mapping[str, Any]) -> Version:
    """Return the version that a request names by number or name."""
    number, name = params.get("DocumentVersion"), params.get("VersionName")
    named = [version for version in document.versions.values() if version.name == name is not None]
    version = document.version(number) if name is None else next(iter(named), None)
    if version is None or (name is not None and number is not None and version is not document.version(number)):
        message = f"Document {document.name} has no version {name or number}."
        raise AwsError("InvalidDocumentVersion", message)
    return version


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _given(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _summary(document: Document, version: Version) -> dict[str, Any]:
    return {
        "Name": document.name,
        "CreatedDate": version.created,
        "DocumentVersion": str(version.number),
        "DocumentFormat": version.format,
        **_given(DisplayName=version.display_name, VersionName=version.name),
    }


def _identifier(document: Document) -> dict[str, Any]:
    version = document.versions[document.default]
    return {
        **_summary(document, version),
        "Owner": document.owner,
        "PlatformTypes": _PLATFORMS,
        "DocumentType": AUTOMATION,
        "SchemaVersion": "0.3",
        "Tags": _listed(document.tags),
        **_given(TargetType=version.target_type),
    }


def _description(document: Document, version: Version) -> dict[str, Any]:
    return {
        **_identifier(document),
        **_summary(document, version),
        **_given(Description=version.runbook.description, TargetType=version.target_type),
        "Hash": hashlib.sha256(version.content.encode()).hexdigest(),
        "HashType": "Sha256",
        "Status": "Active",
        "LatestVersion": str(document.latest),
        "DefaultVersion": str(document.default),
        "Parameters": [_parameter(parameter) for parameter in version.runbook.parameters.values()],
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default = None if parameter.default is None else text(parameter.default)
    described = {"Name": parameter.name, "Type": "StringList" if parameter.type == "StringList" else "String"}
    return described | _given(Description=parameter.description) | ({} if default is None else {"DefaultValue": default})


def _passes(document: Document, key: str, values: Iterable[str]) -> bool:
    found = {
        "Name": [document.name],
        "Owner": ["Self", "Private", "All"],
        "DocumentType": [AUTOMATION],
        "PlatformTypes": _PLATFORMS,
    }
    if key.startswith("tag:"):
        return document.tags.get(key[4:]) in set(values)
    if key not in found:
        message = f"The local AWS does not know the filter {key}."
        raise AwsError("InvalidFilterKey", message)
    if key == "Name":  # a filter on names takes prefixes
        return any(document.name.startswith(value) for value in values)
    return any(value in found[key] for value in values)


def content_of(content: str | Mapping[str, Any], document_format: str) -> str:
    """Write a document's content, given as an object, in its format, as CloudFormation does."""
    if isinstance(content, str):
        return content
    return (
        yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)
        if document_format == "YAML"
        else json.dumps(content, indent=2)
    )
