"""What is deployed, as CloudFormation describes its stack, and the commands that mend it: pure, without input or output.

Whatever AWS gave is quoted in a command: copied into a shell, the command runs itself and nothing else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from organization.visible import quoted

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

STACK_NAME = "root-virtual-mfa"
CONFORMANCE_PACK_NAME = "root-virtual-mfa"
AGGREGATOR_NAME = "root-virtual-mfa"
FUNCTION_ROLE_NAME = "root-virtual-mfa-function"
EVALUATION_ROLE_NAME = "root-virtual-mfa-evaluation"
ROLE_NAMES = (
    FUNCTION_ROLE_NAME,
    EVALUATION_ROLE_NAME,
    "root-virtual-mfa-remediation",
    "root-virtual-mfa-reevaluation",
    "root-virtual-mfa-events",
    "root-virtual-mfa-credential-removal",
)
"""Of the account that the stack is in."""
ACCOUNT_STACK_NAME = "root-virtual-mfa-account"
"""The stack of account.yaml in the management account, where a delegated administrator has the function."""
FORWARDER_STACK_NAME = "root-virtual-mfa-region-forwarder"
"""Of region-forwarder.yaml, where it is deployed by hand."""
FORWARDED_REGION = "us-east-1"
"""Where AWS records what root does in IAM, which is forwarded to other home Regions."""

RULE_NAME = "root-virtual-mfa-enabled"
"""Of the rule that a deployment for one account makes."""
PACK_RULE_PREFIX = f"{RULE_NAME}-conformance-pack-"
"""How the name of the rule begins that the conformance pack makes; AWS Config appends a suffix, another in each account."""

DEPLOY = "make deploy CONFIG_ENV=organization"
PACK_TEMPLATE = "conformance_packs/root-virtual-mfa.yaml"


# What means itself in a shell and in make, between double quotes too.
_PLAIN = re.compile(r"[\w@%+=:,./ -]*", re.ASCII)


def is_our_rule(rule_name: str) -> bool:
    """Tell whether a rule has the name of this package's: by itself, or in a conformance pack.

    Anybody who administers an account can give a rule such a name: statuses.py tells which one counts.
    """
    return rule_name == RULE_NAME or rule_name.startswith(PACK_RULE_PREFIX)


def stack_set_name(stack_name: str) -> str:
    """Return the name that template.yaml gives its StackSet."""
    return f"{stack_name}-account"


def deploy_with(**parameters: str) -> str:
    """Return the command that deploys with parameters of the template; on a stack that is there, those not named stay."""
    if not parameters:
        return DEPLOY
    overrides = " ".join(quoted(f"{name}={value}") for name, value in parameters.items())
    arguments = f"--parameter-overrides {overrides}"
    # make hands ARGS to a shell, after it has put variables in the place of each $.
    return f"{DEPLOY} ARGS=" + (f'"{arguments}"' if _PLAIN.fullmatch(arguments) else quoted(arguments.replace("$", "$$")))


def deploy_account_command(region: str, central_account_id: str) -> str:
    """Return the command that gives an account what an evaluation needs, for the function in `central_account_id`."""
    return (
        f"aws cloudformation deploy --region {quoted(region)} --stack-name {ACCOUNT_STACK_NAME} --template-file account.yaml "
        f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides {quoted(f'CentralAccountId={central_account_id}')}"
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployed stack of template.yaml.  Account ids are strings of 12 digits; `organization_id` is empty for one account.

    `log_group_name` is empty where it is not known.  `pack_parameters` and `pack_excluded` are what the conformance pack was
    put with; no parameters (None) where there is no pack.
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
    conformance_pack_name: str = CONFORMANCE_PACK_NAME
    stack_set_name: str = ""
    aggregator_name: str = AGGREGATOR_NAME
    log_group_name: str = ""
    excluded: frozenset[str] = frozenset()
    invoking: frozenset[str] = frozenset()
    no_root_credentials: str = "COMPLIANT"
    pack_parameters: Mapping[str, str] | None = None
    pack_excluded: tuple[str, ...] = ()

    @property
    def in_management_account(self) -> bool:
        """Whether the function is in the organization's management account."""
        return self.account_id == self.management_account_id

    @property
    def watches_management_account(self) -> bool:
        """Whether the management account has what an evaluation needs."""
        return self.in_management_account or self.management_account_has_role

    # --- Commands. Those of CloudFormation and AWS Config are for the account of the deployment, unless they say otherwise. ---

    def put_pack_again(self) -> str:
        """Return the command that puts the conformance pack again, as it is, into every account."""
        if self.pack_parameters is None:
            return DEPLOY
        parameters = " ".join(
            quoted(f"ParameterName={name},ParameterValue={value}") for name, value in sorted(self.pack_parameters.items())
        )
        excluded = f" --excluded-accounts {' '.join(map(quoted, self.pack_excluded))}" if self.pack_excluded else ""
        return (
            f"aws configservice put-organization-conformance-pack {self._in_region} "
            f"--organization-conformance-pack-name {quoted(self.conformance_pack_name)} --template-body file://{PACK_TEMPLATE} "
            f"--conformance-pack-input-parameters {parameters}{excluded}"
        )

    def stack_instances(self, operation: str, account_id: str, *further: str) -> str:
        """Return the command for an operation (create, update, delete) on the stack instance of an account."""
        options = [self._in_region, f"--stack-set-name {quoted(self.stack_set_name)}"]
        if not self.in_management_account:
            options.append("--call-as DELEGATED_ADMIN")
        targets = f"OrganizationalUnitIds={self.organization_root_id},Accounts={account_id},AccountFilterType=INTERSECTION"
        options += [f"--deployment-targets {quoted(targets)}", f"--regions {quoted(self.region)}", *further]
        return f"aws cloudformation {operation}-stack-instances {' '.join(options)}"

    def deploy_management_account(self) -> str:
        """Return the command that gives the management account its role, to be run with credentials of that account."""
        return deploy_account_command(self.region, self.account_id)

    def show_failures(self, account_id: str) -> tuple[str, ...]:
        """Return the command that shows why evaluations of an account failed; none where the log group is not known."""
        if not self.log_group_name:
            return ()
        pattern = f'{{ ($.message = "evaluation failed") && ($.account = "{account_id}") }}'
        log = f"{self._in_region} --log-group-name {quoted(self.log_group_name)}"
        return (f"aws logs filter-log-events {log} --filter-pattern {quoted(pattern)}",)

    def show_recorder(self) -> str:
        """Return the command that shows whether an account's recorder is on, to be run with credentials of that account."""
        return f"aws configservice describe-configuration-recorder-status {self._in_region}"

    def show_rules(self, names: Iterable[str]) -> str:
        """Return the command that describes rules of an account, to be run with credentials of that account."""
        return f"aws configservice describe-config-rules {self._in_region} --config-rule-names {' '.join(map(quoted, names))}"

    def show_rules_of_pack(self, name: str) -> str:
        """Return the command that lists the rules of a conformance pack, to be run with credentials of its account."""
        pack = f"--conformance-pack-name {quoted(name)}"
        return f"aws configservice describe-conformance-pack-compliance {self._in_region} {pack}"

    def delete_rule(self, name: str) -> str:
        """Return the command that deletes a rule of an account, to be run with credentials of that account."""
        return f"aws configservice delete-config-rule {self._in_region} --config-rule-name {quoted(name)}"

    @property
    def _in_region(self) -> str:
        return f"--region {quoted(self.region)}"


