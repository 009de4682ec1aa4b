"""The names of MiniStack that the local AWS uses. Most are private, so one version is pinned and checked.

All other modules reach MiniStack through this one.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

MINISTACK_VERSION = "1.5.33"

_SEAMS = {
    "ministack.app": (
        "_get_module",
        "app",
        "detect_service",
        "SERVICE_HANDLERS",
        "_handle_pre_body_request",
        "_handle_post_body_shortcuts",
        "_handle_special_data_plane_request",
    ),
    "ministack.core.iam_actions": (
        "access_denied_response",
        "extract_iam_action",
        "extract_resource_arn",
        "identity_denial_message",
        "logs_service_context",
        "request_tag_context",
        "_tag_operations",
    ),
    "ministack.core.iam_evaluator": (
        "AmbiguousAccessKeyError",
        "AuthError",
        "EvalContext",
        "EvalResult",
        "PrincipalInfo",
        "caller_arn",
        "enforce",
        "evaluate_resource_policy",
        "evaluate_trust_policy",
        "find_iam_access_key_account",
        "fnmatch_iam_cs",
        "parse_policy_document",
        "resolve_principal",
        "validate_policy_document",
        "_ALWAYS_ALLOWED_ACTIONS",
        "_CONDITION_OPS",
        "_first_match",
        "_names_condition_key",
        "_resolve_condition_key",
        "_service_principal_matches",
        "_trust_principal_matches",
        "_verified_key",
    ),
    "ministack.core.lambda_runtime": ("execution_credentials",),
    "ministack.core.router": ("extract_access_key_id",),
    "ministack.core.responses": (
        "AccountRegionScopedDict",
        "AccountScopedDict",
        "error_response_json",
        "get_account_id",
        "get_region",
        "request_scope",
        "_account_from_sts_session",
        "_service_model",
    ),
    "ministack.services.cloudformation.custom_resource": ("_PORT",),
    "ministack.services.cloudformation": ("_change_sets", "_exports", "_stacks", "_stack_events"),
    "ministack.services.cloudformation.engine": (
        "CfnLoader",
        "_evaluate_conditions",
        "_parse_template",
        "_resolve_parameters",
    ),
    "ministack.services.cloudformation.handlers": (
        "_ACTION_HANDLERS",
        "_add_event",
        "_imported_export_names",
        "_resolve_stack",
        "_resolve_template",
        "_uses_macro",
        "_required_iam_capabilities",
        "_missing_capabilities",
        "_insufficient_capabilities_message",
        "_deploy_stack_async",
        "_evaluate_conditions",
    ),
    "ministack.services.cloudformation.changesets": (
        "_RESOURCE_HANDLERS",
        "_add_event",
        "_evaluate_conditions",
        "_deploy_stack_async",
        "_find_change_set",
    ),
    "ministack.services.cloudformation.stacks": (
        "_add_event",
        "_evaluate_conditions",
        "_operation_event",
        "_replacing_change",
        "_runs_on_worker_thread",
        "_sends_back_failed_update",
        "_static_property",
        "_update_keeping_seed",
        "_validation_errors",
    ),
    "ministack.services.s3": ("_buckets", "_get_object_data"),
    "ministack.services.cloudformation.provisioners": (
        "_RESOURCE_HANDLERS",
        "_REPLACING_PROPERTIES",
        "_physical_name",
        "_update_resource",
    ),
    "ministack.services.cloudwatch": ("record_metric",),
    "ministack.services.cloudwatch_logs": ("_append_log_events", "_log_groups", "_metric_filters", "_put_metric_filter"),
    "ministack.services.eventbridge": (
        "_apply_input_transformer",
        "_dispatch_event",
        "_ensure_default_bus",
        "_event_buses",
        "_event_from_test_payload",
        "_event_pattern_error",
        "_invoke_target",
        "_matches_pattern",
        "_now_ts",
        "_pattern_event_view",
        "_resolve_taggable_events_arn",
        "_rule_arn",
        "_rule_key",
        "_rules",
        "_tags",
        "_targets",
        "_tick_scheduled_rules",
        "_validate_target_arn",
    ),
    "ministack.services.iam": (
        "attach_managed_policy",
        "_IAM_HANDLERS",
        "_access_keys",
        "_account_aliases",
        "_account_password_policy",
        "_aws_managed_policies",
        "_create_role",
        "_group_inline_policies",
        "_groups",
        "_instance_profiles",
        "_login_profiles",
        "_make_aws_managed_record",
        "_mfa_devices",
        "_oidc_providers",
        "_policies",
        "_policy_exists",
        "_roles",
        "_saml_providers",
        "_user_inline_policies",
        "_users",
    ),
    "ministack.services.lambda_svc": (
        "_functions",
        "_execute_function",
        "_fetch_code_from_s3",
        "_GATEWAY_PORT",
        "_execute_function_warm",
        "_emit_lambda_logs",
        "_emit_lambda_metrics",
        "invoke_async_with_retry",
    ),
    "ministack.services.sns": (
        "_PORT",
        "_refresh_subscription_counts",
        "_subscribe",
        "_topic_by_arn_any_scope",
        "_topics",
        "publish_internal",
        "topic_policy_allows",
    ),
    "ministack.services.sqs": ("queue_policy_allows", "_queues"),
    "ministack.services.sts": ("_sessions", "register_session", "time"),
    "ministack.services.tagging": ("resource_tags", "_COLLECTORS"),
}


_MEND = "Run `make setup`: it installs requirements/local-aws.txt into an environment of its own."


class IncompatibleMiniStackError(RuntimeError):
    """The installed MiniStack has another version, or lacks a name that the local AWS uses."""


def check() -> None:
    """Import MiniStack, and make sure that it has every name. Raises IncompatibleMiniStackError."""
    try:
        installed = version("ministack")
    except PackageNotFoundError as error:
        message = f"The local AWS extends MiniStack {MINISTACK_VERSION}, which is not installed in {sys.prefix}. {_MEND}"
        raise IncompatibleMiniStackError(message) from error
    missing = [f"{module}.{name}" for module, names in _SEAMS.items() for name in names if not _has(module, name)]
    if installed != MINISTACK_VERSION or missing:
        lacks = f"; it lacks {', '.join(missing)}" if missing else ""
        message = f"The local AWS extends MiniStack {MINISTACK_VERSION}, but {installed} is installed{lacks}. {_MEND}"
        raise IncompatibleMiniStackError(message)


def _has(module_name: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError:
        return False


def module(name: str) -> ModuleType:
    """Return MiniStack's module `name`, which `check` has to know."""
    if name not in _SEAMS:
        message = f"{name} is not declared in ministack_seams"
        raise KeyError(message)
    return importlib.import_module(name)


def replace(module_name: str, name: str, by: object) -> None:
    """Replace the value of a name of MiniStack."""
    setattr(module(module_name), name, by)
