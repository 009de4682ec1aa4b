"""Reads what a deployment for the organization needs, for `preflight` and `deploy`, with calls that change nothing."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import boto3
from botocore.exceptions import ClientError

from organization import accounts, aws, deployment, units
from organization.accounts import ClientMaker
from organization.aggregator import sources_of
from organization.aws import Caller
from organization.deployment import BY_CONFORMANCE_PACK, RULE_DEPLOYMENT, RULE_NAME, UNITS, Deployment
from organization.invoke_permission import RESOURCE_POLICY
from organization.preflight import judging
from organization.preflight.judging import CONFIG_ROLE, STACK_SETS_ROLE, Aggregator, Organization, Recorder, Seen
from organization.statuses import Account, Unseen
from organization.units import Unit

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import RecordingGroupOutputTypeDef
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient


class Reader:
    """Reads everything that the checks judge, with calls that change nothing."""

    def __init__(self, session: boto3.Session, caller: Caller, stack_name: str) -> None:
        config = aws.patient()
        self._clients = ClientMaker(session, caller)
        self._caller = caller
        self._stack_name = stack_name
        self._cloudformation: CloudFormationClient = session.client("cloudformation", config=config)
        self._config: ConfigServiceClient = session.client("config", config=config)
        self._iam: IAMClient = session.client("iam", config=config)
        self._organizations: OrganizationsClient = session.client("organizations", config=config)

    def observe(self, role_name: str | None, given: Mapping[str, str], *, removal: bool | None) -> Seen:
        """Read everything; with `role_name`, every account's recorder too.

        `given` are the parameters that the operator gives the planned deployment; the stack keeps its others.  `removal`: what
        the removal of root credentials needs, too. None: if the deployment has it.
        """
        organization = aws.seen(self._organization)
        in_organization = isinstance(organization, Organization)
        managing = isinstance(organization, Organization) and organization.management_account_id == self._caller.account_id
        nothing = Unseen("Without an organization there is none to be seen.")
        root = aws.seen(self._root) if in_organization else nothing
        stack = aws.find_stack(self._cloudformation, self._stack_name)
        deployed = deployment.from_stack(stack, {}) if stack else None
        kept = deployment.parameters_of(stack) if stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS" else {}
        wanted = self._wanted(kept, given, organization)
        by_unit = judging.by_stack_set(wanted) or (deployed is not None and bool(deployed.organizational_unit_ids))
        found = (aws.seen(self._units) if in_organization else nothing) if by_unit else None
        if isinstance(found, tuple):
            # An account that moves meanwhile may be found twice: the last place counts.
            listed = {account.account_id: account for unit in found for account in unit.accounts}
            everyone: tuple[Account, ...] | Unseen = tuple(listed.values())
            if not units.problem(sorted(wanted.organizational_unit_ids), found):
                chosen = units.chosen(sorted(wanted.organizational_unit_ids), found)
                wanted = replace(wanted, organizational_unit_ids=frozenset(unit.unit_id for unit in chosen))
        else:
            everyone = aws.seen(self._accounts) if in_organization else nothing
        active = _active(everyone)
        aggregator = aws.seen(self._aggregator)
        removes = wanted.removes_root_credentials if removal is None else removal
        roles = [*([] if judging.by_stack_set(wanted) else [CONFIG_ROLE]), *([STACK_SETS_ROLE] if managing else [])]
        needed = judging.with_recorders(wanted, active, found)
        # A StackSet to organizational units may leave the caller's own account out.
        own = not wanted.organizational_unit_ids or isinstance(needed, Unseen) or self._caller.account_id in needed
        return Seen(
            account_id=self._caller.account_id,
            region=self._caller.region,
            partition=self._caller.partition,
            stack_name=self._stack_name,
            organization=organization,
            root_id=root if isinstance(root, Unseen) else root[0],
            has_policies=root if isinstance(root, Unseen) else root[1],
            accounts=active,
            units=found,
            trusted=aws.seen(self._trusted) if in_organization else nothing,
            delegated=aws.seen(partial(self._delegated, judging.services(wanted, removes=removes)))
            if in_organization
            else nothing,
            has_resource_policy=aws.seen(self._has_resource_policy),
            recorders=self._recorders(needed, role_name, own=own),
            aggregator=aggregator,
            service_linked_roles=self._service_linked_roles(roles),
            deployed=deployed,
            wanted=wanted,
            same_rule=self._same_rule(aggregator, wanted, deployed),
            taken={} if stack else self._taken(wanted, call_as="SELF" if managing else "DELEGATED_ADMIN"),
            root_features=(aws.seen(self._root_features) if in_organization else nothing) if removes else None,
        )

    def _wanted(
        self, kept: Mapping[str, str], given: Mapping[str, str], organization: Organization | Unseen | None
    ) -> Deployment:
        """Return the planned deployment, as far as its parameters say it."""
        names = {}
        if isinstance(organization, Organization):
            names = {"OrganizationId": organization.organization_id, "ManagementAccountId": organization.management_account_id}
        parameters = {**kept, **names, **given}
        if parameters.get(RULE_DEPLOYMENT, BY_CONFORMANCE_PACK) == BY_CONFORMANCE_PACK and UNITS not in given:
            parameters.pop(UNITS, None)  # a conformance pack has none, so `deploy` empties them
        caller = self._caller
        return deployment.planned(caller.account_id, caller.region, caller.partition, self._stack_name, parameters)

    # --- The organization ---

    def _organization(self) -> Organization | None:
        try:
            found = self._organizations.describe_organization()["Organization"]
        except self._organizations.exceptions.AWSOrganizationsNotInUseException:
            return None
        return Organization(found["Id"], found["MasterAccountId"], found["FeatureSet"] == "ALL")

    def _root(self) -> tuple[str, bool]:
        """Return the root's id, and whether service control policies are on. Source: API model, organizations, Root."""
        root = self._organizations.list_roots()["Roots"][0]
        types = root.get("PolicyTypes", [])
        return root["Id"], any(
            (each.get("Type"), each.get("Status")) == ("SERVICE_CONTROL_POLICY", "ENABLED") for each in types
        )

    def _accounts(self) -> tuple[Account, ...]:
        return tuple(accounts.of_organization(self._organizations))

    def _units(self) -> tuple[Unit, ...]:
        return tuple(accounts.units(self._organizations, lambda *_: None))

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

    def _recorders(
        self, accounts: tuple[str, ...] | Unseen, role_name: str | None, *, own: bool
    ) -> dict[str, Recorder | Unseen]:
        found = {self._caller.account_id: aws.seen(partial(_recorder, self._config))} if own else {}
        if role_name is None or isinstance(accounts, Unseen):
            return found
        others = [account_id for account_id in accounts if account_id != self._caller.account_id]
        with ThreadPoolExecutor(aws.THREADS) as pool:
            looked = pool.map(lambda account_id: aws.seen(partial(self._recorder_of, account_id, role_name)), others)
            return found | dict(zip(others, looked, strict=True))

    def _recorder_of(self, account_id: str, role_name: str) -> Recorder:
        assumed = self._clients.assume(account_id, role_name, "root-virtual-mfa-preflight")
        return _recorder(self._clients.make("config", assumed))

    def _aggregator(self) -> Aggregator | None:
        pages = self._config.get_paginator("describe_configuration_aggregators").paginate()
        aggregators = (each for page in pages for each in page["ConfigurationAggregators"])
        found = next((each for each in aggregators if each.get("OrganizationAggregationSource")), None)
        if found is None:
            return None
        name = found["ConfigurationAggregatorName"]
        return Aggregator(name, sources_of(self._config, name, self._caller.region))

    # --- What is there already ---

    def _same_rule(
        self, aggregator: Aggregator | Unseen | None, wanted: Deployment, deployed: Deployment | None
    ) -> tuple[str, ...] | Unseen | None:
        """Find accounts with a rule of the name that a StackSet's rule will have; only an aggregator shows them."""
        if not judging.by_stack_set(wanted) or (deployed and deployed.has_rule_in_stack_set):
            return None
        match aggregator:
            case None:
                return Unseen("The account has no aggregator of the organization, which would show the accounts' rules.")
            case Unseen():
                return aggregator
        return aws.seen(partial(self._with_rule, aggregator.name))

    def _with_rule(self, aggregator_name: str) -> tuple[str, ...]:
        pages = self._config.get_paginator("describe_aggregate_compliance_by_config_rules").paginate(
            ConfigurationAggregatorName=aggregator_name,
            Filters={"ConfigRuleName": RULE_NAME, "AwsRegion": self._caller.region},
        )
        return tuple(each["AccountId"] for page in pages for each in page["AggregateComplianceByConfigRules"])

    def _service_linked_roles(self, roles: list[str]) -> dict[str, bool | Unseen]:
        return {role: aws.seen(partial(self._has_role, role)) for role in roles}

    def _has_role(self, name: str) -> bool:
        try:
            self._iam.get_role(RoleName=name)
        except self._iam.exceptions.NoSuchEntityException:
            return False
        return True

    def _taken(self, wanted: Deployment, call_as: Literal["SELF", "DELEGATED_ADMIN"]) -> dict[str, bool | Unseen]:
        taken = {}
        for what in judging.names(wanted):
            kind, _, name = what.rpartition(" ")
            taken[what] = aws.seen(partial(self._is_there, kind, name, call_as))
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


def _active(found: tuple[Account, ...] | Unseen) -> tuple[Account, ...] | Unseen:
    if isinstance(found, Unseen):
        return found
    return tuple(sorted((each for each in found if each.state == "ACTIVE"), key=lambda account: account.account_id))
