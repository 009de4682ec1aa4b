"""Run checks of Prowler in accounts. Prowler's own environment runs this: `make test-clients`.

    python prowler_checks.py CHECK[,CHECK…] ACCOUNT…

prints a JSON object: the answer of each check, by account and check.  AWS_ENDPOINT_URL says where the accounts are.
"""

import importlib
import json
import os
import sys
from functools import partial
from multiprocessing import get_context

from prowler.providers.aws.aws_provider import AwsProvider
from prowler.providers.common.models import Audit_Metadata
from prowler.providers.common.provider import Provider


def _answers(checks: list[str], account_id: str) -> dict[str, str]:
    """Run the checks in an account. Prowler keeps what it has read of one in its modules: each account needs a process."""
    os.environ["AWS_ACCESS_KEY_ID"] = account_id
    provider = AwsProvider(regions={os.environ["AWS_DEFAULT_REGION"]})
    provider.audit_metadata = Audit_Metadata(services_scanned=0, expected_checks=checks, completed_checks=0, audit_progress=0)
    Provider.set_global_provider(provider)
    return {check: _answer(check) for check in checks}


def _answer(check: str) -> str:
    """Return "PASS", "FAIL", "" for no finding, or the kind of the error that a check ends with."""
    try:
        module = importlib.import_module(f"prowler.providers.aws.services.{check.partition('_')[0]}.{check}.{check}")
        return " ".join(finding.status for finding in getattr(module, check)().execute())
    except Exception as error:  # noqa: BLE001 - Prowler itself catches everything here, and goes on with the next check
        return type(error).__name__


if __name__ == "__main__":
    names, *account_ids = sys.argv[1:]
    with get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        found = pool.map(partial(_answers, names.split(",")), account_ids, chunksize=1)
    json.dump(dict(zip(account_ids, found, strict=True)), sys.stdout)
