"""Conformance packs of AWS Config: in one account, and in every account of an organization.

AWS deploys packs asynchronously. Here the deployment, with its failures, ends before the call returns.
Sources: API model, config; https://docs.aws.amazon.com/config/latest/developerguide/custom-conformance-pack.html (templates),
cpack-prerequisites.html (remediation) and conformance-pack-organization-apis.html; awslabs/aws-config-rules,
aws-config-conformance-packs (what templates use).
"""

import json
import re
import secrets
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

import yaml

from local_aws.authorization.principals import entity
from local_aws.config.remediation_configurations import ASSUME_ROLE, PROPERTIES, Remediations, from_properties
from local_aws.config.rules import PAGES, RULE_PROPERTIES, Config, Rule, details
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError, ServiceApi
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

SERVICE = "config-multiaccountsetup.amazonaws.com"
"""The service that an organization trusts and delegates for its packs. It creates the members' packs."""
RULE_CREATOR = "config-conforms.amazonaws.com"
"""The service that creates the rules of packs. Source: CreatedBy of such rules."""

_TEMPLATE_BYTES = 51_200
_RULES, _MOST_PACKS = 130, 50
"""The most rules in a pack; the most packs that an account has, and the most that it puts to the organization.

Source: https://docs.aws.amazon.com/config/latest/developerguide/configlimits.html
"""
_BUCKET_PREFIX = "awsconfigconforms"
"""Of the bucket of an organization's pack. Source: API model, PutOrganizationConformancePack."""
_RETRIED_FOR = timedelta(hours=7)
"""How long Config tries to deploy to a new account that has no recorder.

Source: https://docs.aws.amazon.com/config/latest/developerguide/conformance-pack-organization-apis.html
"""
_PAGE = 100
_PACKS_PAGE = 20

_SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources"}
_PARAMETER_KEYS = {"Type", "Default", "Description", "AllowedValues", "AllowedPattern", "ConstraintDescription"}
_RESOURCE_KEYS = {"Type", "Properties", "Condition", "DependsOn", "Metadata"}
_RULE = "AWS::Config::ConfigRule"
_REMEDIATION = "AWS::Config::RemediationConfiguration"
_NO_VALUE = object()
"""Ref of AWS::NoValue: the template drops the property."""

Settings = dict[str, Any]
"""The parameters of a Put operation."""


# Templates


class TemplateError(ValueError):
    """AWS Config or the local AWS refuses the template. The message says what is wrong and where."""


class ParametersError(ValueError):
    """The input parameters do not fit the template. The message says which."""


class _Loader(yaml.CSafeLoader):
    """YAML with the short forms of CloudFormation's intrinsic functions."""


def _short_form(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # there is no fourth kind
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)

ORGANIZATION_PREFIX = "OrgConformsPack-"
"""How the names of an organization's packs begin in its accounts."""


@dataclass(frozen=True)
class Content:
    """What a template creates: rules for PutConfigRule, and configurations for PutRemediationConfigurations.

    ConfigRuleName is the template's name in both. Config appends a suffix in each account.
    """

    rules: Sequence[Settings]
    remediations: Sequence[Settings]


