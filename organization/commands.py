"""Every command that the package tells the operator to run, built here and nowhere else: without input or output.

A command quotes whatever AWS gave: copied into a shell, it runs itself and nothing else.  Its arguments say what it is for,
except that `given_region` tells all of them which --region the operator gave.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from organization import runbooks
from organization.visible import quoted

if TYPE_CHECKING:
    from organization.deployment import Deployment

PROGRAM = "root-virtual-mfa"
"""The name of the command."""
STACK_NAME = "root-virtual-mfa"
"""The stack of template.yaml, unless somebody names it differently."""
ACCOUNT_STACK_NAME = "root-virtual-mfa-account"
"""The stack of account.yaml in the management account, if a delegated administrator has the function.

Its name does not depend on that of the deployment's stack: the roles that it makes have fixed names too.
"""
FORWARDER_STACK_NAME = "root-virtual-mfa-region-forwarder"
"""The stack of region-forwarder.yaml."""
FORWARDED_REGION = "us-east-1"
"""AWS records in this Region what root does in IAM. The forwarder sends it to another home Region."""
PACK_TEMPLATE = "conformance_packs/root-virtual-mfa.yaml"


def _aws(service: str, operation: str, *options: str, region: str | None = None) -> str:
    """Put a command of the AWS CLI together; the options are quoted already."""
    where = [f"--region {quoted(region)}"] if region is not None else []
    return " ".join([f"aws {service} {operation}", *where, *options])


def _config(operation: str, *options: str, region: str) -> str:
    return _aws("configservice", operation, *options, region=region)


def _cloudformation(operation: str, *options: str, region: str | None = None) -> str:
    return _aws("cloudformation", operation, *options, region=region)


# --- The command's own ---


_given_region: ContextVar[str | None] = ContextVar("given_region", default=None)


@contextmanager
def given_region(region: str | None) -> Iterator[None]:
    """Give every command of our own this --region meanwhile; None: it takes the Region that the operator has set.

    The operator gave it for one command: without it, the next one would look for the deployment in another Region.
    """
    given = _given_region.set(region)
    try:
        yield
    finally:
        _given_region.reset(given)


def _own(name: str, stack_name: str, *options: str, region: str | None = None) -> str:
    """Put a command of our own together; the options are quoted already.

    `stack_name` is the stack of the deployment: a command names it unless it is the default.  `region`: the
    home Region, for credentials of another account, whose Region may differ.
    """
    region = region if region is not None else _given_region.get()
    where = [f"--region {quoted(region)}"] if region is not None else []
    named = [f"--stack-name {quoted(stack_name)}"] if stack_name != STACK_NAME else []
    return " ".join([PROGRAM, name, *where, *named, *options])


def preflight(stack_name: str, role_name: str = "") -> str:
    """Check what the organization's deployment needs; with a role to assume in every account, the recorders too."""
    return _own("preflight", stack_name, *([f"--role-name {quoted(role_name)}"] if role_name else []))


def verify(stack_name: str, role_name: str = "") -> str:
    """Verify a deployment; with a role to assume in the accounts, what can only be seen there too."""
    return _own("verify", stack_name, *([f"--role-name {quoted(role_name)}"] if role_name else []))


def deploy(stack_name: str, scope: str | None = None, /, *, region: str | None = None, **parameters: str) -> str:
    """Deploy with parameters of the template; without `scope` it stays. On an existing stack, other parameters stay."""
    options = [f"--scope {scope}"] if scope else []
    return _own("deploy", stack_name, *options, *_parameters(parameters), region=region)


def deploy_management_account(region: str, stack_name: str, /, **parameters: str) -> str:
    """Give the management account what no StackSet brings it, for credentials of that account.

    `stack_name` is the stack of the deployment, in the central account.  Without `parameters` it takes those of the StackSet.
    """
    return _own("deploy --management-account", stack_name, *_parameters(parameters), region=region)


def delete_management_account(region: str, stack_name: str) -> str:
    """Delete what `deploy_management_account` made, for credentials of the management account.

    `stack_name` is the stack of the deployment, in the central account: the command says what to do there.
    """
    return _own("delete --management-account", stack_name, region=region)


def _parameters(given: Mapping[str, str]) -> list[str]:
    return [f"--parameter {quoted(f'{name}={value}')}" for name, value in given.items()]


def deploy_with_rollback(stack_name: str) -> str:
    """Deploy again, and let CloudFormation roll back if that fails."""
    return _own("deploy", stack_name, "--rollback")


