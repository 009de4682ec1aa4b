"""AWS's own API models (botocore) as the source of what a request may be, and of what an answer looks like.

Two protocols, as far as AWS Config, IAM and STS use them: "json" and "query".  The models of these services rename no member
and flatten no list, so that neither is handled here.

Sources: botocore's models; https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html and aws-query-protocol.html; the
"Common errors" of the API references.  AWS documents the wording of a refused value nowhere: it is that of real answers.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, OperationNotFoundError, ServiceModel, Shape, StructureShape

Answer = tuple[int, dict[str, Any], bytes]
"""HTTP status, headers, body."""


class AwsError(Exception):
    """What a service answers to a request that it refuses; `status` is the HTTP status, None for the code's usual one."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class ServiceApi:
    """The API of a service by botocore's name for it. ValueError: it speaks neither of the two protocols."""

    def __init__(self, service_name: str) -> None:
        self._model = ServiceModel(Loader().load_service_model(service_name, "service-2"), service_name)
        protocols = {"json": _Json, "query": _Query}
        if self._model.resolved_protocol not in protocols:
            message = f"{service_name} speaks {self._model.resolved_protocol}, not one of {', '.join(protocols)}."
            raise ValueError(message)
        self._protocol: _Protocol = protocols[self._model.resolved_protocol](self._model)

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        """Read a request: the operation's name, and its parameters as botocore takes them; unknown ones are left out.

        AwsError: there is no such operation, or a value is of another type than the model has.
        """
        return self._protocol.parse({name.lower(): value for name, value in headers.items()}, body)

    def validate(self, operation: str, params: Mapping[str, Any]) -> None:
        """Refuse parameters that break a constraint of the model, in AWS's words, as an AwsError."""
        shape = self._model.operation_model(operation).input_shape
        violations = list(_violations(shape, params, ())) if shape else []
        if violations:
            count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected"
            raise AwsError(self._protocol.validation_code, f"{count}: {'; '.join(violations)}")

    def response(self, operation: str, result: Mapping[str, Any]) -> Answer:
        """Write an answer. ValueError: `result` is not what the model says, though members may be missing, as in AWS."""
        model = self._model.operation_model(operation)
        if model.output_shape:
            _check(model.output_shape, result, operation)
        elif result:
            message = f"{operation} has no output."
            raise ValueError(message)
        return self._answer(HTTPStatus.OK, self._protocol.serialize(model, result))

    def error(self, error: AwsError, operation: str | None = None) -> Answer:
        """Write a refusal. ValueError: neither the operation's model nor the common errors of its protocol have the code."""
        modelled = self._model.operation_model(operation).error_shapes if operation else []
        statuses = self._protocol.common_errors | {
            cast("StructureShape", shape).error_code: shape.metadata.get("error", {}).get("httpStatusCode", 400)
            for shape in modelled
        }
        if error.code not in statuses:
            message = f"{operation or self._model.service_name} does not fail with {error.code}."
            raise ValueError(message)
        status, headers, body = self._answer(error.status or statuses[error.code], b"")
        return status, headers | self._protocol.error_headers(error), self._protocol.serialize_error(error, status)