@dataclass(frozen=True)
class Template:
    """The template of a conformance pack: its sections, with intrinsic functions in their long form."""

    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Any]

    @classmethod
    def parse(cls, body: str) -> Self:
        """Read a template, YAML or JSON. Raises TemplateError."""
        if len(body.encode()) > _TEMPLATE_BYTES:
            message = f"the template has {len(body.encode())} bytes, and may have {_TEMPLATE_BYTES}"
            raise TemplateError(message)
        try:
            content = yaml.load(body, _Loader)  # noqa: S506 - it is a SafeLoader
        except yaml.YAMLError as error:
            message = f"the template is neither YAML nor JSON: {error}"
            raise TemplateError(message) from error
        sections = _known("the template", content, _SECTIONS)
        parameters = _mapping("Parameters", sections.get("Parameters", {}))
        for name, parameter in parameters.items():
            _known(f"parameter {name}", parameter, _PARAMETER_KEYS)
        resources = _mapping("Resources", sections.get("Resources"))
        if len(resources) > _RULES:
            message = "Number of resources provided in the template exceeds the allowed limit"
            raise TemplateError(message)
        return cls(parameters, _mapping("Conditions", sections.get("Conditions", {})), resources)

    def content(self, inputs: Mapping[str, str]) -> Content:
        """Return the rules and their remediation. `inputs` maps input parameters to values.

        Raises TemplateError or ParametersError.
        """
        values = self._values(inputs)
        conditions: dict[str, bool] = {}
        for name, condition in self.conditions.items():
            conditions[name] = _decide(f"condition {name}", condition, values)
        rules, remediations = [], []
        for name, resource in self.resources.items():
            where = f"resource {name}"
            _known(where, resource, _RESOURCE_KEYS)
            kind = resource.get("Type")
            if kind not in {_RULE, _REMEDIATION}:
                message = f"{where} is an {kind}: allowed are {_RULE} and {_REMEDIATION}"
                raise TemplateError(message)
            if kind == _REMEDIATION:
                _refuse_intrinsics(where, resource.get("Properties"))
            # Resolve all: AWS refuses a bad template regardless of its conditions.
            properties = _resolve(where, _mapping(where, resource.get("Properties")), values, conditions)
            condition = resource.get("Condition")
            if condition is not None and not _condition(where, condition, conditions):
                continue
            if kind == _RULE:
                rules.append(_rule(where, properties))
            else:
                remediations.append(_remediation(where, properties))
        _check_rules_of(remediations, rules)
        return Content(rules, remediations)

    def _values(self, inputs: Mapping[str, str]) -> dict[str, str]:
        unknown = sorted(set(inputs) - set(self.parameters))
        if unknown:
            message = f"The template has no parameter {', '.join(unknown)}."
            raise ParametersError(message)
        values = {}
        for name, parameter in self.parameters.items():
            if name not in inputs and "Default" not in parameter:
                message = f"The parameter {name} has no default, and needs a value."
                raise ParametersError(message)
            value = inputs[name] if name in inputs else _text(parameter["Default"])
            allowed = [_text(item) for item in parameter.get("AllowedValues", [value])]
            if value not in allowed or not re.fullmatch(parameter.get("AllowedPattern", r"(?s:.*)"), value):
                message = f"{value!r} is no value of the parameter {name}: {parameter.get('ConstraintDescription', allowed)}"
                raise ParametersError(message)
            values[name] = value
        return values


def _resolve(where: str, value: Any, values: Mapping[str, str], conditions: Mapping[str, bool]) -> Any:  # noqa: ANN401 - JSON
    """Replace intrinsic functions by their values. Raises TemplateError."""
    match value:
        case {"Ref": name, **rest} if not rest:
            if name == "AWS::NoValue":
                return _NO_VALUE
            if name not in values:
                message = f"{where} refers to {name}, which is no parameter"
                raise TemplateError(message)
            return values[name]
        case {"Fn::If": [condition, *branches]} if len(value) == 1 and len(branches) == 2:  # noqa: PLR2004 - then, else
            then, otherwise = (_resolve(where, branch, values, conditions) for branch in branches)
            return then if _condition(where, condition, conditions) else otherwise
        case dict():
            for key in value:
                if _is_intrinsic(key):
                    message = f"{where} has {key} where it is not supported"
                    raise TemplateError(message)
            resolved = {key: _resolve(where, item, values, conditions) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not _NO_VALUE}
        case list():
            items = (_resolve(where, item, values, conditions) for item in value)
            return [item for item in items if item is not _NO_VALUE]
    return value


def _decide(where: str, condition: Any, values: Mapping[str, str]) -> bool:  # noqa: ANN401 - JSON
    match condition:
        case {"Fn::Not": [inner]} if len(condition) == 1:
            return not _decide(where, inner, values)
        case {"Fn::Equals": [one, other]} if len(condition) == 1:
            one, other = (_resolve(where, side, values, {}) for side in (one, other))
            return _text(one) == _text(other)
    message = f"{where} is not made of Fn::Equals and Fn::Not with Ref: {json.dumps(condition, default=str)}"
    raise TemplateError(message)


def _condition(where: str, name: object, conditions: Mapping[str, bool]) -> bool:
    if not isinstance(name, str) or name not in conditions:
        message = f"{where} has the condition {name}, which the template does not have"
        raise TemplateError(message)
    return conditions[name]