def report(stack_name: str, *outputs: str, region: str | None = None) -> str:
    """Report every account, into files too."""
    return _own("report", stack_name, *(f"--output {output}" for output in outputs), region=region)


def delete(stack_name: str, region: str | None = None) -> str:
    """Delete the deployment."""
    return _own("delete", stack_name, region=region)


# --- The organization ---


def create_organization() -> str:
    """Create an organization with all features."""
    return _aws("organizations", "create-organization", "--feature-set ALL")


def enable_all_features() -> str:
    """Give an organization with consolidated billing all features."""
    return _aws("organizations", "enable-all-features")


def enable_service_access(service: str) -> str:
    """Let a service act in the organization's accounts."""
    return _aws("organizations", "enable-aws-service-access", f"--service-principal {service}")


def activate_stack_sets() -> str:
    """Let StackSets act in the organization's accounts, and make their service-linked role."""
    return _cloudformation("activate-organizations-access")


def register_delegated_administrator(account_id: str, service: str) -> str:
    """Make an account a delegated administrator of a service."""
    account = f"--account-id {quoted(account_id)}"
    return _aws("organizations", "register-delegated-administrator", account, f"--service-principal {service}")


def enable_policies(root_id: str) -> str:
    """Turn an organization's service control policies on."""
    options = (f"--root-id {quoted(root_id)}", "--policy-type SERVICE_CONTROL_POLICY")
    return _aws("organizations", "enable-policy-type", *options)


def enable_root_credentials_management() -> str:
    """Let the organization manage the root credentials of its members."""
    return _aws("iam", "enable-organizations-root-credentials-management")


# --- Recorders ---


def start_recorder(region: str) -> str:
    """Start an existing configuration recorder."""
    return _config("start-configuration-recorder", "--configuration-recorder-name default", region=region)


def make_recorder(region: str, partition: str, account_id: str) -> tuple[str, ...]:
    """Make a configuration recorder and start it."""
    service = "config.amazonaws.com"
    role = f"arn:{partition}:iam::{account_id}:role/aws-service-role/{service}/AWSServiceRoleForConfig"
    recorder = f"--configuration-recorder {quoted(f'name=default,roleARN={role}')}"
    return (
        _aws("iam", "create-service-linked-role", f"--aws-service-name {service}"),
        _config("put-configuration-recorder", recorder, region=region),
        _config("put-delivery-channel", "--delivery-channel name=default,s3BucketName=YOUR_BUCKET", region=region),
        start_recorder(region),
    )


def show_recorder(deployment: "Deployment") -> str:
    """Show whether an account's recorder is on; for credentials of that account."""
    return _config("describe-configuration-recorder-status", region=deployment.region)


def show_recorded_types(region: str) -> str:
    """Show which resource types an account's recorder records; for credentials of that account."""
    query = quoted("ConfigurationRecorders[].recordingGroup")
    return _config("describe-configuration-recorders", f"--query {query}", region=region)


# --- Stacks, StackSets, packs and aggregators ---


def delete_pack(region: str, name: str) -> str:
    """Delete a conformance pack of the organization."""
    pack = f"--organization-conformance-pack-name {quoted(name)}"
    return _config("delete-organization-conformance-pack", pack, region=region)


def delete_aggregator(region: str, name: str) -> str:
    """Delete an aggregator."""
    return _config("delete-configuration-aggregator", f"--configuration-aggregator-name {quoted(name)}", region=region)


def delete_stack_set(region: str, name: str) -> str:
    """Delete a StackSet."""
    return _cloudformation("delete-stack-set", f"--stack-set-name {quoted(name)}", region=region)


def delete_stack(region: str, name: str) -> str:
    """Delete a stack."""
    return _cloudformation("delete-stack", f"--stack-name {quoted(name)}", region=region)


def roll_back(region: str, name: str) -> str:
    """Return a stack to its last complete state."""
    return _cloudformation("rollback-stack", f"--stack-name {quoted(name)}", region=region)


def end_termination_protection(region: str, name: str) -> str:
    """Let a stack be deleted."""
    options = (f"--stack-name {quoted(name)}", "--no-enable-termination-protection")
    return _cloudformation("update-termination-protection", *options, region=region)


def delete_log_group(region: str, name: str) -> str:
    """Delete a log group."""
    return _aws("logs", "delete-log-group", f"--log-group-name {quoted(name)}", region=region)


