"""IAM: what AWS refuses, and MiniStack would do.

Sources: API reference of each operation; https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.  The words
are AWS's as users quote them.  Guess: which of several reasons AWS names.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from local_aws.authorization.principals import SERVICE_LINKED, entity
from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.iam.policy_documents import check_identity_policy, check_trust_policy

Check = Callable[[dict[str, Any]], None]
"""Takes the request's parameters, in which names have the case that MiniStack has. Raises AwsError."""

_KINDS = {"RoleName": "role", "UserName": "user", "GroupName": "group"}
_ATTACHED = {"Role": 20, "User": 10, "Group": 10}
"""How many managed policies an entity may have. AWS was seen to give 20 for roles; the page has 10."""
_INLINE = {"Role": 10240, "User": 2048, "Group": 5120}
"""How many characters the inline policies of an entity may have, not counting white space."""
_TRUST = 2048
_POLICY = 6144
_VERSIONS = 5
_KEYS = 2
_AWS_MANAGED = "arn:aws:iam::aws:policy/"
_ACCOUNT = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?", re.ASCII)
_ENTITY = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(?:.*/)?([^/]+)", re.ASCII)
_SESSION = re.compile(r"arn:aws:sts::(\d{12}):(?:assumed-role|federated-user)/.+", re.ASCII)
_UNIQUE_ID = re.compile(r"A(ROA|IDA)[A-Z0-9]{12,}", re.ASCII)