def _rule(where: str, properties: Settings) -> Settings:
    """Check a rule as PutConfigRule would."""
    _known(where, properties, set(RULE_PROPERTIES))
    if "InputParameters" in properties:
        properties = {**properties, "InputParameters": json.dumps(properties["InputParameters"])}
    if not properties.get("ConfigRuleName"):
        message = f"{where} has no ConfigRuleName"
        raise TemplateError(message)
    api = ServiceApi("config")
    try:
        body = json.dumps({"ConfigRule": properties}).encode()
        operation, params = api.parse({"X-Amz-Target": "StarlingDoveService.PutConfigRule"}, body)
        api.validate(operation, params)
    except (AwsError, TypeError) as error:
        message = f"{where}: {error}"
        raise TemplateError(message) from error
    rule: Settings = params["ConfigRule"]
    return rule


def _is_intrinsic(key: object) -> bool:
    return key in {"Ref", "Condition"} or str(key).startswith("Fn::")


def _refuse_intrinsics(where: str, value: object) -> None:
    """Refuse intrinsic functions in the rule's name and in the role: AWS Config takes none there."""
    match value:
        case dict():
            for key, item in value.items():
                if key in {"ConfigRuleName", ASSUME_ROLE} and _has_intrinsic(item):
                    message = f"{where} has an intrinsic function in {key}, which has to be written out"
                    raise TemplateError(message)
                _refuse_intrinsics(where, item)
        case list():
            for item in value:
                _refuse_intrinsics(where, item)


def _has_intrinsic(value: object) -> bool:
    match value:
        case dict():
            return any(_is_intrinsic(key) or _has_intrinsic(item) for key, item in value.items())
        case list():
            return any(_has_intrinsic(item) for item in value)
    return False


def _remediation(where: str, properties: Settings) -> Settings:
    """Check a remediation as PutRemediationConfigurations would, except for what must exist before."""
    _known(where, properties, set(PROPERTIES))
    try:
        return from_properties(properties)
    except (AwsError, AttributeError, TypeError, ValueError) as error:
        message = f"{where}: {error}"
        raise TemplateError(message) from error


def _check_rules_of(remediations: Sequence[Settings], rules: Sequence[Settings]) -> None:
    """Refuse a remediation without a rule in the template, and a second one for a rule."""
    left = {rule["ConfigRuleName"] for rule in rules}
    for configuration in remediations:
        name = configuration["ConfigRuleName"]
        if name not in left:
            message = f"a remediation is for {name}, which is no rule of the template, or has one already"
            raise TemplateError(message)
        left.remove(name)


def _known(where: str, value: object, names: set[str]) -> dict[str, Any]:
    mapping = _mapping(where, value)
    unknown = sorted(str(name) for name in set(mapping) - names)
    if unknown:
        message = f"{where} has {', '.join(unknown)}: supported are {', '.join(sorted(names))}"
        raise TemplateError(message)
    return mapping