def deploy_forwarder(home_region: str) -> str:
    """Let the home Region know what root does; for credentials of the management account, or of the only account."""
    stack = f"--stack-name {FORWARDER_STACK_NAME} --template-file region-forwarder.yaml"
    parameters = f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides {quoted(f'HomeRegion={home_region}')}"
    return _cloudformation("deploy", stack, parameters, region=FORWARDED_REGION)


def stack_instances(deployment: "Deployment", operation: str, account_id: str, target: str, *further: str) -> str:
    """Run an operation (create, update, delete) on the StackSet's stack in an account.

    `target`: what the StackSet targets and is above the account.
    """
    targets = f"OrganizationalUnitIds={target},Accounts={account_id},AccountFilterType=INTERSECTION"
    return _stack_instances(deployment, operation, deployment.stack_set_name, targets, deployment.region, *further)


def delete_stacks_of_unit(deployment: "Deployment", stack_set: str, target: str, region: str) -> str:
    """Delete the stacks of a StackSet in all accounts of a target, also in those that an account filter excludes."""
    return _stack_instances(deployment, "delete", stack_set, f"OrganizationalUnitIds={target}", region, "--no-retain-stacks")


def _stack_instances(deployment: "Deployment", operation: str, stack_set: str, targets: str, region: str, *further: str) -> str:
    """Put a command about stacks of a StackSet together: those of `targets` in `region`. It runs in the home Region."""
    call_as = [] if deployment.in_management_account else [f"--call-as {deployment.call_as}"]
    options = (f"--deployment-targets {quoted(targets)}", f"--regions {quoted(region)}", *further)
    name = f"--stack-set-name {quoted(stack_set)}"
    return _cloudformation(f"{operation}-stack-instances", name, *call_as, *options, region=deployment.region)


def put_pack_again(deployment: "Deployment") -> str:
    """Deploy the conformance pack to every account again, unchanged.

    A pack with a remediation has values that only the stack knows. So the stack takes the remediation out and puts it back.
    """
    if deployment.pack_parameters is None:
        return deploy(deployment.stack_name)
    if deployment.remediates:
        values = ("Off", deployment.remediation)
        return "; ".join(deploy(deployment.stack_name, Remediation=each) for each in values)
    parameters = (f"ParameterName={name},ParameterValue={value}" for name, value in sorted(deployment.pack_parameters.items()))
    options = [
        f"--organization-conformance-pack-name {quoted(deployment.conformance_pack_name)}",
        f"--template-body file://{PACK_TEMPLATE}",
        f"--conformance-pack-input-parameters {' '.join(map(quoted, parameters))}",
    ]
    if deployment.pack_excluded:
        options.append(f"--excluded-accounts {' '.join(map(quoted, deployment.pack_excluded))}")
    return _config("put-organization-conformance-pack", *options, region=deployment.region)


# --- Rules and evaluations ---


def show_failures(deployment: "Deployment", account_id: str) -> tuple[str, ...]:
    """Show why evaluations of an account failed; no command if the log group is not known."""
    return _filter_log(deployment, f'{{ ($.message = "evaluation failed") && ($.account = "{account_id}") }}')


def show_journal(deployment: "Deployment", account_id: str) -> tuple[str, ...]:
    """Show every line of the journal about an account; no command if the log group is not known."""
    return _filter_log(deployment, f'{{ $.account = "{account_id}" }}')


def _filter_log(deployment: "Deployment", pattern: str) -> tuple[str, ...]:
    if not deployment.log_group_name:
        return ()
    options = (f"--log-group-name {quoted(deployment.log_group_name)}", f"--filter-pattern {quoted(pattern)}")
    return (_aws("logs", "filter-log-events", *options, region=deployment.region),)


def make_log_group(deployment: "Deployment") -> tuple[str, ...]:
    """Make the function's log group again; no command if it is not known."""
    if not deployment.log_group_name:
        return ()
    return (
        _aws("logs", "create-log-group", f"--log-group-name {quoted(deployment.log_group_name)}", region=deployment.region),
    )


def show_rules(deployment: "Deployment", names: Iterable[str]) -> str:
    """Describe rules of an account; for credentials of that account."""
    return _config("describe-config-rules", f"--config-rule-names {' '.join(map(quoted, names))}", region=deployment.region)