def from_stack(stack: "StackTypeDef", physical_ids: Mapping[str, str]) -> Deployment:
    """Read a deployment from its stack as DescribeStacks gives it.

    `physical_ids` are those of its resources by logical id: a stack whose creation failed in one account of the organization
    has no outputs, and that is when the report is wanted most.
    """
    partition, _, region, account_id = str(stack.get("StackId", "")).split(":")[1:5]
    outputs = {output.get("OutputKey"): output.get("OutputValue", "") for output in stack.get("Outputs", [])}
    parameters = {str(each.get("ParameterKey")): each.get("ParameterValue", "") for each in stack.get("Parameters", [])}
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
        conformance_pack_name=outputs.get("ConformancePackName") or CONFORMANCE_PACK_NAME,
        stack_set_name=outputs.get("StackSetName") or stack_set_name(stack["StackName"]),
        aggregator_name=outputs.get("AggregatorName") or parameters.get("AggregatorName") or AGGREGATOR_NAME,
        log_group_name=outputs.get("LogGroupName") or physical_ids.get("FunctionLogGroup", ""),
        excluded=_accounts(parameters.get("ExcludedAccounts", "")),
        invoking=_accounts(parameters.get("InvokingAccounts", "")),
        no_root_credentials=parameters.get("NoRootCredentials", "COMPLIANT"),
    )


def _accounts(listed: str) -> frozenset[str]:
    account_ids: Iterable[str] = (account_id.strip() for account_id in listed.split(","))
    return frozenset(account_id for account_id in account_ids if account_id)
