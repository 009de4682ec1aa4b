"""What is deployed, as CloudFormation describes its stack, and the commands that mend it: pure, without input or output."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

DEPLOY = "make deploy CONFIG_ENV=organization"
PACK_TEMPLATE = "conformance_packs/root-virtual-mfa.yaml"


def stack_set_name(stack_name: str) -> str:
    """Return the name that template.yaml gives its StackSet."""
    return f"{stack_name}-account"


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

    def deploy_with(self, **parameters: str) -> str:
        """Return the command that deploys the stack again with other parameters; those not named keep their values."""
        overrides = " ".join(f"{name}={value}" for name, value in parameters.items())
        return f'{DEPLOY} ARGS="--parameter-overrides {overrides}"' if overrides else DEPLOY

    def put_pack_again(self) -> str:
        """Return the command that puts the conformance pack again, as it is, into every account."""
        if self.pack_parameters is None:
            return DEPLOY
        parameters = " ".join(
            f"ParameterName={name},ParameterValue={value}" for name, value in sorted(self.pack_parameters.items())
        )
        excluded = f" --excluded-accounts {' '.join(self.pack_excluded)}" if self.pack_excluded else ""
        return (
            f"aws configservice put-organization-conformance-pack --region {self.region} "
            f"--organization-conformance-pack-name {self.conformance_pack_name} --template-body file://{PACK_TEMPLATE} "
            f"--conformance-pack-input-parameters {parameters}{excluded}"
        )

    def stack_instances(self, operation: str, account_id: str, *further: str) -> str:
        """Return the command for an operation (create, update, delete) on the stack instance of an account."""
        options = [f"--region {self.region}", f"--stack-set-name {self.stack_set_name}"]
        if not self.in_management_account:
            options.append("--call-as DELEGATED_ADMIN")
        targets = f"OrganizationalUnitIds={self.organization_root_id},Accounts={account_id},AccountFilterType=INTERSECTION"
        options += [f"--deployment-targets {targets}", f"--regions {self.region}", *further]
        return f"aws cloudformation {operation}-stack-instances {' '.join(options)}"

    def deploy_management_account(self) -> str:
        """Return the command that gives the management account its role, to be run with credentials of that account."""
        return (
            f"aws cloudformation deploy --region {self.region} --stack-name {ACCOUNT_STACK_NAME} --template-file account.yaml "
            f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides CentralAccountId={self.account_id}"
        )

    def show_failures(self, account_id: str) -> tuple[str, ...]:
        """Return the command that shows why evaluations of an account failed; none where the log group is not known."""
        if not self.log_group_name:
            return ()
        pattern = f'{{ ($.message = "evaluation failed") && ($.account = "{account_id}") }}'
        log = f"--region {self.region} --log-group-name {self.log_group_name}"
        return (f"aws logs filter-log-events {log} --filter-pattern '{pattern}'",)

    def show_recorder(self) -> str:
        """Return the command that shows whether an account's recorder is on, to be run with credentials of that account."""
        return f"aws configservice describe-configuration-recorder-status --region {self.region}"


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