def show_rules_of_pack(deployment: "Deployment", name: str) -> str:
    """List the rules of a conformance pack of an account; for credentials of that account."""
    pack = f"--conformance-pack-name {quoted(name)}"
    return _config("describe-conformance-pack-compliance", pack, region=deployment.region)


def delete_rule(deployment: "Deployment", name: str) -> str:
    """Delete a rule of an account; for credentials of that account."""
    return _config("delete-config-rule", f"--config-rule-name {quoted(name)}", region=deployment.region)


def start_evaluation(deployment: "Deployment", rule_name: str) -> str:
    """Start the evaluation of a rule; for credentials of its account."""
    return _config("start-config-rules-evaluation", f"--config-rule-names {quoted(rule_name)}", region=deployment.region)


def start_remediation(deployment: "Deployment", rule_name: str, account_id: str) -> str:
    """Start AWS Config's own remediation; for credentials of the account."""
    keys = f"--resource-keys {quoted(f'resourceType=AWS::::Account,resourceId={account_id}')}"
    return _config("start-remediation-execution", f"--config-rule-name {quoted(rule_name)}", keys, region=deployment.region)


# --- Runbooks, and what shows their outcome ---


def start_notify(deployment: "Deployment", account_id: str) -> str:
    """Tell an account's owner what AWS Config found; for credentials of that account."""
    return _start_runbook(deployment.region, runbooks.NOTIFY, f"AccountId={account_id}")


def start_reevaluate(deployment: "Deployment") -> str:
    """Let AWS Config evaluate an account now; for credentials of that account."""
    return _start_runbook(deployment.region, runbooks.REEVALUATE)


def start_removal(region: str, account_id: str) -> str:
    """Plan the removal of an account's root credentials, and remove nothing; `region` is the deployment's."""
    return _start_runbook(region, runbooks.REMOVAL, f"AccountId={account_id},DryRun=true")


def _start_runbook(region: str, name: str, parameters: str = "") -> str:
    options = [f"--document-name {name}"] + ([f"--parameters {quoted(parameters)}"] if parameters else [])
    return _aws("ssm", "start-automation-execution", *options, region=region)


def show_execution(deployment: "Deployment", execution_id: str) -> str:
    """Show the outcome of an execution; for credentials of its account."""
    execution = f"--automation-execution-id {quoted(execution_id)}"
    return _aws("ssm", "get-automation-execution", execution, region=deployment.region)


def show_listed_packs(deployment: "Deployment") -> str:
    """Show the conformance packs that the aggregator lists."""
    aggregator = f"--configuration-aggregator-name {quoted(deployment.aggregator_name)}"
    return _config("describe-aggregate-compliance-by-conformance-packs", aggregator, region=deployment.region)


def make_credential_report() -> str:
    """Have IAM make a credential report; for credentials of the account."""
    return _aws("iam", "generate-credential-report")


def set_off_alarm(deployment: "Deployment", alarm: str) -> str:
    """Set an alarm to ALARM. It goes back by itself."""
    options = (f"--alarm-name {quoted(alarm)}", "--state-value ALARM", "--state-reason test")
    return _aws("cloudwatch", "set-alarm-state", *options, region=deployment.region)


def show_metric_filters(deployment: "Deployment") -> str:
    """Show the metric filters of the function's log."""
    return _aws(
        "logs", "describe-metric-filters", f"--log-group-name {quoted(deployment.log_group_name)}", region=deployment.region
    )


def show_all_failures(deployment: "Deployment") -> tuple[str, ...]:
    """Show every failed evaluation; no command if the log group is not known."""
    return _filter_log(deployment, '{ $.message = "evaluation failed" }')


def invoke_with_nothing(deployment: "Deployment", function_arn: str) -> str:
    """Invoke the function with an event that it cannot read."""
    options = (f"--function-name {quoted(function_arn)}", "--invocation-type Event", "--payload '{}'", "/dev/null")
    return _aws("lambda", "invoke", *options, region=deployment.region)


def detach_policy(policy_id: str, target_id: str) -> str:
    """Detach a service control policy from an organization's root, unit or account."""
    return _aws("organizations", "detach-policy", f"--policy-id {quoted(policy_id)}", f"--target-id {quoted(target_id)}")


def permit(role_name: str, action: str) -> str:
    """Allow a role an action on everything; for credentials of its account."""
    statement = f'{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}'
    document = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
    name = f"--policy-name {action.replace(':', '-')}"
    return _aws("iam", "put-role-policy", f"--role-name {role_name}", name, f"--policy-document {quoted(document)}")
