"""Reads what a deployment for the organization needs, for `preflight` and `deploy`, with calls that change nothing."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import boto3
from botocore.exceptions import ClientError

from organization import accounts, aws, deployment
from organization.aws import Caller
from organization.invoke_permission import RESOURCE_POLICY
from organization.preflight.judging import (
    CONFIG_ROLE,
    SERVICES,
    STACK_SETS_ROLE,
    Aggregator,
    Organization,
    Recorder,
    Seen,
    names,
    not_excluded,
)
from organization.removal import IAM
from organization.statuses import Source, Unseen

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import RecordingGroupOutputTypeDef
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_sts import STSClient

T = TypeVar("T")


class Reader:
    """Reads everything that the checks judge, with calls that change nothing."""

    def __init__(self, session: boto3.Session, caller: Caller, stack_name: str) -> None:
        config = aws.patient()
        self._session = session
        self._caller = caller
        self._stack_name = stack_name
        self._cloudformation: CloudFormationClient = session.client("cloudformation", config=config)
        self._config: ConfigServiceClient = session.client("config", config=config)
        self._iam: IAMClient = session.client("iam", config=config)
        self._organizations: OrganizationsClient = session.client("organizations", config=config)
        self._sts: STSClient = session.client("sts", config=config)

    def observe(self, role_name: str | None, *, removal: bool | None) -> Seen:
        """Read everything; with `role_name`, every account's recorder too.

        `removal`: what the removal of root credentials needs, too. None: if the stack has it.
        """
        organization = _seen(self._organization)
        in_organization = isinstance(organization, Organization)
        managing = isinstance(organization, Organization) and organization.management_account_id == self._caller.account_id
        nothing = Unseen("Without an organization there is none to be seen.")
        accounts = _seen(self._accounts) if in_organization else nothing
        stack = aws.find_stack(self._cloudformation, self._stack_name)
        deployed = deployment.from_stack(stack, {}) if stack else None
        removes = removal if removal is not None else deployed is not None and deployed.removes_root_credentials
        services = (*SERVICES, *([IAM] if removes else []))
        return Seen(
            account_id=self._caller.account_id,
            region=self._caller.region,
            partition=self._caller.partition,
            stack_name=self._stack_name,
            organization=organization,
            root_id=_seen(self._root_id) if in_organization else nothing,
            accounts=accounts,
            trusted=_seen(self._trusted) if in_organization else nothing,
            delegated=_seen(partial(self._delegated, services)) if in_organization else nothing,
            has_resource_policy=_seen(self._has_resource_policy),
            recorders=self._recorders(not_excluded(accounts, deployed), role_name),
            aggregator=_seen(self._aggregator),
            service_linked_roles=self._service_linked_roles([CONFIG_ROLE, *([STACK_SETS_ROLE] if managing else [])]),
            deployed=deployed,
            taken={} if stack else self._taken(call_as="SELF" if managing else "DELEGATED_ADMIN"),
            root_features=(_seen(self._root_features) if in_organization else nothing) if removes else None,
        )

    # --- The organization ---

    def _organization(self) -> Organization | None:
        try:
            found = self._organizations.describe_organization()["Organization"]
        except self._organizations.exceptions.AWSOrganizationsNotInUseException:
            return None
        return Organization(found["Id"], found["MasterAccountId"], found["FeatureSet"] == "ALL")

    def _root_id(self) -> str:
        root = self._organizations.list_roots()["Roots"][0]
        return root["Id"]

    def _accounts(self) -> tuple[str, ...]:
        found = accounts.of_organization(self._organizations)
        return tuple(sorted(each.account_id for each in found if each.state == "ACTIVE"))

    def _trusted(self) -> frozenset[str]:
        pages = self._organizations.get_paginator("list_aws_service_access_for_organization").paginate()
        return frozenset(each["ServicePrincipal"] for page in pages for each in page["EnabledServicePrincipals"])

    def _delegated(self, services: Iterable[str]) -> frozenset[str]:
        lister = self._organizations.get_paginator("list_delegated_administrators")
        return frozenset(
            service
            for service in services
            for page in lister.paginate(ServicePrincipal=service)
            for each in page["DelegatedAdministrators"]
            if each["Id"] == self._caller.account_id
        )

    def _root_features(self) -> frozenset[str]:
        return frozenset(self._iam.list_organizations_features()["EnabledFeatures"])

    def _has_resource_policy(self) -> bool:
        """Look for the resource type in the Region. Source: API reference, DescribeType."""
        try:
            self._cloudformation.describe_type(Type="RESOURCE", TypeName=RESOURCE_POLICY)
        except self._cloudformation.exceptions.TypeNotFoundException:
            return False
        return True

    # --- Recorders ---

    def _recorders(self, accounts: tuple[str, ...] | Unseen, role_name: str | None) -> dict[str, Recorder | Unseen]:
        found = {self._caller.account_id: _seen(partial(_recorder, self._config))}
        if role_name is None or isinstance(accounts, Unseen):
            return found
        others = [account_id for account_id in accounts if account_id != self._caller.account_id]
        with ThreadPoolExecutor(aws.THREADS) as pool:
            looked = pool.map(lambda account_id: _seen(partial(self._recorder_of, account_id, role_name)), others)
            return found | dict(zip(others, looked, strict=True))

    def _recorder_of(self, account_id: str, role_name: str) -> Recorder:
        where = (self._caller.partition, account_id, role_name)
        assumed = accounts.assume_role(self._sts, *where, "root-virtual-mfa-preflight")
        config: ConfigServiceClient = boto3.Session(region_name=self._caller.region).client(  # type: ignore[call-overload]  # knows no dictionary
            "config", config=aws.patient(), **assumed.for_client()
        )
        return _recorder(config)

    def _aggregator(self) -> Aggregator | None:
        pages = self._config.get_paginator("describe_configuration_aggregators").paginate()
        aggregators = (each for page in pages for each in page["ConfigurationAggregators"])
        found = next((each for each in aggregators if each.get("OrganizationAggregationSource")), None)
        if found is None:
            return None
        name = found["ConfigurationAggregatorName"]
        statuses = self._config.get_paginator("describe_configuration_aggregator_sources_status").paginate(
            ConfigurationAggregatorName=name
        )
        sources = {
            each["SourceId"]: Source(each["LastUpdateStatus"] == "SUCCEEDED", each.get("LastErrorMessage", ""))
            for page in statuses
            for each in page["AggregatedSourceStatusList"]
            if each.get("AwsRegion", self._caller.region) == self._caller.region
        }
        return Aggregator(name, sources)

    # --- What is there already ---

    def _service_linked_roles(self, roles: list[str]) -> dict[str, bool | Unseen]:
        return {role: _seen(partial(self._has_role, role)) for role in roles}

    def _has_role(self, name: str) -> bool:
        try:
            self._iam.get_role(RoleName=name)
        except self._iam.exceptions.NoSuchEntityException:
            return False
        return True

    def _taken(self, call_as: Literal["SELF", "DELEGATED_ADMIN"]) -> dict[str, bool | Unseen]:
        taken = {}
        for what in names(self._stack_name, self._caller.region):
            kind, _, name = what.rpartition(" ")
            taken[what] = _seen(partial(self._is_there, kind, name, call_as))
        return taken

    def _is_there(self, kind: str, name: str, call_as: Literal["SELF", "DELEGATED_ADMIN"]) -> bool:
        if kind == "role":
            return self._has_role(name)
        try:
            match kind:
                case "conformance pack":
                    self._config.describe_organization_conformance_packs(OrganizationConformancePackNames=[name])
                case "aggregator":
                    self._config.describe_configuration_aggregators(ConfigurationAggregatorNames=[name])
                case "StackSet":
                    self._cloudformation.describe_stack_set(StackSetName=name, CallAs=call_as)
        except ClientError as error:
            if aws.code_of(error) in _NOT_THERE:
                return False
            raise
        return True


# Source: API models of config and cloudformation.
_NOT_THERE = frozenset(
    {
        "NoSuchOrganizationConformancePackException",
        "NoSuchConfigurationAggregatorException",
        "StackSetNotFoundException",
    }
)


_RESOURCE_COMPLIANCE = "AWS::Config::ResourceCompliance"


def _recorder(config: "ConfigServiceClient") -> Recorder:
    statuses = config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    if not statuses:
        return Recorder.NONE
    if not any(each.get("recording") for each in statuses):
        return Recorder.OFF
    recorders = config.describe_configuration_recorders()["ConfigurationRecorders"]
    records = any(_records_compliance(each.get("recordingGroup", {})) for each in recorders)
    return Recorder.ON if records else Recorder.WITHOUT_COMPLIANCE


def _records_compliance(group: "RecordingGroupOutputTypeDef") -> bool:
    """Tell whether a recording group has the compliance of resources. Source: API model, config, RecordingGroup."""
    strategy = group.get("recordingStrategy", {}).get("useOnly")
    if strategy == "EXCLUSION_BY_RESOURCE_TYPES":
        return _RESOURCE_COMPLIANCE not in group.get("exclusionByResourceTypes", {}).get("resourceTypes", [])
    if strategy == "INCLUSION_BY_RESOURCE_TYPES" or not group.get("allSupported", True):
        return _RESOURCE_COMPLIANCE in group.get("resourceTypes", [])
    return True


def _seen(look: Callable[[], T]) -> T | Unseen:
    """Read something; if AWS refuses, return why."""
    try:
        return look()
    except ClientError as error:
        return Unseen(aws.sentence_of(error))