def _mapping(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{where} must be a mapping, but is {value!r}"
        raise TemplateError(message)
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# Packs


@dataclass
class Pack:
    """A conformance pack in an account: its settings, its rules' names, and the error if it failed.

    `remediated` has the names of the rules with a remediation.
    `created_by` is the service that put the pack, or None if the account did.
    """

    scope: Scope
    name: str
    created_by: str | None
    settings: Settings
    updated: datetime
    pack_id: str = field(default_factory=lambda: f"conformance-pack-{random_suffix(9)}")
    rule_names: list[str] = field(default_factory=list)
    remediated: list[str] = field(default_factory=list)
    error: AwsError | None = None

    @property
    def arn(self) -> str:
        """The pack's ARN."""
        account_id, region = self.scope
        return f"arn:aws:config:{region}:{account_id}:conformance-pack/{self.name}/{self.pack_id}"


@dataclass
class OrganizationPack:
    """A conformance pack of an organization. The account of `scope` put it, and `members` has each account's pack.

    `verbs` is the last operation in each account, CREATE or UPDATE; `verb` that of the pack as a whole, which an account that
    joins or leaves updates.
    """

    scope: Scope
    name: str
    settings: Settings
    content: Content
    updated: datetime
    suffix: str = field(default_factory=lambda: random_suffix(8))
    members: dict[str, Pack] = field(default_factory=dict)
    verbs: dict[str, str] = field(default_factory=dict)
    verb: str = "CREATE"

    @property
    def arn(self) -> str:
        """The pack's ARN."""
        account_id, region = self.scope
        return f"arn:aws:config:{region}:{account_id}:organization-conformance-pack/{self.name}-{self.suffix}"

    @property
    def member_name(self) -> str:
        """The name of the pack in each account."""
        return f"{ORGANIZATION_PREFIX}{self.name}-{self.suffix}"

    @property
    def failed(self) -> dict[str, AwsError]:
        """The error in each account where the pack failed."""
        return {account_id: pack.error for account_id, pack in sorted(self.members.items()) if pack.error}


class ConformancePacks:
    """The conformance packs of all accounts. Their rules are in `config`, the rules' remediation in `remediations`.

    An account that joins the organization gets its packs in the order in which services were made: make this one late.
    """

    def __init__(
        self,
        config: Config,
        remediations: Remediations,
        organization: Organization | None,
        clock: Clock,
        switches: Switches,
    ) -> None:
        """Start without packs."""
        self._switches = switches
        self._config = config
        self._remediations = remediations
        self._organization = organization
        self._clock = clock
        self._packs: dict[Scope, dict[str, Pack]] = {}
        self._organization_packs: dict[Scope, dict[str, OrganizationPack]] = {}
        self._new: dict[str, datetime] = {}
        self._lock = RLock()
        if organization is not None:
            organization.when_joined.append(self._joined)
            organization.when_left.append(self._left)
        self.operations: Operations = {
            "PutConformancePack": self.put_conformance_pack,
            "DeleteConformancePack": self.delete_conformance_pack,
            "DescribeConformancePacks": self.describe_conformance_packs,
            "DescribeConformancePackStatus": self.describe_conformance_pack_status,
            "DescribeConformancePackCompliance": self.describe_conformance_pack_compliance,
            "GetConformancePackComplianceDetails": self.get_conformance_pack_compliance_details,
            "PutOrganizationConformancePack": self.put_organization_conformance_pack,
            "DeleteOrganizationConformancePack": self.delete_organization_conformance_pack,
            "DescribeOrganizationConformancePacks": self.describe_organization_conformance_packs,
            "DescribeOrganizationConformancePackStatuses": self.describe_organization_conformance_pack_statuses,
            "GetOrganizationConformancePackDetailedStatus": self.get_organization_conformance_pack_detailed_status,
        }

    def packs_of(self, account_ids: Iterable[str]) -> list[Pack]:
        """Return the packs of accounts in all Regions, by account, Region and name."""
        wanted = set(account_ids)
        with self._lock:
            scopes = sorted(scope for scope in self._packs if scope[0] in wanted)
            return [pack for scope in scopes for _, pack in sorted(self._packs[scope].items())]

    def rules_of(self, pack: Pack) -> list[Rule]:
        """Return the rules of a pack."""
        rules = (self._config.rule(pack.scope, name) for name in pack.rule_names)
        return [rule for rule in rules if rule is not None]

    # In one account

    def put_conformance_pack(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create or change a pack. Its status says whether the deployment failed."""
        name, scope = params["ConformancePackName"], callers.scope(account_id)
        if "TemplateBody" not in params:
            message = "The local AWS takes the template of a conformance pack in TemplateBody only."
            raise AwsError("InvalidParameterValueException", message)
        if params.get("Tags"):
            raise AwsError("InvalidParameterValueException", "The local AWS does not emulate the tags of conformance packs.")
        with self._lock:
            packs = self._packs.get(scope, {})
            existing = packs.get(name)
            if existing is not None:
                _refuse_member(existing)
            elif len(packs) >= _MOST_PACKS:
                message = f"You have reached the limit of {_MOST_PACKS} conformance packs in an account."
                raise AwsError("MaxNumberOfConformancePacksExceededException", message)
            content = _content(params, "ConformancePackTemplateValidationException", "InvalidParameterValueException")
            return {"ConformancePackArn": self._put(scope, name, params, content, None).arn}

    def delete_conformance_pack(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a pack, its rules, their remediation and their results."""
        with self._lock:
            [pack] = self._named(account_id, [params["ConformancePackName"]])
            _refuse_member(pack)
            self._delete(pack)
        return {}

    def describe_conformance_packs(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe packs by name, or all."""
        packs = self._named(account_id, params.get("ConformancePackNames"))
        page, token = PAGES.page(packs, params, _PACKS_PAGE)
        return {
            "ConformancePackDetails": [
                {
                    "ConformancePackName": pack.name,
                    "ConformancePackArn": pack.arn,
                    "ConformancePackId": pack.pack_id,
                    **_delivery(pack.settings),
                    "LastUpdateRequestedTime": pack.updated,
                    **({"CreatedBy": pack.created_by} if pack.created_by else {}),
                }
                for pack in page
            ],
            **token,
        }

    def describe_conformance_pack_status(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return whether packs were deployed, or why not."""
        names = params.get("ConformancePackNames")
        packs = [pack for pack in self._named(account_id, None) if not names or pack.name in names]
        page, token = PAGES.page(packs, params, _PACKS_PAGE)
        return {
            "ConformancePackStatusDetails": [
                {
                    "ConformancePackName": pack.name,
                    "ConformancePackId": pack.pack_id,
                    "ConformancePackArn": pack.arn,
                    "ConformancePackState": "CREATE_FAILED" if pack.error else "CREATE_COMPLETE",
                    **({"ConformancePackStatusReason": str(pack.error)} if pack.error else {}),
                    "LastUpdateRequestedTime": pack.updated,
                    "LastUpdateCompletedTime": pack.updated,
                }
                for pack in page
            ],
            **token,
        }

    def describe_conformance_pack_compliance(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the compliance of each rule of a pack."""
        [pack] = self._named(account_id, [params["ConformancePackName"]])
        wanted = params.get("Filters", {}).get("ComplianceType")
        rules = [rule for rule in self._filtered(pack, params) if wanted in {None, rule.compliance}]
        page, token = PAGES.page(rules, params, _PAGE)
        return {
            "ConformancePackName": pack.name,
            "ConformancePackRuleComplianceList": [
                {"ConfigRuleName": rule.name, "ComplianceType": rule.compliance} for rule in page
            ],
            **token,
        }

    def get_conformance_pack_compliance_details(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the results of a pack's rules, without NOT_APPLICABLE ones."""
        [pack] = self._named(account_id, [params["ConformancePackName"]])
        filters = params.get("Filters", {})
        results = [
            details(rule, (kind, identifier))
            for rule in self._filtered(pack, params)
            for (kind, identifier), result in sorted(rule.results.items())
            if result.compliance_type != "NOT_APPLICABLE"
            and filters.get("ComplianceType") in {None, result.compliance_type}
            and filters.get("ResourceType") in {None, kind}
            and identifier in (filters.get("ResourceIds") or [identifier])
        ]
        page, token = PAGES.page(results, params, _PAGE)
        return {"ConformancePackName": pack.name, "ConformancePackRuleEvaluationResults": page, **token}

    def _filtered(self, pack: Pack, params: dict[str, Any]) -> list[Rule]:
        names = params.get("Filters", {}).get("ConfigRuleNames")
        for name in names or []:
            if name not in pack.rule_names:
                message = f"The conformance pack {pack.name} has no rule {name}."
                raise AwsError("NoSuchConfigRuleInConformancePackException", message)
        return [rule for rule in self.rules_of(pack) if not names or rule.name in names]

    def _named(self, account_id: str, names: Sequence[str] | None) -> list[Pack]:
        packs = self._packs.get(callers.scope(account_id), {})
        for name in names or []:
            if name not in packs:
                message = f"The conformance pack {name} does not exist."
                raise AwsError("NoSuchConformancePackException", message)
        return [packs[name] for name in names or sorted(packs)]

    def _put(self, scope: Scope, name: str, settings: Settings, content: Content, created_by: str | None) -> Pack:
        """Create or change a pack, its rules and their remediation in an account. The pack keeps the error.

        A new pack that fails leaves only its status. A change that fails leaves the previous rules.
        """
        now = self._clock.now()
        pack = self._packs.setdefault(scope, {}).setdefault(name, Pack(scope, name, created_by, settings, now))
        pack.settings, pack.updated, pack.error = settings, now, None
        wanted = {f"{rule['ConfigRuleName']}-{pack.pack_id}": rule for rule in content.rules}
        remediated = {f"{each['ConfigRuleName']}-{pack.pack_id}": each for each in content.remediations}
        new: list[str] = []
        with callers.acting_in(*scope):
            try:
                if self._organization is not None and self._organization.is_shut(scope[0]):
                    raise AwsError("AccessDeniedException", f"The account {scope[0]} is suspended.")  # noqa: TRY301 - like the errors of what follows
                for rule_name, rule in wanted.items():
                    put = {"ConfigRule": {**rule, "ConfigRuleName": rule_name}}
                    self._config.put_config_rule(scope[0], put, created_by=RULE_CREATOR)
                    if rule_name not in pack.rule_names:
                        new.append(rule_name)
                configurations = [{**each, "ConfigRuleName": rule_name} for rule_name, each in remediated.items()]
                for configuration in configurations:
                    _check_role(scope[0], configuration)
                self._remediations.put_remediation_configurations(
                    scope[0], {"RemediationConfigurations": configurations}, created_by=RULE_CREATOR
                )
            except AwsError as error:
                pack.error = error
                unwanted = new
            else:
                unwanted = [rule_name for rule_name in pack.rule_names if rule_name not in wanted]
                self._delete_remediation(scope[0], [rule_name for rule_name in pack.remediated if rule_name not in remediated])
                pack.rule_names, pack.remediated = list(wanted), list(remediated)
            for rule_name in unwanted:
                self._config.delete_config_rule(scope[0], {"ConfigRuleName": rule_name}, created_by=RULE_CREATOR)
        return pack

    def _delete_remediation(self, account_id: str, rule_names: Iterable[str]) -> None:
        for rule_name in rule_names:
            params = {"ConfigRuleName": rule_name}
            self._remediations.delete_remediation_configuration(account_id, params, created_by=RULE_CREATOR)

    def _delete(self, pack: Pack) -> None:
        with callers.acting_in(*pack.scope):
            self._delete_remediation(pack.scope[0], pack.remediated)
            for rule_name in pack.rule_names:
                self._config.delete_config_rule(pack.scope[0], {"ConfigRuleName": rule_name}, created_by=RULE_CREATOR)
        del self._packs[pack.scope][pack.name]

    # In the organization

    def put_organization_conformance_pack(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create or change a pack in all accounts of the organization that are not excluded."""
        organization = self._administered(account_id)
        if not organization.all_features:
            message = "The organization does not have all features enabled."
            raise AwsError("OrganizationAllFeaturesNotEnabledException", message)
        if "TemplateBody" not in params:
            message = "The local AWS takes the template of an organization conformance pack in TemplateBody only."
            raise AwsError("ValidationException", message)
        if params.get("Tags"):
            raise AwsError("ValidationException", "The local AWS does not emulate the tags of conformance packs.")
        if not params.get("DeliveryS3Bucket", _BUCKET_PREFIX).startswith(_BUCKET_PREFIX):
            raise AwsError("ValidationException", f"The name of DeliveryS3Bucket must begin with {_BUCKET_PREFIX}.")
        content = _content(params, "OrganizationConformancePackTemplateValidationException", "ValidationException")
        # AWS Config enables this itself when the management account puts a pack.
        organization.trusted_services.add(SERVICE)
        scope, name = callers.scope(account_id), params["OrganizationConformancePackName"]
        with self._lock:
            packs = self._organization_packs.setdefault(scope, {})
            pack = packs.get(name)
            if pack is None:
                if len(packs) >= _MOST_PACKS:
                    message = f"You have reached the limit of {_MOST_PACKS} organization conformance packs in an account."
                    raise AwsError("MaxNumberOfOrganizationConformancePacksExceededException", message)
                pack = packs[name] = OrganizationPack(scope, name, params, content, self._clock.now())
            else:
                pack.verb = "UPDATE"
            pack.settings, pack.content, pack.updated = params, content, self._clock.now()
            for member in list(pack.members):
                if member in params.get("ExcludedAccounts", []):
                    self._withdraw(pack, member)
            pack.verbs |= {member: "UPDATE" for member in pack.members if not self._leaves_alone(member)}
            for member in organization.account_ids:
                self._extend(pack, member)
            return {"OrganizationConformancePackArn": pack.arn}

    def delete_organization_conformance_pack(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a pack in all accounts."""
        with self._lock:
            [pack] = self._named_of_organization(account_id, [params["OrganizationConformancePackName"]])
            for member in list(pack.members):
                self._withdraw(pack, member)
            del self._organization_packs[pack.scope][pack.name]
        return {}

    def describe_organization_conformance_packs(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the packs that this account put, by name, or all."""
        names = params.get("OrganizationConformancePackNames")
        packs = self._named_of_organization(account_id, names)
        # Limit and NextToken do not apply to packs that the request names.
        page, token = (packs, {}) if names else PAGES.page(packs, params, _PAGE)
        return {
            "OrganizationConformancePacks": [
                {
                    "OrganizationConformancePackName": pack.name,
                    "OrganizationConformancePackArn": pack.arn,
                    **_delivery(pack.settings),
                    "ExcludedAccounts": pack.settings.get("ExcludedAccounts", []),
                    "LastUpdateTime": pack.updated,
                }
                for pack in page
            ],
            **token,
        }

    def describe_organization_conformance_pack_statuses(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return whether the packs that this account put were deployed in all accounts that are not excluded.

        Guess: the error is that of one account, here of the first one.
        """
        names = params.get("OrganizationConformancePackNames")
        packs = self._named_of_organization(account_id, names)
        page, token = (packs, {}) if names else PAGES.page(packs, params, _PAGE)
        return {
            "OrganizationConformancePackStatuses": [
                {
                    "OrganizationConformancePackName": pack.name,
                    **_status(pack.verb, next(iter(pack.failed.values()), None)),
                    "LastUpdateTime": max([pack.updated, *(member.updated for member in pack.members.values())]),
                }
                for pack in page
            ],
            **token,
        }

    def get_organization_conformance_pack_detailed_status(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return for each account whether the pack was deployed, or why not."""
        [pack] = self._named_of_organization(account_id, [params["OrganizationConformancePackName"]])
        only, status = (params.get("Filters", {}).get(name) for name in ("AccountId", "Status"))
        members = [
            member
            for member in sorted(pack.members)
            if only in {None, member}
            and (status is None or _status(pack.verbs[member], pack.members[member].error)["Status"] == status)
        ]
        page, token = PAGES.page(members, params, _PAGE)
        statuses = [
            {
                "AccountId": member,
                "ConformancePackName": pack.member_name,
                **_status(pack.verbs[member], pack.members[member].error),
                "LastUpdateTime": pack.members[member].updated,
            }
            for member in page
        ]
        return {"OrganizationConformancePackDetailedStatuses": statuses, **token}

    def _named_of_organization(self, account_id: str, names: Sequence[str] | None) -> list[OrganizationPack]:
        self._administered(account_id)
        packs = self._organization_packs.get(callers.scope(account_id), {})
        for name in names or []:
            if name not in packs:
                message = f"The organization conformance pack {name} does not exist."
                raise AwsError("NoSuchOrganizationConformancePackException", message)
        return [packs[name] for name in names or sorted(packs)]

    def _administered(self, account_id: str) -> Organization:
        """Return the organization if the account manages it or is its delegated administrator. Raises AwsError."""
        organization = self._organization
        if organization is None or account_id not in organization.parents:
            message = "This action can only be made by accounts in an AWS Organization"
            raise AwsError("OrganizationAccessDeniedException", message)
        delegated = SERVICE in organization.trusted_services and organization.administers(account_id, SERVICE)
        if account_id != organization.management_account_id and not delegated:
            message = (
                "This action can only be performed by the organization's management account, or by a delegated administrator "
                f"that is registered for {SERVICE} while that service has trusted access."
            )
            raise AwsError("OrganizationAccessDeniedException", message)
        return organization

    def _extend(self, pack: OrganizationPack, member: str) -> None:
        """Put a pack in an account unless it is excluded. The account's id replaces the management account's in roles.

        Guess: an account that is suspended keeps what it has, and does not count. A switch lets the pack fail there.
        """
        organization = self._organization
        shut = self._leaves_alone(member)
        if member not in pack.settings.get("ExcludedAccounts", []) and not shut:
            pack.verbs.setdefault(member, "CREATE")
            scope = (member, pack.scope[1])
            management = organization.management_account_id if organization else member
            remediations = [_with_role_of(member, management, each) for each in pack.content.remediations]
            content = replace(pack.content, remediations=remediations)
            pack.members[member] = self._put(scope, pack.member_name, pack.settings, content, SERVICE)

    def _leaves_alone(self, member: str) -> bool:
        organization = self._organization
        fails = self._switches.is_on("fail-in-suspended-accounts")
        return organization is not None and organization.is_shut(member) and not fails

    def _withdraw(self, pack: OrganizationPack, member: str) -> None:
        self._delete(pack.members.pop(member))
        del pack.verbs[member]

    def retry(self) -> None:
        """Retry the deployment to new accounts that had no recorder yet."""
        now = self._clock.now()
        with self._lock:
            self._new = {account_id: since for account_id, since in self._new.items() if now - since <= _RETRIED_FOR}
            for pack in self._all_of_organization():
                for account_id in self._new:
                    error = pack.failed.get(account_id)
                    if error is not None and error.code == "NoAvailableConfigurationRecorderException":
                        self._extend(pack, account_id)

    def _joined(self, account_id: str) -> None:
        with self._lock:
            self._new[account_id] = self._clock.now()
            for pack in self._all_of_organization():
                pack.verb = "UPDATE"
                self._extend(pack, account_id)

    def _left(self, account_id: str) -> None:
        with self._lock:
            self._new.pop(account_id, None)
            for pack in self._all_of_organization():
                if account_id in pack.members:
                    pack.verb = "UPDATE"
                    self._withdraw(pack, account_id)

    def _all_of_organization(self) -> Iterator[OrganizationPack]:
        return (pack for packs in self._organization_packs.values() for pack in packs.values())

    def failures(self, account_id: str, name: str) -> dict[str, AwsError]:
        """Return the errors of an organization's pack, by account."""
        [pack] = self._named_of_organization(account_id, [name])
        return pack.failed


def _content(params: Settings, template_code: str, parameters_code: str) -> Content:
    """Return the content of a request's template. Raises AwsError with one of the two codes."""
    given = params.get("ConformancePackInputParameters", [])
    inputs = {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in given}
    try:
        return Template.parse(params["TemplateBody"]).content(inputs)
    except TemplateError as error:
        message = f"Invalid conformance pack template provided. Errors found: [{error}]. Fix your template and try again."
        raise AwsError(template_code, message) from error
    except ParametersError as error:
        raise AwsError(parameters_code, str(error)) from error


def _with_role_of(account_id: str, management_account_id: str, configuration: Settings) -> Settings:
    """Replace the management account's id by another account's in the role of a remediation."""
    parameters = configuration.get("Parameters", {})
    role = parameters.get(ASSUME_ROLE, {}).get("StaticValue")
    if role is None:
        return configuration
    values = [arn.replace(f":{management_account_id}:", f":{account_id}:") for arn in role["Values"]]
    replaced = {ASSUME_ROLE: {"StaticValue": {"Values": values}}}
    return {**configuration, "Parameters": {**parameters, **replaced}}


def _check_role(account_id: str, configuration: Settings) -> None:
    """Refuse a role that does not exist in the account. AWS does not document the code."""
    role = configuration.get("Parameters", {}).get(ASSUME_ROLE, {}).get("StaticValue", {"Values": []})
    for arn in role["Values"]:
        existing = entity("role", account_id, arn.rpartition("/")[2])
        if existing is None or existing["Arn"] != arn:
            message = f"The role {arn} does not exist in the account {account_id}."
            raise AwsError("InvalidParameterValueException", message)


def _refuse_member(pack: Pack) -> None:
    # AWS does not document the answer. This is its code for the rules of such a pack.
    if pack.created_by is not None:
        message = f"The conformance pack {pack.name} belongs to the organization: its account cannot change or delete it."
        raise AwsError("AccessDeniedException", message)


def _delivery(settings: Settings) -> Settings:
    names = ("DeliveryS3Bucket", "DeliveryS3KeyPrefix", "ConformancePackInputParameters")
    return {name: settings[name] for name in names if name in settings}


def _status(verb: str, error: AwsError | None) -> dict[str, str]:
    if error is None:
        return {"Status": f"{verb}_SUCCESSFUL"}
    return {"Status": f"{verb}_FAILED", "ErrorCode": error.code, "ErrorMessage": error.message}


def random_suffix(length: int) -> str:
    """Return a suffix such as AWS Config appends to names."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))
