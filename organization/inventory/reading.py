"""Reads what the root users of an organization have, through root sessions that may only audit.

The credentials of a root session stay here: nothing returns or prints them, and no error quotes an answer of AWS.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from organization import accounts, aws
from organization.accounts import ClientMaker, Credentials, Progress
from organization.aws import Caller, CommandError
from organization.exceptions.judging import Exceptions
from organization.inventory.judging import Observed, Refusal
from organization.inventory.root_user import AccessKey, Certificate, Device, RootUser
from organization.removal import FEATURE
from organization.report import judging, reading
from organization.unread import DENIED, Step, Unread
from periodic_rule.errors import AssumeRoleError, EvaluationError, ReadError, malformed, raising
from root_virtual_mfa_enabled import facts
from root_virtual_mfa_enabled.decision import Facts, Parameters
from root_virtual_mfa_enabled.parameters import PARAMETERS

if TYPE_CHECKING:
    import boto3


PERMISSIONS = frozenset(
    {"iam:ListOrganizationsFeatures", "organizations:DescribeOrganization", "organizations:ListAccounts", "sts:AssumeRoot"}
)
"""The actions that an inventory needs in the caller's account; facts.PERMISSIONS, too, if that is the management account."""

TASK_PERMISSIONS = frozenset(
    {
        "iam:GetAccessKeyLastUsed",
        "iam:GetAccountSummary",
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:ListAccessKeys",
        "iam:ListMFADevices",
        "iam:ListSigningCertificates",
    }
)
"""What a root session does. Its task policy allows exactly this (public capture of the policy, version v1 of 2024-11-06)."""

_TASK = "IAMAuditRootUserCredentials"
_SESSION_SECONDS = 900
"""The longest life of a root session. Source: API model, sts, AssumeRootRequest.DurationSeconds."""
_NOT_USED = "N/A"
"""Source: API reference, iam, AccessKeyLastUsed."""

T = TypeVar("T")


class Reader:
    """Reads root users with calls that change nothing."""

    def __init__(self, session: "boto3.Session", caller: Caller, progress: Progress) -> None:
        self._session = session
        self._caller = caller
        self._progress = progress
        os.environ["AWS_STS_REGIONAL_ENDPOINTS"] = (
            "regional"  # the global endpoint, for which a profile may ask, has no AssumeRoot
        )
        self._clients = ClientMaker(session, caller)
        self._sts = self._clients.make("sts")
        self._iam = self._clients.make("iam")

    def observe(self, stack_name: str) -> Observed:
        """Read every account that is not suspended, and the results of the deployment's rule, if there is one.

        If somebody interrupts that, it returns what was read.  Raises CommandError if there is no organization, ClientError and
        BotoCoreError if it cannot be read.
        """
        organizations = self._clients.make("organizations")
        try:
            management = organizations.describe_organization()["Organization"]["MasterAccountId"]
            listed = accounts.of_organization(organizations)
        except organizations.exceptions.AWSOrganizationsNotInUseException as error:
            message = (
                f"Account {self._caller.account_id} is in no organization, and root sessions are for members of one. "
                "`root-virtual-mfa check` reads your own account."
            )
            raise CommandError(message) from error
        refusal = self._refusal()
        observed = self._compared(
            Observed(
                now=self._caller.time,
                account_id=self._caller.account_id,
                region=self._caller.region,
                management_account_id=management,
                accounts=listed,
                readings={},
                parameters=Parameters(),
                refusal=refusal,
            ),
            stack_name,
        )

        def read(account_id: str) -> RootUser | Unread:
            return self._management() if account_id == management else self._member(account_id)

        def is_in_reach(account_id: str) -> bool:
            return account_id == self._caller.account_id if account_id == management else refusal is None

        ids = [each.account_id for each in listed if not each.is_suspended and is_in_reach(each.account_id)]
        found = accounts.read_each("Root users", ids, read, self._progress)
        return replace(observed, readings=found.of, interrupted=found.interrupted)

    def _refusal(self) -> Refusal | None:
        """Tell why no root session is possible; None if one may be, or if nobody may ask."""
        try:
            features = self._iam.list_organizations_features()["EnabledFeatures"]
        except ClientError as error:
            code = aws.code_of(error)
            if code in list(Refusal):
                return Refusal(code)
            if code in DENIED:
                return None  # AssumeRoot's own refusals say the same
            raise
        return None if FEATURE in features else Refusal.FEATURE_OFF

    # --- The deployment ---

    def _compared(self, observed: Observed, stack_name: str) -> Observed:
        """Add what the deployment's report says, and its parameters; nothing if there is no deployment."""
        reader = reading.Reader(self._session, self._caller.time, self._progress)
        try:
            found = reader.deployment(stack_name)
            if found is None:
                return observed
            rows = judging.rows(reader.observe(found, Exceptions()))
        except ClientError as error:
            return replace(observed, problem=aws.sentence_of(error))
        except CommandError as error:
            return replace(observed, problem=str(error))
        said = {row.account.account_id: row.status for row in rows}
        return replace(observed, rule_statuses=said, parameters=PARAMETERS.parse_own(found.rule_parameters))

    # --- Root users ---

    def _management(self) -> RootUser | Unread:
        """Read what the management account shows, with the caller's own credentials."""
        account_id = self._caller.account_id
        try:
            summary = facts.account_summary(self._iam, account_id)
            counts = self._read("GetAccountSummary", lambda: self._iam.get_account_summary()["SummaryMap"])
            pages = self._iam.get_paginator("list_virtual_mfa_devices").paginate(AssignmentStatus="Assigned")
            listed: Any = self._read(
                "ListVirtualMFADevices", lambda: [each for page in pages for each in page["VirtualMFADevices"]]
            )
        except EvaluationError as error:
            return Unread(error.happened, error.code, Step.READ)
        root = Facts(self._caller.partition, account_id, summary, tuple(facts.device(each, account_id) for each in listed))
        serials = {device.serial_number for device in root.root_devices}
        devices = tuple(
            Device(each["SerialNumber"], each.get("EnableDate")) for each in listed if each["SerialNumber"] in serials
        )
        in_use, users = counts.get("MFADevicesInUse"), counts.get("Users")
        return RootUser(
            partition=self._caller.partition,
            account_id=account_id,
            summary=summary,
            password=summary.password_present,
            password_created=None,
            password_last_used=None,
            access_keys=None,
            certificates=None,
            devices=devices,
            inferred_devices=max(in_use - len(devices), 0) if users == 0 and in_use is not None else None,
        )

    def _read(self, operation: str, call: Callable[[], T]) -> T:
        with raising(ReadError, f"iam:{operation}", self._caller.account_id, if_denied=""):
            return call()

    def _member(self, account_id: str) -> RootUser | Unread:
        try:
            credentials = self._root_session(account_id)
        except EvaluationError as error:
            return Unread(error.happened, error.code, Step.SESSION)
        iam = self._clients.make("iam", credentials)
        try:
            return _RootSession(iam, self._caller.partition, account_id, credentials).read()
        except EvaluationError as error:
            return Unread(error.happened, error.code, Step.READ)

    def _root_session(self, account_id: str) -> Credentials:
        policy = f"arn:{self._caller.partition}:iam::aws:policy/root-task/{_TASK}"
        with raising(AssumeRoleError, "sts:AssumeRoot", account_id, if_denied=""):
            given = self._sts.assume_root(
                TargetPrincipal=account_id, TaskPolicyArn={"arn": policy}, DurationSeconds=_SESSION_SECONDS
            )["Credentials"]
            return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