class Checks:
    """The checks of each operation. `has_account` tells whether there is an account with an id."""

    def __init__(self, has_account: Callable[[str], bool]) -> None:
        """Check against MiniStack's data."""
        self._has_account = has_account
        self._iam = ministack_seams.module("ministack.services.iam")
        changes = (
            *("AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy"),
            *("PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole", "TagRole", "UntagRole"),
        )
        self._checks: dict[str, list[Check]] = {
            "CreateRole": [self._create_role],
            **{operation: [self._change_role] for operation in changes},
            **{f"Create{kind}": [self._new(kind)] for kind in ("User", "Group")},
            "CreatePolicy": [self._create_policy],
            "CreatePolicyVersion": [self._create_policy_version],
            "DeletePolicy": [self._delete_policy],
            "CreateAccessKey": [self._create_access_key],
            "CreateLoginProfile": [self._create_login_profile],
            "DeleteUser": [self._delete_user],
            "DeleteGroup": [self._delete_group],
            **{operation: [self._own_access_key] for operation in ("DeleteAccessKey", "UpdateAccessKey")},
            **{
                operation: [self._login_profile]
                for operation in ("GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile")
            },
        }
        self._checks |= {
            "CreateInstanceProfile": [self._new_instance_profile],
            "DeleteInstanceProfile": [self._delete_instance_profile],
            "AddRoleToInstanceProfile": [self._add_to_instance_profile],
            "RemoveRoleFromInstanceProfile": [self._remove_from_instance_profile],
            "CreateAccountAlias": [self._new_alias],
            "DeleteAccountAlias": [self._alias],
            "UpdateAccountPasswordPolicy": [self._new_password_policy],
            "GetAccountPasswordPolicy": [
                self._password_policy("The Password Policy with domain name {account} cannot be found.")
            ],
            "DeleteAccountPasswordPolicy": [
                self._password_policy("The account policy with name PasswordPolicy cannot be found.")
            ],
        }
        self._checks["UpdateAssumeRolePolicy"].append(lambda params: self.check_trust(params["PolicyDocument"]))
        self._checks["DeleteRole"].append(self._delete_role)
        for kind in ("Role", "User", "Group"):
            self._checks.setdefault(f"Put{kind}Policy", []).append(self._inline(kind))
            self._checks.setdefault(f"Attach{kind}Policy", []).append(self._attach(kind))
            self._checks.setdefault(f"Detach{kind}Policy", []).append(self._detach(kind))

    def check(self, operation: str, params: dict[str, Any]) -> None:
        """Refuse a request, and give its names the case that MiniStack has. Raises AwsError."""
        if not operation.startswith("Create"):
            self._find_entities(params)
        if "PolicyArn" in params:
            self.find_policy(operation, params["PolicyArn"])
        if "InstanceProfileName" in params and not operation.startswith("Create"):
            self._find_instance_profile(params["InstanceProfileName"])
        for refuse in self._checks.get(operation, ()):
            refuse(params)

    # What a request names

    def _find_entities(self, params: dict[str, Any]) -> None:
        for member, kind in _KINDS.items():
            if member in params:
                found = entity(kind, callers.account_id(), params[member])
                if found is None:
                    _no_such(f"The {kind} with name {params[member]} cannot be found.")
                params[member] = found[member]

    def find_policy(self, operation: str, arn: str) -> None:
        """Refuse the ARN of a managed policy that does not exist, in the words of an operation. Raises AwsError."""
        if self._iam._policy_exists(arn):
            return
        if arn.startswith(_AWS_MANAGED):
            _no_such(f"Policy {arn} is not one of the AWS managed policies that the local AWS has.")
        if operation.startswith("Attach"):
            _no_such(f"Policy {arn} does not exist or is not attachable.")
        _no_such(f"Policy {arn} was not found.")

    def _find_instance_profile(self, name: str) -> None:
        if name not in self._iam._instance_profiles:
            _no_such(f"Instance Profile {name} cannot be found.")

    # Instance profiles

    def _new_instance_profile(self, params: dict[str, Any]) -> None:
        name = params["InstanceProfileName"]
        if any(name.lower() == each.lower() for each in self._iam._instance_profiles):
            _exists(f"Instance Profile {name} already exists.")

    def _delete_instance_profile(self, params: dict[str, Any]) -> None:
        if self._iam._instance_profiles[params["InstanceProfileName"]]["Roles"]:
            _in_use("must remove roles from instance profile first")

    def _add_to_instance_profile(self, params: dict[str, Any]) -> None:
        if self._iam._instance_profiles[params["InstanceProfileName"]]["Roles"]:
            _exceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")

    def _remove_from_instance_profile(self, params: dict[str, Any]) -> None:
        if params["RoleName"] not in self._iam._instance_profiles[params["InstanceProfileName"]]["Roles"]:
            _no_such(f"Role {params['RoleName']} is not in Instance Profile {params['InstanceProfileName']}.")

    # The account

    def _aliases(self) -> list[str]:
        return [*(self._iam._account_aliases.get("aliases") or [])]

    def _new_alias(self, params: dict[str, Any]) -> None:
        """Refuse an alias that is not new. It replaces the account's present one (API reference, CreateAccountAlias)."""
        alias = params["AccountAlias"]
        if _ACCOUNT.fullmatch(alias):
            message = f"The account alias {alias} must not be an account ID."
            raise AwsError("ValidationError", message)
        if alias in self._aliases():
            _exists(f"The account alias {alias} already exists.")

    def _alias(self, params: dict[str, Any]) -> None:
        if params["AccountAlias"] not in self._aliases():
            _no_such(f"The Account Alias with name {params['AccountAlias']} cannot be found.")

    def _new_password_policy(self, params: dict[str, Any]) -> None:
        """Start over: what a request leaves out gets its default (API reference, UpdateAccountPasswordPolicy)."""
        self._iam._account_password_policy.pop("policy", None)
        params.setdefault("MinimumPasswordLength", 6)

    def _password_policy(self, message: str) -> Check:
        def refuse(_: dict[str, Any]) -> None:
            if not self._iam._account_password_policy.get("policy"):
                _no_such(message.format(account=callers.account_id()))

        return refuse

    # Roles

    def _create_role(self, params: dict[str, Any]) -> None:
        """Refuse a name that a role has in any case, and the path of service-linked roles.

        Sources: API reference, CreateRole (RoleName); AWS was seen to refuse the path so:
        https://github.com/tilfin/aws-iam-policy-tool/pull/9.
        """
        if params.get("Path", "").startswith(SERVICE_LINKED):
            message = f"Path prefix '{SERVICE_LINKED}' can only be used for AWS Service linked Roles"
            raise AwsError("InvalidInput", message)
        self._new("Role")(params)
        self.check_trust(params["AssumeRolePolicyDocument"])

    def _change_role(self, params: dict[str, Any]) -> None:
        """Refuse to change a service-linked role."""
        name = params["RoleName"]
        if str(self._iam._roles[name].get("Path", "")).startswith(SERVICE_LINKED):
            message = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            raise AwsError("UnmodifiableEntity", message)

    def check_trust(self, document: str) -> None:
        """Refuse a document that is not a trust policy. Raises AwsError."""
        if _length(document) > _TRUST:
            _exceeded(f"Cannot exceed quota for ACLSizePerRole: {_TRUST}")
        check_trust_policy(document, self._is_principal)

    def _is_principal(self, name: str) -> bool:
        """Tell whether there is an AWS principal: an account, a root user, a user, a role, or a session, which may come."""
        if found := _ENTITY.fullmatch(name):
            return entity(found[2], found[1], found[3]) is not None
        if found := _ACCOUNT.fullmatch(name) or _SESSION.fullmatch(name):
            return self._has_account(found[1])
        return _UNIQUE_ID.fullmatch(name) is not None

    def _delete_role(self, params: dict[str, Any]) -> None:
        name = params["RoleName"]
        if any(name in profile["Roles"] for profile in self._iam._instance_profiles.values()):
            _in_use("must remove roles from instance profile first")
        self._refuse_policies(self._iam._roles[name], self._iam._roles[name]["InlinePolicies"])

    # Users and groups

    def _new(self, kind: str) -> Check:
        def refuse(params: dict[str, Any]) -> None:
            name = params[f"{kind}Name"]
            if entity(kind.lower(), callers.account_id(), name):
                _exists(f"{kind} with name {name} already exists.")

        return refuse

    def _delete_user(self, params: dict[str, Any]) -> None:
        name, iam = params["UserName"], self._iam
        if any(name in group["Users"] for group in iam._groups.values()):
            _in_use("must remove users from group first")
        self._refuse_policies(iam._users[name], iam._user_inline_policies.get(name))
        if name in iam._login_profiles:
            _in_use("must delete login profile first")
        if any(device["User"] == name for device in iam._mfa_devices.values()):
            _in_use("must delete MFA device first")
        if any(key["UserName"] == name for key in iam._access_keys.values()):
            _in_use("must delete access keys first")

    def _delete_group(self, params: dict[str, Any]) -> None:
        name = params["GroupName"]
        if self._iam._groups[name]["Users"]:
            _in_use("must remove users from group first")
        self._refuse_policies(self._iam._groups[name], self._iam._group_inline_policies.get(name))

    @staticmethod
    def _refuse_policies(has: Mapping[str, Any], inline: Mapping[str, Any] | None) -> None:
        if has.get("AttachedPolicies"):
            _in_use("must detach all policies first")
        if inline:
            _in_use("must delete policies first")

    def _create_access_key(self, params: dict[str, Any]) -> None:
        user_name = params["UserName"]
        self._find_entities(params)
        if sum(key["UserName"] == user_name for key in self._iam._access_keys.values()) >= _KEYS:
            _exceeded(f"Cannot exceed quota for AccessKeysPerUser: {_KEYS}")

    def _own_access_key(self, params: dict[str, Any]) -> None:
        key = self._iam._access_keys.get(params["AccessKeyId"])
        if key is None or key["UserName"] != params["UserName"]:
            _no_such(f"The Access Key with id {params['AccessKeyId']} cannot be found.")

    def _create_login_profile(self, params: dict[str, Any]) -> None:
        self._find_entities(params)
        if params["UserName"] in self._iam._login_profiles:
            _exists(f"Login Profile for user {params['UserName']} already exists.")

    def _login_profile(self, params: dict[str, Any]) -> None:
        if params["UserName"] not in self._iam._login_profiles:
            _no_such(f"Login Profile for User {params['UserName']} cannot be found.")

    # Policies

    def _inline(self, kind: str) -> Check:
        def refuse(params: dict[str, Any]) -> None:
            check_identity_policy(params["PolicyDocument"])
            name = params[f"{kind}Name"]
            others = {each: text for each, text in self.inline_policies(kind, name).items() if each != params["PolicyName"]}
            if sum(_length(text) for text in [*others.values(), params["PolicyDocument"]]) > _INLINE[kind]:
                _exceeded(f"Maximum policy size of {_INLINE[kind]} bytes exceeded for {kind.lower()} {name}")

        return refuse

    def inline_policies(self, kind: str, name: str) -> Mapping[str, str]:
        """Return the documents of the inline policies of a "Role", "User" or "Group", by their names."""
        if kind == "Role":
            found: Mapping[str, str] = self._iam._roles[name]["InlinePolicies"]
        else:
            found = getattr(self._iam, f"_{kind.lower()}_inline_policies").get(name) or {}
        return found

    def _attach(self, kind: str) -> Check:
        def refuse(params: dict[str, Any]) -> None:
            attached = self._attached(kind, params)
            if len({*attached, params["PolicyArn"]}) > _ATTACHED[kind]:
                _exceeded(f"Cannot exceed quota for PoliciesPer{kind}: {_ATTACHED[kind]}")

        return refuse

    def _detach(self, kind: str) -> Check:
        def refuse(params: dict[str, Any]) -> None:
            if params["PolicyArn"] not in self._attached(kind, params):
                _no_such(f"Policy {params['PolicyArn']} was not found.")

        return refuse

    def _attached(self, kind: str, params: Mapping[str, Any]) -> list[str]:
        found = getattr(self._iam, f"_{kind.lower()}s")[params[f"{kind}Name"]]
        attached: list[str] = found.get("AttachedPolicies", [])
        return attached

    def _create_policy(self, params: dict[str, Any]) -> None:
        name = params["PolicyName"]
        if any(policy["PolicyName"].lower() == name.lower() for policy in self._iam._policies.values()):
            _exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        self._document(params)

    def _create_policy_version(self, params: dict[str, Any]) -> None:
        self._document(params)
        if len(self._iam._policies.get(params["PolicyArn"], {}).get("Versions", ())) >= _VERSIONS:
            message = (
                f"A managed policy can have up to {_VERSIONS} versions. Before you create a new version, you must delete an "
                "existing version."
            )
            _exceeded(message)

    @staticmethod
    def _document(params: Mapping[str, Any]) -> None:
        check_identity_policy(params["PolicyDocument"])
        if _length(params["PolicyDocument"]) > _POLICY:
            _exceeded(f"Cannot exceed quota for PolicySize: {_POLICY}")

    def _delete_policy(self, params: dict[str, Any]) -> None:
        arn = params["PolicyArn"]
        if any(arn in self._uses(each) for each in self._entities()):
            message = "Cannot delete a policy attached to entities."
            raise AwsError("DeleteConflict", message)
        if len(self._iam._policies.get(arn, {}).get("Versions", ())) > 1:
            message = (
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                "The default version is deleted with the policy."
            )
            raise AwsError("DeleteConflict", message)

    def _entities(self) -> Iterator[Mapping[str, Any]]:
        for store in (self._iam._roles, self._iam._users, self._iam._groups):
            yield from store.values()

    @staticmethod
    def _uses(has: Mapping[str, Any]) -> list[str]:
        return [*has.get("AttachedPolicies", ()), str(has.get("PermissionsBoundary") or "")]


def _length(document: str) -> int:
    """Count the characters that a quota counts."""
    return len("".join(document.split()))


def _no_such(message: str) -> NoReturn:
    raise AwsError("NoSuchEntity", message)


def _exists(message: str) -> NoReturn:
    raise AwsError("EntityAlreadyExists", message)


def _in_use(why: str) -> NoReturn:
    raise AwsError("DeleteConflict", f"Cannot delete entity, {why}.")


def _exceeded(message: str) -> NoReturn:
    raise AwsError("LimitExceeded", message)
