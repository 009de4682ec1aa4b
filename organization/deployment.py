"""What is deployed, as CloudFormation describes its stack: pure, without input or output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from organization import commands
from organization.account_lists import EXCLUDED, INVOKING, split
from organization.invoke_permission import ORGANIZATION, PARAMETER, POLICY_TYPE, RESOURCE_POLICY
from organization.removal import APPROVERS
from organization.statuses import Account

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackSetTypeDef, StackTypeDef

STACK_NAME = commands.STACK_NAME
CONFORMANCE_PACK_NAME = "root-virtual-mfa"
AGGREGATOR_NAME = "root-virtual-mfa"
FUNCTION_ROLE_NAME = "root-virtual-mfa-function"
EVALUATION_ROLE_NAME = "root-virtual-mfa-evaluation"
EVENTS_ROLE_NAME = "root-virtual-mfa-events"
"""The role with which EventBridge starts the runbooks."""
ROLE_NAMES = (
    FUNCTION_ROLE_NAME,
    EVALUATION_ROLE_NAME,
    "root-virtual-mfa-remediation",
    "root-virtual-mfa-reevaluation",
    EVENTS_ROLE_NAME,
    "root-virtual-mfa-credential-removal",
)
"""The roles in the account of the stack: all that the templates name, except that of the forwarder."""
RULE_NAME = "root-virtual-mfa-enabled"
"""The rule of a deployment for one account, and the one that a StackSet brings into each account."""
PACK_RULE_PREFIX = f"{RULE_NAME}-conformance-pack-"
"""The rule of the conformance pack: AWS Config appends a suffix, which differs in each account."""

RULE_DEPLOYMENT = "RuleDeployment"
BY_CONFORMANCE_PACK, BY_STACK_SET = "ConformancePack", "StackSet"
"""The parameter that says what brings the rule into the accounts of an organization, and its values."""

UNITS = "OrganizationalUnitIds"
"""The parameter that lists the organizational units that the StackSet goes to; empty: to the organization's root."""

_RULE_PARAMETERS = {
    "minimumVirtualMfaDevices": "MinimumVirtualMfaDevices",
    "nonVirtualMfa": "NonVirtualMfa",
    "noRootCredentials": "NoRootCredentials",
}
"""The rule's parameters, and the stack's that give their values."""


def is_our_rule(rule_name: str) -> bool:
    """Tell whether a rule has the name of this package's rule, alone or in a conformance pack.

    An account's administrator can give any rule this name: report/judging.py decides which one counts.
    """
    return rule_name == RULE_NAME or rule_name.startswith(PACK_RULE_PREFIX)


def stack_set_name(stack_name: str) -> str:
    """Return the name that template.yaml gives its StackSet."""
    return f"{stack_name}-account"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployed stack of template.yaml.  Account ids are strings of 12 digits; `organization_id` is empty for one account.

    `log_group_name` and `function_name` are empty if they are not known.  `excluded` and `listed` are the accounts of
    ExcludedAccounts and of InvokingAccounts, with their further parts.  `organizational_unit_ids` are the targets of the
    StackSet; none means the organization's root.  `rule_parameters` has those of the rule, by the names in its log lines,
    that the stack gives.  `pack_parameters` and `pack_excluded` are those that the conformance pack was deployed with;
    `pack_parameters` is None if there is no pack.  `emails` are the addresses that get notices or alarms.
    """

    stack_name: str
    stack_status: str
    account_id: str
    region: str
    partition: str
    organization_id: str = ""
    organization_root_id: str = ""
    management_account_id: str = ""
    management_account_has_role: bool = False
    rule_deployment: str = BY_CONFORMANCE_PACK
    organizational_unit_ids: frozenset[str] = frozenset()
    conformance_pack_name: str = CONFORMANCE_PACK_NAME
    stack_set_name: str = ""
    aggregator_name: str = AGGREGATOR_NAME
    log_group_name: str = ""
    function_name: str = ""
    excluded: frozenset[str] = frozenset()
    invoke_permission: str = ORGANIZATION
    function_policy_type: str = RESOURCE_POLICY
    listed: frozenset[str] = frozenset()
    removes_root_credentials: bool = False
    remediation: str = "Default"
    rule_parameters: Mapping[str, str] = field(default_factory=dict)
    pack_parameters: Mapping[str, str] | None = None
    pack_excluded: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    @property
    def in_management_account(self) -> bool:
        """Whether the function is in the organization's management account."""
        return self.account_id == self.management_account_id

    @property
    def call_as(self) -> Literal["SELF", "DELEGATED_ADMIN"]:
        """As whom to call about the StackSet with credentials of this account. Source: API reference, ListStackInstances."""
        return "SELF" if self.in_management_account else "DELEGATED_ADMIN"

    @property
    def has_rule_in_stack_set(self) -> bool:
        """Whether the StackSet brings the rule into the accounts of an organization, and not a conformance pack."""
        return bool(self.organization_id) and self.rule_deployment == BY_STACK_SET

    def target_above(self, unit_ids: Sequence[str]) -> str:
        """Return the nearest target of the StackSet above an account; "" if the StackSet does not go to it.

        `unit_ids`: the root and the organizational units above the account.  Only a StackSet with the rule has other targets
        than the organization's root.
        """
        if not (self.has_rule_in_stack_set and self.organizational_unit_ids):
            return self.organization_root_id
        return next((each for each in reversed(unit_ids) if each in self.organizational_unit_ids), "")

    @property
    def has_conformance_pack(self) -> bool:
        """Whether a conformance pack brings the rule into the accounts of an organization."""
        return bool(self.organization_id) and not self.has_rule_in_stack_set

    @property
    def is_being_changed(self) -> bool:
        """Whether CloudFormation is at work on the stack, for example to delete the former conformance pack."""
        return self.stack_status.endswith("_IN_PROGRESS")

    @property
    def watches_management_account(self) -> bool:
        """Whether the management account has what an evaluation needs."""
        return self.in_management_account or self.management_account_has_role

    def evaluates(self, account: Account) -> bool:
        """Whether the rule evaluates an account of the organization: neither suspended nor excluded, and in its scope."""
        if account.is_suspended or account.account_id in self.excluded:
            return False
        if account.account_id == self.management_account_id:
            return self.watches_management_account
        return self.has_in_scope(account)

    def has_in_scope(self, account: Account) -> bool:
        """Whether the rule is meant for an account: a StackSet to organizational units takes the accounts below them too.

        No StackSet reaches the management account: if it is watched, it is in scope wherever it is.
        """
        if not (self.has_rule_in_stack_set and self.organizational_unit_ids):
            return True
        is_watched = account.account_id == self.management_account_id and self.watches_management_account
        return is_watched or bool(self.target_above(account.unit_ids))

    @property
    def remediates(self) -> bool:
        """Whether the rule has AWS Config's remediation. What Default means: the parameter's description in template.yaml."""
        return self.remediation not in ({"Default", "Off"} if self.organization_id else {"Off"})

    @property
    def permitted(self) -> frozenset[str]:
        """The accounts that the function's policy lists by their ids."""
        return self.listed | {self.account_id, self.management_account_id}


