"""What MiniStack's CloudFormation does in another way than AWS's, corrected, besides the resource types that it lacks."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import yaml

from local_aws.authorization.principals import SERVICE_LINKED, entity
from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError
from local_aws.core import ministack_seams


def install(sent_back: Collection[str]) -> None:
    """Correct MiniStack. Resources of the types `sent_back` are rolled back if their own update failed."""
    handlers = ministack_seams.module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    _read_templates_with_libyaml()
    _let_conditions_know_the_account()
    _send_failed_updates_back(sent_back)
    _let_failed_stacks_keep_their_parameters()
    _tell_what_an_update_deletes()
    _refuse_impossible_roles(handlers["AWS::IAM::Role"])
    _roll_nested_stacks_back(handlers["AWS::CloudFormation::Stack"])
    _let_nested_stacks_keep_attributes()
    _reserve_concurrency(handlers["AWS::Lambda::Function"])


def _read_templates_with_libyaml() -> None:
    """Let MiniStack parse templates with libyaml: pure Python took a fifth of the time of a deployment."""
    name = "ministack.services.cloudformation.engine"

    class Loader(yaml.CSafeLoader):
        yaml_constructors = ministack_seams.module(name).CfnLoader.yaml_constructors

    ministack_seams.replace(name, "CfnLoader", Loader)


def _let_conditions_know_the_account() -> None:
    """Let the Conditions of a template use pseudo parameters and mappings, which MiniStack does not look up there."""
    responses = ministack_seams.module("ministack.core.responses")
    evaluate = ministack_seams.module("ministack.services.cloudformation.engine")._evaluate_conditions

    def evaluate_with_pseudo_parameters(template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, bool]:
        pseudo = {
            "AWS::AccountId": responses.get_account_id(),
            "AWS::Partition": "aws",
            "AWS::Region": responses.get_region(),
            "AWS::URLSuffix": "amazonaws.com",
        }
        values = {name: {"Value": pseudo[name]} for name in pseudo} | parameters
        looked_up = _looked_up(template.get("Conditions", {}), template.get("Mappings", {}), values)
        conditions: dict[str, bool] = evaluate({**template, "Conditions": looked_up}, values)
        return conditions

    for module in ("engine", "handlers", "stacks", "changesets"):
        name = f"ministack.services.cloudformation.{module}"
        ministack_seams.replace(name, "_evaluate_conditions", evaluate_with_pseudo_parameters)


def _looked_up(node: Any, mappings: dict[str, Any], values: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Replace each Fn::FindInMap by what the mappings have."""
    match node:
        case {"Fn::FindInMap": [mapping, first, second]}:
            keys = (values[key["Ref"]]["Value"] if isinstance(key, dict) else key for key in (first, second))
            return mappings[mapping][next(keys)][next(keys)]
        case dict():
            return {key: _looked_up(value, mappings, values) for key, value in node.items()}
        case list():
            return [_looked_up(value, mappings, values) for value in node]
    return node


def _send_failed_updates_back(names: Collection[str]) -> None:
    """Roll resources of these types back if their update failed, because it has changed something already.

    Work on them outside MiniStack's event loop: a StackSet is waited for, and a pack takes time in many accounts.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation.stacks")
    for name in ("_runs_on_worker_thread", "_sends_back_failed_update"):
        ours = partial(_is_in_or, names, getattr(stacks, name))
        ministack_seams.replace("ministack.services.cloudformation.stacks", name, ours)


def _is_in_or(names: Collection[str], otherwise: Callable[[str], bool], resource_type: str) -> bool:
    return resource_type in names or otherwise(resource_type)


def _let_failed_stacks_keep_their_parameters() -> None:
    """Keep the parameters of a stack whose creation through a change set fails, for its next change set.

    MiniStack keeps them only after a successful creation. Without them UsePreviousValue would mean the defaults.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks
    deploy = ministack_seams.module("ministack.services.cloudformation.changesets")._deploy_stack_async

    def deploy_noting_parameters(
        stack_name: str, stack_id: str, template: object, parameters: dict[str, Any], *arguments: object, **settings: object
    ) -> Any:  # noqa: ANN401 - a coroutine of MiniStack's
        if not settings["is_update"]:
            stacks[stack_name]["_resolved_params"] = parameters
        return deploy(stack_name, stack_id, template, parameters, *arguments, **settings)

    ministack_seams.replace("ministack.services.cloudformation.changesets", "_deploy_stack_async", deploy_noting_parameters)