class _RootSession:
    """Reads in a root session of one account. Every call is about root itself, since none names a user."""

    def __init__(self, iam: Any, partition: str, account_id: str, credentials: Credentials) -> None:  # noqa: ANN401 - boto3's
        self._iam = iam
        self._partition = partition
        self._account_id = account_id
        self._secret = credentials.session_token

    def read(self) -> RootUser:
        """Read everything. Raises ReadError and MalformedAnswerError."""
        summary = facts.account_summary(self._iam, self._account_id)
        user = self._call("GetUser", lambda: self._iam.get_user()["User"])
        if user["Arn"] != f"arn:{self._partition}:iam::{self._account_id}:root":
            raise malformed("iam:GetUser", self._account_id, "the session is not of the account's root user")
        profile = self._call("GetLoginProfile", self._login_profile)
        return RootUser(
            partition=self._partition,
            account_id=self._account_id,
            summary=summary,
            password=profile is not None,
            password_created=profile["CreateDate"] if profile else None,
            password_last_used=user.get("PasswordLastUsed"),
            access_keys=tuple(self._key(each) for each in self._list("ListAccessKeys", "AccessKeyMetadata")),
            certificates=tuple(
                Certificate(each["CertificateId"], each["Status"] == "Active", each["UploadDate"])
                for each in self._list("ListSigningCertificates", "Certificates")
            ),
            devices=tuple(
                Device(each["SerialNumber"], each["EnableDate"]) for each in self._list("ListMFADevices", "MFADevices")
            ),
        )

    def _login_profile(self) -> Any:  # noqa: ANN401 - boto3's
        try:
            return self._iam.get_login_profile()["LoginProfile"]
        except self._iam.exceptions.NoSuchEntityException:
            return None

    def _key(self, entry: Any) -> AccessKey:  # noqa: ANN401 - boto3's
        key = entry["AccessKeyId"]
        used = self._call(
            "GetAccessKeyLastUsed", lambda: self._iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
        )
        service, region = (used.get(name, "").replace(_NOT_USED, "") for name in ("ServiceName", "Region"))
        return AccessKey(key, entry["Status"] == "Active", entry["CreateDate"], used.get("LastUsedDate"), service, region)

    def _list(self, operation: str, member: str) -> list[Any]:
        names = {"ListAccessKeys": "list_access_keys", "ListSigningCertificates": "list_signing_certificates"}
        pages = self._iam.get_paginator(names.get(operation, "list_mfa_devices")).paginate()
        return self._call(operation, lambda: [each for page in pages for each in page[member]])

    def _call(self, operation: str, call: Callable[[], T]) -> T:
        with raising(ReadError, f"iam:{operation}", self._account_id, if_denied="", secret=self._secret):
            return call()