def parameters_of(described: "StackTypeDef | StackSetTypeDef") -> dict[str, str]:
    """Return the parameters of a stack or a StackSet as CloudFormation describes it."""
    return {str(each.get("ParameterKey")): each.get("ParameterValue", "") for each in described.get("Parameters", [])}


def planned(account_id: str, region: str, partition: str, stack_name: str, parameters: Mapping[str, str]) -> Deployment:
    """Return what a deployment with these parameters will be, as far as they say it."""
    stack: StackTypeDef = {  # type: ignore[typeddict-item]  # nobody has created it yet
        "StackName": stack_name,
        "StackId": f"arn:{partition}:cloudformation:{region}:{account_id}:stack/{stack_name}",
        "StackStatus": "REVIEW_IN_PROGRESS",
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    }
    return from_stack(stack, {})


def from_stack(stack: "StackTypeDef", physical_ids: Mapping[str, str]) -> Deployment:
    """Read a deployment from its stack as DescribeStacks gives it.

    `physical_ids` are those of its resources by logical id.  A stack whose creation failed in one account of the organization
    has no outputs, and then the report matters most.
    """
    partition, _, region, account_id = str(stack.get("StackId", "")).split(":")[1:5]
    outputs = {output.get("OutputKey"): output.get("OutputValue", "") for output in stack.get("Outputs", [])}
    parameters = parameters_of(stack)
    return Deployment(
        stack_name=stack["StackName"],
        stack_status=stack["StackStatus"],
        account_id=account_id,
        region=region,
        partition=partition,
        organization_id=parameters.get("OrganizationId", ""),
        organization_root_id=parameters.get("OrganizationRootId", ""),
        management_account_id=parameters.get("ManagementAccountId", ""),
        management_account_has_role=parameters.get("ManagementAccountHasEvaluationRole") == "true",
        rule_deployment=parameters.get(RULE_DEPLOYMENT, BY_CONFORMANCE_PACK),
        organizational_unit_ids=frozenset(split(parameters.get(UNITS, ""))),
        conformance_pack_name=outputs.get("ConformancePackName") or CONFORMANCE_PACK_NAME,
        stack_set_name=outputs.get("StackSetName") or stack_set_name(stack["StackName"]),
        aggregator_name=outputs.get("AggregatorName") or parameters.get("AggregatorName") or AGGREGATOR_NAME,
        log_group_name=outputs.get("LogGroupName") or physical_ids.get("FunctionLogGroup", ""),
        function_name=outputs.get("FunctionArn", "").rpartition(":")[2]
        or physical_ids.get("RootVirtualMfaEnabledFunction", ""),
        excluded=EXCLUDED.read(parameters),
        invoke_permission=parameters.get(PARAMETER, ORGANIZATION),
        function_policy_type=parameters.get(POLICY_TYPE, RESOURCE_POLICY),
        listed=INVOKING.read(parameters),
        removes_root_credentials=bool(parameters.get(APPROVERS)),
        remediation=parameters.get("Remediation", "Default"),
        rule_parameters={name: parameters[given] for name, given in _RULE_PARAMETERS.items() if given in parameters},
        emails=tuple(dict.fromkeys(filter(None, (parameters.get("NoticeEmail"), parameters.get("AlarmEmail"))))),
    )