def _tell_what_an_update_deletes() -> None:
    """Write events of the deletion of what an update removes or replaces. MiniStack writes one only if that fails.

    AWS deletes it when the rest of the update is done, and so does MiniStack. Source: CloudFormation User Guide, view stack
    events (UPDATE_COMPLETE_CLEANUP_IN_PROGRESS).
    """
    name = "ministack.services.cloudformation.stacks"
    module = ministack_seams.module(name)
    delete = module._delete_resource
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks

    def delete_and_tell(
        resource_type: str, physical_id: str, properties: Properties, stack_name: str, logical_id: str | None = None
    ) -> None:
        stack = stacks[stack_name]
        told = (
            (stack["StackId"], stack_name, logical_id, resource_type) if stack["StackStatus"] == "UPDATE_IN_PROGRESS" else None
        )
        if told:
            module._add_event(*told, "DELETE_IN_PROGRESS", physical_id=physical_id)
        delete(resource_type, physical_id, properties, stack_name, logical_id)
        if told:
            module._add_event(*told, "DELETE_COMPLETE", physical_id=physical_id)

    ministack_seams.replace(name, "_delete_resource", delete_and_tell)


def _refuse_impossible_roles(handlers: dict[str, Callable[..., Provisioned]]) -> None:
    """Let a role fail that IAM refuses and MiniStack makes: one with the path of service-linked roles, or with a name in use.

    MiniStack would overwrite a role of the same name.
    """
    create = handlers["create"]
    responses = ministack_seams.module("ministack.core.responses")

    def create_new(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        name = properties.get("RoleName")
        if str(properties.get("Path", "")).startswith(SERVICE_LINKED):
            message = f"Path prefix '{SERVICE_LINKED}' can only be used for AWS Service linked Roles (Service: Iam)"
            raise ResourceFailedError(message)
        if name and entity("role", responses.get_account_id(), str(name)):
            message = f"Resource of type 'AWS::IAM::Role' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return create(logical_id, properties, stack_name)

    handlers["create"] = create_new


def _roll_nested_stacks_back(handlers: dict[str, Callable[..., Any]]) -> None:
    """Delete what a nested stack has made, if its creation fails: MiniStack leaves it. A parent may keep what fails."""
    create, delete = handlers["create"], handlers["delete"]
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks

    def create_or_roll_back(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        try:
            provisioned: Provisioned = create(logical_id, properties, stack_name)
        except Exception:
            made = [name for name in stacks if name.startswith(f"{stack_name}-{logical_id}-")]  # MiniStack's name for it
            for name in made if not stacks[stack_name]["DisableRollback"] else []:
                delete(stacks[name]["StackId"], properties)
            raise
        return provisioned

    handlers["create"] = create_or_roll_back


def _let_nested_stacks_keep_attributes() -> None:
    """Keep the attributes of resources that an update of a nested stack does not change: MiniStack forgets them.

    Another resource's Fn::GetAtt of them would fail. AWS does not touch a resource that does not change.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks
    update = ministack_seams.module("ministack.services.cloudformation.provisioners")._update_resource

    def update_keeping(  # noqa: PLR0913, PLR0917 - MiniStack's
        resource_type: str,
        physical_id: str,
        old: Properties,
        properties: Properties,
        stack_name: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Provisioned:
        if attributes is None:
            attributes = stacks[stack_name]["_resources"].get(logical_id, {}).get("Attributes")
        provisioned: Provisioned = update(resource_type, physical_id, old, properties, stack_name, logical_id, attributes)
        return provisioned

    ministack_seams.replace("ministack.services.cloudformation.provisioners", "_update_resource", update_keeping)


def _reserve_concurrency(handlers: dict[str, Callable[..., Provisioned]]) -> None:
    """Give a function the ReservedConcurrentExecutions of its template, which MiniStack ignores."""
    create, update = handlers["create"], handlers["update"]
    functions = ministack_seams.module("ministack.services.lambda_svc")._functions

    def reserve(provisioned: Provisioned, properties: Properties) -> Provisioned:
        reserved = properties.get("ReservedConcurrentExecutions")
        functions[provisioned[0]]["concurrency"] = None if reserved is None else int(reserved)
        return provisioned

    def create_and_reserve(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        return reserve(create(logical_id, properties, stack_name), properties)

    def update_and_reserve(physical_id: str, old: Properties, properties: Properties, *more: str) -> Provisioned:
        return reserve(update(physical_id, old, properties, *more), properties)

    handlers |= {"create": create_and_reserve, "update": update_and_reserve}
