"""Loads the API models that the operator's commands use, in the process that forks them: importing this does it.

Otherwise each command would read them again, which takes as long as all that a short command does.
"""

import contextlib
import gc

import botocore.exceptions
import botocore.loaders
import botocore.session

_SERVICES = (
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "config",
    "events",
    "iam",
    "lambda",
    "logs",
    "organizations",
    "sqs",
    "ssm",
    "sts",
)

_loader = botocore.loaders.create_loader()
botocore.session.create_loader = lambda *_: _loader
_session = botocore.session.Session()
for _service in _SERVICES:
    _session.create_client(_service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106 - none
    for _kind in ("paginators-1", "waiters-2"):
        with contextlib.suppress(botocore.exceptions.UnknownServiceError):  # not every service has both
            _loader.load_service_model(_service, _kind)
gc.freeze()  # so that what is loaded stays shared
